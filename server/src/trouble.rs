//! Trouble on purpose, in development mode: `events` frames on their way to a browser get lost, come twice, or come
//! late. The protocol must repair all of it ([AW-RECV-2], [AW-RECV-3], [AW-SEND-7]); the demo lets you watch.
//!
//! No clock is read here: time is an argument, and randomness comes from a seed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ackwire::{
    base::{Duration, Instant},
    wire::ConsumerId,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::Serialize;

/// The highest probability of each trouble. Above it nothing would get through, and nothing would be shown.
pub const MAX_ODDS: f64 = 0.9;

/// How long a frame is held back at most, waiting for another to overtake it.
pub const HOLD: Duration = Duration::from_millis(40);

/// Most consumers that are troubled at a time; the least recently set one is spared when another comes.
const MAX_TROUBLED: usize = 64;

/// How likely each trouble is for one frame: 0 (never, the default) to [`MAX_ODDS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Odds {
    /// Not sent at all.
    pub drop: f64,
    /// Sent twice.
    pub duplicate: f64,
    /// Held back until the next one has overtaken it, or for [`HOLD`].
    pub reorder: f64,
}

impl Odds {
    /// Whether there is no trouble at all.
    pub fn is_quiet(&self) -> bool {
        *self == Self::default()
    }

    /// The name of the field that is out of bounds, if one is.
    pub fn out_of_bounds(&self) -> Option<&'static str> {
        [("drop", self.drop), ("duplicate", self.duplicate), ("reorder", self.reorder)]
            .into_iter()
            .find(|(_, odds)| !(0.0..=MAX_ODDS).contains(odds))
            .map(|(name, _)| name)
    }
}

/// Who is troubled, and how much. One table for the server; cheap to clone.
#[derive(Clone, Default)]
pub struct Troubles {
    /// In the order of being set; at most [`MAX_TROUBLED`].
    table: Arc<Mutex<Vec<(ConsumerId, Odds)>>>,
}

impl Troubles {
    /// From now on, for this consumer's connections, open ones too.
    pub fn set(&self, consumer: ConsumerId, odds: Odds) {
        let mut table = self.lock();
        table.retain(|(known, _)| *known != consumer);
        if odds.is_quiet() {
            return;
        }
        if table.len() == MAX_TROUBLED {
            table.remove(0);
        }
        table.push((consumer, odds));
    }

    /// What is set for this consumer.
    pub fn get(&self, consumer: &ConsumerId) -> Odds {
        self.lock().iter().find(|(known, _)| known == consumer).map(|(_, odds)| *odds).unwrap_or_default()
    }

