//! A seed's story, from its plan to its end.

use ackwire::base::Duration;

use crate::conditions::Conditions;
use crate::plan::Plan;
use crate::profile::Profile;
use crate::seen::Seen;
use crate::world::{Trace, World};

/// How long the world may take to settle once everything is mended: the longest retries, and the reconnect behind them.
const SETTLE: Duration = Duration::from_secs(1800);

/// What a seed's story held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What happened by plan.
    pub acts: u64,
    /// Handlers begun.
    pub began: u64,
    /// Events applied, in all page lives.
    pub applied: u64,
    /// Ranges declared lost.
    pub lost: u64,
    /// Resets.
    pub resets: u64,
    /// Publishes answered.
    pub published: u64,
}

impl Report {
    /// Both together.
    pub fn add(&mut self, other: &Self) {
        let Self { acts, began, applied, lost, resets, published } = other;
        self.acts += acts;
        self.began += began;
        self.applied += applied;
        self.lost += lost;
        self.resets += resets;
        self.published += published;
    }
}

/// A seed and what of its plan is left.
#[derive(Clone, Debug)]
pub struct Story {
    /// The seed.
    pub seed: u64,
    /// The kind of story.
    pub profile: &'static Profile,
    /// The places of the acts that happen; all if `None`.
    pub keep: Option<Vec<usize>>,
}

impl Story {
    /// A whole one.
    pub fn new(seed: u64, profile: &'static Profile) -> Self {
        Self { seed, profile, keep: None }
    }

    /// What is left of its plan.
    pub fn plan(&self) -> Plan {
        let mut plan = self.profile.plan(self.seed);
        if let Some(keep) = &self.keep {
            plan.keep(keep);
        }
        plan
    }

    /// Runs it. Panics, with what was broken, if the promise is. What happens goes to the trace.
    pub fn run(&self, trace: Option<Trace>) -> Report {
        self.plan().run(self.seed, trace)
    }
}

impl Plan {
    /// Runs it in a world of this seed, as [`Story::run`] does.
    pub fn run(self, seed: u64, trace: Option<Trace>) -> Report {
        let (span, acts) = (self.span, self.acts.len() as u64);
        let streams: Vec<&str> = self.streams.iter().map(String::as_str).collect();
        let conditions = Conditions { delivery: self.delivery, limits: self.limits, ..Conditions::quiet() };
        let mut world = World::new(seed, conditions, &streams);
        world.trace = trace;
        world.follow(self);
        world.run_for(span);
        world.heal();
        if !world.run_until_settled(SETTLE) {
            panic!("not settled {} s after everything was mended: {}", SETTLE.as_millis() / 1000, world.unsettled());
        }
        world.check_settled();
        Report { acts, ..report(&world) }
    }
}

fn report(world: &World) -> Report {
    let mut report = Report::default();
    let past = world.tabs.iter().flat_map(|tab| tab.past.values().flatten().flatten());
    let present = world.tabs.iter().flat_map(|tab| tab.readers.iter().flat_map(|reader| &reader.seen));
    for seen in past.chain(present) {
        match seen {
            Seen::Began { .. } => report.began += 1,
            Seen::Applied { .. } => report.applied += 1,
            Seen::Lost { .. } => report.lost += 1,
            Seen::Reset { .. } => report.resets += 1,
            Seen::Subscribed { .. } | Seen::Ended => {}
        }
    }
    let answers = world.tabs.iter().flat_map(|tab| &tab.publications).map(|publication| u64::from(publication.answers));
    Report { published: answers.sum(), ..report }
}
