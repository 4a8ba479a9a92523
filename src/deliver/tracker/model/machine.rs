//! The state machine: what a tracker is to know of each event, without ranges, indexes and sharing.

use super::*;

/// Where one event stands.
#[derive(Clone, Debug, Default)]
pub enum Life {
    /// No connection was sent it, as far as is remembered.
    #[default]
    Unsent,
    /// Sent once in an earlier life of the server, and not settled.
    Awaited,
    /// Sent, and not settled.
    Open(Open),
    /// Its times, as far as they are remembered, and whether it was somebody else than the connection who said so.
    Applied { known: Option<Known>, vouched: bool },
    /// Skipped.
    Passed,
    /// With its letter, unless that was put away.
    Dead { letter: Option<DeadLetter> },
    /// A dead letter in its second life.
    Again(Open),
}

#[derive(Clone, Debug)]
pub struct Open {
    pub attempt: u32,
    pub spent: u32,
    pub since: Instant,
    pub sent_at: Instant,
    /// `None` while it is sent; else whether it waits because of a timeout.
    pub waits: Option<bool>,
    /// When its deadline passes, or its retry is due.
    pub due: Option<Instant>,
    /// Whether a timer runs for that.
    pub is_armed: bool,
    pub failures: Vec<Failure>,
}

#[derive(Clone, Debug)]
pub struct Known {
    pub attempt: u32,
    pub sent_at: Instant,
    pub confirmed_at: Instant,
    pub failures: Vec<Failure>,
}

impl Open {
    fn new(now: Instant) -> Self {
        let failures = Vec::new();
        Self { attempt: 1, spent: 0, since: now, sent_at: now, waits: None, due: None, is_armed: false, failures }
    }

    pub fn state(&self) -> State {
        match self.waits {
            Some(true) => State::Timeout,
            Some(false) => State::Failed,
            None if self.attempt == 1 => State::Sent,
            None => State::Retrying,
        }
    }

    fn note(&mut self, now: Instant, message: &str, timed_out: bool) {
        let failure = Failure { attempt: self.attempt, at: now.as_millis(), message: message.into(), timed_out };
        self.failures.push(failure);
        if self.failures.len() > MAX_ERRORS {
            self.failures.remove(0);
        }
    }

    /// Goes to a state that it leaves at `due`.
    fn enter(&mut self, now: Instant, waits: Option<bool>, due: Instant) {
        let before = self.state();
        (self.waits, self.due, self.is_armed) = (waits, Some(due), true);
        if self.state() != before {
            self.since = now;
        }
    }
}

pub struct Machine {
    config: Config,
    rng: Rng,
    pub lives: BTreeMap<u64, Life>,
    /// The dead letters in the order in which they died.
    pub letters: Vec<u64>,
    /// Given up, and the consumer has not said that it knows.
    pub untold: BTreeSet<u64>,
    pub only_odd: bool,
    pub sent_upto: u64,
    pub counters: Counters,
    pub notices: Vec<Notice>,
    pub vows: u64,
}

