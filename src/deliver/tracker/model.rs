//! Against a state machine for each event: plain values in a map, one transition after the other.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};

use super::*;
use crate::base::{Backoff, Duration};
use crate::deliver::Entry;
use crate::deliver::record::MAX_ERRORS;
use crate::deliver::retrying::{Due, Failed};
use crate::deliver::{Feed, NotDone, Saved, Troubled};
use crate::wire::{Confirm, EventType, Priority, StreamName};

mod machine;
mod seen;
use machine::{Life, Machine};
use seen::Trouble;

/// The log has the events 1..=LAST.
const LAST: u64 = 9;

#[derive(Clone, Debug)]
enum Op {
    Send(u64),
    Resend(u64),
    Confirm(SeqRange),
    Cover(SeqRange),
    Skip(SeqRange),
    /// Of the attempt that the event is on, or of one more or less.
    Fail {
        seq: u64,
        attempt: i64,
        retry: bool,
    },
    /// If it is settled and alive.
    Reopen(u64),
    Due,
    Detach,
    Attach {
        only_odd: bool,
    },
    /// The shell has sent it again, or could not: of the attempt that comes next, or of one that has been.
    Retried {
        seq: u64,
        is_late: bool,
        went_well: bool,
    },
    ConfirmDead(u64),
    /// As an operator says.
    Vouch(u64),
    FailEvent {
        seq: u64,
        retry: bool,
    },
    Requeue(u64),
    Discard(u64),
    /// A requeued one, of the attempt that it is on or of one less.
    ConfirmRequeued {
        seq: u64,
        older: bool,
    },
    Truncate(u64),
    Restart,
    /// Another life of the server.
    Reload,
}

fn op() -> impl Strategy<Value = Op> {
    let seq = || 1..=LAST;
    let range = || {
        (0..LAST, prop_oneof![3 => 1..3u64, 1 => 1..LAST])
            .prop_map(|(after, length)| at(after, (after + length).min(LAST)))
    };
    prop_oneof![
        20 => seq().prop_map(Op::Send),
        4 => seq().prop_map(Op::Resend),
        6 => range().prop_map(Op::Confirm),
        2 => range().prop_map(Op::Cover),
        2 => range().prop_map(Op::Skip),
        12 => (seq(), -1..=1i64, prop::bool::weighted(0.8)).prop_map(|(seq, attempt, retry)| Op::Fail { seq, attempt, retry }),
        3 => seq().prop_map(Op::Reopen),
        12 => Just(Op::Due),
        2 => Just(Op::Detach),
        3 => any::<bool>().prop_map(|only_odd| Op::Attach { only_odd }),
        4 => (seq(), prop::bool::weighted(0.2), any::<bool>())
            .prop_map(|(seq, is_late, went_well)| Op::Retried { seq, is_late, went_well }),
        2 => seq().prop_map(Op::ConfirmDead),
        4 => seq().prop_map(Op::Vouch),
        4 => (seq(), any::<bool>()).prop_map(|(seq, retry)| Op::FailEvent { seq, retry }),
        6 => seq().prop_map(Op::Requeue),
        2 => seq().prop_map(Op::Discard),
        4 => (seq(), any::<bool>()).prop_map(|(seq, older)| Op::ConfirmRequeued { seq, older }),
        1 => (0..=LAST).prop_map(Op::Truncate),
        1 => Just(Op::Restart),
        2 => Just(Op::Reload),
    ]
}

fn seq(n: u64) -> Seq {
    Seq::new(n).unwrap()
}

fn at(after: u64, upto: u64) -> SeqRange {
    SeqRange::new(seq(after), seq(upto)).unwrap()
}

/// Event 3, 6, … is not retried; every second has a deadline of its own.
fn event(n: u64) -> Event {
    Event {
        seq: seq(n),
        id: EventId::new(&format!("id-{n}")).unwrap(),
        event_type: EventType::new(if n % 2 == 1 { "odd" } else { "even" }).unwrap(),
        time: 0,
        data: serde_json::value::to_raw_value(&n).unwrap(),
        priority: if n == 4 { Priority::Critical } else { Priority::Normal },
        attempt: 1,
        meta: Default::default(),
        deadline_ms: n.is_multiple_of(2).then_some(3000),
        retries: n.is_multiple_of(3).then_some(0),
    }
}