    /// For one connection of this consumer.
    pub fn maker<F>(&self, consumer: ConsumerId) -> TroubleMaker<F> {
        TroubleMaker { troubles: self.clone(), consumer, rng: None, held: None }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(ConsumerId, Odds)>> {
        // Each change is one assignment: a table whose writer panicked is still whole.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stands in the outgoing path of one connection, for its `events` frames (`F`).
///
/// Hand each frame to [`pass`](Self::pass) and send what comes out; when [`due`](Self::due) has come, call
/// [`release`](Self::release).
pub struct TroubleMaker<F> {
    troubles: Troubles,
    consumer: ConsumerId,
    /// Made when it is needed: hardly anybody is troubled.
    rng: Option<Box<StdRng>>,
    /// The frame that waits to be overtaken, and until when.
    held: Option<(F, Instant)>,
}

impl<F: Clone> TroubleMaker<F> {
    /// Appends to `out` what is sent instead of `frame`: nothing, it, it twice, or it and the one that it overtook.
    pub fn pass(&mut self, now: Instant, frame: F, out: &mut Vec<F>) {
        let odds = self.troubles.get(&self.consumer);
        let overtaken = self.held.take();
        if odds.is_quiet() {
            out.extend(overtaken.map(|(frame, _)| frame));
            out.push(frame);
            return;
        }
        let rng = self.rng.get_or_insert_with(|| Box::new(StdRng::from_os_rng()));
        if rng.random_bool(odds.drop) {
            // Nobody overtook the held one: it goes on waiting.
            self.held = overtaken;
            return;
        }
        if overtaken.is_none() && rng.random_bool(odds.reorder) {
            self.held = Some((frame, now + HOLD));
            return;
        }
        if rng.random_bool(odds.duplicate) {
            out.push(frame.clone());
        }
        out.push(frame);
        out.extend(overtaken.map(|(frame, _)| frame));
    }

    /// When the held frame must go, overtaken or not.
    pub fn due(&self) -> Option<Instant> {
        self.held.as_ref().map(|(_, due)| *due)
    }

    /// Appends the held frame to `out` if it is due.
    pub fn release(&mut self, now: Instant, out: &mut Vec<F>) {
        out.extend(self.held.take_if(|(_, due)| *due <= now).map(|(frame, _)| frame));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consumer() -> ConsumerId {
        ConsumerId::new("tab").unwrap()
    }

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn maker(odds: Odds, seed: u64) -> TroubleMaker<u32> {
        let troubles = Troubles::default();
        troubles.set(consumer(), odds);
        TroubleMaker { rng: Some(Box::new(StdRng::seed_from_u64(seed))), ..troubles.maker(consumer()) }
    }

    /// What becomes of `count` frames, one each millisecond, with everything held released at the end.
    fn run(maker: &mut TroubleMaker<u32>, count: u32) -> Vec<u32> {
        let mut out = Vec::new();
        for frame in 0..count {
            let now = at(u64::from(frame));
            maker.release(now, &mut out);
            maker.pass(now, frame, &mut out);
        }
        if let Some(due) = maker.due() {
            maker.release(due, &mut out);
        }
        out
    }

    #[test]
    fn without_trouble_frames_pass_as_they_are() {
        assert_eq!(run(&mut maker(Odds::default(), 1), 100), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn dropping_loses_about_the_share_asked_for_and_keeps_the_order() {
        let out = run(&mut maker(Odds { drop: 0.3, ..Odds::default() }, 2), 1_000);
        assert!((600..800).contains(&out.len()), "{}", out.len());
        assert!(out.is_sorted());
    }

    #[test]
    fn duplicating_loses_nothing() {
        let mut out = run(&mut maker(Odds { duplicate: 0.5, ..Odds::default() }, 3), 1_000);
        assert!((1_400..1_600).contains(&out.len()), "{}", out.len());
        out.dedup();
        assert_eq!(out, (0..1_000).collect::<Vec<_>>());
    }

    #[test]
    fn reordering_loses_nothing_and_repeats_nothing() {
        let mut out = run(&mut maker(Odds { reorder: 0.5, ..Odds::default() }, 4), 1_000);
        assert!(!out.is_sorted());
        out.sort_unstable();
        assert_eq!(out, (0..1_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_held_frame_goes_when_nothing_overtakes_it() {
        let mut maker = maker(Odds { reorder: MAX_ODDS, ..Odds::default() }, 5);
        let mut out = Vec::new();
        let mut now = at(1_000);
        while maker.due().is_none() {
            out.clear();
            maker.pass(now, 7, &mut out);
        }
        assert!(out.is_empty());
        now = maker.due().unwrap();
        maker.release(at(now.as_millis() - 1), &mut out);
        assert!(out.is_empty(), "not before its time");
        maker.release(now, &mut out);
        assert_eq!(out, vec![7_u32]);
        assert_eq!(maker.due(), None);
    }

    #[test]
    fn when_trouble_is_switched_off_the_held_frame_goes_first() {
        let mut maker = maker(Odds { reorder: MAX_ODDS, ..Odds::default() }, 6);
        let mut out = Vec::new();
        while maker.due().is_none() {
            out.clear();
            maker.pass(at(0), 1, &mut out);
        }
        maker.troubles.clone().set(consumer(), Odds::default());
        maker.pass(at(1), 2, &mut out);
        assert_eq!(out, vec![1_u32, 2]);
    }

    #[test]
    fn odds_have_bounds() {
        assert_eq!(Odds { drop: 0.9, duplicate: 0.0, reorder: 0.5 }.out_of_bounds(), None);
        assert_eq!(Odds { drop: 0.95, ..Odds::default() }.out_of_bounds(), Some("drop"));
        assert_eq!(Odds { duplicate: -0.1, ..Odds::default() }.out_of_bounds(), Some("duplicate"));
        assert_eq!(Odds { reorder: f64::NAN, ..Odds::default() }.out_of_bounds(), Some("reorder"));
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_oldest() {
        let troubles = Troubles::default();
        let odds = Odds { drop: 0.1, ..Odds::default() };
        let name = |n: usize| ConsumerId::new(&format!("tab-{n}")).unwrap();
        for n in 0..=MAX_TROUBLED {
            troubles.set(name(n), odds);
        }
        assert_eq!(troubles.get(&name(0)), Odds::default());
        assert_eq!(troubles.get(&name(MAX_TROUBLED)), odds);
    }
}
