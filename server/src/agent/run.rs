//! One run of an agent: typed methods in, events out.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use ackwire::wire::{EventType, Priority, Seq, StreamName};
use futures_util::FutureExt;
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use super::bridge::RunKey;
use crate::log::{Log, LogError, NewEvent, Placed};

/// A run that has begun ([`Bridge::agent_started`](super::Bridge::agent_started)), and the stream that its events go to:
/// `run:<id>`. Cheap to clone; clones are the same run.
///
/// Tool events are `critical`; how the run begins and ends, `high`; the rest `normal`. Each method has its event appended
/// before it returns, and answers its place; an event of another type is [`custom`](Self::custom).
#[derive(Clone)]
pub struct AgentRun(Arc<Shared>);

struct Shared {
    log: Arc<dyn Log>,
    key: RunKey,
    events: AtomicU64,
    /// The number of the next tool call.
    next_call: AtomicU64,
    tool_calls: AtomicU64,
}

impl AgentRun {
    /// `head`: the newest event of its stream. As no call comes without an event, no number after it was a call's.
    pub(super) fn new(log: Arc<dyn Log>, key: RunKey, head: Seq) -> Self {
        let next_call = AtomicU64::new(head.get());
        Self(Arc::new(Shared { log, key, events: AtomicU64::new(1), next_call, tool_calls: AtomicU64::new(0) }))
    }

    /// Where its events go.
    pub fn stream(&self) -> &StreamName {
        self.0.key.stream()
    }

    /// Whose run it is.
    pub fn user(&self) -> &str {
        self.0.key.user()
    }

    /// How many events it has emitted in this process, the first included.
    pub fn events(&self) -> u64 {
        self.0.events.load(Ordering::Relaxed)
    }

    /// How many tools it has called in this process.
    pub fn tool_calls(&self) -> u64 {
        self.0.tool_calls.load(Ordering::Relaxed)
    }

    /// Pieces of the agent's train of thought, each an event, appended together. `step` counts its paragraphs.
    pub async fn agent_thinking(&self, step: u32, pieces: &[&str]) -> Result<Vec<Placed>, LogError> {
        let events = pieces
            .iter()
            .map(|text| self.event("agent_thinking", Priority::Normal, json!({ "step": step, "text": text })))
            .collect();
        self.append(events).await
    }

    /// A tool begins. Answers the number of the call, for [`tool_completed`](Self::tool_completed).
    pub async fn tool_executing(&self, tool: &str, arguments: &RawValue) -> Result<u64, LogError> {
        let call = self.0.next_call.fetch_add(1, Ordering::Relaxed);
        self.0.tool_calls.fetch_add(1, Ordering::Relaxed);
        self.emit("tool_executing", Priority::Critical, ToolExecuting { call, tool, arguments }).await?;
        Ok(call)
    }

    /// The tool of this call has come to its end.
    pub async fn tool_completed(&self, completed: ToolCompleted<'_>) -> Result<Placed, LogError> {
        self.emit("tool_completed", Priority::Critical, completed).await
    }

    /// How far something is; `done` of `total`, in any unit.
    pub async fn progress_update(&self, message: &str, done: u64, total: Option<u64>) -> Result<Placed, LogError> {
        let data = json!({ "message": message, "done": done, "total": total });
        self.emit("progress_update", Priority::Normal, data).await
    }

    /// An event of the agent's own.
    pub async fn custom(&self, event_type: EventType, priority: Priority, data: Value) -> Result<Placed, LogError> {
        let event = self.0.key.event(event_type, priority, data);
        self.append_one(event).await
    }

    /// The run has reached its end. `duration_ms` is how long it took.
    pub async fn agent_completed(&self, summary: &str, duration_ms: u64) -> Result<Placed, LogError> {
        let data = json!({ "summary": summary, "duration_ms": duration_ms, "tool_calls": self.tool_calls() });
        self.emit("agent_completed", Priority::High, data).await
    }

    /// Something went wrong, and the agent says what.
    pub async fn agent_error(&self, message: &str) -> Result<Placed, LogError> {
        self.emit("agent_error", Priority::High, json!({ "message": message })).await
    }

    /// The agent is gone without a word of its own: it crashed, or hangs. Whoever watches over it says so.
    pub async fn agent_death(&self, reason: &str) -> Result<Placed, LogError> {
        self.emit("agent_death", Priority::High, json!({ "reason": reason })).await
    }

    /// Does the agent's own work. If it panics, that is told as `agent_death`, without what it panicked with, and the
    /// answer is `None`.
    pub async fn attended<T>(&self, work: impl Future<Output = T>) -> Result<Option<T>, LogError> {
        match AssertUnwindSafe(work).catch_unwind().await {
            Ok(done) => Ok(Some(done)),
            Err(_) => self.agent_death("the agent panicked").await.map(|_| None),
        }
    }

    /// Ends the stream: nothing comes after this.
    pub async fn end(&self) -> Result<(), LogError> {
        self.0.log.end(self.stream()).await.map(drop)
    }

    async fn emit(
        &self,
        event_type: &'static str,
        priority: Priority,
        data: impl Serialize,
    ) -> Result<Placed, LogError> {
        self.append_one(self.event(event_type, priority, data)).await
    }

    async fn append_one(&self, event: NewEvent) -> Result<Placed, LogError> {
        let mut placed = self.append(vec![event]).await?;
        placed.pop().ok_or_else(|| LogError::broken("the log did not say where the event went"))
    }

    async fn append(&self, events: Vec<NewEvent>) -> Result<Vec<Placed>, LogError> {
        let appended = self.0.log.append(self.stream(), events).await?;
        self.0.events.fetch_add(appended.events.len() as u64, Ordering::Relaxed);
        Ok(appended.events)
    }

    fn event(&self, event_type: &'static str, priority: Priority, data: impl Serialize) -> NewEvent {
        let event_type = EventType::new(event_type).expect("these names are valid event types");
        self.0.key.event(event_type, priority, data)
    }
}

/// What came of a tool.
#[derive(Debug, Serialize)]
pub struct ToolCompleted<'a> {
    /// As [`AgentRun::tool_executing`] answered.
    pub call: u64,
    /// Its name.
    pub tool: &'a str,
    /// Whether it has a result.
    pub success: bool,
    /// How long it took.
    pub duration_ms: u64,
    /// The result, or what went wrong, in a few words.
    pub summary: &'a str,
    /// All of the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<&'a RawValue>,
}

/// A struct, not a map: the fields stay in the order in which a person reads them.
#[derive(Serialize)]
struct ToolExecuting<'a> {
    call: u64,
    tool: &'a str,
    arguments: &'a RawValue,
}
