//! What is done to single events from outside of their consumer's connection.

use ackwire::{
    deliver::{Feed, NotDone},
    wire::{Event, Meta, StreamName},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::Arc;

use super::{Hub, OpenError, Owned, Slot, Tenure, lock};
use crate::{
    clock,
    log::{ConsumerKey, LogError, Taker},
};

/// How often the server is looked for that has a consumer which goes from one to another.
const TRIES: usize = 3;

/// Why an operation was not done. Nothing has changed; if the log, or another server, did not answer, nobody knows whether
/// something has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperationError {
    /// Nobody of this name has ever subscribed to the stream.
    #[error("the stream has no such consumer")]
    UnknownConsumer,
    /// The event is not where this could be done to it.
    #[error("{0}")]
    NotDone(NotDone),
    /// What is known of the consumer could not be read, or there is no room for it in memory.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl From<LogError> for OperationError {
    fn from(error: LogError) -> Self {
        Self::Open(error.into())
    }
}

/// What is to be done.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum What {
    Confirm,
    Fail { error: String, retry: bool },
    Requeue,
    Discard,
}

impl What {
    /// Does it; whether it has changed anything.
    fn apply(&self, feed: &mut Feed, event: &Event) -> Result<bool, NotDone> {
        let now = clock::now();
        match self {
            Self::Confirm => feed.confirm(now, event),
            Self::Fail { error, retry } => feed.fail_event(now, event, error, *retry).map(|()| true),
            Self::Requeue => feed.requeue(now, event).map(|()| true),
            Self::Discard => feed.discard(event.seq).map(|()| true),
        }
    }
}

/// What a server asks the one that has the consumer.
#[derive(Serialize, Deserialize)]
struct Question {
    stream: StreamName,
    key: ConsumerKey,
    /// Without what only its receiver needs.
    event: Event,
    what: What,
}

/// What that one answers.
#[derive(Serialize, Deserialize)]
enum Answer {
    Done(bool),
    UnknownConsumer,
    NotDone(NotDone),
    /// It has the consumer no more.
    NotHere,
    Unavailable(String),
}

impl Hub {
    /// The event is applied. `false` if it was confirmed before.
    pub async fn confirm(
        self: &Arc<Self>,
        stream: &StreamName,
        key: &ConsumerKey,
        event: &Event,
    ) -> Result<bool, OperationError> {
        self.operate(stream, key, event, What::Confirm).await
    }

    /// The event could not be applied: it is sent again, or given up without `retry` or retries left.
    pub async fn fail(
        self: &Arc<Self>,
        stream: &StreamName,
        key: &ConsumerKey,
        event: &Event,
        error: &str,
        retry: bool,
    ) -> Result<(), OperationError> {
        self.operate(stream, key, event, What::Fail { error: error.to_owned(), retry }).await.map(drop)
    }

    /// A dead letter is sent again, with all its retries [AW-SEND-9].
    pub async fn requeue(
        self: &Arc<Self>,
        stream: &StreamName,
        key: &ConsumerKey,
        event: &Event,
    ) -> Result<(), OperationError> {
        self.operate(stream, key, event, What::Requeue).await.map(drop)
    }

    /// A dead letter is put away. The event stays failed for good.
    pub async fn discard(
        self: &Arc<Self>,
        stream: &StreamName,
        key: &ConsumerKey,
        event: &Event,
    ) -> Result<(), OperationError> {
        self.operate(stream, key, event, What::Discard).await.map(drop)
    }

