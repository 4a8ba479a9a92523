//! Which processor cores the server and this client run on.

use std::{path::Path, process};
use tokio::process::Command;

use crate::Outcome;

/// With `--pin`: the server's.
pub const SERVER: u32 = 0;
/// With `--pin`: the client's.
const CLIENT: u32 = 1;

/// A command on one core, or wherever the system puts it. It becomes the program itself: its id is the program's.
pub fn command(core: Option<u32>, program: &Path) -> Command {
    let Some(core) = core else { return Command::new(program) };
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &core.to_string()]).arg(program);
    command
}

/// Leaves the server its core, if there is another: moves every thread of this process.
pub fn make_way() -> Outcome<()> {
    let own = process::id().to_string();
    let moved = process::Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", &CLIENT.to_string(), &own])
        .stdout(process::Stdio::null())
        .status();
    match moved {
        Ok(status) if status.success() => Ok(()),
        _ => Err("--pin needs a second core and `taskset`, which Linux has in util-linux".into()),
    }
}
