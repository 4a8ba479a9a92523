//! Which of the servers that share a log tracks a consumer.
//!
//! What becomes of a consumer's events is decided in the memory of one server at a time: the one that has *taken* the
//! consumer. It fires the consumer's retries and deadlines, declares its events dead, and saves. Who takes it next is
//! handed it by the one before, or waits until that one has lost touch; and because a server may not know yet that it
//! has, each taking has a [`Fence`], and the log refuses what is saved under an older one.

use ackwire::wire::{ClientSession, StreamName};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};
use tokio::sync::mpsc;

use super::{ConsumerKey, LogError};

/// Names one taking of a consumer; a later one is larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fence(pub u64);

/// Names a server in this life of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ServerId(pub String);

/// What a consumer is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Its newest connection [AW-CONN-5].
    Connection,
    /// Something that is done to one of its events from outside.
    Operation,
}

/// Who takes a consumer.
#[derive(Clone)]
pub enum Taker {
    /// A connection of it takes it from whoever has it, unless that is a newer one [AW-CONN-5].
    Connection {
        /// Which of the client's connections it is, if that is known.
        session: Option<ClientSession>,
        /// Whether it is still there: a log may be long in answering.
        is_there: Arc<dyn Fn() -> bool + Send + Sync>,
    },
    /// Something is done to one of its events from outside: it is taken only if nobody has it, or if who has it has lost
    /// touch.
    Operation {
        /// A server that says it has it not.
        not: Option<ServerId>,
    },
}

impl Taker {
    /// What for.
    pub fn purpose(&self) -> Purpose {
        match self {
            Self::Connection { .. } => Purpose::Connection,
            Self::Operation { .. } => Purpose::Operation,
        }
    }
}

/// What came of taking a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is this server's.
    Here(Fence),
    /// It is another one's, which is to be asked.
    Elsewhere(ServerId),
    /// A newer connection of the same client has it, or the connection has gone meanwhile.
    Overtaken,
}

/// What was saved of a consumer for who has taken it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// As [`Log::load_consumer`](super::Log::load_consumer) would answer.
    Current(Option<String>),
    /// Somebody has taken the consumer since.
    Superseded,
}

/// What is to be kept of a consumer of a stream.
#[derive(Clone, Debug)]
pub struct Save {
    /// Which stream.
    pub stream: StreamName,
    /// Whose.
    pub consumer: ConsumerKey,
    /// An opaque text.
    pub state: String,
    /// The taking under which it came to be.
    pub fence: Fence,
    /// Rises from save to save of one taking: one that is overtaken by a later one changes nothing.
    pub version: u64,
    /// Whether the consumer is subscribed now.
    pub is_connected: bool,
}

/// What other servers have to say.
pub enum Word {
    /// A consumer was taken by another server, under this fence. It waits for the reply: everything that is known here is
    /// saved, and nothing is done for the consumer here any more.
    Taken {
        /// Which.
        key: ConsumerKey,
        /// What this server has under an older fence it has lost.
        fence: Fence,
        /// What for.
        purpose: Purpose,
        /// Any text will do.
        reply: Reply,
    },
    /// Something is to be done to a consumer that this server has.
    Asked {
        /// What [`Owners::ask`] was given.
        question: String,
        /// What it answers.
        reply: Reply,
    },
    /// What is known of the stream's consumers was saved.
    Saved(StreamName),
}

/// How a word is answered, once; or not at all, and who waits for it waits for as long as it would.
pub struct Reply(Box<dyn FnOnce(String) + Send>);

impl Reply {
    /// To be called with the answer.
    pub fn new(send: impl FnOnce(String) + Send + 'static) -> Self {
        Self(Box::new(send))
    }

    /// Answers. Returns at once.
    pub fn send(self, text: String) {
        (self.0)(text);
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken { key, fence, .. } => write!(f, "Taken({}, {})", key.consumer, fence.0),
            Self::Asked { .. } => f.write_str("Asked"),
            Self::Saved(stream) => write!(f, "Saved({stream})"),
        }
    }
}

/// How the servers that share a log agree on who tracks a consumer. A log that one server has for itself has none.
#[async_trait]
pub trait Owners: Send + Sync + 'static {
    /// Takes a consumer. `held` is the fence under which this server has it already, as far as it knows: if that is so, it
    /// is the answer. If it is taken from somebody, the answer comes once that one has handed it over, or has lost touch.
    async fn take(&self, key: &ConsumerKey, held: Option<Fence>, taker: &Taker) -> Result<Taken, LogError>;

    /// Gives a consumer back that was taken under this fence. Returns at once; it is done by and by.
    fn release(&self, key: &ConsumerKey, fence: Fence);

    /// Gives everything back: this server goes away.
    async fn leave(&self) -> Result<(), LogError>;

    /// Whether this server is in touch with the others, so that what it has taken is its own: nobody takes it without
    /// telling.
    fn is_in_touch(&self) -> bool;

    /// For what somebody else has taken the consumer since it was taken under this fence; `None` if nobody has.
    async fn superseded(&self, key: &ConsumerKey, fence: Fence) -> Result<Option<Purpose>, LogError>;

    /// What was saved of a consumer that was taken under this fence. From now on nothing is saved under an older one.
    async fn load(&self, stream: &StreamName, key: &ConsumerKey, fence: Fence) -> Result<Loaded, LogError>;

    /// As [`Log::save_consumers`](super::Log::save_consumers). The answer is whose was refused, because somebody has
    /// taken the consumer since, and under which fence it was to be saved.
    async fn save(&self, saves: Vec<Save>) -> Result<Vec<(ConsumerKey, Fence)>, LogError>;

    /// For each of them whether it is subscribed to the stream on a server that is in touch, as of what was saved last.
    async fn connected(&self, stream: &StreamName, keys: &[ConsumerKey]) -> Result<Vec<bool>, LogError>;

    /// Has every server tell [`Word::Saved`] of this stream, for [`EXPECTED_FOR`] at least.
    async fn expect(&self, stream: &StreamName) -> Result<(), LogError>;

    /// Asks a server to do something to a consumer that it has, and waits for its answer, for a few seconds.
    async fn ask(&self, server: &ServerId, question: String) -> Result<String, LogError>;

    /// What others have to say, once; later calls answer `None`. What is not taken in time is let go.
    fn words(&self) -> Option<mpsc::Receiver<Word>>;
}

/// How long [`Owners::expect`] holds.
pub const EXPECTED_FOR: std::time::Duration = std::time::Duration::from_secs(10);
