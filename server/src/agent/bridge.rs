//! Between an agent and the log: typed methods in, events of one run out.

use std::sync::Arc;

use ackwire::wire::{EventId, EventType, Meta, Priority, StreamName, truncate};
use serde::Serialize;
use serde_json::{Value, json, value::to_raw_value};

use super::tools::{Report, ToolError};
use crate::{
    clock,
    log::{Log, LogError, NewEvent},
};

/// Longest summary of a tool's result, in bytes.
const MAX_SUMMARY_BYTES: usize = 300;

/// One run of an agent, and the stream that its events go to: `run:<id>`.
///
/// Tool events are `critical`, the run's start and end `high`, thinking `normal`. Every event carries `run_id` and
/// `thread_id` in its `meta`.
pub struct AgentRun {
    log: Arc<dyn Log>,
    stream: StreamName,
    meta: Meta,
    tool_calls: u32,
    events: u64,
}

impl AgentRun {
    /// A run that has not emitted anything yet.
    pub fn new(log: Arc<dyn Log>, stream: StreamName, run_id: &str, thread_id: &str) -> Self {
        let meta = [("run_id", run_id), ("thread_id", thread_id)];
        let meta = meta.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self { log, stream, meta, tool_calls: 0, events: 0 }
    }

    /// How many events it has emitted.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// How many tools it has called.
    pub fn tool_calls(&self) -> u32 {
        self.tool_calls
    }

    /// The run begins. `task` is what it was asked to do, `folder` what it works on.
    pub async fn agent_started(&mut self, task: &str, folder: &str) -> Result<(), LogError> {
        self.emit("agent_started", Priority::High, json!({ "task": task, "folder": folder })).await
    }

    /// Pieces of the agent's train of thought, each an event, appended together. `step` counts its paragraphs.
    pub async fn agent_thinking(&mut self, step: u32, pieces: &[&str]) -> Result<(), LogError> {
        let events = pieces
            .iter()
            .map(|text| self.event("agent_thinking", Priority::Normal, json!({ "step": step, "text": text })))
            .collect();
        self.append(events).await
    }

    /// Runs a tool on a thread where it may block, with `tool_executing` before it and `tool_completed` after it. A
    /// tool that fails or panics is an outcome of the run, not the end of it.
    pub async fn tool<R: Report>(
        &mut self,
        tool: &'static str,
        arguments: Value,
        work: impl FnOnce() -> Result<R, ToolError> + Send + 'static,
    ) -> Result<Result<R, ToolError>, LogError> {
        self.tool_calls += 1;
        let call = self.tool_calls;
        let executing = json!({ "call": call, "tool": tool, "arguments": arguments });
        self.emit("tool_executing", Priority::Critical, executing).await?;

        let started = clock::now();
        let outcome = tokio::task::spawn_blocking(work).await.unwrap_or(Err(ToolError::Panicked));
        let duration_ms = clock::now().since(started).as_millis();

        let (summary, result) = match &outcome {
            Ok(report) => (report.summary(), Some(report)),
            Err(error) => (error.to_string(), None),
        };
        let completed = ToolCompleted {
            call,
            tool,
            success: outcome.is_ok(),
            duration_ms,
            summary: truncate(&summary, MAX_SUMMARY_BYTES),
            result,
        };
        self.emit("tool_completed", Priority::Critical, completed).await?;
        Ok(outcome)
    }

    /// The run has reached its end. `duration_ms` is how long it took.
    pub async fn agent_completed(&mut self, summary: &str, duration_ms: u64) -> Result<(), LogError> {
        let data = json!({ "summary": summary, "duration_ms": duration_ms, "tool_calls": self.tool_calls });
        self.emit("agent_completed", Priority::High, data).await
    }

    /// The run cannot go on.
    pub async fn agent_error(&mut self, message: &str) -> Result<(), LogError> {
        self.emit("agent_error", Priority::High, json!({ "message": message })).await
    }

    /// Ends the stream: nothing comes after this.
    pub async fn end(self) -> Result<(), LogError> {
        self.log.end(&self.stream).await.map(drop)
    }

    async fn emit(
        &mut self,
        event_type: &'static str,
        priority: Priority,
        data: impl Serialize,
    ) -> Result<(), LogError> {
        let event = self.event(event_type, priority, data);
        self.append(vec![event]).await
    }

