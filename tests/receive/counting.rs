//! What a session counts.

use super::bench::{Bench, config, of_tomorrow, pong, stream};
use ackwire::receive::{Checkpoint, Counters, Footprint, Session, SubscribeOptions, SubscriptionStats};
use ackwire::wire::EventId;
use serde_json::json;

impl Bench {
    fn counters(&self) -> Counters {
        self.of_stream().counters
    }

    pub fn of_stream(&self) -> SubscriptionStats {
        self.session.stats().subscriptions.remove(0)
    }
}

#[test]
fn a_stream_counts_each_thing_that_happens_to_it() {
    let mut bench = Bench::new();
    assert_eq!(bench.counters(), Counters::default());

    assert_eq!(bench.events(0, 3, &[1, 2, 3]), ["deliver 1 2 3"]);
    assert_eq!(bench.events(1, 3, &[2, 3]), [""; 0], "both run");
    assert_eq!(bench.counters(), Counters { delivered: 3, duplicates: 2, ..Counters::default() });
    assert_eq!(bench.fail(3, 1), ["nack 3#1"]);
    bench.batch(bench.socket, "s", (2, 3, false), &[(3, 2, 3)]);
    assert_eq!(bench.drain(), ["deliver 3#2"], "a retry is no duplicate");
    assert_eq!(bench.confirm_run(0, 3), ["ack 3"]);
    let so_far = Counters { delivered: 4, duplicates: 2, failed: 1, confirmed: 3, ..Counters::default() };
    assert_eq!(bench.counters(), so_far);

    assert_eq!(bench.events(5, 6, &[6]), [""; 0]);
    assert_eq!((bench.of_stream().held, bench.of_stream().unsettled), (1, 0));
    assert_eq!(bench.wait(50), ["resend (3,5]", "gap (3,5]"]);
    assert_eq!(bench.wait(1000), ["ack 3", "resend (3,5]"], "and says where it stands");
    assert_eq!(bench.events(3, 5, &[4, 5]), ["deliver 4 5", "deliver 6", "repaired (3,5]"]);
    assert_eq!((bench.of_stream().held, bench.of_stream().unsettled), (0, 3));
    let so_far = Counters { delivered: 7, gaps: 1, resends: 2, repaired: 1, ..so_far };
    assert_eq!(bench.counters(), so_far);

    bench.batch(bench.socket, "s", (6, 8, false), &[(7, 1, 4), (8, 1, 8)]);
    assert_eq!(bench.drain(), ["deliver 8"], "the id of 7 was seen");
    bench.frame(json!({ "type": "lost", "stream": "s", "after": 8, "upto": 9, "reason": "expired" }));
    assert_eq!(bench.drain(), ["lost (8,9] expired"]);
    let so_far = Counters { delivered: 8, suppressed: 1, lost: 1, ..so_far };
    assert_eq!(bench.counters(), so_far);

    bench.up_again();
    bench.subscribed("e2", 0);
    assert_eq!(bench.counters(), Counters { resets: 1, ..so_far });
}

#[test]
fn a_second_life_counts_like_the_first() {
    let mut bench = Bench::new();
    bench.events(0, 1, &[1]);
    assert_eq!(bench.requeued(1, 5), ["lost (0,1] failed", "deliver 1#5"], "its first life is over");
    assert_eq!(bench.of_stream().unsettled, 1);
    assert_eq!(bench.requeued(1, 5), [""; 0]);
    assert_eq!(bench.fail(1, 5), ["nack 1#5"]);
    assert_eq!(bench.requeued(1, 6), ["deliver 1#6"]);
    bench.events(1, 2, &[2]);
    assert_eq!(bench.of_stream().unsettled, 2, "one of each life");
    assert_eq!(bench.confirm(1, 6), ["confirm 1#6"]);
    let expected = Counters { delivered: 4, duplicates: 1, failed: 1, confirmed: 1, lost: 1, ..Counters::default() };
    assert_eq!(bench.counters(), expected);
    assert_eq!(bench.requeued(1, 6), ["confirm 1#6"], "said again");
}

