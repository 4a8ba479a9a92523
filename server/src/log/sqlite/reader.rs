//! Connections that read.

use rusqlite::Connection;
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{sync::Semaphore, task};

use super::{
    folder::{Folder, explain},
    schema,
};
use crate::log::LogError;

/// Most reads at a time. They are short, and the page cache answers most of them.
const CONNECTIONS: usize = 4;

/// A few connections, opened when needed and kept.
pub(super) struct Readers {
    folder: PathBuf,
    database: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(folder: &Folder) -> Self {
        Self {
            folder: folder.path().to_owned(),
            database: folder.database(),
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(CONNECTIONS)),
        }
    }

    /// Runs `work` on a connection, away from the tasks; it sees one state of the log throughout.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LogError> {
        let permit = self.permits.clone().acquire_owned().await.expect("the semaphore is never closed");
        let readers = self.clone();
        let read = task::spawn_blocking(move || {
            // Given back here and not by the caller, who may be gone by then.
            let _permit = permit;
            readers.read(work).map_err(|error| explain(&error, &readers.folder))
        });
        read.await.map_err(|error| LogError::broken(format!("a read of the log broke off ({error})")))?
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => schema::open_reader(&self.database)?,
        };
        let transaction = connection.unchecked_transaction()?;
        let result = work(&transaction)?;
        drop(transaction);
        // After a failure the connection is not trusted again.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(result)
    }
}
