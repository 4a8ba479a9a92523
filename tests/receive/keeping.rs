//! What a page keeps for its next life, and what it publishes.

use super::bench::{Bench, config, stream};
use ackwire::base::Duration;
use ackwire::receive::{Checkpoint, PublishError, Session, SubscribeOptions};
use ackwire::wire::{EventId, From, MAX_RANGES};
use serde_json::json;

#[test]
fn each_ack_is_kept_once() {
    let mut bench = Bench::new();
    assert_eq!(bench.kept(), None);
    bench.events(0, 4, &[1, 2, 3, 4]);
    bench.confirm(2, 1);
    assert_eq!(bench.confirm(1, 1), ["ack 2"]);
    assert_eq!(bench.kept().as_deref(), Some("s e1 2\n"));
    assert_eq!(bench.kept(), None, "nothing has changed");
    bench.session.handle_hide(bench.now);
    assert_eq!(bench.kept(), None, "nor here");
    bench.confirm(4, 1);
    bench.session.handle_hide(bench.now);
    assert_eq!(bench.drain(), ["ack 2 also (3,4]"]);
    assert_eq!(bench.kept().as_deref(), Some("s e1 2 3-4\n"), "one line for a stream");
}

#[test]
fn what_is_kept_has_no_more_ranges_than_a_frame_may_have() {
    let ahead: String = (0..MAX_RANGES).map(|n| format!(" {}-{}", 100 + 2 * n, 101 + 2 * n)).collect();
    let kept = Checkpoint::from_text(&format!("s e1 0{ahead}\n"));
    let mut bench = Bench { session: Session::new(config(), kept, 1), ..Bench::new() };
    bench.stream = bench.session.subscribe(bench.now, SubscribeOptions::new(stream("s"))).unwrap();
    bench.session.connect(bench.now);
    bench.up();
    bench.subscribed("e1", 0);
    bench.events(0, 5, &[1, 2, 3, 4, 5]);
    bench.confirm(2, 1);
    bench.confirm(4, 1);
    bench.session.handle_hide(bench.now);
    let kept = bench.kept().unwrap();
    assert!(kept.starts_with("s e1 0 1-2 3-4 100-101 "), "{kept}");
    assert_eq!(kept.matches('-').count(), MAX_RANGES);
}

#[test]
fn what_changes_often_is_kept_now_and_then() {
    let mut bench = Bench::new();
    bench.events(0, 2, &[1, 2]);
    bench.confirm_run(0, 2);
    assert_eq!(bench.kept().as_deref(), Some("s e1 2\n"), "the first at once");
    bench.events(2, 4, &[3, 4]);
    assert_eq!(bench.confirm_run(2, 4), ["ack 4"]);
    assert_eq!(bench.kept(), None, "it was told just now");
    bench.wait(100);
    assert_eq!(bench.kept(), None, "it wakes no page");
    bench.events(4, 6, &[5, 6]);
    assert_eq!(bench.confirm_run(4, 6), ["ack 6"]);
    assert_eq!(bench.kept().as_deref(), Some("s e1 6\n"), "it goes with an ack");
    bench.events(6, 8, &[7, 8]);
    assert_eq!(bench.confirm_run(6, 8), ["ack 8"]);
    bench.wait(199);
    assert_eq!(bench.kept(), None);
    bench.wait(1);
    assert_eq!(bench.kept().as_deref(), Some("s e1 8\n"), "no ack has come");
    bench.events(8, 10, &[9, 10]);
    assert_eq!(bench.confirm_run(8, 10), ["ack 10"]);
    assert_eq!(bench.kept(), None);
    bench.session.handle_hide(bench.now);
    assert_eq!(bench.kept().as_deref(), Some("s e1 10\n"), "the page may be gone in a moment");
}

#[test]
fn who_begins_elsewhere_forgets_what_was_kept() {
    let mut bench = Bench::new();
    bench.events(0, 2, &[1, 2]);
    bench.confirm_run(0, 2);
    bench.session.unsubscribe(bench.now, bench.stream);
    bench.drain();
    bench.kept();
    let options = SubscribeOptions { from: From::Start, ..SubscribeOptions::new(stream("s")) };
    bench.stream = bench.session.subscribe(bench.now, options).unwrap();
    bench.drain();
    bench.frame(json!({
        "type": "subscribed", "stream": "s", "epoch": "e1", "after": 0, "head": 2, "oldest": 1, "replayed_upto": 2,
    }));
    bench.drain();
    bench.session.handle_hide(bench.now);
    assert_eq!(bench.kept().as_deref(), Some("s e1 0\n"));
}

#[test]
fn an_id_is_published_once_at_a_time() {
    let mut bench = Bench::new();
    let publish = |bench: &mut Bench, id: &str, to: &str| {
        let id = (EventId::new(id).unwrap(), stream(to));
        bench.session.publish(bench.now, id, Default::default(), 10)
    };
    assert_eq!(publish(&mut bench, "a", "t"), Ok(()));
    assert_eq!(publish(&mut bench, "a", "t"), Err(PublishError::Duplicate));
    assert_eq!(publish(&mut bench, "a", "u"), Ok(()), "ids belong to a stream");
    assert_eq!(bench.drain(), ["publish", "publish"]);
    bench.frame(json!({ "type": "published", "id": "a", "stream": "t", "seq": 1, "duplicate": false }));
    assert_eq!(publish(&mut bench, "a", "t"), Ok(()), "the log knows what is the same");
}

#[test]
fn aw_pub_2_refusals_in_a_row_wait_longer() {
    let ceilings = [1000, 2000, 4000].map(Duration::from_millis);
    let longest_waits = (0..40).map(|seed| {
        let mut bench = Bench::idle(config(), seed);
        bench.session.connect(bench.now);
        bench.up();
        let id = (EventId::new("a").unwrap(), stream("t"));
        bench.session.publish(bench.now, id, Default::default(), 10).unwrap();
        bench.drain();
        let mut waits = Vec::new();
        for _ in 0..3 {
            let rejected = json!({
                "type": "rejected", "id": "a", "stream": "t", "code": "unavailable", "message": "later",
            });
            bench.frame(rejected);
            let refused = bench.now;
            while !bench.wait_and_call_too_early(1).contains(&"publish".into()) {
                assert!(bench.now - refused <= ceilings[2], "it is not tried again");
            }
            waits.push(bench.now - refused);
        }
        waits
    });
    let longest = longest_waits.reduce(|most, waits| most.into_iter().zip(waits).map(|(a, b)| a.max(b)).collect());
    for (wait, ceiling) in longest.unwrap().into_iter().zip(ceilings) {
        assert!(wait <= ceiling && wait.saturating_mul(2) > ceiling, "{wait:?} of {ceiling:?}");
    }
}
