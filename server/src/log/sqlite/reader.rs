//! Connections that read.

use rusqlite::Connection;
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{self, JoinHandle},
};

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
        let answer = match self.permits.clone().try_acquire_owned() {
            Ok(permit) => self.start(permit, work).await,
            // In a task of its own: a caller that is not polled would hold a permit that others wait for.
            Err(_) => {
                let readers = self.clone();
                let turn = async move {
                    let permit = readers.permits.clone().acquire_owned().await.expect("the semaphore is never closed");
                    readers.start(permit, work).await
                };
                task::spawn(turn).await.and_then(|answer| answer)
            }
        };
        answer.map_err(|error| LogError::broken(format!("a read of the log broke off ({error})")))?
    }

    fn start<T: Send + 'static>(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> JoinHandle<Result<T, LogError>> {
        let readers = self.clone();
        task::spawn_blocking(move || {
            // Given back here and not by the caller, who may be gone by then.
            let _permit = permit;
            readers.read(work).map_err(|error| explain(&error, &readers.folder))
        })
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
