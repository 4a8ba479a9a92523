//! What the log's parts share: the way to Redis, and what every call does on it.

use ackwire::wire::{Seq, SeqRange, StreamName};
use futures_util::future::try_join_all;
use redis::{Cmd, FromRedisValue, RedisResult, Script, ScriptInvocation, Value, cmd, from_redis_value};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    RedisSettings,
    keys::{self, PARTITIONS, Partition},
    link::{Line, Lines, Link},
    news::{News, Reason},
    owners::{Held, Post},
    pages,
    scripts::{self, Caller},
};
use crate::{
    clock,
    fault::Fault,
    log::{ConsumerKey, Fence, LogError, PageLimit, Retention, Save, Tail, Watchers, new_epoch},
};

/// How many events of a stream one script trims, or twice what it appends if that is more.
pub(super) const TRIM_EVENTS: usize = 1000;
/// How many consumers one script forgets.
const FORGET: usize = 1000;
/// How many consumers one script saves.
const SAVE: usize = 256;
/// How long an answer waits for replicas, or for the disk; less than a connection waits for an answer.
const WAIT: Duration = Duration::from_secs(3);

/// See [`RedisLog`](super::RedisLog).
pub(super) struct Shared {
    pub(super) link: Link,
    pub(super) retention: Retention,
    pub(super) replicas: u32,
    pub(super) watchers: Watchers,
    pub(super) news: News,
    pub(super) post: Post,
    pub(super) held: Held,
    /// Whether changes are heard of; otherwise those that are made here are all that is known.
    pub(super) is_listening: AtomicBool,
    /// The highest seq seen, by partition.
    pub(super) newest: Vec<AtomicU64>,
}

