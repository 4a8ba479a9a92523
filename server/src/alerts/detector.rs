//! Decides when a condition is crossed.

use ackwire::{
    base::{Duration, Instant},
    deliver::Notice,
    wire::{EventId, Priority, Seq, SeqRange, StreamName},
};
use std::collections::{BTreeMap, BTreeSet};

use super::{Alert, Condition, Kind, Sighting, board::Board};
use crate::log::ConsumerKey;

/// Most runs that are watched; the one with the nearest timer, which is about the quietest, makes room.
pub const MAX_RUNS: usize = 10_000;
/// Most tools of a run that are watched at a time.
pub const MAX_TOOLS: usize = 64;
/// How long a run is remembered after its last event.
const FORGET_AFTER: Duration = Duration::from_secs(60 * 60);
/// How often the log is looked at while an alert about a run stands.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// When a span is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// How long a run may be silent. Default 30 s.
    pub silence: Duration,
    /// How long a tool may execute. Default 60 s.
    pub tool: Duration,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { silence: Duration::from_secs(30), tool: Duration::from_secs(60) }
    }
}

/// Watches runs and deliveries. A run is watched from its first `agent_…` or `tool_…` event on.
///
/// Others may append to the same log unseen. So before something is told of a run, and while it stands, somebody looks in
/// the log for what has not been seen: [`doubts`](Self::doubts) says where, [`handle_look`](Self::handle_look) takes it.
///
/// Invariant: `due` has each run of `runs` once, at its `due`.
#[derive(Clone, Debug)]
pub struct Detector {
    thresholds: Thresholds,
    runs: BTreeMap<RunKey, Run>,
    due: BTreeSet<(Instant, RunKey)>,
    board: Board,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RunKey {
    stream: StreamName,
    run: String,
}

#[derive(Clone, Debug)]
struct Run {
    last: Instant,
    /// The newest event that was seen.
    newest: Seq,
    /// Up to here every event was seen: the log was looked at, or the run was not watched yet.
    looked: Seq,
    /// Whether `agent_started` was seen.
    started: bool,
    over: bool,
    silent: bool,
    tools: Vec<Tool>,
    /// When to look at it again.
    due: Instant,
}

#[derive(Clone, Debug)]
struct Tool {
    seq: Seq,
    call: String,
    name: String,
    since: Instant,
    slow: bool,
}

/// A run about which something is to be told, unless the log has events that were not seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Where.
    pub stream: StreamName,
    /// Of which run.
    pub run: String,
    /// After which seq to look.
    pub after: Seq,
}

/// An event that was found in the log.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its place.
    pub seq: Seq,
    /// When it came about, in milliseconds since 1970.
    pub time: u64,
    /// What it says.
    pub sighting: Sighting,
}

impl Detector {
    /// Nothing has been seen.
    pub fn new(thresholds: Thresholds) -> Self {
        Self { thresholds, runs: BTreeMap::new(), due: BTreeSet::new(), board: Board::default() }
    }

    /// Whether the run's `agent_started` was seen: if not, somebody should look for it in the log before telling of its
    /// `agent_completed`.
    pub fn has_started(&self, stream: &StreamName, run: &str) -> bool {
        let key = RunKey { stream: stream.clone(), run: run.to_owned() };
        self.runs.get(&key).is_some_and(|run| run.started)
    }

    /// An event was appended. `began` says whether the log has an `agent_started` of its run that was not seen here.
    pub fn handle_event(
        &mut self,
        now: Instant,
        stream: &StreamName,
        (seq, event): (Seq, EventId),
        sighting: Sighting,
        began: bool,
    ) {
        let Sighting { run, kind } = sighting;
        let key = RunKey { stream: stream.clone(), run };
        let is_known = self.runs.contains_key(&key);
        if !is_known && matches!(kind, Kind::Other) {
            return;
        }
        if !is_known
            && self.runs.len() == MAX_RUNS
            && let Some((_, quietest)) = self.due.pop_first()
        {
            self.drop_run(now, &quietest);
        }
        let mut run = self.take(&key).unwrap_or_else(|| Run {
            last: now,
            newest: seq.before(),
            looked: seq.before(),
            started: false,
            over: false,
            silent: false,
            tools: Vec::new(),
            due: now,
        });
        run.started |= began;
        if matches!(kind, Kind::Completed) && !run.started {
            let unstarted = Alert { event: Some(event), ..alert(now, Condition::RunUnstarted, &key) };
            self.board.raise(unstarted.clone(), None);
            self.board.clear(now, &unstarted);
        }
        self.apply(now, now, &key, &mut run, seq, kind);
        self.keep(now, key, run);
    }

