//! Runs an agent's tools, and tells of each call: when it begins, what came of it, and whether the user saw that.

use std::{any::Any, borrow::Cow, collections::HashMap, fmt::Display, panic::AssertUnwindSafe};

use ackwire::wire::truncate;
use futures_util::{
    FutureExt,
    future::{BoxFuture, ready},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

use super::{
    confirmation::{Confirmation, Unconfirmed},
    run::{AgentRun, ToolCompleted},
};
use crate::{
    clock,
    hub::DeliveryView,
    log::{LogError, Placed},
};

/// What a tool found: the whole goes into the event as JSON, one line of it for people.
pub trait Report: Serialize + Send + 'static {
    /// One sentence without a full stop.
    fn summary(&self) -> String;
}

/// How a dispatcher tells of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling {
    /// Longest `summary` in `tool_completed`, in bytes; longer ones are cut at a character boundary. Default 300.
    pub summary_bytes: usize,
    /// Largest `arguments` and `result` in the events, in bytes of JSON; a larger one is told as
    /// `{"omitted_bytes": …}`, while the agent gets all of it. Default 48 KiB.
    pub detail_bytes: usize,
}

impl Default for Telling {
    fn default() -> Self {
        Self { summary_bytes: 300, detail_bytes: 48 << 10 }
    }
}

/// The tools of an agent, by name.
///
/// ```
/// # use ackwire_server::{agent::{Bridge, Dispatcher, Report, RunKey}, log::{MemoryLog, Retention}};
/// # use serde::Serialize;
/// # use serde_json::json;
/// #[derive(Serialize)]
/// struct Sum(i64);
///
/// impl Report for Sum {
///     fn summary(&self) -> String {
///         format!("the sum is {}", self.0)
///     }
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let log = std::sync::Arc::new(MemoryLog::new(Retention::default()));
/// let mut tools = Dispatcher::default();
/// tools.register("add", async |arguments| match arguments["numbers"].as_array() {
///     Some(numbers) => Ok(Sum(numbers.iter().filter_map(|number| number.as_i64()).sum())),
///     None => Err("`numbers` is missing"),
/// });
/// let run = Bridge::new(log).agent_started(RunKey::new("9f2c", "thread", "ada")?, json!({ "task": "Add" })).await?;
/// let added = tools.dispatch(&run, "add", json!({ "numbers": [1, 2] })).await?;
/// assert_eq!(added.outcome?.read::<i64>()?, 3);
/// run.agent_completed("It is 3", 5).await?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Default)]
pub struct Dispatcher {
    tools: HashMap<String, Tool>,
    telling: Telling,
    confirmation: Option<Confirmation>,
}

type Tool = Box<dyn Fn(Value) -> BoxFuture<'static, Result<Output, String>> + Send + Sync>;

impl Dispatcher {
    /// Without tools.
    pub fn new(telling: Telling) -> Self {
        Self { telling, ..Self::default() }
    }

    /// From now on each call waits, after `tool_completed`, until that is confirmed.
    pub fn await_confirmation(&mut self, confirmation: Confirmation) {
        self.confirmation = Some(confirmation);
    }

    /// Adds a tool, in the place of one with the same name. One that blocks does so on a thread of its own
    /// ([`blocking`]).
    pub fn register<R, E, F>(&mut self, tool: &str, work: impl Fn(Value) -> F + Send + Sync + 'static)
    where
        R: Report,
        E: Display,
        F: Future<Output = Result<R, E>> + Send + 'static,
    {
        let work = move |arguments| {
            let working = work(arguments);
            async move { Output::new(working.await.map_err(|error| error.to_string())?) }.boxed()
        };
        self.tools.insert(tool.to_owned(), Box::new(work));
    }

    /// Calls a tool: `tool_executing`, the tool itself, `tool_completed`, and the wait for its confirmation if that is
    /// wanted. An error means that the tool did not run.
    pub async fn dispatch(&self, run: &AgentRun, tool: &str, arguments: Value) -> Result<Dispatched, DispatchError> {
        let work = self.tools.get(tool).ok_or_else(|| DispatchError::UnknownTool(tool.to_owned()))?;
        let told = to_raw_value(&arguments).expect("a value is JSON");
        let call = run.tool_executing(tool, &self.detail(&told)).await?;

        let started = clock::now();
        // Also what it does before its first await.
        let working = ready(arguments).then(work);
        let outcome = match AssertUnwindSafe(working).catch_unwind().await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(message)) => Err(ToolFault::Failed(message)),
            Err(panic) => Err(ToolFault::Panicked(words(&*panic).to_owned())),
        };
        let duration_ms = clock::now().since(started).as_millis();

