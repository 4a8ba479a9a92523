//! A seed's story: who is there, what goes wrong, and how it must end.

use ackwire::base::{Backoff, Duration, Rng};
use ackwire::receive::SubscribeOptions;
use ackwire::wire::{EventType, Filter, From, StreamName, Window};

use crate::profile::Profile;
use crate::tab::Seen;
use crate::world::World;

/// How long the trouble lasts.
const TROUBLE: Duration = Duration::from_secs(20);
/// How long the world may then take to settle: the longest retries, and the reconnect behind them.
const SETTLE: Duration = Duration::from_secs(900);

/// What a seed's story held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Events applied, in all page lives.
    pub applied: u64,
    /// Handlers begun.
    pub began: u64,
    /// Ranges declared lost.
    pub lost: u64,
    /// Resets.
    pub resets: u64,
}

/// Runs one seed. Panics, with what was broken, if the promise is.
pub fn simulate(seed: u64, profile: &Profile, trace: bool) -> Report {
    let mut rng = Rng::new(seed ^ 0x5eed);
    let mut profile = profile.clone();
    // Small limits are reached more often.
    profile.delivery.frame_events = 1 + rng.up_to(15) as u32;
    profile.delivery.retry_backoff = Backoff { base: Duration::from_millis(200), max: Duration::from_secs(5) };
    if rng.up_to(2) == 0 {
        profile.delivery.deadline = Duration::from_secs(1 + rng.up_to(10));
    }
    let names = ["a", "b", "c", "d"];
    let streams = &names[..1 + rng.up_to(3) as usize];
    let mut world = World::new(seed, profile, streams);
    world.trace = trace;
    let tabs = 1 + rng.up_to(4);
    for tab in 0..tabs {
        let subscribe: Vec<SubscribeOptions> = streams.iter().map(|stream| subscribe(stream, &mut rng)).collect();
        world.open_tab(&format!("tab{tab}"), subscribe.clone());
        if rng.up_to(9) == 0 {
            // A clone, with one identity: the newer connection wins.
            world.run_for(Duration::from_millis(rng.up_to(300)));
            world.open_tab(&format!("tab{tab}"), subscribe);
        }
    }
    world.unleash();
    world.run_for(TROUBLE);
    world.heal();
    if !world.run_until_settled(SETTLE) {
        let state: Vec<String> = world.tabs.iter().map(|tab| format!("{:?}", tab.session.stats())).collect();
        panic!("not settled {} s after everything was mended: {state:#?}", SETTLE.as_millis() / 1000);
    }
    world.check_settled();
    report(&world)
}

/// Most pages resume; some want everything each time they load, some only what comes; some want a type alone.
fn subscribe(stream: &str, rng: &mut Rng) -> SubscribeOptions {
    let from = match rng.up_to(9) {
        0 => From::Start,
        1 => From::Now,
        _ => From::Resume,
    };
    let types = Some(vec![EventType::new("third").expect("a type")]);
    SubscribeOptions {
        from,
        window: Window::new(1 + rng.up_to(30) as u32, 65_536).expect("a window"),
        filter: (rng.up_to(9) == 0).then(|| Filter { types, ..Filter::default() }),
        ..SubscribeOptions::new(StreamName::new(stream).expect("a stream's name"))
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
            Seen::Ended => {}
        }
    }
    report
}
