//! An event as the detector sees it.

use ackwire::wire::{Meta, truncate};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// Longest name of a run, in bytes; an event with a longer one belongs to none.
pub const MAX_RUN_BYTES: usize = 200;
/// Longest name of a tool or a call that is told apart from others, in bytes.
pub const MAX_TOOL_BYTES: usize = 200;

/// An event of a run, by the `run_id` of its `meta`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Which run.
    pub run: String,
    /// What it says about it.
    pub kind: Kind,
}

/// What an event says about its run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `agent_started`.
    Started,
    /// `agent_thinking`, `progress_update`: it is at work.
    Working,
    /// `tool_executing`.
    ToolExecuting {
        /// What `tool_completed` will name: `call` of the event's data, or else `tool`.
        call: String,
        /// The tool's name.
        tool: String,
    },
    /// `tool_completed`.
    ToolCompleted {
        /// As `tool_executing` named it.
        call: String,
    },
    /// `agent_completed`.
    Completed,
    /// `agent_error`, `agent_death`: it is over, too.
    Broken,
    /// Any other type: a sign of life of a run that is known.
    Other,
}

/// The fields that tell calls of tools apart.
#[derive(Default, Deserialize)]
struct ToolData {
    #[serde(default)]
    call: Value,
    #[serde(default)]
    tool: Value,
}

impl Sighting {
    /// `None` if the event belongs to no run.
    pub fn of(event_type: &str, meta: &Meta, data: &RawValue) -> Option<Self> {
        let run = meta.get("run_id").filter(|run| run.len() <= MAX_RUN_BYTES)?.clone();
        let kind = match event_type {
            "agent_started" => Kind::Started,
            "agent_thinking" | "progress_update" => Kind::Working,
            "tool_executing" => {
                let (call, tool) = tool(data);
                Kind::ToolExecuting { call, tool }
            }
            "tool_completed" => Kind::ToolCompleted { call: tool(data).0 },
            "agent_completed" => Kind::Completed,
            "agent_error" | "agent_death" => Kind::Broken,
            _ => Kind::Other,
        };
        Some(Self { run, kind })
    }
}

/// The call and the tool. Data that says neither is one call of a tool without a name.
fn tool(data: &RawValue) -> (String, String) {
    let ToolData { call, tool } = serde_json::from_str(data.get()).unwrap_or_default();
    let tool = text(tool);
    let call = text(call);
    (if call.is_empty() { tool.clone() } else { call }, tool)
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => truncate(&text, MAX_TOOL_BYTES).to_owned(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}
