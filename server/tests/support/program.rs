//! The real program.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};
use tempfile::TempDir;

/// The program with these flags, a folder of its own to work in, and no settings from outside.
pub fn program(flags: &[&str], folder: &TempDir) -> Command {
    program_at(Path::new(env!("CARGO_BIN_EXE_ackwire-server")), flags, folder)
}

/// The same, of a copy of it.
pub fn program_at(path: &Path, flags: &[&str], folder: &TempDir) -> Command {
    let mut command = Command::new(path);
    command.args(flags).env_clear().current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A server that runs, until it is dropped.
pub struct Running {
    pub child: Child,
    pub stdout: BufReader<ChildStdout>,
    pub url: String,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let url =
            line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("not the line: {line}")).to_owned();
        Self { child, stdout, url }
    }

    pub fn port(&self) -> &str {
        self.url.rsplit_once(':').unwrap().1
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