    /// Of which runs something would be told, or stands, by now. Look in the log, call [`handle_look`](Self::handle_look) for
    /// each, then [`handle_timeout`](Self::handle_timeout) with the same time.
    pub fn doubts(&self, now: Instant) -> Vec<Doubt> {
        let due = self.due.iter().take_while(|(due, _)| *due <= now);
        let with_run = due.filter_map(|(_, key)| Some((key, self.runs.get(key)?)));
        let doubtful = with_run.filter(|(_, run)| !run.over && run.last + FORGET_AFTER > now);
        doubtful
            .map(|(key, run)| Doubt { stream: key.stream.clone(), run: key.run.clone(), after: run.looked })
            .collect()
    }

    /// What the log has of a run, from [`Doubt::after`] up to `upto`: all of it, ascending. What was seen before changes
    /// nothing.
    pub fn handle_look(&mut self, now: Instant, doubt: &Doubt, upto: Seq, found: Vec<Found>) {
        let key = RunKey { stream: doubt.stream.clone(), run: doubt.run.clone() };
        let Some(mut run) = self.take(&key) else { return };
        for Found { seq, time, sighting } in found {
            // Whose clock is ahead has not heard of the future.
            let at = Instant::from_millis(time).min(now);
            self.apply(now, at, &key, &mut run, seq, sighting.kind);
        }
        run.looked = run.looked.max(upto);
        self.keep(now, key, run);
    }

    /// What an event of `at`, known by now, says about its run.
    fn apply(&mut self, now: Instant, at: Instant, key: &RunKey, run: &mut Run, seq: Seq, kind: Kind) {
        if seq > run.newest {
            run.newest = seq;
            // What came later by the log's order is not older, whatever the clock says that its producer goes by.
            run.last = if at > run.last { at } else { now };
            if run.silent && run.last + self.thresholds.silence > now {
                run.silent = false;
                self.board.clear(now, &alert(now, Condition::RunSilent, key));
            }
        }
        match kind {
            Kind::Started => (run.started, run.over) = (true, false),
            Kind::Working | Kind::Other => {}
            Kind::ToolExecuting { call, tool } => {
                let is_known = run.tools.iter().any(|tool| tool.seq == seq);
                if !is_known && run.tools.len() < MAX_TOOLS {
                    run.tools.push(Tool { seq, call, name: tool, since: at, slow: false });
                }
            }
            Kind::ToolCompleted { call } => {
                if let Some(index) = run.tools.iter().position(|tool| tool.call == call && tool.seq < seq) {
                    self.finish_tool(now, key, &run.tools.remove(index));
                }
            }
            Kind::Completed | Kind::Broken => self.finish(now, key, run),
        }
    }

    /// A stream takes no more events: nothing is awaited of its runs any more.
    pub fn handle_end(&mut self, now: Instant, stream: &StreamName) {
        let first = RunKey { stream: stream.clone(), run: String::new() };
        let keys = self.runs.range(first..).map(|(key, _)| key).take_while(|key| key.stream == *stream);
        for key in keys.cloned().collect::<Vec<_>>() {
            let Some(run) = self.runs.get(&key) else { continue };
            self.due.remove(&(run.due, key.clone()));
            self.drop_run(now, &key);
        }
    }

    /// Whether [`handle_notice`](Self::handle_notice) would do anything: most events are confirmed in time, and not critical.
    pub fn is_concerned(notice: &Notice) -> bool {
        match notice {
            Notice::Timeout { priority, .. } | Notice::Dead { priority, .. } | Notice::Confirmed { priority, .. } => {
                *priority == Priority::Critical
            }
            Notice::Discarded { .. } | Notice::Lost(_) => true,
            Notice::Failed { .. } | Notice::Retrying { .. } | Notice::EpochChanged => false,
        }
    }

