//! Agents. [`Bridge`], [`AgentRun`] and [`Dispatcher`] are for any agent runtime; the rest is the demo's own agent, which
//! does real work with real tools on a real folder and tells of it through them: what it did not find, it does not say.

mod bridge;
mod confirmation;
mod dispatcher;
mod folder;
mod language;
mod pieces;
mod run;
mod survey;
#[cfg(test)]
mod testing;
mod tools;
mod words;

pub use bridge::{Bridge, BridgeError, RunKey};
pub use confirmation::{Confirmation, Unconfirmed};
pub use dispatcher::{Delivery, DispatchError, Dispatched, Dispatcher, Output, Report, Telling, ToolFault, blocking};
pub use folder::{Bounds, Folder, FoundFile, Listing};
pub use run::{AgentRun, ToolCompleted};
pub use survey::{Errand, survey};
pub use tools::ToolError;
