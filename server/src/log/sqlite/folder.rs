//! The data folder, and what can be wrong with it, in words that say what to do.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use crate::{fault::Fault, log::LogError};

/// Why the log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another server has it.
    #[error(
        "the data folder {0} is in use by another server: stop that one, or give this one a folder of its own with \
         --data (ACKWIRE_DATA)"
    )]
    InUse(PathBuf),
    /// It cannot be made, read or written.
    #[error(
        "the data folder {folder} cannot be used: {problem}: make it writable for this user, or name another with \
         --data (ACKWIRE_DATA)"
    )]
    Unusable {
        /// Which folder.
        folder: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A newer server made it.
    #[error(
        "the log in {folder} has schema version {found}, and this server knows versions up to {known}: run a newer \
         server, or name another folder with --data (ACKWIRE_DATA)"
    )]
    TooNew {
        /// Which folder.
        folder: PathBuf,
        /// The version that it has.
        found: i64,
        /// The newest version that this server knows.
        known: i64,
    },
}

/// A data folder that belongs to this process until it is dropped.
pub(super) struct Folder {
    path: PathBuf,
    /// Locked. The system frees it when the process ends, however it ends.
    _lock: File,
}

impl Folder {
    pub(super) fn claim(path: &Path) -> Result<Self, OpenError> {
        let unusable = |error: io::Error| OpenError::Unusable { folder: path.to_owned(), problem: error.to_string() };
        make(path).map_err(unusable)?;
        // The folder's full name, so that a message does not depend on where it is read.
        let path = path.canonicalize().map_err(unusable)?;
        let lock = File::options().create(true).truncate(false).write(true).open(path.join("ackwire.lock"));
        let lock = lock.map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path)),
            Err(TryLockError::Error(error)) => Err(unusable(error)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the database is.
    pub(super) fn database(&self) -> PathBuf {
        self.path.join("ackwire.db")
    }
}

/// Makes the folder, and what is missing above it. What SQLite syncs inside of it is lost with a folder that its own parent
/// does not remember, so each parent of a new one is synced, too.
fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    make(parent)?;
    match fs::create_dir(path) {
        // Another server that starts has made it.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made?,
    }
    sync(parent)
}

#[cfg(unix)]
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Elsewhere a folder is no file that could be synced.
#[cfg(not(unix))]
fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}

/// What a failure of the database means to someone who can do something about it.
pub(super) fn explain(error: &rusqlite::Error, folder: &Path) -> LogError {
    let folder = folder.display();
    let fault = Fault::of(error);
    let message = match fault {
        Fault::DiskFull => format!("the disk of the data folder {folder} is full: free some space and try again"),
        Fault::Permission => {
            format!("the data folder {folder} cannot be written ({error}): make it writable and try again")
        }
        Fault::Connection => {
            format!("the log in {folder} cannot be reached ({error}): see whether the disk is there, full or broken")
        }
        Fault::Damaged => format!("the log in {folder} is damaged ({error}): restore it from a backup"),
        Fault::Schema => {
            format!("the log in {folder} has other tables than this server's ({error}): restore it from a backup")
        }
        Fault::Busy | Fault::Timeout | Fault::Other => format!("the log in {folder} failed ({error}); try again"),
    };
    LogError::Unavailable { fault, message }
}
