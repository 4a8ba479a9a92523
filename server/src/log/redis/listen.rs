//! Hears of every change, over one connection.
//!
//! Each change of a partition has a number and is told on the partition's channel. A number that was left out means that
//! something was not heard: all streams of that partition are looked at. The same is done for partitions whose count is
//! another one than was heard, which is checked every few seconds and whenever the connection was lost. So what is not
//! heard costs time, and no event.

use ackwire::wire::{Seq, StreamName};
use futures_util::future::try_join_all;
use redis::{PushInfo, PushKind, RedisResult, Value, cmd, from_redis_value};
use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{
    sync::broadcast::{self, Receiver, error::RecvError},
    time::{self, MissedTickBehavior},
};

use super::{
    Shared,
    explain::explain,
    keys::{PARTITIONS, Partition},
    link::Line,
    news::Reason,
    pages,
};
use crate::log::LogError;

/// How often the counts are checked: how long a change that was not heard of waits at the most.
const CHECK_EVERY: Duration = Duration::from_secs(5);
/// How long a connection that failed is left alone.
const TRY_AGAIN: Duration = Duration::from_millis(500);
/// How many channels are subscribed to at a time.
const SUBSCRIBE: usize = 128;
/// How the word begins that consumers of a stream were saved (`lua/save.lua`).
const SAVED: &str = "saved ";
/// Most pushes that wait to be heard. Beyond it the oldest are let go, and every watched stream is looked at.
const PUSHES: usize = 4096;

/// Until the log is dropped.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut heard = Heard { counts: vec![None; PARTITIONS] };
    let mut is_failing = false;
    loop {
        let error = heard.listen(&shared, &mut is_failing).await;
        shared.is_listening.store(false, Ordering::Relaxed);
        // Once, not for every time.
        if !std::mem::replace(&mut is_failing, true) {
            tracing::warn!(%error, "changes made by other servers are not heard of; they show late");
        }
        time::sleep(TRY_AGAIN).await;
    }
}

/// How far each partition's changes were heard of.
struct Heard {
    counts: Vec<Option<u64>>,
}

impl Heard {
    /// Listens for as long as it can; the answer is why no longer.
    async fn listen(&mut self, shared: &Arc<Shared>, is_failing: &mut bool) -> LogError {
        // Whoever starts a server is told at once what this Redis is like.
        if let Err(error) = shared.link.lines().await {
            return error;
        }
        let (pushes, mut pushed) = broadcast::channel(PUSHES);
        let subscribed = async {
            let mut line = Line::open(shared.link.url(), Some(pushes)).await?;
            subscribe(&mut line, shared.post.channel()).await?;
            RedisResult::Ok(line)
        };
        let mut line = match subscribed.await {
            Ok(line) => line,
            Err(error) => return explain(&error, shared.link.url()),
        };
        shared.held.doubt();
        shared.is_listening.store(true, Ordering::Relaxed);
        // What happened before it was heard.
        if let Err(error) = self.check(shared).await {
            return error;
        }
        if std::mem::take(is_failing) {
            tracing::info!("changes made by other servers are heard of again");
            // Another Redis may answer now: whoever looks where a stream stands has it compare (`lua/stream.lua`).
            shared.refresh_where(|_| true);
        }
        self.follow(shared, &mut line, &mut pushed).await
    }

    async fn follow(&mut self, shared: &Arc<Shared>, line: &mut Line, pushed: &mut Receiver<PushInfo>) -> LogError {
        let mut checks = time::interval(CHECK_EVERY);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let gone = || LogError::broken(format!("the connection to the Redis at {} was lost", shared.link.url()));
        loop {
            tokio::select! {
                word = next(pushed) => match word {
                    Word::Message(data) => self.hear(shared, data),
                    Word::Missed => shared.refresh_where(|_| true),
                    Word::Gone => return gone(),
                    Word::Other => {}
                },
                _ = checks.tick() => {
                    // A connection that is dead without a word shows here.
                    if let Err(error) = line.each_primary(cmd("PING")).await {
                        return explain(&error, shared.link.url());
                    }
                    if let Err(error) = self.check(shared).await {
                        return error;
                    }
                }
            }
        }
    }

