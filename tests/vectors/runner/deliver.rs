//! Timelines of the sending end: `ackwire::deliver::Feed` over a log.

use ackwire::base::Instant;
use ackwire::deliver::{Config, EventsOut, Feed, FeedFrame, Reported, Tracker, Violation};
use ackwire::wire::{
    Ack, ConfirmStatus, EventConfirmation, EventId, Nack, Priority, Resend, Seq, SeqRange, StreamName, Subscribe,
    encode_server,
};
use ackwire_simulation::StreamLog;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Timeline {
    #[allow(dead_code, reason = "for people")]
    name: String,
    clauses: Vec<String>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at: u64,
    #[serde(default, rename = "in")]
    input: Option<Input>,
    #[serde(default)]
    sends: Vec<Value>,
    /// What the server then knows of these events, by seq.
    #[serde(default)]
    states: BTreeMap<u64, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Input {
    /// So many events.
    Append(u64),
    /// One event, so many seqs beyond the next.
    AppendSparse(u64),
    /// Retention takes all but the last so many events.
    Trim(usize),
    /// A crash takes the last so many events: what is left is another log.
    LoseTail(usize),
    End,
    Subscribe(Subscribe),
    Detach,
    /// The server restarts, with what its tracker had saved.
    Restart,
    Ack {
        upto: Seq,
        #[serde(default)]
        also: Vec<SeqRange>,
        delivered: Option<Seq>,
        received: Option<Seq>,
    },
    /// Only compares: how far the consumer is known to have come.
    Reported {
        received: Seq,
        delivered: Seq,
    },
    Nack {
        seq: Seq,
        attempt: u32,
        error: String,
        #[serde(default = "yes")]
        retry: bool,
    },
    Resend(Vec<SeqRange>),
    EventConfirmation {
        event_id: EventId,
        status: ConfirmStatus,
    },
}

fn yes() -> bool {
    true
}

struct Run {
    feed: Feed,
    log: StreamLog,
    stream: StreamName,
    now: Instant,
    appended: u64,
}

pub fn run(text: &str) {
    let timeline: Timeline = serde_json::from_str(text).expect("a timeline");
    super::assert_clauses(&timeline.clauses);
    let (stream, log) = (StreamName::new("s").unwrap(), StreamLog::new());
    let feed = feed(&stream, Tracker::new(log.tail().epoch));
    let mut run = Run { feed, log, stream, now: Instant::default(), appended: 0 };
    for (index, step) in timeline.steps.into_iter().enumerate() {
        let mut sends = run.advance(Instant::from_millis(step.at));
        let refused = step.input.and_then(|input| run.input(input).err());
        run.drain(&mut sends);
        sends.extend(refused);
        let place = format!("step {} at {}", index + 1, step.at);
        assert_eq!(Value::from(sends), Value::from(step.sends), "{place}: sends");
        for (seq, state) in step.states {
            assert_eq!(run.state(seq), Value::from(state), "{place}: state of {seq}");
        }
    }
}

fn feed(stream: &StreamName, tracker: Tracker) -> Feed {
    Feed::new(stream.clone(), tracker, Config::default(), 1)
}

impl Run {
    /// Fires every timer up to `to`, each at its time.
    fn advance(&mut self, to: Instant) -> Vec<Value> {
        let (mut sends, mut fired) = (Vec::new(), 0);
        while let Some(due) = self.feed.poll_timeout().filter(|&due| due <= to) {
            fired += 1;
            assert!(fired < 1_000, "it never comes to rest");
            self.now = self.now.max(due);
            self.feed.handle_timeout(self.now);
            self.drain(&mut sends);
        }
        self.now = to;
        sends
    }

    fn input(&mut self, input: Input) -> Result<(), Value> {
        let (now, stream, epoch) = (self.now, self.stream.clone(), self.log.tail().epoch);
        match input {
            Input::Append(count) => (0..count).for_each(|_| self.append(0)),
            Input::AppendSparse(gap) => self.append(gap),
            Input::Trim(keep) => self.log.trim(keep),
            Input::LoseTail(count) => self.log.lose_tail(count),
            Input::End => self.log.end(),
            Input::Subscribe(subscribe) => {
                let tail = self.log.tail();
                self.feed.attach(now, &subscribe, tail);
                return Ok(());
            }
            Input::Detach => self.feed.detach(),
            Input::Restart => self.feed = feed(&self.stream, Tracker::from_saved(self.feed.tracker().saved())),
            Input::Ack { upto, also, delivered, received } => {
                let ack = Ack::new(stream, epoch, upto, also);
                let delivered = delivered.unwrap_or(ack.delivered);
                let ack = Ack { delivered, received: received.unwrap_or(delivered), ..ack };
                self.feed.handle_ack(now, &ack).map_err(close)?;
            }
            Input::Reported { received, delivered } => {
                assert_eq!(self.feed.tracker().reported(), Reported { received, delivered });
            }
            Input::Nack { seq, attempt, error, retry } => {
                let nack = Nack { stream, epoch, seq, attempt, error, retry };
                self.feed.handle_nack(now, &nack).map_err(close)?;
            }
            Input::Resend(ranges) => {
                let resend = Resend { stream, epoch, ranges };
                self.feed.handle_resend(&resend).map_err(close)?;
            }
            Input::EventConfirmation { event_id, status } => {
                let known = self.feed.handle_confirmation(now, &EventConfirmation { event_id, status, error: None });
                return if known { Ok(()) } else { Err(json!({ "type": "error", "code": "unknown_event" })) };
            }
        }
        self.feed.handle_tail(now, self.log.tail());
        Ok(())
    }

    fn append(&mut self, gap: u64) {
        self.appended += 1;
        let id = EventId::new(&format!("id{}", self.appended)).unwrap();
        self.log.append(id, Priority::Normal, gap);
    }

    fn drain(&mut self, sends: &mut Vec<Value>) {
        for turn in 0.. {
            assert!(turn < 1_000, "it never comes to rest");
            if let Some(save) = self.feed.poll_save() {
                self.feed.handle_saved(save);
            }
            while let Some(frame) = self.feed.poll_transmit() {
                sends.push(describe(frame));
            }
            let Some(request) = self.feed.poll_read() else { break };
            let page = self.log.read(&request);
            self.feed.handle_page(self.now, request.id, &page);
        }
        while self.feed.poll_notice().is_some() {}
    }

    fn state(&self, seq: u64) -> Value {
        let event = self.log.events().find(|event| event.seq.get() == seq).expect("an event of the log");
        json!(self.feed.tracker().delivery(event).state)
    }
}

fn close(violation: Violation) -> Value {
    json!({ "close": 4400, "reason": violation.to_string() })
}

/// A frame as it travels, with its events by seq.
fn describe(frame: FeedFrame) -> Value {
    match frame {
        FeedFrame::Control(frame) => serde_json::from_str(&encode_server(&frame)).expect("a frame is JSON"),
        FeedFrame::Events(EventsOut { after, upto, entries, .. }) => {
            let event = |seq: Seq, attempt: u32| {
                if attempt == 1 { json!(seq) } else { json!({ "seq": seq, "attempt": attempt }) }
            };
            let events: Vec<Value> = entries.iter().map(|(entry, n)| event(entry.seq(), *n)).collect();
            json!({ "type": "events", "stream": "s", "after": after, "upto": upto, "events": events })
        }
    }
}