fn config() -> Config {
    let secs = Duration::from_secs;
    let retry_backoff = Backoff { base: secs(1), max: secs(3) };
    Config { deadline: secs(8), retries: 2, retry_backoff, ..Config::default() }
}

fn only_odd() -> Filter {
    Filter { types: Some(vec![EventType::new("odd").unwrap()]), ..Filter::default() }
}

fn apply(op: &Op, now: Instant, feed: &mut Feed, machine: &mut Machine) {
    let Feed { tracker, config, rng, .. } = feed;
    match *op {
        Op::Send(n) => assert_eq!(tracker.send(now, Entry::new(event(n)).head(), config), machine.send(now, n)),
        Op::Resend(n) => assert_eq!(tracker.resend(now, seq(n), config), machine.resend(now, n)),
        Op::Confirm(range) => {
            tracker.confirm(now, range);
            machine.confirm(now, range);
        }
        Op::Cover(range) => {
            tracker.cover_up(range.after(), range.upto());
            machine.cover(range);
        }
        Op::Skip(range) => {
            tracker.skip(range);
            machine.skip(range);
        }
        Op::Fail { seq: n, attempt, retry } => {
            let attempt = (i64::from(machine.attempt(n)) + attempt).max(1) as u32;
            let failed = Failed { seq: seq(n), attempt, error: "no", retry };
            assert_eq!(tracker.fail(now, failed, config, rng), machine.fail(now, n, attempt, retry));
        }
        Op::Reopen(n) => {
            if matches!(machine.life(n), Life::Applied { .. } | Life::Passed) {
                let Event { id, priority, .. } = event(n);
                tracker.reopen(seq(n), Record::new(now, id, priority, Terms::of(&event(n))));
                machine.reopen(now, n);
            }
        }
        Op::Due => {
            let due: Vec<(u64, bool)> = tracker.handle_due(now, config, rng).into_iter().map(plain_due).collect();
            assert_eq!(due, machine.due(now));
        }
        Op::Detach => {
            tracker.stop_clocks();
            machine.detach();
        }
        Op::Attach { only_odd: filtered } => {
            tracker.stop_clocks();
            tracker.filter = filtered.then(only_odd);
            tracker.dirty = true;
            tracker.start_clocks(now, config);
            machine.detach();
            machine.attach(now, filtered);
        }
        Op::Retried { seq: n, is_late, went_well } => {
            let failure = (!went_well).then_some("not sent");
            let attempt = machine.attempt(n) + u32::from(!is_late);
            let verdict = tracker.retried(now, (seq(n), attempt), failure, config, rng);
            assert_eq!(verdict, machine.retried(now, n, attempt, failure));
        }
        Op::ConfirmDead(n) => {
            tracker.confirm_dead(now, seq(n));
            machine.confirm_dead(now, n);
        }
        Op::Vouch(n) => assert_eq!(feed.confirm(now, &event(n)), machine.vouch(now, n)),
        Op::FailEvent { seq: n, retry } => {
            assert_eq!(feed.fail_event(now, &event(n), "no", retry), machine.fail_event(now, n, retry));
        }
        Op::Requeue(n) => assert_eq!(feed.requeue(now, &event(n)), machine.requeue(now, n)),
        Op::Discard(n) => assert_eq!(feed.discard(seq(n)), machine.discard(n)),
        Op::ConfirmRequeued { seq: n, older } => {
            let attempt = machine.attempt(n) - u32::from(older);
            let (stream, epoch) = (feed.stream.clone(), feed.tracker.epoch.clone());
            feed.handle_confirm(now, &Confirm { stream, epoch, seq: seq(n), attempt }).unwrap();
            machine.confirm_requeued(now, n, attempt);
        }
        Op::Truncate(head) => {
            tracker.truncate(seq(head));
            machine.truncate(head);
        }
        Op::Restart => {
            tracker.restart(Epoch::new("other").unwrap());
            machine.restart();
        }
        Op::Reload => {
            let json = serde_json::to_string(&tracker.saved()).unwrap();
            *tracker = Tracker::from_saved(serde_json::from_str::<Saved>(&json).unwrap());
            machine.reload();
        }
    }
}

/// The seq, and whether it is dead.
fn plain_due(due: Due) -> (u64, bool) {
    match due {
        Due::Retry(seq) => (seq.get(), false),
        Due::Dead(seq) => (seq.get(), true),
    }
}