    /// Takes note of what was said on a channel.
    fn hear(&mut self, shared: &Arc<Shared>, data: Vec<Value>) {
        let Ok((channel, text)) = from_redis_value::<(String, String)>(Value::Array(data)) else { return };
        if channel == shared.post.channel() {
            return shared.receive(&text);
        }
        if let Some(Ok(stream)) = text.strip_prefix(SAVED).map(pages::stream) {
            return shared.post.saved(stream);
        }
        let (Some(partition), Some(change)) = (Partition::of_channel(&channel), Change::parse(&text)) else { return };
        let heard = self.counts[partition.0].replace(change.count);
        if heard.is_some_and(|heard| change.count > heard + 1) {
            shared.refresh_where(|stream| Partition::of(stream) == partition);
        } else {
            shared.refresh(&change.stream, Reason::Changed(change.before));
        }
    }

    /// Looks at the counts of the partitions whose streams somebody watches.
    async fn check(&mut self, shared: &Arc<Shared>) -> Result<(), LogError> {
        let streams = shared.watchers.streams();
        let watched: BTreeSet<usize> = streams.iter().map(|stream| Partition::of(stream).0).collect();
        let asked = watched.iter().map(|partition| {
            let mut count = cmd("HGET");
            count.arg(Partition(*partition).key()).arg("changes");
            async move { shared.ask::<Option<u64>>(&count).await }
        });
        let counts = try_join_all(asked).await?;
        let mut missed = BTreeSet::new();
        for (partition, count) in watched.into_iter().zip(counts) {
            if std::mem::replace(&mut self.counts[partition], count) != count {
                missed.insert(partition);
            }
        }
        if !missed.is_empty() {
            shared.refresh_where(|stream| missed.contains(&Partition::of(stream).0));
        }
        Ok(())
    }
}

/// What comes over the connection.
#[derive(Debug, PartialEq)]
enum Word {
    /// Said on a channel.
    Message(Vec<Value>),
    /// More than could wait: the oldest were let go.
    Missed,
    /// Nothing more comes.
    Gone,
    /// Of no concern.
    Other,
}

async fn next(pushed: &mut Receiver<PushInfo>) -> Word {
    match pushed.recv().await {
        Ok(PushInfo { kind: PushKind::SMessage, data }) => Word::Message(data),
        Ok(PushInfo { kind: PushKind::Disconnection | PushKind::SUnsubscribe, .. }) | Err(RecvError::Closed) => {
            Word::Gone
        }
        Ok(_) => Word::Other,
        Err(RecvError::Lagged(_)) => Word::Missed,
    }
}

/// `<count> <head before> <stream>`.
struct Change {
    count: u64,
    before: Seq,
    stream: StreamName,
}

impl Change {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let (count, before) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(Self { count, before: Seq::new(before).ok()?, stream: pages::stream(words.next()?).ok()? })
    }
}

async fn subscribe(line: &mut Line, letters: &str) -> RedisResult<()> {
    let channels: Vec<String> = Partition::all().map(Partition::key).chain([letters.to_owned()]).collect();
    match line {
        Line::Node(node) => {
            for channels in channels.chunks(SUBSCRIBE) {
                cmd("SSUBSCRIBE").arg(channels).exec_async(node).await?;
            }
        }
        // Each is subscribed to where its slot is.
        Line::Cluster(cluster) => {
            for channel in channels {
                cluster.ssubscribe(channel).await?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_so_many_pushes_wait() {
        let (pushes, mut pushed) = broadcast::channel(PUSHES);
        let said = |n: usize| vec![Value::Int(n as i64)];
        for n in 0..PUSHES + 2 {
            pushes.send(PushInfo { kind: PushKind::SMessage, data: said(n) }).unwrap();
        }
        drop(pushes);
        assert_eq!(next(&mut pushed).await, Word::Missed);
        for n in 2..PUSHES + 2 {
            assert_eq!(next(&mut pushed).await, Word::Message(said(n)));
        }
        assert_eq!(next(&mut pushed).await, Word::Gone);
    }
}
