//! What a page keeps for its next life, so that a reload repeats nothing although the last ack may be lost.

use serde::Serialize;

use crate::wire::{Epoch, Seq, SeqRange, StreamName};
#[cfg(not(target_arch = "wasm32"))]
use crate::wire::{MAX_RANGES, digits};

/// How far a consumer had come in one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StreamCheckpoint {
    /// Which stream.
    pub stream: StreamName,
    /// Of which log.
    pub epoch: Epoch,
    /// Everything up to here is settled.
    pub upto: Seq,
    /// And this, beyond.
    pub also: Vec<SeqRange>,
}

/// How far a consumer had come in each stream, most recently changed last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checkpoint {
    /// At most [`Checkpoint::MAX_STREAMS`]; what was not changed for longest is forgotten first.
    pub streams: Vec<StreamCheckpoint>,
}

impl Checkpoint {
    /// Most streams remembered.
    pub const MAX_STREAMS: usize = 200;

    /// The entry of a stream.
    pub fn get(&self, stream: &StreamName) -> Option<&StreamCheckpoint> {
        self.streams.iter().find(|entry| entry.stream == *stream)
    }

    /// Sets the entry of a stream; whether it was another one.
    pub(super) fn set(&mut self, entry: StreamCheckpoint) -> bool {
        if self.get(&entry.stream) == Some(&entry) {
            return false;
        }
        self.remove(&entry.stream);
        if self.streams.len() == Self::MAX_STREAMS {
            self.streams.remove(0);
        }
        self.streams.push(entry);
        true
    }

    pub(super) fn remove(&mut self, stream: &StreamName) {
        self.streams.retain(|held| held.stream != *stream);
    }
}

/// The text of a checkpoint. In the browser the facade writes and reads it.
#[cfg(not(target_arch = "wasm32"))]
impl Checkpoint {
    /// As a text to store: a line `stream epoch upto after-upto after-upto …` for each stream. No name has a space.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for entry in &self.streams {
            for part in [entry.stream.as_str(), " ", &entry.epoch, " "] {
                text.push_str(part);
            }
            digits(&mut text, entry.upto.get());
            for range in &entry.also {
                text.push(' ');
                digits(&mut text, range.after().get());
                text.push('-');
                digits(&mut text, range.upto().get());
            }
            text.push('\n');
        }
        text
    }

    /// From a stored text. A line that cannot be read is left out: its stream resumes from what the server knows.
    pub fn from_text(text: &str) -> Self {
        let mut checkpoint = Self::default();
        let mut rest = text;
        while !rest.is_empty() && checkpoint.streams.len() < Self::MAX_STREAMS {
            checkpoint.streams.extend(parse_line(cut(&mut rest, b'\n')));
        }
        checkpoint
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn parse_line(mut line: &str) -> Option<StreamCheckpoint> {
    let stream = StreamName::new(cut(&mut line, b' ')).ok()?;
    let epoch = Epoch::new(cut(&mut line, b' ')).ok()?;
    let upto = parse_seq(cut(&mut line, b' '))?;
    let mut also = Vec::new();
    while !line.is_empty() && also.len() < MAX_RANGES {
        let mut upto = cut(&mut line, b' ');
        let after = cut(&mut upto, b'-');
        also.push(SeqRange::new(parse_seq(after)?, parse_seq(upto)?)?);
    }
    Some(StreamCheckpoint { stream, epoch, upto, also })
}

#[cfg(not(target_arch = "wasm32"))]
fn parse_seq(text: &str) -> Option<Seq> {
    Seq::new(text.parse().ok()?).ok()
}

#[cfg(not(target_arch = "wasm32"))]
/// Takes what stands before the ASCII character, and that away; all if it does not occur.
fn cut<'a>(text: &mut &'a str, at: u8) -> &'a str {
    let whole = *text;
    let end = whole.bytes().position(|byte| byte == at).unwrap_or(whole.len());
    *text = whole.get(end + 1..).unwrap_or_default();
    whole.get(..end).unwrap_or_default()
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    fn seq(n: u64) -> Seq {
        Seq::new(n).unwrap()
    }

    #[test]
    fn survives_its_text() {
        let entry = |stream: &str, also: &[(u64, u64)]| StreamCheckpoint {
            stream: StreamName::new(stream).unwrap(),
            epoch: Epoch::new("e-1").unwrap(),
            upto: seq(7),
            also: also.iter().map(|&(after, upto)| SeqRange::new(seq(after), seq(upto)).unwrap()).collect(),
        };
        let checkpoint = Checkpoint { streams: vec![entry("run:1", &[]), entry("a/b", &[(8, 9), (12, 20)])] };
        assert_eq!(Checkpoint::from_text(&checkpoint.to_text()), checkpoint);
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let read = Checkpoint::from_text("s e 4\nno\ns2 e x\ns3 e 1 5-3\n\ns4 e 9 10-11\n");
        let streams: Vec<&str> = read.streams.iter().map(|entry| entry.stream.as_str()).collect();
        assert_eq!(streams, ["s", "s4"]);
    }

    #[test]
    fn is_bounded() {
        let mut checkpoint = Checkpoint::default();
        for n in 0..Checkpoint::MAX_STREAMS as u64 + 5 {
            let stream = StreamName::new(&format!("s{n}")).unwrap();
            checkpoint.set(StreamCheckpoint { stream, epoch: Epoch::new("e").unwrap(), upto: seq(n), also: vec![] });
        }
        assert_eq!(checkpoint.streams.len(), Checkpoint::MAX_STREAMS);
        assert_eq!(checkpoint.streams[0].stream.as_str(), "s5");
    }

    #[test]
    fn so_is_what_is_read() {
        let ranges = |count: usize| (0..count).map(|n| format!(" {}-{}", 2 * n, 2 * n + 1)).collect::<String>();
        let lines = (0..=Checkpoint::MAX_STREAMS).map(|n| format!("s{n} e 0{}\n", ranges(MAX_RANGES + 1)));
        let read = Checkpoint::from_text(&lines.collect::<String>());
        assert_eq!(read.streams.len(), Checkpoint::MAX_STREAMS);
        assert!(read.streams.iter().all(|entry| entry.also.len() == MAX_RANGES));
    }
}
