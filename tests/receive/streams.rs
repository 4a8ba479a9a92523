//! Gaps, losses, windows and resumption.

use super::bench::{Bench, config, stream};
use ackwire::receive::{MAX_FAILED_AHEAD, SubscribeOptions};
use ackwire::wire::Window;
use serde_json::json;

#[test]
fn a_gap_is_asked_for_when_it_is_due_and_not_before() {
    let mut bench = Bench::new();
    assert_eq!(bench.events(2, 3, &[3]), [""; 0]);
    assert_eq!(bench.wait_and_call_too_early(49), [""; 0]);
    assert_eq!(bench.wait_and_call_too_early(1), ["resend (0,2]", "gap (0,2]"]);
    assert_eq!(bench.wait_and_call_too_early(900), [""; 0]);
}

#[test]
fn what_lies_behind_a_gap_was_not_received_once_its_connection_is_gone() {
    let mut bench = Bench::new();
    bench.events(0, 1, &[1]);
    bench.events(2, 3, &[3]);
    assert_eq!(bench.session.position(bench.stream).unwrap().received.get(), 3);
    bench.close(1006);
    assert_eq!(bench.session.position(bench.stream).unwrap().received.get(), 1);
}

#[test]
fn a_gap_of_the_old_log_is_not_repaired_by_the_new() {
    let mut bench = Bench::new();
    bench.events(1, 2, &[2]);
    assert_eq!(bench.wait(50), ["resend (0,1]", "gap (0,1]"]);
    bench.up_again();
    assert_eq!(bench.subscribed("e2", 0), ["reset e1/0", "subscribed e2 after 0"]);
    assert_eq!(bench.events(0, 2, &[1, 2]), ["deliver 1 2"]);
}

#[test]
fn aw_promise_a_server_that_skips_ahead_without_a_word_has_lost_the_range() {
    let mut bench = Bench::new();
    bench.events(0, 3, &[1, 2, 3]);
    bench.confirm_run(0, 3);
    bench.up_again();
    assert_eq!(bench.subscribed("e1", 5), ["lost (3,5] expired", "subscribed e1 after 5"]);
    bench.up_again();
    assert_eq!(bench.subscribed("e1", 5), ["subscribed e1 after 5"]);
}

#[test]
fn what_was_confirmed_while_greeting_is_acked_once_there_is_a_feed() {
    let mut bench = Bench::new();
    bench.events(0, 3, &[1, 2, 3]);
    bench.close(1006);
    bench.session.handle_wake(bench.now);
    bench.drain();
    bench.session.handle_open(bench.now, bench.socket);
    assert_eq!(bench.confirm(1, 1), ["hello of 1"]);
    bench.welcome(None);
    bench.subscribed("e1", 0);
    assert_eq!(bench.wait(50), ["ack 1"]);
}

#[test]
fn what_is_given_up_behind_a_gap_is_told_in_its_turn() {
    let mut bench = Bench::new();
    bench.frame(json!({ "type": "lost", "stream": "s", "after": 3, "upto": 5, "reason": "expired" }));
    assert_eq!(bench.events(1, 5, &[2, 3, 4, 5]), [""; 0]);
    let told = bench.events(0, 1, &[1]);
    assert_eq!(told, ["deliver 1", "deliver 2 3 4 5", "lost (3,4] expired", "lost (4,5] expired"]);
}

