//! The one thread that writes, and its group commit.

use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::{
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
};
use tokio::sync::{mpsc, oneshot};

use super::folder::{OpenError, explain};
use crate::log::{LogError, Moved, Watchers};

/// Most jobs of one transaction.
const GROUP: usize = 512;

/// Most jobs that wait; then who wants more waits as well.
const QUEUE: usize = 1024;

/// Why a job did not happen.
pub(super) enum Undone {
    /// For a reason of its own: it alone is undone.
    Refused(LogError),
    /// The database failed: the whole transaction is undone.
    Database(rusqlite::Error),
}

impl From<LogError> for Undone {
    fn from(error: LogError) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Undone {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

/// Hands jobs to the thread.
pub(super) struct Writer {
    /// `None` once it is told to stop.
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection, folder: &Path, watchers: Watchers) -> Result<Self, OpenError> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writing = Writing { connection, folder: folder.to_owned(), watchers, is_failing: false };
        let thread = thread::Builder::new().name("log-writer".into()).spawn(move || writing.run(queue));
        let unusable =
            |error: std::io::Error| OpenError::Unusable { folder: folder.to_owned(), problem: error.to_string() };
        Ok(Self { jobs: Some(jobs), thread: Some(thread.map_err(unusable)?) })
    }

    /// Has `work` done, and answers once it is synced. `work` may be done more than once, each time on a log that
    /// knows nothing of the time before. It tells which streams have moved.
    pub(super) async fn submit<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection, &mut Vec<Moved>) -> Result<T, Undone> + Send + 'static,
    ) -> Result<T, LogError> {
        let (reply, answer) = oneshot::channel();
        let stopped = || LogError::broken("the log is closed");
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(Box::new(Task { work, result: None, reply })).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

impl Drop for Writer {
    /// Waits until everything that was handed over is written.
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // It has said what it had to say when it panicked.
            let _ = thread.join();
        }
    }
}

/// Something to write, whatever its result.
trait Job: Send {
    /// Does it, and keeps its result. An error means that the database failed.
    fn run(&mut self, transaction: &mut Transaction, touched: &mut Vec<Moved>) -> rusqlite::Result<()>;
    /// Answers: with the result that was kept, or with why there is none.
    fn settle(self: Box<Self>, committed: Result<(), LogError>);
}

struct Task<T, W> {
    work: W,
    result: Option<Result<T, LogError>>,
    reply: oneshot::Sender<Result<T, LogError>>,
}

impl<T, W> Job for Task<T, W>
where
    T: Send,
    W: FnMut(&Connection, &mut Vec<Moved>) -> Result<T, Undone> + Send,
{
    fn run(&mut self, transaction: &mut Transaction, touched: &mut Vec<Moved>) -> rusqlite::Result<()> {
        // Undone when dropped without a commit.
        let savepoint = transaction.savepoint()?;
        self.result = Some(match (self.work)(&savepoint, touched) {
            Ok(result) => {
                savepoint.commit()?;
                Ok(result)
            }
            Err(Undone::Refused(error)) => Err(error),
            Err(Undone::Database(error)) => return Err(error),
        });
        Ok(())
    }

    fn settle(self: Box<Self>, committed: Result<(), LogError>) {
        let Task { result, reply, .. } = *self;
        let result = committed.and_then(|()| result.expect("a job is run before it is settled"));
        // Nobody may be waiting any more.
        let _ = reply.send(result);
    }
}

/// The thread's side.
struct Writing {
    connection: Connection,
    folder: PathBuf,
    watchers: Watchers,
    /// Whether the last transaction failed.
    is_failing: bool,
}

impl Writing {
    /// Until every sender is gone and the queue is empty.
    fn run(mut self, mut queue: mpsc::Receiver<Box<dyn Job>>) {
        let mut group = Vec::with_capacity(GROUP);
        while queue.blocking_recv_many(&mut group, GROUP) > 0 {
            self.write(std::mem::take(&mut group));
        }
    }

    fn write(&mut self, mut group: Vec<Box<dyn Job>>) {
        match self.commit(&mut group) {
            Ok(()) => {
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!("the log can be written again");
                }
                group.into_iter().for_each(|job| job.settle(Ok(())));
            }
            // One that is too large for what is left of the disk must not take the others with it.
            Err(_) if group.len() > 1 => group.into_iter().for_each(|job| self.write(vec![job])),
            Err(error) => {
                let error = explain(&error, &self.folder);
                // Once, not for everyone who tries.
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::error!(%error, "the log cannot be written");
                }
                group.into_iter().for_each(|job| job.settle(Err(error.clone())));
            }
        }
    }

    /// All of them in one synced transaction, or none.
    fn commit(&mut self, group: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
        let mut touched = Vec::new();
        let mut transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for job in group {
            job.run(&mut transaction, &mut touched)?;
        }
        transaction.commit()?;
        touched.into_iter().for_each(|moved| self.watchers.publish(moved));
        Ok(())
    }
}
