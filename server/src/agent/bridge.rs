//! Between an agent runtime and the log: opens runs, and keeps each to the user whose it is.

use std::sync::Arc;

use ackwire::wire::{EventId, EventType, InvalidName, Meta, Priority, Seq, SeqRange, StreamName};
use serde::Serialize;
use serde_json::{Value, value::to_raw_value};

use super::run::AgentRun;
use crate::log::{Log, LogError, NewEvent, PageLimit, Placed};

/// The entry of `meta` that says whose run it is.
const USER: &str = "user_id";

/// The event that claims a run for its user, and its id: an id is in a stream once, so one user alone can have claimed.
const CLAIM: &str = "agent_started";

/// How many events are asked whose the run is.
const LOOKED_AT: PageLimit = PageLimit { events: 64, bytes: 1 << 20 };

/// Which run, in which conversation, for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunKey {
    stream: StreamName,
    meta: Meta,
}

impl RunKey {
    /// `run` is unique among all users' and goes into the stream's name, `run:<run>`; `thread` is what the run is part
    /// of; `user` is whose run it is. All three travel as `run_id`, `thread_id` and `user_id` in every event's `meta`.
    pub fn new(run: &str, thread: &str, user: &str) -> Result<Self, InvalidName> {
        let stream = StreamName::new(&format!("run:{run}"))?;
        let meta = [("run_id", run), ("thread_id", thread), (USER, user)];
        let meta = meta.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Ok(Self { stream, meta })
    }

    /// Where its events go.
    pub fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// Whose run it is.
    pub fn user(&self) -> &str {
        &self.meta[USER]
    }

    /// A new event of this run, with an id of its own.
    pub(super) fn event(&self, event_type: EventType, priority: Priority, data: impl Serialize) -> NewEvent {
        let data = to_raw_value(&data).expect("values have string keys only");
        NewEvent { priority, meta: self.meta.clone(), ..NewEvent::new(event_type, data) }
    }
}

/// Why a run was not opened. Nothing was appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BridgeError {
    /// It is not this user's, or nothing that the log still has says whose it is.
    #[error("the run `{0}` belongs to another user")]
    NotYours(StreamName),
    /// There is nothing to go on with.
    #[error("the run `{0}` has not started")]
    NotStarted(StreamName),
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Opens runs. Cheap to clone.
///
/// Whose a run is stands in the log and nowhere else, so it lasts as long as the run does: the first event, whose id is
/// `agent_started` for every run, names the user in its `meta`. Two users who start the same run at the same moment
/// are told apart by the log, which has an id once. When retention has trimmed that event, any that is left says the
/// same. This guards one user's run from another's agent; who may write to the stream by other means, over HTTP say, is
/// for tokens to say.
#[derive(Clone)]
pub struct Bridge {
    log: Arc<dyn Log>,
}

impl Bridge {
    /// A bridge to this log.
    pub fn new(log: Arc<dyn Log>) -> Self {
        Self { log }
    }

    /// The run begins: `agent_started` (high), with `data` about its task. To start a run again, after a crash say, is
    /// to go on with it: the event is in the stream once.
    pub async fn agent_started(&self, key: RunKey, data: Value) -> Result<AgentRun, BridgeError> {
        match self.owner(&key).await? {
            Owner::Nobody => self.claim(&key, data).await?,
            owner => check(owner, &key)?,
        }
        self.open(key).await
    }

    /// A run that goes on, in another process say.
    pub async fn resume(&self, key: RunKey) -> Result<AgentRun, BridgeError> {
        match self.owner(&key).await? {
            Owner::Nobody => return Err(BridgeError::NotStarted(key.stream)),
            owner => check(owner, &key)?,
        }
        self.open(key).await
    }

    async fn claim(&self, key: &RunKey, data: Value) -> Result<(), BridgeError> {
        let started = EventType::new(CLAIM).expect("this is a valid event type");
        let event = NewEvent { id: claim_id(), ..key.event(started, Priority::High, data) };
        let Placed { seq, duplicate, .. } = self.log.append(&key.stream, vec![event]).await?.events[0].clone();
        // Somebody was faster since the owner was looked up.
        if duplicate { check(self.claimed_at(key, seq).await?, key) } else { Ok(()) }
    }

    async fn open(&self, key: RunKey) -> Result<AgentRun, BridgeError> {
        let tail = self.log.tail(&key.stream).await?;
        Ok(AgentRun::new(self.log.clone(), key, tail.head))
    }

    async fn owner(&self, key: &RunKey) -> Result<Owner, LogError> {
        let Some(tail) = self.log.find_tail(&key.stream).await? else { return Ok(Owner::Nobody) };
        if let Some(seq) = self.log.find(&key.stream, &claim_id()).await? {
            return self.claimed_at(key, seq).await;
        }
        // Others may have written to the stream before the agent does; only what was trimmed can hide a claim.
        if tail.oldest.before() == Seq::ZERO {
            return Ok(Owner::Nobody);
        }
        self.claimed_at(key, tail.oldest).await
    }

    /// Whose the first event at `seq` or soon after it is that says so: others may write to the stream, too.
    async fn claimed_at(&self, key: &RunKey, seq: Seq) -> Result<Owner, LogError> {
        let range = SeqRange::new(seq.before(), Seq::MAX).expect("a seq lies before the last");
        let page = self.log.read(&key.stream, range, LOOKED_AT).await?;
        let user = page.entries.iter().find_map(|entry| entry.event().meta.get(USER).cloned());
        Ok(user.map_or(Owner::Unknown, Owner::User))
    }
}

enum Owner {
    Nobody,
    User(String),
    /// Nothing says so any more.
    Unknown,
}

fn check(owner: Owner, key: &RunKey) -> Result<(), BridgeError> {
    match owner {
        Owner::User(user) if user == key.user() => Ok(()),
        _ => Err(BridgeError::NotYours(key.stream.clone())),
    }
}

fn claim_id() -> EventId {
    EventId::new(CLAIM).expect("this is a valid event id")
}
