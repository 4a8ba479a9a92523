//! Runs stories that may break off, and makes those that do short.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::Once;

use crate::run::{Report, Story};

/// At most so many tries to make a story shorter.
const MAX_TRIES: usize = 3000;

/// The promise is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where that was found: two violations with one place are taken for the same.
    pub place: String,
    /// What was found.
    pub message: String,
}

thread_local! {
    /// The last panic of this thread, and whether it is expected.
    static LAST: RefCell<(bool, Option<Violation>)> = const { RefCell::new((false, None)) };
}

/// Runs a story. A violation is returned, and not printed.
pub fn attempt(story: &Story) -> Result<Report, Violation> {
    quietly(|| story.run(None))
}

/// Runs a story that breaks off, and tells what happened until then.
pub fn trace(story: &Story) -> Vec<String> {
    let lines = Rc::new(RefCell::new(Vec::new()));
    let ended = quietly(|| story.run(Some(lines.clone())));
    let mut lines = lines.take();
    lines.push(ended.map_or_else(|violation| violation.message, |_| "it ended well".into()));
    lines
}

/// The shortest story that is found to break off in the same place: fewer and fewer acts (Zeller, Hildebrandt,
/// "Simplifying and isolating failure-inducing input", 2002).
pub fn shorten(story: &Story, violation: &Violation) -> Story {
    let mut kept: Vec<usize> = story.plan().acts.iter().map(|act| act.place).collect();
    let mut tries = 0;
    let mut breaks = |keep: Vec<usize>| {
        tries += 1;
        let shorter = Story { keep: Some(keep), ..story.clone() };
        (tries, attempt(&shorter).is_err_and(|found| found.place == violation.place))
    };
    let mut parts = 2;
    while kept.len() > 1 {
        let size = kept.len().div_ceil(parts);
        let mut shorter = None;
        for start in (0..kept.len()).step_by(size) {
            let rest: Vec<usize> = [&kept[..start], &kept[(start + size).min(kept.len())..]].concat();
            let (tries, still_breaks) = breaks(rest.clone());
            if still_breaks {
                shorter = Some(rest);
                break;
            }
            if tries >= MAX_TRIES {
                return Story { keep: Some(kept), ..story.clone() };
            }
        }
        match shorter {
            Some(rest) => {
                kept = rest;
                parts = (parts - 1).max(2);
            }
            None if size == 1 => break,
            None => parts = (parts * 2).min(kept.len()),
        }
    }
    Story { keep: Some(kept), ..story.clone() }
}

/// What to tell of a story that breaks off: its seed, the shortest way to it, and how to see it again.
pub fn explain(story: &Story, violation: &Violation) -> String {
    let short = shorten(story, violation);
    let keep = short.keep.iter().flatten().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let (seed, profile) = (story.seed, story.profile.name);
    let command = format!(
        "cargo run --release -p ackwire-simulation -- simulate --seeds {seed}..{} --profile {profile} --trace",
        seed + 1
    );
    let mut lines = vec![format!("seed {seed} of `{profile}` broke the promise: {}", violation.message)];
    lines.push(format!("The shortest story that was found, of {} acts:", short.keep.as_ref().map_or(0, Vec::len)));
    lines.extend(trace(&short));
    lines.push(format!("Again, the short one: {command} --keep {keep}"));
    lines.push(format!("Again, all of it:     {command}"));
    lines.join("\n")
}

fn quietly<T>(run: impl FnOnce() -> T) -> Result<T, Violation> {
    install_hook();
    LAST.with_borrow_mut(|last| *last = (true, None));
    let ended = panic::catch_unwind(AssertUnwindSafe(run));
    let (_, violation) = LAST.take();
    ended.map_err(|_| violation.expect("a panic has passed the hook"))
}

/// A panic within a story is a finding, and is kept; any other goes where panics go.
fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let is_expected = LAST.with_borrow(|(is_expected, _)| *is_expected);
            if !is_expected {
                return usual(info);
            }
            let place = info.location().map_or_else(String::new, ToString::to_string);
            let message = info.payload_as_str().unwrap_or("a panic").to_owned();
            LAST.with_borrow_mut(|(_, violation)| *violation = Some(Violation { place, message }));
        }));
    });
}
