//! Dead letters in their second life, when frames overtake each other and servers that come back have forgotten it:
//! [AW-SEND-9].

use super::bench::{Bench, config};
use ackwire::receive::Config;
use serde_json::json;

fn lose(bench: &mut Bench, after: u64, upto: u64) -> Vec<String> {
    bench.frame(json!({ "type": "lost", "stream": "s", "after": after, "upto": upto, "reason": "failed" }));
    bench.drain()
}

/// Found by the simulation (seed 79812): the copy called the handler once more.
#[test]
fn aw_send_9_a_copy_that_comes_after_the_second_life_is_given_up_is_known() {
    let mut bench = Bench::new();
    bench.events(0, 1, &[1]);
    assert_eq!(bench.requeued(1, 5), ["lost (0,1] failed", "deliver 1#5"]);
    bench.fail(1, 5);
    assert_eq!(lose(&mut bench, 0, 1), ["lost (0,1] failed"]);
    assert_eq!(bench.requeued(1, 5), [""; 0], "held up on the way");
    assert_eq!(bench.requeued(1, 4), [""; 0]);
    assert_eq!(bench.of_stream().unsettled, 0);
    assert_eq!(bench.requeued(1, 6), ["deliver 1#6"], "requeued once more");
    assert_eq!(lose(&mut bench, 0, 1), ["lost (0,1] failed"]);

    bench.up_again();
    bench.subscribed("e1", 1);
    assert_eq!(bench.requeued(1, 6), ["deliver 1#6"], "this feed's frames are no copies of the old one's");
    assert_eq!(bench.confirm(1, 6), ["confirm 1#6"]);
}

/// Found by the simulation (seed 85946): the few ids that were remembered were others' by then.
#[test]
fn aw_send_9_what_its_second_life_has_applied_is_no_news_as_its_first() {
    let mut bench = Bench::connected(Config { dedupe_window: 1, ..config() });
    assert_eq!(bench.requeued(3, 5), ["deliver 3#5"], "behind a gap");
    assert_eq!(bench.confirm(3, 5), ["confirm 3#5"]);
    bench.up_again();
    bench.subscribed("e1", 0);
    assert_eq!(bench.events(0, 3, &[1, 2, 3]), ["deliver 1 2"]);
    assert_eq!(bench.confirm_run(0, 2), ["ack 3"]);
}

#[test]
fn aw_ack_1_what_runs_in_its_second_life_is_not_confirmed_as_its_first() {
    for dedupe_window in [1, 8] {
        let mut bench = Bench::connected(Config { dedupe_window, ..config() });
        assert_eq!(bench.requeued(3, 5), ["deliver 3#5"]);
        bench.up_again();
        bench.subscribed("e1", 0);
        assert_eq!(bench.events(0, 4, &[1, 2, 3, 4]), ["deliver 1 2", "deliver 4"]);
        bench.confirm_run(0, 2);
        bench.confirm(4, 1);
        assert_eq!(bench.wait(50), ["ack 2 also (3,4]"]);
        assert_eq!(bench.fail(3, 5), ["nack 3#5"]);
        assert_eq!(bench.events(2, 3, &[3]), ["nack 3#5"]);
        bench.batch(bench.socket, "s", (2, 3, false), &[(3, 6, 3)]);
        assert_eq!(bench.drain(), ["deliver 3#6"]);
        assert_eq!(bench.confirm(3, 6), ["ack 4"]);
    }
}

#[test]
fn aw_send_9_a_failure_that_was_held_behind_a_gap_ends_the_first_life_alone() {
    let mut bench = Bench::new();
    assert_eq!(lose(&mut bench, 2, 3), [""; 0], "held");
    assert_eq!(bench.requeued(3, 5), ["deliver 3#5"]);
    assert_eq!(bench.events(0, 2, &[1, 2]), ["deliver 1 2", "lost (2,3] failed"]);
    assert_eq!(bench.confirm(3, 5), ["confirm 3#5"], "its second life goes on");
}

#[test]
fn aw_send_9_a_failure_ends_a_second_life_behind_a_gap_at_once() {
    let mut bench = Bench::new();
    assert_eq!(bench.requeued(3, 5), ["deliver 3#5"]);
    assert_eq!(lose(&mut bench, 2, 3), ["lost (2,3] failed"]);
    assert_eq!(bench.requeued(3, 5), [""; 0], "a copy");
    assert_eq!(bench.events(0, 2, &[1, 2]), ["deliver 1 2", "lost (2,3] failed"], "where it stood");
}