#[test]
fn a_session_counts_each_nack_that_it_says() {
    let mut bench = Bench::new();
    bench.events(0, 1, &[1]);
    assert_eq!([bench.fail(1, 1), bench.events(0, 1, &[1])], [["nack 1#1"], ["nack 1#1"]]);
    assert_eq!(bench.session.stats().nacks, 2);
}

#[test]
fn a_session_counts_connections_acks_and_what_it_does_not_hear() {
    let mut bench = Bench::new();
    let stats = bench.session.stats();
    assert_eq!((stats.connections, stats.acks, stats.stale_frames, stats.unknown_frames), (1, 0, 0, 0));
    bench.events(0, 2, &[1, 2]);
    assert_eq!(bench.confirm_run(0, 2), ["ack 2"]);
    bench.wait(100);
    assert_eq!(bench.session.stats().acks, 1);

    bench.frame(of_tomorrow());
    bench.frame(of_tomorrow());
    bench.frame_on(bench.socket + 1, of_tomorrow());
    assert_eq!(bench.session.stats().unknown_frames, 2, "of this socket");

    bench.batch(bench.socket + 1, "s", (2, 3, false), &[(3, 1, 3)]);
    bench.frame_on(bench.socket + 1, pong());
    bench.batch(bench.socket, "other", (0, 1, false), &[(1, 1, 1)]);
    assert_eq!(bench.drain(), [""; 0]);
    assert_eq!(bench.session.stats().stale_frames, 3);
    bench.frame(json!({ "type": "ended", "stream": "s", "seq": 2 }));
    assert_eq!(bench.drain(), ["ended 2"]);
    assert_eq!(bench.session.stats().stale_frames, 3, "it was heard");

    bench.up_again();
    assert_eq!(bench.session.stats().connections, 2);
}

#[test]
fn what_waits_for_its_answer_is_counted() {
    let mut bench = Bench::new();
    let id = (EventId::new("a").unwrap(), stream("s"));
    bench.session.publish(bench.now, id, Default::default(), 10).unwrap();
    assert_eq!(bench.session.stats().outbox, 1);
    assert_eq!(bench.session.stats().subscriptions.len(), 1);
}

#[test]
fn a_session_shows_its_connection_to_whoever_debugs() {
    let session: Session<()> = Session::new(config(), Checkpoint::default(), 1);
    assert!(format!("{session:?}").starts_with("Session { link: Link { phase: Idle"), "{session:?}");
}

#[test]
fn what_a_stream_keeps_in_memory_is_told() {
    let mut bench = Bench::new();
    let footprint = |bench: &Bench| bench.session.footprint(bench.stream).unwrap();
    assert_eq!(footprint(&bench), Footprint::default());
    bench.events(0, 3, &[1, 2, 3]);
    bench.batch(bench.socket, "s", (0, 1, true), &[(1, 5, 1)]);
    bench.events(4, 5, &[5]);
    bench.events(6, 7, &[7]);
    bench.frame(json!({ "type": "lost", "stream": "s", "after": 8, "upto": 9, "reason": "failed" }));
    bench.frame(json!({ "type": "lost", "stream": "s", "after": 10, "upto": 11, "reason": "failed" }));
    let expected = Footprint { ids: 3, held_frames: 4, failed_ahead: 2, ahead: 0, requeued: 1 };
    assert_eq!(footprint(&bench), expected);
    assert_eq!(["s", "t"].map(|name| bench.session.held_frames(name)), [4, 0]);

    let kept = Checkpoint::from_text("s e1 2 3-4 5-6 7-9\n");
    let mut again = Bench { session: Session::new(config(), kept, 1), ..Bench::new() };
    again.stream = again.session.subscribe(again.now, SubscribeOptions::new(stream("s"))).unwrap();
    again.session.connect(again.now);
    again.up();
    assert_eq!(footprint(&again), Footprint { ahead: 3, ..Footprint::default() });
}
