//! A seed's story as data: who comes, what is produced, and what goes wrong when. Every choice is made when the plan is
//! drawn, so that an act that is left out changes nothing about the others.

use ackwire::base::Duration;
use ackwire::deliver::{Config, Limits};
use ackwire::receive::SubscribeOptions;

use crate::conditions::Conditions;
use crate::seen::Call;

/// A story.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The streams' names.
    pub streams: Vec<String>,
    /// How many producers there are.
    pub producers: usize,
    /// How the server sends.
    pub delivery: Config,
    /// What the server allows.
    pub limits: Limits,
    /// How long it goes on before everything is mended.
    pub span: Duration,
    /// What happens, by time.
    pub acts: Vec<Act>,
}

/// Something that happens.
#[derive(Clone, Debug)]
pub struct Act {
    /// Its place in the whole plan: how it is named when some are left out.
    pub place: usize,
    /// How long after the beginning.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What happens. Tabs and streams are numbers; an act about a tab that is not there does nothing.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields are what their names say")]
pub enum What {
    /// A condition is as this from now on.
    Set(Dial),
    /// A tab opens.
    Open(Box<Open>),
    /// A tab is duplicated, with what it stored and with its identity.
    Duplicate { tab: usize, of: usize },
    /// A producer has events.
    Produce(Production),
    /// Both ends notice that the tab's connection is gone; what is under way is lost.
    Cut { tab: usize },
    /// Nothing gets through any more, and nobody is told.
    HalfOpen { tab: usize },
    /// Nothing gets through for a while.
    Stall { tab: usize, span: Duration },
    /// So many bytes a second get through to the page for a while.
    Throttle { tab: usize, rate: u64, span: Duration },
    /// The page stands still, and then its clock has jumped.
    Freeze { tab: usize, span: Duration, jump: Duration },
    /// The page's clock runs at so many milliseconds in a second.
    Drift { tab: usize, rate: u64 },
    /// The page reloads; perhaps the browser has forgotten what it stored.
    Reload { tab: usize, forget: bool },
    /// The application calls its client.
    Call { tab: usize, stream: usize, call: Call },
    /// It publishes so many at once.
    Publish { tab: usize, stream: usize, count: usize },
    /// It subscribes to what it had unsubscribed from.
    Resubscribe { tab: usize, stream: usize },
    /// The server dies, and comes back with a clock that may read differently.
    Crash { down: Duration, clock: ClockStep },
    /// And its logs lose their last events.
    CrashLosing { down: Duration, lost: usize },
    /// The server stands still.
    Pause { span: Duration },
    /// Its clock jumps ahead.
    Jump { by: Duration },
    /// Its clock runs at so many milliseconds in a second.
    ServerDrift { rate: u64 },
    /// It asks everybody to go elsewhere.
    Drain { span: Duration },
    /// It refuses every token that it has accepted.
    Refuse,
    /// The logs cannot be read or written for a while.
    Sick { span: Duration },
    /// Retention leaves the last `keep` events.
    Trim { stream: usize, keep: usize },
    /// Compaction takes one event of so many, those that `pick` names.
    Compact { stream: usize, one_in: u64, pick: u64 },
    /// The stream is deleted and begins anew.
    Recreate { stream: usize },
    /// The stream is complete.
    End { stream: usize },
    /// An operator does something to an event of a consumer.
    Operate { tab: usize, stream: usize, pick: u64, operation: Operation },
}

/// How a server's clock reads after its restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockStep {
    /// As it would have.
    Right,
    /// So much earlier.
    Back(Duration),
    /// So much later.
    Ahead(Duration),
}

/// What an operator may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are what their names say")]
pub enum Operation {
    /// The event is applied.
    Confirm,
    /// It could not be applied.
    Fail { retry: bool },
    /// A dead letter is sent again.
    Requeue,
    /// A dead letter is put away.
    Discard,
}

/// A tab and its application.
#[derive(Clone, Debug)]
pub struct Open {
    /// Its number.
    pub tab: usize,
    /// What it subscribes to.
    pub subscribe: Vec<SubscribeOptions>,
    /// Whether it has tokens.
    pub has_token: bool,
    /// How many events of a stream may be with its handlers at a time.
    pub concurrency: usize,
    /// How many publishes may wait.
    pub max_outbox: usize,
    /// How many ids of a stream its client remembers.
    pub dedupe_window: usize,
}

/// What a producer has.
#[derive(Clone, Debug)]
pub struct Production {
    /// Which producer.
    pub producer: usize,
    /// For which stream.
    pub stream: usize,
    /// How many.
    pub count: usize,
    /// The first one's number; an event's id is made of it.
    pub first: u64,
    /// How many bytes each has besides.
    pub padding: usize,
    /// Whether they are critical.
    pub critical: bool,
    /// How long their consumers have.
    pub deadline_ms: Option<u32>,
    /// How often each is tried again.
    pub retries: Option<u32>,
}

/// A condition with its value.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "as in `Conditions`")]
pub enum Dial {
    Latency(Duration),
    Drop(u32),
    Duplicate(u32),
    Reorder(u32),
    Throws(u32),
    Hangs(u32),
    AtOnce(u32),
    Calls(u32),
    Slow(Duration),
    Sparse(u32),
    RequestLoss(u32),
    Reading(Duration),
    Saving(Duration),
    BadTokens(u32),
    TokenLife(Duration),
    BadTimers(u32),
}

impl Dial {
    /// Sets it.
    pub fn apply(self, conditions: &mut Conditions) {
        match self {
            Self::Latency(value) => conditions.latency = value,
            Self::Drop(value) => conditions.drop = value,
            Self::Duplicate(value) => conditions.duplicate = value,
            Self::Reorder(value) => conditions.reorder = value,
            Self::Throws(value) => conditions.throws = value,
            Self::Hangs(value) => conditions.hangs = value,
            Self::AtOnce(value) => conditions.at_once = value,
            Self::Calls(value) => conditions.calls = value,
            Self::Slow(value) => conditions.slow = value,
            Self::Sparse(value) => conditions.sparse = value,
            Self::RequestLoss(value) => conditions.request_loss = value,
            Self::Reading(value) => conditions.reading = value,
            Self::Saving(value) => conditions.saving = value,
            Self::BadTokens(value) => conditions.bad_tokens = value,
            Self::TokenLife(value) => conditions.token_life = value,
            Self::BadTimers(value) => conditions.bad_timers = value,
        }
    }
}

impl Plan {
    /// Only the acts at these places.
    pub fn keep(&mut self, places: &[usize]) {
        self.acts.retain(|act| places.contains(&act.place));
    }
}