        let delivery = match (self.tell(run, call, tool, duration_ms, &outcome).await, &self.confirmation) {
            (Err(error), _) => Delivery::NotAppended(error),
            (Ok(place), None) => Delivery::Appended(place),
            (Ok(place), Some(confirmation)) => match confirmation.wait(run, &place).await {
                Ok(by) => Delivery::Confirmed { place, by },
                Err(reason) => Delivery::Unconfirmed { place, reason },
            },
        };
        Ok(Dispatched { call, outcome, delivery })
    }

    async fn tell(
        &self,
        run: &AgentRun,
        call: u64,
        tool: &str,
        duration_ms: u64,
        outcome: &Result<Output, ToolFault>,
    ) -> Result<Placed, LogError> {
        let (summary, result) = match outcome {
            Ok(output) => (output.summary.clone(), Some(self.detail(&output.result))),
            Err(fault) => (fault.to_string(), None),
        };
        let (summary, result) = (truncate(&summary, self.telling.summary_bytes), result.as_deref());
        run.tool_completed(ToolCompleted { call, tool, success: outcome.is_ok(), duration_ms, summary, result }).await
    }

    fn detail<'a>(&self, value: &'a RawValue) -> Cow<'a, RawValue> {
        let bytes = value.get().len();
        if bytes <= self.telling.detail_bytes {
            return Cow::Borrowed(value);
        }
        Cow::Owned(to_raw_value(&json!({ "omitted_bytes": bytes })).expect("a value is JSON"))
    }
}

/// Runs what blocks away from the tasks. A panic in it is one of the caller.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => panic!("the runtime shuts down: {error}"),
        },
    }
}

/// What came of a call, and of telling so.
#[derive(Debug)]
pub struct Dispatched {
    /// The number of the call, as in its events.
    pub call: u64,
    /// The tool's own result.
    pub outcome: Result<Output, ToolFault>,
    /// What became of `tool_completed`.
    pub delivery: Delivery,
}

/// What a tool found.
#[derive(Clone, Debug)]
pub struct Output {
    /// As JSON, in the report's own order of fields.
    pub result: Box<RawValue>,
    /// For people, in full.
    pub summary: String,
}

impl Output {
    /// The result as a value.
    pub fn read<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.result.get())
    }

    fn new(report: impl Report) -> Result<Self, String> {
        let result = to_raw_value(&report).map_err(|error| format!("the result is no JSON: {error}"))?;
        Ok(Self { result, summary: report.summary() })
    }
}

/// Why a tool has no result. It is an outcome of the run, not the end of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToolFault {
    /// It says why.
    #[error("{0}")]
    Failed(String),
    /// It is broken. The text is what it panicked with, which the user is not told.
    #[error("the tool panicked")]
    Panicked(String),
}

/// Why a tool was not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DispatchError {
    /// Nobody registered it. Nothing was emitted.
    #[error("there is no tool `{0}`")]
    UnknownTool(String),
    /// What the user cannot be told of is not begun.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// What became of a `tool_completed`.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// It is in the log; nobody asked to wait for more.
    Appended(Placed),
    /// It was seen.
    Confirmed {
        /// Where it stands.
        place: Placed,
        /// By whom.
        by: Vec<DeliveryView>,
    },
    /// It is in the log, and not known to be seen.
    Unconfirmed {
        /// Where it stands.
        place: Placed,
        /// Why it is not.
        reason: Unconfirmed,
    },
    /// The log did not take it: the tool has run, and the user does not know.
    NotAppended(LogError),
}

fn words(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "",
    }
}
