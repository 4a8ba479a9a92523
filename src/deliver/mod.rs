//! The server's end of a subscription: what to send, how much at a time, and what became of it.
//!
//! [`Feed`] sends one stream to one consumer. It is built on a [`Tracker`], which outlives connections and is stored as
//! [`Saved`]. [`Connection`] makes the decisions of one connection that concern no stream: `hello`, tokens, heartbeat,
//! limits.
//!
//! Both take inputs with the time, and are then drained: every `poll_…` until it returns `None`, and last one timer is
//! armed at `poll_timeout`. An early or late `handle_timeout` is harmless.

mod attach;
mod config;
mod confirm;
mod connection;
mod due;
mod entry;
mod feed;
mod link;
mod losing;
mod notice;
mod operate;
mod paging;
mod queue;
mod record;
mod reported;
mod retrying;
mod saved;
mod tracker;
mod troubled;

pub use config::Config;
pub use confirm::{MAX_SAID_AGAIN, Violation};
pub use connection::{Action, Bucket, Connection, Limits};
pub use entry::{Entry, Head};
pub use feed::{EventsOut, Feed, FeedFrame, Page, ReadRequest, Tail};
pub use link::MAX_RESENDS;
pub use notice::{Counters, Notice};
pub use operate::{MAX_REQUEUED, NotDone};
pub use record::{DeadLetter, Delivery, Failure, MAX_ERRORS, State};
pub use reported::Reported;
pub use saved::Saved;
pub use tracker::{MAX_DEAD_LETTERS, MAX_EXCEPTIONS, MAX_RECENT, MAX_REOPENED, MAX_SETTLED, Tracker};
pub use troubled::Troubled;
