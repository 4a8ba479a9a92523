//! The demo's agent. It does real work with real tools on a real folder, and tells of it through [`AgentRun`], the
//! bridge that any agent could use: what it did not find, it does not say.

mod bridge;
mod folder;
mod language;
mod pieces;
mod survey;
#[cfg(test)]
mod testing;
mod tools;
mod words;

pub use bridge::AgentRun;
pub use folder::{Bounds, Folder, FoundFile, Listing};
pub use survey::{Errand, survey};
pub use tools::{Report, ToolError};