#[test]
fn aw_send_4_a_frame_with_more_than_the_window_grants_breaks_the_protocol() {
    let mut bench = Bench::new();
    assert_eq!(bench.events(0, 8, &[1, 2, 3, 4, 5, 6, 7, 8]).len(), 1, "exactly the window");
    let mut bench = Bench::new();
    let told = bench.events(0, 9, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(told, ["close 4400", "error server_misbehaved", "waiting server_misbehaved"]);
}

#[test]
fn a_run_in_which_nothing_runs_is_nothing_to_ack() {
    let mut bench = Bench::new();
    bench.events(0, 1, &[1]);
    assert_eq!(bench.confirm_run(3, 9), [""; 0]);
    assert_eq!(bench.wait(999), [""; 0], "[AW-ACK-8] is for later");
}

#[test]
fn failures_ahead_are_remembered_up_to_their_bound() {
    let mut bench = Bench::new();
    let most = MAX_FAILED_AHEAD as u64;
    for n in 1..=most + 1 {
        bench.frame(json!({ "type": "lost", "stream": "s", "after": 2 * n - 1, "upto": 2 * n, "reason": "failed" }));
    }
    // The frame that fills the gap lists the last that is remembered, and the one that is not: that one runs, until what
    // was held says that it has failed.
    let (last, beyond) = (2 * most, 2 * most + 2);
    let lost = |seq: u64| format!("lost ({},{seq}] failed", seq - 1);
    let told = bench.events(0, beyond, &[last, beyond]);
    assert_eq!(told, [lost(last), format!("deliver {beyond}"), lost(beyond)]);
}

#[test]
fn aw_ack_5_what_failed_stays_so_when_everything_that_runs_is_confirmed() {
    let mut bench = Bench::new();
    bench.events(0, 4, &[1, 2, 3, 4]);
    bench.fail(2, 1);
    bench.fail(3, 1);
    assert_eq!(bench.confirm_run(0, 4), ["ack 1 also (3,4]"]);
    assert_eq!(bench.events(1, 3, &[2, 3]), ["nack 2#1", "nack 3#1"], "they are known to have failed");
}

#[test]
fn aw_ack_3_an_ack_waits_less_when_nothing_runs() {
    let mut bench = Bench::new();
    let window = Window::new(256, 65_536).unwrap();
    let options = SubscribeOptions { window, ..SubscribeOptions::new(stream("t")) };
    bench.stream = bench.session.subscribe(bench.now, options).unwrap();
    bench.drain();
    bench.frame(json!({
        "type": "subscribed", "stream": "t", "epoch": "e1", "after": 0, "head": 0, "oldest": 1, "replayed_upto": 0,
    }));
    bench.drain();
    bench.batch(bench.socket, "t", (0, 1, false), &[(1, 1, 1)]);
    bench.drain();
    assert_eq!(bench.confirm_run(0, 1), ["ack 1"], "nothing was settled for a while before it");
    let mut receive = |after: u64, upto: u64, confirmed: u64| {
        let events: Vec<(u64, u32, u64)> = (after + 1..=upto).map(|n| (n, 1, n)).collect();
        bench.batch(bench.socket, "t", (after, upto, false), &events);
        bench.drain();
        assert_eq!(bench.confirm_run(after, confirmed), [""; 0], "less than a quarter of the window");
        bench.wait(5)
    };
    assert_eq!(receive(1, 15, 15), [""; 0], "few may wait for more");
    assert_eq!(receive(15, 17, 17), ["ack 17"]);
    assert_eq!(receive(17, 40, 39), [""; 0], "one still runs, and more may settle with it");
    assert_eq!(bench.wait(45), ["ack 39"]);
}

#[test]
fn aw_sub_10_what_is_refused_for_now_is_asked_for_again_on_whichever_connection_comes_first() {
    let refusal = json!({ "type": "error", "code": "unavailable", "message": "the log is away", "stream": "s" });
    let mut bench = Bench::idle(config(), 1);
    bench.session.connect(bench.now);
    bench.up();
    bench.frame(refusal.clone());
    assert_eq!(bench.drain(), [""; 0]);
    assert_eq!(bench.wait(1_000), ["subscribe s"]);
    assert_eq!(bench.wait(5_000), [""; 0], "once for each refusal");
    bench.frame(refusal.clone());
    bench.close(1006);
    assert_eq!(bench.wait(500), ["open 2", "connecting retry"]);
    assert_eq!(bench.up(), ["hello of 1", "connected welcome"]);
    assert_eq!(bench.wait(5_000), [""; 0], "the new connection has asked");
    // It was live, and asked for anew.
    assert_eq!(bench.subscribed("e1", 0), ["subscribed e1 after 0"]);
    bench.frame(refusal);
    assert_eq!(bench.drain(), ["error unavailable"], "nothing was asked: this is about something else");
    bench.session.unsubscribe(bench.now, bench.stream);
    assert_eq!(bench.drain(), ["unsubscribe s"]);
}

#[test]
fn aw_sub_10_refusals_in_a_row_wait_longer() {
    let refusal = json!({ "type": "error", "code": "unavailable", "message": "the log is away", "stream": "s" });
    let longest = (0..40).fold([0; 3], |longest, seed| {
        let mut bench = Bench::idle(config(), seed);
        bench.session.connect(bench.now);
        bench.up();
        longest.map(|most| {
            bench.frame(refusal.clone());
            bench.drain();
            let waited = (1..=4_000).find(|_| bench.wait(1) == ["subscribe s"]);
            most.max(waited.expect("it is asked for again"))
        })
    });
    for (wait, ceiling) in longest.into_iter().zip([1_000, 2_000, 4_000]) {
        assert!(wait <= ceiling && 2 * wait > ceiling, "{wait} ms of {ceiling}");
    }
}

#[test]
fn what_is_refused_for_good_is_over_and_an_error_about_a_live_stream_is_not_its_end() {
    let error = |code| json!({ "type": "error", "code": code, "message": "no", "stream": "s" });
    let mut bench = Bench::new();
    bench.frame(error("unknown_event"));
    assert_eq!(bench.drain(), ["error unknown_event"]);
    assert_eq!(bench.events(0, 1, &[1]), ["deliver 1"], "it goes on");
    for _ in 0..2 {
        bench.session.unsubscribe(bench.now, bench.stream);
        bench.stream = bench.session.subscribe(bench.now, SubscribeOptions::new(stream("s"))).unwrap();
        bench.drain();
        bench.frame(error("forbidden"));
        assert_eq!(bench.drain(), ["error forbidden"], "the answer to this one, not to the one before");
    }
}