impl Machine {
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            config,
            rng: Rng::new(seed),
            lives: (1..=LAST).map(|n| (n, Life::Unsent)).collect(),
            letters: Vec::new(),
            untold: BTreeSet::new(),
            only_odd: false,
            sent_upto: 0,
            counters: Counters::default(),
            notices: Vec::new(),
            vows: 0,
        }
    }

    // --- transitions ---

    pub fn send(&mut self, now: Instant, n: u64) -> u32 {
        if matches!(self.life(n), Life::Applied { .. } | Life::Passed | Life::Dead { .. }) {
            return 1;
        }
        self.sent_upto = self.sent_upto.max(n);
        if matches!(self.life(n), Life::Unsent | Life::Awaited) {
            self.counters.sent += u64::from(matches!(self.life(n), Life::Unsent));
            self.lives.insert(n, Life::Open(Open::new(now)));
        }
        let due = now + self.deadline(n);
        let open = self.open_mut(n).unwrap();
        if open.waits.is_some() {
            if open.due.unwrap() > now {
                return open.attempt;
            }
            open.attempt += 1;
            let attempt = open.attempt;
            self.counters.retries += 1;
            self.notices.push(Notice::Retrying { seq: seq(n), id: event(n).id, attempt });
        }
        let open = self.open_mut(n).unwrap();
        open.enter(now, None, due);
        open.attempt
    }

    pub fn resend(&mut self, now: Instant, n: u64) -> u32 {
        let due = now + self.deadline(n);
        let Some(open) = self.open_mut(n) else { return 1 };
        if open.waits.is_none() {
            open.enter(now, None, due);
        }
        open.attempt
    }

    pub fn confirm(&mut self, now: Instant, range: SeqRange) {
        for n in range.after().get() + 1..=range.upto().get() {
            self.untold.remove(&n);
            match self.life(n).clone() {
                Life::Unsent | Life::Awaited => self.applied(n, None),
                Life::Open(open) => {
                    let is_late = open.waits == Some(true);
                    self.confirmed(now, n, open, is_late);
                }
                _ => {}
            }
        }
        self.sent_upto = self.sent_upto.max(range.upto().get());
    }

    pub fn cover(&mut self, range: SeqRange) {
        for n in range.after().get() + 1..=range.upto().get() {
            if matches!(self.life(n), Life::Unsent | Life::Awaited | Life::Open(_)) {
                self.applied(n, None);
            }
        }
        self.sent_upto = self.sent_upto.max(range.upto().get());
    }

    pub fn skip(&mut self, range: SeqRange) {
        for n in range.after().get() + 1..=range.upto().get() {
            if matches!(self.life(n), Life::Unsent | Life::Awaited | Life::Open(_) | Life::Again(_)) {
                self.lives.insert(n, Life::Passed);
            }
        }
        self.sent_upto = self.sent_upto.max(range.upto().get());
    }

    pub fn fail(&mut self, now: Instant, n: u64, attempt: u32, retry: bool) -> Verdict {
        let Some(open) = self.open_mut(n).filter(|open| attempt >= open.attempt) else { return Verdict::Ignored };
        let is_news = open.attempt < attempt;
        let waits = if is_news { None } else { open.waits };
        open.attempt = attempt;
        if is_news {
            self.counters.retries += 1;
            self.notices.push(Notice::Retrying { seq: seq(n), id: event(n).id, attempt });
        }
        let open = self.open_mut(n).unwrap();
        match (waits, retry) {
            // The same failure once more.
            (Some(false), true) => Verdict::Waiting,
            // The reason comes after the deadline; there is one retry of both.
            (Some(true), true) => {
                open.note(now, "no", false);
                (open.waits, open.since) = (Some(false), now);
                Verdict::Waiting
            }
            _ => {
                open.note(now, "no", false);
                self.counters.failed += 1;
                self.retry_or_bury(now, n, false, retry)
            }
        }
    }

    pub fn reopen(&mut self, now: Instant, n: u64) {
        self.lives.insert(n, Life::Open(Open::new(now)));
    }

    /// Each that fell due, and whether it is dead.
    pub fn due(&mut self, now: Instant) -> Vec<(u64, bool)> {
        let armed = self.open().filter(|(_, open)| open.is_armed && open.due.unwrap() <= now);
        let mut due: Vec<(Instant, u64)> = armed.map(|(n, open)| (open.due.unwrap(), n)).collect();
        due.sort();
        let mut fallen = Vec::new();
        for (_, n) in due {
            let message = format!("not confirmed within {} ms", self.deadline(n).as_millis());
            let open = self.open_mut(n).unwrap();
            open.is_armed = false;
            if open.waits.is_some() {
                fallen.push((n, false));
                continue;
            }
            open.note(now, &message, true);
            self.counters.timeouts += 1;
            if self.retry_or_bury(now, n, true, true) == Verdict::Dead {
                fallen.push((n, true));
            }
        }
        // A retry without a wait is due at once.
        let at_once: Vec<u64> =
            self.open().filter(|(_, open)| open.is_armed && open.due == Some(now)).map(|(n, _)| n).collect();
        for n in at_once {
            self.open_mut(n).unwrap().is_armed = false;
            fallen.push((n, false));
        }
        fallen
    }

    pub fn detach(&mut self) {
        for open in self.lives.values_mut().filter_map(Life::open_mut) {
            open.is_armed = false;
            if open.waits.is_none() {
                open.due = None;
            }
        }
    }

    pub fn attach(&mut self, now: Instant, only_odd: bool) {
        self.only_odd = only_odd;
        let latest = now + self.config.retry_backoff.max;
        for open in self.lives.values_mut().filter_map(Life::open_mut).filter(|open| open.waits.is_some()) {
            open.due = open.due.min(Some(latest));
            open.is_armed = true;
        }
    }

    pub fn retried(&mut self, now: Instant, n: u64, attempt: u32, failure: Option<&str>) -> Verdict {
        let due = now + self.deadline(n);
        let is_asked = |open: &&mut Open| open.waits.is_some() && open.attempt < attempt;
        let Some(open) = self.open_mut(n).filter(is_asked) else { return Verdict::Ignored };
        open.attempt = attempt;
        if let Some(failure) = failure {
            open.note(now, failure, false);
            return self.retry_or_bury(now, n, false, true);
        }
        open.enter(now, None, due);
        self.counters.retries += 1;
        self.notices.push(Notice::Retrying { seq: seq(n), id: event(n).id, attempt });
        Verdict::Waiting
    }

    pub fn confirm_dead(&mut self, now: Instant, n: u64) {
        let Life::Dead { letter: Some(letter) } = self.life(n).clone() else { return };
        self.letters.retain(|at| *at != n);
        self.confirmed(now, n, Open { attempt: letter.attempt, ..Open::new(now) }, true);
    }

    pub fn vouch(&mut self, now: Instant, n: u64) -> Result<bool, NotDone> {
        self.recall(now, n);
        match self.life(n).clone() {
            Life::Unsent | Life::Passed | Life::Awaited => return Err(NotDone::UnknownEvent),
            Life::Applied { .. } => return Ok(false),
            Life::Open(open) => {
                let is_late = open.waits == Some(true);
                self.confirmed(now, n, open, is_late);
            }
            Life::Again(open) => self.confirmed(now, n, open, true),
            Life::Dead { letter: Some(_) } => self.confirm_dead(now, n),
            Life::Dead { letter: None } => self.applied(n, None),
        }
        self.untold.remove(&n);
        if let Some(Life::Applied { vouched, .. }) = self.lives.get_mut(&n) {
            *vouched = true;
        }
        Ok(true)
    }

    /// What was sent in an earlier life of the server has a record again once somebody asks about it.
    fn recall(&mut self, now: Instant, n: u64) {
        if matches!(self.life(n), Life::Awaited) {
            self.lives.insert(n, Life::Open(Open::new(now)));
        }
    }

    pub fn fail_event(&mut self, now: Instant, n: u64, retry: bool) -> Result<(), NotDone> {
        self.recall(now, n);
        match self.life(n) {
            Life::Unsent | Life::Awaited | Life::Passed => Err(NotDone::UnknownEvent),
            Life::Applied { .. } | Life::Dead { .. } => Err(NotDone::Settled),
            Life::Open(open) | Life::Again(open) => {
                let attempt = open.attempt;
                self.fail(now, n, attempt, retry);
                Ok(())
            }
        }
    }

    pub fn requeue(&mut self, now: Instant, n: u64) -> Result<(), NotDone> {
        let Life::Dead { letter: Some(letter) } = self.life(n).clone() else { return Err(NotDone::NoDeadLetter) };
        self.letters.retain(|at| *at != n);
        self.untold.remove(&n);
        let (attempt, spent) = (letter.attempt, letter.attempt);
        let (waits, due, failures) = (Some(false), Some(now), letter.failures.into());
        self.lives.insert(n, Life::Again(Open { attempt, spent, waits, due, failures, ..Open::new(now) }));
        self.counters.requeued += 1;
        Ok(())
    }

    pub fn discard(&mut self, n: u64) -> Result<(), NotDone> {
        let Life::Dead { letter: Some(_) } = self.life(n) else { return Err(NotDone::NoDeadLetter) };
        self.letters.retain(|at| *at != n);
        self.lives.insert(n, Life::Dead { letter: None });
        self.notices.push(Notice::Discarded { seq: seq(n), id: event(n).id });
        Ok(())
    }

    pub fn confirm_requeued(&mut self, now: Instant, n: u64, attempt: u32) {
        if let Life::Again(open) = self.life(n).clone()
            && attempt > open.spent
        {
            self.confirmed(now, n, open, true);
        }
    }

    pub fn truncate(&mut self, head: u64) {
        for n in head + 1..=LAST {
            self.lives.insert(n, Life::Unsent);
        }
        self.letters.retain(|n| *n <= head);
        self.untold.retain(|n| *n <= head);
        self.sent_upto = self.sent_upto.min(head);
    }

    pub fn restart(&mut self) {
        self.truncate(0);
        self.only_odd = false;
    }

    /// Of what was sent once and is just not settled only that is remembered, and of what is settled no times.
    pub fn reload(&mut self) {
        self.detach();
        self.notices.clear();
        for life in self.lives.values_mut() {
            match life {
                Life::Open(open) if open.state() == State::Sent => *life = Life::Awaited,
                Life::Applied { known, .. } => *known = None,
                _ => {}
            }
        }
        self.vows = 0;
    }

    fn retry_or_bury(&mut self, now: Instant, n: u64, timed_out: bool, retry: bool) -> Verdict {
        let Event { seq, id, priority, retries, .. } = event(n);
        let retries = retries.unwrap_or(self.config.retries);
        let open = match self.lives.get_mut(&n) {
            Some(Life::Open(open) | Life::Again(open)) => open,
            _ => unreachable!(),
        };
        let (attempt, tries) = (open.attempt, open.attempt - open.spent);
        if !retry || tries > retries {
            let failures = open.failures.drain(..).collect();
            let letter = DeadLetter { seq, id: id.clone(), priority, attempt, at: now.as_millis(), failures };
            self.lives.insert(n, Life::Dead { letter: Some(letter) });
            self.letters.push(n);
            self.untold.insert(n);
            self.counters.dead += 1;
            self.vows += 1;
            self.sent_upto = self.sent_upto.max(n);
            self.notices.push(Notice::Dead { seq, id, priority, attempt });
            return Verdict::Dead;
        }
        let retry_in = self.config.retry_backoff.delay(tries.saturating_sub(1), &mut self.rng);
        open.enter(now, Some(timed_out), now + retry_in);
        self.notices.push(if timed_out {
            Notice::Timeout { seq, id, priority, attempt, retry_in }
        } else {
            Notice::Failed { seq, id, priority, attempt, retry_in }
        });
        Verdict::Waiting
    }

    fn confirmed(&mut self, now: Instant, n: u64, open: Open, late: bool) {
        let Event { seq, id, priority, .. } = event(n);
        let Open { attempt, sent_at, failures, .. } = open;
        self.counters.confirmed += 1;
        self.counters.late += u64::from(late);
        self.counters.recovered += u64::from(attempt > 1);
        self.untold.remove(&n);
        self.notices.push(Notice::Confirmed { seq, id, priority, attempt, latency: now - sent_at, late });
        self.applied(n, Some(Known { attempt, sent_at, confirmed_at: now, failures }));
    }

    fn applied(&mut self, n: u64, known: Option<Known>) {
        self.lives.insert(n, Life::Applied { known, vouched: false });
    }

    pub fn life(&self, n: u64) -> &Life {
        &self.lives[&n]
    }

    /// The attempt that it is on.
    pub fn attempt(&self, n: u64) -> u32 {
        self.life(n).open().map_or(1, |open| open.attempt)
    }

    fn open_mut(&mut self, n: u64) -> Option<&mut Open> {
        self.lives.get_mut(&n).and_then(Life::open_mut)
    }

    fn deadline(&self, n: u64) -> Duration {
        event(n).deadline_ms.map_or(self.config.deadline, |millis| Duration::from_millis(millis.into()))
    }

    pub fn open(&self) -> impl Iterator<Item = (u64, &Open)> {
        self.lives.iter().filter_map(|(n, life)| Some((*n, life.open()?)))
    }
}

impl Life {
    /// Whether the position may pass it.
    pub fn is_settled(&self) -> bool {
        !matches!(self, Self::Unsent | Self::Awaited | Self::Open(_))
    }

    fn open(&self) -> Option<&Open> {
        match self {
            Self::Open(open) | Self::Again(open) => Some(open),
            _ => None,
        }
    }

    fn open_mut(&mut self) -> Option<&mut Open> {
        match self {
            Self::Open(open) | Self::Again(open) => Some(open),
            _ => None,
        }
    }
}