    /// Something became of an event for a consumer.
    pub fn handle_notice(&mut self, now: Instant, stream: &StreamName, consumer: &ConsumerKey, notice: &Notice) {
        let unconfirmed = || Alert {
            consumer: Some(consumer.consumer.clone()),
            subject: consumer.subject.clone(),
            ..Alert::new(now, Condition::CriticalUnconfirmed, stream)
        };
        let late = |id: &EventId| Alert { event: Some(id.clone()), ..unconfirmed() };
        let single = |seq: Seq| SeqRange::single(seq);
        match notice {
            Notice::Timeout { seq, id, priority: Priority::Critical, .. }
            | Notice::Dead { seq, id, priority: Priority::Critical, .. } => self.board.raise(late(id), Some(*seq)),
            Notice::Confirmed { seq, priority: Priority::Critical, .. } | Notice::Discarded { seq, .. } => {
                single(*seq).into_iter().for_each(|range| self.board.settle(now, &unconfirmed(), range));
            }
            Notice::Lost(lost) => {
                let range = SeqRange::new(lost.after, lost.upto);
                range.into_iter().for_each(|range| self.board.settle(now, &unconfirmed(), range));
            }
            _ => {}
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        while self.due.first().is_some_and(|(due, _)| *due <= now) {
            let Some((_, key)) = self.due.pop_first() else { return };
            let Some(mut run) = self.runs.remove(&key) else { continue };
            if run.last + FORGET_AFTER <= now {
                self.finish(now, &key, &mut run);
                continue;
            }
            if !run.over && !run.silent && run.last + self.thresholds.silence <= now {
                run.silent = true;
                self.board.raise(alert(now, Condition::RunSilent, &key), None);
            }
            for tool in run.tools.iter_mut().filter(|tool| !tool.slow && tool.since + self.thresholds.tool <= now) {
                tool.slow = true;
                self.board.raise(slow(now, &key, tool), None);
            }
            self.keep(now, key, run);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// An alert that was raised, or is over; each once.
    pub fn poll_change(&mut self) -> Option<Alert> {
        self.board.poll_change()
    }

    /// Every alert that is remembered, oldest first.
    pub fn alerts(&self) -> impl DoubleEndedIterator<Item = &Alert> {
        self.board.alerts()
    }

    fn take(&mut self, key: &RunKey) -> Option<Run> {
        let run = self.runs.remove(key)?;
        self.due.remove(&(run.due, key.clone()));
        Some(run)
    }

    fn keep(&mut self, now: Instant, key: RunKey, mut run: Run) {
        let silence = (!run.over && !run.silent).then_some(run.last + self.thresholds.silence);
        let tools = run.tools.iter().filter(|tool| !tool.slow).map(|tool| tool.since + self.thresholds.tool);
        let stands = run.silent || run.tools.iter().any(|tool| tool.slow);
        let look = stands.then_some(now + LOOK_EVERY);
        run.due = tools.chain(silence).chain(look).chain([run.last + FORGET_AFTER]).min().unwrap_or(run.last);
        self.due.insert((run.due, key.clone()));
        self.runs.insert(key, run);
    }

    fn drop_run(&mut self, now: Instant, key: &RunKey) {
        if let Some(mut run) = self.runs.remove(key) {
            self.finish(now, key, &mut run);
        }
    }

    fn finish(&mut self, now: Instant, key: &RunKey, run: &mut Run) {
        run.over = true;
        if std::mem::take(&mut run.silent) {
            self.board.clear(now, &alert(now, Condition::RunSilent, key));
        }
        for tool in run.tools.drain(..) {
            self.finish_tool(now, key, &tool);
        }
    }

    fn finish_tool(&mut self, now: Instant, key: &RunKey, tool: &Tool) {
        if tool.slow {
            self.board.clear(now, &slow(now, key, tool));
        }
    }
}

fn alert(now: Instant, condition: Condition, key: &RunKey) -> Alert {
    Alert { run: Some(key.run.clone()), ..Alert::new(now, condition, &key.stream) }
}

fn slow(now: Instant, key: &RunKey, tool: &Tool) -> Alert {
    Alert { tool: Some(tool.name.clone()), ..alert(now, Condition::ToolSlow, key) }
}
