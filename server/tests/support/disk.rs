//! A disk that is small, to be filled.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// A disk of 4 MiB in memory, while it lives. To mount one takes root.
pub struct Disk(TempDir);

impl Disk {
    pub fn mount() -> Option<Self> {
        let disk = Self(tempfile::tempdir().unwrap());
        let mounted = run("mount", &["-t", "tmpfs", "-o", "size=4m", "tmpfs"], disk.0.path());
        if !mounted {
            println!("skipped: this user may not mount a small disk to fill");
        }
        mounted.then_some(disk)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn remount(&self, mode: &str) -> bool {
        run("mount", &["-o", &format!("remount,{mode}")], self.path())
    }

    /// Takes what is left of it, to the last page.
    pub fn fill(&self) -> PathBuf {
        let file = self.path().join("filler");
        let error = fs::write(&file, vec![0; 16 << 20]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        file
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A test that failed may still have files open; detached, the disk goes when they do.
        run("umount", &["--lazy"], self.path());
    }
}

fn run(program: &str, arguments: &[&str], path: &Path) -> bool {
    let status = Command::new(program).args(arguments).arg(path).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