impl Shared {
    pub(super) fn new(settings: RedisSettings, retention: Retention) -> Self {
        Self {
            link: Link::new(settings.url),
            retention,
            replicas: settings.replicas,
            watchers: Watchers::default(),
            news: News::default(),
            post: Post::default(),
            held: Held::default(),
            is_listening: AtomicBool::new(false),
            newest: (0..PARTITIONS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Runs a script on a stream; `is_write`: and waits until its effect is durable.
    pub(super) async fn call<T: FromRedisValue>(
        &self,
        stream: &StreamName,
        script: &Script,
        is_write: bool,
        fill: impl FnOnce(&mut ScriptInvocation),
    ) -> Result<T, LogError> {
        let lines = self.link.lines().await?;
        let (partition, epoch) = (Partition::of(stream), new_epoch());
        let caller = Caller {
            now: clock::unix_ms(),
            newest: self.newest[partition.0].load(Ordering::Relaxed),
            keeps_all: lines.survey.keeps_all,
            waits: is_write && self.waits(&lines),
            epoch: epoch.as_str(),
        };
        let mut call = scripts::of_stream(script, stream, &caller);
        fill(&mut call);
        let mut line = if is_write { lines.writes.clone() } else { lines.reads.clone() };
        let answer = self.sorted(&lines, call.invoke_async(&mut line).await)?;
        if is_write {
            self.keep(&lines, &mut line, &partition.key()).await?;
        }
        Ok(answer)
    }

    /// An answer, or what its failure means; a connection that failed is given up.
    pub(super) fn sorted<T>(&self, lines: &Lines, answer: RedisResult<T>) -> Result<T, LogError> {
        match answer {
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.link.failed(lines, &error)),
        }
    }

    pub(super) fn waits(&self, lines: &Lines) -> bool {
        self.replicas > 0 || lines.survey.waits_for_disk
    }

    /// Waits until what this connection wrote where `key` is has come to the disk and to the replicas, as far as that is
    /// asked for. Redis itself syncs before it answers if it is set up to.
    pub(super) async fn keep(&self, lines: &Lines, line: &mut Line, key: &str) -> Result<(), LogError> {
        if !self.waits(lines) {
            return Ok(());
        }
        let wants_disk = lines.survey.waits_for_disk;
        let mut wait = cmd(if wants_disk { "WAITAOF" } else { "WAIT" });
        if wants_disk {
            wait.arg(1);
        }
        wait.arg(self.replicas).arg(WAIT.as_millis() as u64);
        let answer = line.beside(key, wait).await;
        let (disks, replicas): (u32, u32) = match self.sorted(lines, answer)? {
            Value::Int(replicas) => (u32::from(wants_disk), replicas as u32),
            both => self.sorted(lines, from_redis_value(both).map_err(redis::RedisError::from))?,
        };
        if replicas >= self.replicas && disks >= u32::from(wants_disk) {
            return Ok(());
        }
        let (url, wanted) = (self.link.url(), self.replicas);
        let message = format!(
            "the Redis at {url} has it, but only {replicas} of the {wanted} replicas that are to have it (--redis-replicas) \
             and {disks} disks of {} said so within {} s; try again with the same id",
            u32::from(wants_disk),
            WAIT.as_secs(),
        );
        Err(LogError::Unavailable { fault: Fault::Timeout, message })
    }

    /// Notes a seq of a stream's partition. Redis is told of it, and so finds out when it has lost some.
    pub(super) fn saw(&self, stream: &StreamName, seq: Seq) {
        self.newest[Partition::of(stream).0].fetch_max(seq.get(), Ordering::Relaxed);
    }

    /// Tells those who watch a stream, unless Redis does.
    pub(super) fn changed(self: &Arc<Self>, stream: &StreamName) {
        if !self.is_listening.load(Ordering::Relaxed) {
            self.refresh(stream, Reason::Doubt);
        }
    }

    pub(super) async fn tail(&self, stream: &StreamName, what: &str) -> Result<Option<Tail>, LogError> {
        let answer: Option<pages::Described> =
            self.call(stream, &scripts::TAIL, what == "end", |call| _ = call.arg(what)).await?;
        let tail = answer.map(pages::tail).transpose()?;
        if let Some(tail) = &tail {
            self.saw(stream, tail.head);
        }
        Ok(tail)
    }

    pub(super) async fn tail_of_any(&self, stream: &StreamName, what: &str) -> Result<Tail, LogError> {
        self.tail(stream, what).await?.ok_or_else(|| LogError::broken("Redis did not say where the stream stands"))
    }

    /// The answer of the script that reads.
    pub(super) async fn read(
        &self,
        stream: &StreamName,
        range: SeqRange,
        limit: PageLimit,
    ) -> Result<Option<pages::Read>, LogError> {
        let lines = self.link.lines().await?;
        let mut call = scripts::READ.key(keys::meta(stream));
        call.key(keys::events(stream)).arg(range.after().get()).arg(range.upto().get());
        call.arg(limit.events).arg(limit.bytes);
        let read = call.invoke_async(&mut lines.reads.clone()).await;
        self.sorted(&lines, read)
    }

    /// What a command answers that only reads.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, LogError> {
        let lines = self.link.lines().await?;
        let answer = command.query_async(&mut lines.reads.clone()).await;
        self.sorted(&lines, answer)
    }

    /// The same of every partition.
    pub(super) async fn ask_all<T: FromRedisValue>(
        &self,
        command: impl Fn(Partition) -> Cmd,
    ) -> Result<Vec<T>, LogError> {
        let commands: Vec<_> = Partition::all().map(command).collect();
        try_join_all(commands.iter().map(|command| self.ask(command))).await
    }

    pub(super) async fn forget_consumers(&self, before: u64) -> Result<(), LogError> {
        let lines = self.link.lines().await?;
        let forget = async |partition: Partition| {
            let mut forgotten = FORGET;
            while forgotten == FORGET {
                let mut call = scripts::FORGET.key(partition.saved());
                call.arg(before).arg(FORGET).arg(partition.prefix());
                let answer = call.invoke_async(&mut lines.writes.clone()).await;
                forgotten = self.sorted(&lines, answer)?;
            }
            Ok(())
        };
        try_join_all(Partition::all().map(forget)).await.map(drop)
    }

    pub(super) async fn trim_stream(self: &Arc<Self>, stream: &StreamName, now: u64) -> Result<(), LogError> {
        loop {
            let trimmed: bool = self
                .call(stream, &scripts::TRIM, false, |call| {
                    call.arg(now);
                    add_retention(call, &self.retention, TRIM_EVENTS);
                })
                .await?;
            if !trimmed {
                return Ok(());
            }
            self.changed(stream);
        }
    }

    /// Keeps what became of consumers: all or none of each partition. What was saved of others when one fails is saved
    /// again, which changes nothing. The answer is whose was refused.
    pub(super) async fn save_all(&self, saves: Vec<Save>) -> Result<Vec<(ConsumerKey, Fence)>, LogError> {
        let mut by_partition: BTreeMap<usize, Vec<Save>> = BTreeMap::new();
        for save in saves {
            by_partition.entry(Partition::of(&save.stream).0).or_default().push(save);
        }
        let partitions = by_partition
            .iter()
            .flat_map(|(partition, saves)| saves.chunks(SAVE).map(|saves| self.save(Partition(*partition), saves)));
        Ok(try_join_all(partitions).await?.into_iter().flatten().collect())
    }

    async fn save(&self, partition: Partition, saves: &[Save]) -> Result<Vec<(ConsumerKey, Fence)>, LogError> {
        let lines = self.link.lines().await?;
        let mut call = scripts::SAVE.key(partition.key());
        call.key(partition.saved()).arg(clock::unix_ms());
        for Save { stream, consumer: key, state, fence, version, is_connected } in saves {
            call.key(keys::states(stream)).key(keys::consumers(stream)).key(partition.streams_of(&key.consumer));
            call.key(keys::claims(stream));
            let subject = key.subject.as_deref().unwrap_or("");
            call.arg(stream.as_str()).arg(subject).arg(key.consumer.as_str()).arg(state);
            call.arg(fence.0).arg(version).arg(u8::from(*is_connected));
        }
        let mut line = lines.writes.clone();
        let refused: RedisResult<Vec<usize>> = call.invoke_async(&mut line).await;
        let refused = self.sorted(&lines, refused)?;
        self.keep(&lines, &mut line, &partition.key()).await?;
        let refused = refused.into_iter().filter_map(|place| saves.get(place.checked_sub(1)?));
        Ok(refused.map(|save| (save.consumer.clone(), save.fence)).collect())
    }
}

/// What a stream keeps, and how many events a script may trim.
pub(super) fn add_retention(call: &mut ScriptInvocation, retention: &Retention, most: usize) {
    let bound = |bound: Option<u64>| bound.map_or(String::new(), |bound| bound.to_string());
    let age = retention.age.map(|age| age.as_millis() as u64);
    call.arg(bound(retention.events)).arg(bound(retention.bytes)).arg(bound(age)).arg(most);
}