fn pairs(ranges: impl Iterator<Item = SeqRange>) -> Vec<(u64, u64)> {
    ranges.map(|range| (range.after().get(), range.upto().get())).collect()
}

fn check(tracker: &Tracker, machine: &Machine) {
    for n in 1..=LAST {
        assert_eq!(tracker.delivery(&event(n)), machine.delivery(n), "{n}");
        assert_eq!(tracker.find(&event(n).id), machine.find(n).map(|attempt| (seq(n), attempt)), "{n}");
        assert_eq!(tracker.is_dead(seq(n)), matches!(machine.life(n), Life::Dead { .. }), "{n}");
        assert_eq!(tracker.is_requeued(seq(n)), matches!(machine.life(n), Life::Again(_)), "{n}");
    }
    assert_eq!(tracker.position().get(), machine.position());
    assert_eq!(tracker.known_position().get(), machine.known_position());
    assert_eq!(tracker.sent_upto().get(), machine.sent_upto);
    assert_eq!(tracker.unsettled(), machine.sent_and_unsettled());
    for head in [0, LAST / 2, LAST] {
        assert_eq!(pairs(tracker.unsettled_ranges(seq(head))), machine.unsettled(head), "up to {head}");
    }
    assert_eq!(tracker.next_due(), machine.next_due());
    assert_eq!(tracker.counters(), &machine.counters);
    assert_eq!(tracker.dead_letters().cloned().collect::<Vec<_>>(), machine.dead_letters());
    let requeued: Vec<u64> = tracker.requeued_unsettled().map(Seq::get).collect();
    assert_eq!(requeued, machine.requeued_unsettled());
    let (footprint, expected) = (tracker.footprint(), machine.footprint());
    assert!(expected.contains(&footprint), "{footprint} in {expected:?}");
    let troubled: Vec<Trouble<'_>> = tracker.troubled().map(plain_trouble).collect();
    assert_eq!(troubled, machine.troubled());
    assert_eq!(tracker.vows, machine.vows);
}

fn plain_trouble(troubled: Troubled<'_>) -> Trouble<'_> {
    let Troubled { seq, id, priority, state, attempt, due, last_error } = troubled;
    assert_eq!((id, priority), (&event(seq.get()).id, event(seq.get()).priority));
    (seq.get(), state, attempt, due, last_error)
}

proptest! {
    #[test]
    fn a_tracker_is_a_state_machine_for_each_event(
        ops in prop::collection::vec((op(), prop_oneof![0..500u64, 0..9000u64], any::<bool>()), 1..60),
    ) {
        let mut feed = Feed::new(StreamName::new("s").unwrap(), Tracker::new(Epoch::new("e").unwrap()), config(), 7);
        let mut machine = Machine::new(config(), 7);
        let mut now = Instant::from_millis(1_000_000);
        for (op, wait, is_drained) in ops {
            now = now + Duration::from_millis(wait);
            let before = feed.tracker.saved();
            feed.tracker.dirty = false;
            apply(&op, now, &mut feed, &mut machine);
            check(&feed.tracker, &machine);
            assert_eq!(feed.tracker.notices, machine.notices);
            if is_drained && !matches!(op, Op::Reload) {
                feed.tracker.notices.clear();
                machine.notices.clear();
            }
            if let Op::Restart = op {
                assert_eq!(feed.tracker.vows, feed.tracker.vows_kept, "nothing is left to keep");
            }
            let is_kept = matches!(op, Op::Reload) || feed.tracker.dirty || feed.tracker.saved() == before;
            assert!(is_kept, "what changed is to be saved");
        }
    }
}

#[test]
fn beyond_their_bound_the_two_oldest_exceptions_become_one() {
    let single = |n: usize| SeqRange::single(seq(2 * n as u64)).unwrap();
    let mut set: RangeSet = (1..=MAX_EXCEPTIONS).map(single).collect();
    let full = set.clone();
    bound(&mut set);
    assert_eq!(set, full);
    set.insert(single(MAX_EXCEPTIONS + 1));
    bound(&mut set);
    assert_eq!(set.len(), MAX_EXCEPTIONS);
    assert_eq!(pairs(set.iter().take(2)), [(1, 4), (5, 6)]);
}
