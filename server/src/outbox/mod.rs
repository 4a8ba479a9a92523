//! Publish with the transaction: for applications that keep their own data in SQLite.
//!
//! Events go into a table in the application's own file, inside the transaction that makes them true. If it commits,
//! they become visible in their streams, in the order of the commits; if it rolls back, there never was anything. A
//! relay takes them from the table to the [`Log`], and deletes what the log has answered. An event's id is fixed when
//! it is put in, so that a crash in between repeats nothing.
//!
//! ```
//! # use ackwire_server::{log::{Log, MemoryLog, NewEvent, Retention}, outbox::{self, Outbox, Terms, TransactError}};
//! # use rusqlite::Connection;
//! # use std::{sync::Arc, time::Duration};
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! # let folder = tempfile::tempdir()?;
//! # let (path, log) = (folder.path().join("shop.db"), Arc::new(MemoryLog::new(Retention::default())));
//! # let stream = "orders:7".parse()?;
//! # let event: NewEvent = serde_json::from_str(r#"{"id": "o1", "type": "ordered", "time": 0, "data": {"ducks": 2}}"#)?;
//! // Once, where the application makes its own tables:
//! let mut shop = Connection::open(&path)?;
//! shop.execute_batch("CREATE TABLE orders (ducks INTEGER NOT NULL) STRICT")?;
//! outbox::create(&shop)?;
//!
//! // Once, where the server starts:
//! let outbox = Outbox::start(&path, log.clone(), Duration::from_secs(1))?;
//!
//! // For each transaction, wherever it may block:
//! outbox.transact(&mut shop, &Terms::default(), |transaction| {
//!     transaction.execute("INSERT INTO orders VALUES (2)", [])?;
//!     outbox::append(transaction, &stream, &event)?;
//!     Ok::<_, TransactError>(())
//! })?;
//! outbox.flush().await?; // for who wants to see it in the stream at once
//! assert_eq!(log.tail(&stream).await?.head.get(), 1);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod error;
mod relay;
mod table;
mod transact;

pub use error::{OutboxError, TransactError};
pub use relay::Status;
pub use table::{Refused, append, create, discard, refused};
pub use transact::{Notice, Terms};

use ackwire::wire::StreamName;
use std::{path::Path, sync::Arc, time::Duration};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::log::{Log, NewEvent};
use relay::{Order, Relay};

/// Most orders that wait for the relay, and most flushes and notices that it has taken and waits with.
pub const ORDERS: usize = 1024;

/// The relay of one file, from its table to a log. Cheap to clone; it ends with the last clone.
///
/// Two on the same file do no harm, and one is enough.
#[derive(Clone)]
pub struct Outbox {
    orders: mpsc::Sender<Order>,
    wake: Arc<Notify>,
    status: watch::Receiver<Status>,
}

impl Outbox {
    /// Starts relaying from the file at `path`, whose table [`create`] has made; must be called inside a tokio runtime.
    /// It begins with what is there: a crash may have left something. `poll`: how often it looks without being woken,
    /// for commits that nobody told of.
    pub fn start(path: &Path, log: Arc<dyn Log>, poll: Duration) -> Result<Self, OutboxError> {
        let table = table::Table::open(path)?;
        let (orders, queue) = mpsc::channel(ORDERS);
        let (tell, status) = watch::channel(Status::default());
        let wake = Arc::new(Notify::new());
        tokio::spawn(Relay::new(table, log, poll, queue, wake.clone(), tell).run());
        Ok(Self { orders, wake, status })
    }

    /// There may be something to relay: after a commit that [`transact`](Self::transact) did not make.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// How it goes, now and from now on.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Waits until everything that was committed before the call is in the log, or refused by it ([`refused`]). Waits on
    /// through transient trouble; fails with any other. What fails stays in the table, and is tried again.
    pub async fn flush(&self) -> Result<(), OutboxError> {
        let (reply, answer) = oneshot::channel();
        self.orders.send(Order::Flush(reply)).await.map_err(|_| OutboxError::closed())?;
        answer.await.map_err(|_| OutboxError::closed())?
    }

    /// Stops relaying, for every clone, once what is under way is done. What is in the table stays there.
    pub async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        if self.orders.send(Order::Close(reply)).await.is_ok() {
            // It is dropped at the end, unanswered.
            let _ = closed.await;
        }
    }

    /// Has a notice appended after what is committed by now.
    fn notify(&self, stream: StreamName, event: NewEvent) {
        if self.orders.try_send(Order::Notice(stream, Box::new(event))).is_err() {
            tracing::warn!("a notice of a rollback was dropped: the relay has stopped, or has too many to send");
        }
    }
}
