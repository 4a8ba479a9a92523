//! A transaction with its events: tried again while that may help, and with a notice if it comes to nothing.

use ackwire::{
    base::{Backoff, Duration, Rng},
    wire::{EventType, Meta, Priority, StreamName},
};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use serde_json::{json, value::to_raw_value};
use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    thread,
};

use super::{Outbox, TransactError};
use crate::log::NewEvent;

/// How a transaction is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How often it is tried again after a transient failure ([`Fault::is_transient`](crate::fault::Fault)). Default 5.
    pub retries: u32,
    /// The wait before each. Default: up to 50 ms, doubling, up to 2 s.
    pub backoff: Backoff,
    /// Whom to tell if it comes to nothing. Default: nobody.
    pub notice: Option<Notice>,
}

impl Default for Terms {
    fn default() -> Self {
        let backoff = Backoff { base: Duration::from_millis(50), max: Duration::from_secs(2) };
        Self { retries: 5, backoff, notice: None }
    }
}

/// An event of type `transaction_rollback` (high) for a transaction that was rolled back. Its data are the `cause`
/// (`application`, `panic`, or the [`Fault`](crate::fault::Fault)) and how many `attempts` there were; what exactly went
/// wrong is for the application to tell. It is appended after what was committed before. It does not go through the
/// database, which may be what failed; so, if the process ends at that moment, it is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Where it goes.
    pub stream: StreamName,
    /// What travels with it.
    pub meta: Meta,
}

impl Outbox {
    /// Runs `work` in a transaction, commits, and wakes the relay. If `work` fails or panics, or the commit fails, all of
    /// it is rolled back, its events included. A transient failure has `work` run again, in another transaction, up to
    /// [`Terms::retries`] times.
    ///
    /// Blocks: call it where that is allowed (`tokio::task::spawn_blocking`). `connection` is the application's own, to
    /// the file that this outbox relays from; its busy timeout adds to the waits.
    pub fn transact<T, E>(
        &self,
        connection: &mut Connection,
        terms: &Terms,
        mut work: impl FnMut(&Transaction<'_>) -> Result<T, TransactError<E>>,
    ) -> Result<T, TransactError<E>> {
        let mut rng = Rng::new(rand::random());
        for failures in 0.. {
            let error = match catch_unwind(AssertUnwindSafe(|| attempt(connection, &mut work))) {
                Ok(Ok(result)) => {
                    self.wake();
                    return Ok(result);
                }
                Ok(Err(error)) => error,
                Err(panic) => {
                    self.tell(terms, json!("panic"), failures + 1);
                    resume_unwind(panic);
                }
            };
            let cause = match &error {
                TransactError::Database(error) if error.fault.is_transient() && failures < terms.retries => {
                    let delay = terms.backoff.delay(failures, &mut rng);
                    thread::sleep(std::time::Duration::from_millis(delay.as_millis()));
                    continue;
                }
                TransactError::Database(error) => json!(error.fault),
                TransactError::Application(_) => json!("application"),
            };
            self.tell(terms, cause, failures + 1);
            return Err(error);
        }
        unreachable!("the last retry returns")
    }

    fn tell(&self, terms: &Terms, cause: serde_json::Value, attempts: u32) {
        let Some(Notice { stream, meta }) = terms.notice.clone() else { return };
        let data = json!({ "cause": cause, "attempts": attempts });
        let event_type = EventType::new("transaction_rollback").expect("this is a valid event type");
        let data = to_raw_value(&data).expect("a value is JSON");
        let event = NewEvent { priority: Priority::High, meta, ..NewEvent::new(event_type, data) };
        self.notify(stream, event);
    }
}

/// What is not committed is rolled back when the transaction is dropped.
fn attempt<T, E>(
    connection: &mut Connection,
    work: &mut impl FnMut(&Transaction<'_>) -> Result<T, TransactError<E>>,
) -> Result<T, TransactError<E>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let result = work(&transaction)?;
    transaction.commit()?;
    Ok(result)
}