    async fn append(&mut self, events: Vec<NewEvent>) -> Result<(), LogError> {
        self.events += events.len() as u64;
        self.log.append(&self.stream, events).await.map(drop)
    }

    fn event(&self, event_type: &'static str, priority: Priority, data: impl Serialize) -> NewEvent {
        let id = uuid::Uuid::now_v7().to_string();
        NewEvent {
            id: EventId::new(&id).expect("a UUID is a valid event id"),
            event_type: EventType::new(event_type).expect("these names are valid event types"),
            time: clock::unix_ms(),
            data: to_raw_value(&data).expect("values have string keys only"),
            priority,
            meta: self.meta.clone(),
        }
    }
}

/// A struct, not a map: a report's fields stay in the order in which it tells them.
#[derive(Serialize)]
struct ToolCompleted<'a, R> {
    call: u32,
    tool: &'static str,
    success: bool,
    duration_ms: u64,
    summary: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a R>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agent::testing::{Told, read},
        log::{MemoryLog, Retention},
    };

    #[derive(Serialize)]
    struct Found(String);

    impl Report for Found {
        fn summary(&self) -> String {
            self.0.clone()
        }
    }

    fn run() -> (Arc<dyn Log>, StreamName, AgentRun) {
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new(Retention::default()));
        let stream = StreamName::new("run:1").unwrap();
        let run = AgentRun::new(log.clone(), stream.clone(), "1", "t");
        (log, stream, run)
    }

    #[tokio::test]
    async fn a_tool_tells_when_it_starts_and_what_came_of_it() {
        let (log, stream, mut run) = run();
        let found = run.tool("look", json!({ "at": "x" }), || Ok(Found("ä".repeat(400)))).await.unwrap();
        assert!(found.is_ok());
        let events = read(&*log, &stream).await;
        assert_eq!(events[0].told(), ("tool_executing", "critical"));
        assert_eq!(events[0].data, json!({ "call": 1, "tool": "look", "arguments": { "at": "x" } }));
        assert_eq!(events[1].told(), ("tool_completed", "critical"));
        assert_eq!(events[1].data["success"], true);
        assert_eq!(events[1].data["summary"].as_str().unwrap(), "ä".repeat(150), "cut at a character boundary");
        assert_eq!(events[1].meta["run_id"], "1");
        assert_eq!(events[1].meta["thread_id"], "t");
    }

    #[tokio::test]
    async fn a_tool_that_fails_or_panics_does_not_end_the_run() {
        let (log, stream, mut run) = run();
        let failed = run.tool::<Found>("look", json!({}), || Err(ToolError::NotText("a".into()))).await.unwrap();
        assert!(matches!(failed, Err(ToolError::NotText(_))));
        let panicked = run.tool::<Found>("look", json!({}), || panic!("broken on purpose")).await.unwrap();
        assert!(matches!(panicked, Err(ToolError::Panicked)));
        run.agent_completed("done", 5).await.unwrap();

        let events = read(&*log, &stream).await;
        assert_eq!(events[1].data["success"], false);
        assert_eq!(events[1].data["summary"], "a is no text file");
        assert_eq!(events[3].data["summary"], "the tool panicked");
        assert_eq!(events[4].told(), ("agent_completed", "high"));
        assert_eq!(events[4].data["tool_calls"], 2);
    }

    #[tokio::test]
    async fn thinking_is_one_event_for_each_piece() {
        let (log, stream, mut run) = run();
        run.agent_thinking(1, &["First", " this"]).await.unwrap();
        assert_eq!(run.events(), 2);
        let events = read(&*log, &stream).await;
        let texts: Vec<_> = events.iter().map(|Told { data, .. }| data["text"].as_str().unwrap()).collect();
        assert_eq!(texts, ["First", " this"]);
        assert_eq!(events[1].told(), ("agent_thinking", "normal"));
    }

    #[tokio::test]
    async fn an_ended_run_emits_nothing_more() {
        let (log, stream, run) = run();
        run.end().await.unwrap();
        let mut late = AgentRun::new(log, stream, "1", "t");
        assert_eq!(late.agent_error("late").await, Err(LogError::StreamEnded));
    }
}