    /// On whichever server has the consumer; on this one, if none has.
    async fn operate(
        self: &Arc<Self>,
        stream: &StreamName,
        key: &ConsumerKey,
        event: &Event,
        what: What,
    ) -> Result<bool, OperationError> {
        let mut not = None;
        for _ in 0..TRIES {
            let server = match self.own(key, Taker::Operation { not: not.take() }).await? {
                Owned::Here(tenure) => match self.operate_here(stream, key, tenure, event, &what).await {
                    Err(OperationError::Open(OpenError::Superseded)) => continue,
                    done => return done,
                },
                Owned::Elsewhere(server) => server,
                Owned::Overtaken => break,
            };
            let question =
                Question { stream: stream.clone(), key: key.clone(), event: bare(event), what: what.clone() };
            let question = serde_json::to_string(&question).expect("a question has string keys only");
            let owners = self.tenures.owners().ok_or(OpenError::Superseded)?;
            let answer = owners.ask(&server, question).await?;
            match serde_json::from_str(&answer).map_err(|error| LogError::broken(error.to_string()))? {
                Answer::Done(changed) => return Ok(changed),
                Answer::UnknownConsumer => return Err(OperationError::UnknownConsumer),
                Answer::NotDone(reason) => return Err(OperationError::NotDone(reason)),
                Answer::NotHere => not = Some(server),
                Answer::Unavailable(message) => return Err(LogError::broken(message).into()),
            }
        }
        Err(OpenError::Superseded.into())
    }

    /// What another server has asked.
    pub(super) async fn answer(self: &Arc<Self>, question: &str) -> String {
        let answer = match serde_json::from_str(question) {
            Ok(Question { stream, key, event, what }) => match self.tenures.current(&key) {
                Some(tenure) => self.operate_here(&stream, &key, Some(tenure), &event, &what).await.into(),
                None => Answer::NotHere,
            },
            Err(error) => Answer::Unavailable(format!("a server of another version asks: {error}")),
        };
        serde_json::to_string(&answer).expect("an answer has string keys only")
    }

    async fn operate_here(
        self: &Arc<Self>,
        stream: &StreamName,
        key: &ConsumerKey,
        tenure: Option<Arc<Tenure>>,
        event: &Event,
        what: &What,
    ) -> Result<bool, OperationError> {
        let is_shared = tenure.is_some();
        let slot = self.known(stream, key, tenure).await?.ok_or(OperationError::UnknownConsumer)?;
        let done = slot.operate(|feed| what.apply(feed, event)).ok_or(OpenError::Superseded)?;
        let changed = done.map_err(OperationError::NotDone)?;
        // Another server may have had the consumer for long: only what the log has taken is done.
        if is_shared && !slot.save().await? {
            return Err(OpenError::Superseded.into());
        }
        Ok(changed)
    }

    /// The slot of a consumer that has subscribed to the stream, now or earlier.
    async fn known(
        self: &Arc<Self>,
        stream: &StreamName,
        key: &ConsumerKey,
        tenure: Option<Arc<Tenure>>,
    ) -> Result<Option<Arc<Slot>>, OpenError> {
        let is_live = lock(&self.slots).contains_key(&(stream.clone(), key.clone()));
        if !is_live && self.log.load_consumer(stream, key).await?.is_none() {
            return Ok(None);
        }
        let (slot, tail) = self.open_under(stream, key, tenure).await?;
        // What was known of an earlier log says nothing of this one.
        let is_current = slot.look(|tracker, _| *tracker.epoch() == tail.epoch).unwrap_or(false);
        Ok(Some(slot).filter(|_| is_current))
    }
}

impl From<Result<bool, OperationError>> for Answer {
    fn from(done: Result<bool, OperationError>) -> Self {
        match done {
            Ok(changed) => Self::Done(changed),
            Err(OperationError::UnknownConsumer) => Self::UnknownConsumer,
            Err(OperationError::NotDone(reason)) => Self::NotDone(reason),
            Err(OperationError::Open(OpenError::Superseded)) => Self::NotHere,
            Err(OperationError::Open(error)) => Self::Unavailable(error.to_string()),
        }
    }
}

/// The event without its data and meta, on which nothing rests that is done to it.
fn bare(event: &Event) -> Event {
    let Event { seq, time, priority, attempt, deadline_ms, retries, .. } = *event;
    let data = RawValue::from_string("null".into()).expect("null is JSON");
    let (id, event_type, meta) = (event.id.clone(), event.event_type.clone(), Meta::new());
    Event { seq, id, event_type, time, data, priority, attempt, meta, deadline_ms, retries }
}
