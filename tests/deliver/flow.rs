//! Windows, batches, ends: [AW-SEND-3], [AW-SEND-5], [AW-RECV-7].

use super::bench::Bench;
use ackwire::base::Duration;
use ackwire::deliver::Config;
use ackwire::wire::From;

#[test]
fn a_window_of_1() {
    let mut bench = Bench::new(3);
    bench.window.events = 1;
    assert_eq!(bench.subscribe(From::Start), ["subscribed after 0", "events (0,1] 1"]);
    assert_eq!(bench.ack(1), ["events (1,2] 2"]);
    assert_eq!(bench.nack(2, 1), [""; 0], "what failed is unsettled");
    assert_eq!(bench.next(), ["events (1,2] 2#2"], "a retry takes the place that it has");
    assert_eq!(bench.ack(2), ["events (2,3] 3"]);
    assert_eq!(bench.nack_with(3, 1, false), ["lost (2,3] failed"]);
    assert_eq!(bench.append([4]), ["events (3,4] 4"], "giving up frees the window");
}

#[test]
fn the_window_in_bytes_with_one_event_always_allowed() {
    let mut bench = Bench::new(40);
    bench.window.bytes = 1024;
    let sent = bench.subscribe(From::Start);
    assert!(bench.feed.outstanding() > 5 && bench.feed.outstanding() < 40, "{sent:?}");
    bench.window.bytes = 1;
    bench.window.events = 10;
    assert_eq!(bench.subscribe(From::Start), ["subscribed after 0", "events (0,1] 1"]);
    assert_eq!(bench.ack(1), ["events (1,2] 2"]);
}

#[test]
fn aw_send_3_a_large_window_is_used_by_and_by_while_confirmations_are_prompt() {
    let mut bench = Bench::new(5_000);
    bench.window.events = 1_000;
    bench.subscribe(From::Start);
    assert_eq!(bench.feed.outstanding(), 256);
    bench.ack(100);
    assert_eq!(bench.feed.outstanding(), 356, "as much more as was confirmed");
    bench.now = bench.now + Duration::from_secs(1);
    bench.ack(456);
    assert_eq!(bench.feed.outstanding(), 712);
    bench.ack(1_168);
    assert_eq!(bench.feed.outstanding(), 1_000, "the window is the cap");
    bench.now = bench.now + Duration::from_millis(1_001);
    bench.ack(1_169);
    assert_eq!(bench.feed.outstanding(), 999, "whoever is slow gets nothing more for now");
    bench.ack(2_168);
    assert_eq!(bench.feed.outstanding(), 256);
    bench.ack(2_169);
    assert_eq!(bench.feed.outstanding(), 257, "and is trusted again");
}

#[test]
fn aw_send_5_no_frame_is_larger_than_the_configured_bytes() {
    let mut bench = Bench::with_config(40, Config { frame_bytes: 400, frame_growth: 1, ..Config::default() });
    let each = bench.log[0].bytes();
    let sent = bench.subscribe(From::Start);
    let lengths = lengths(&sent[1..]);
    assert_eq!(lengths.iter().sum::<usize>(), 40, "{sent:?}");
    assert!(lengths.iter().all(|events| (1..=400 / each).contains(events)), "{lengths:?} of {each} bytes each");
    assert!(lengths.len() < 40, "many to a frame where they fit");
}

#[test]
fn aw_send_5_frames_grow_up_to_a_quarter_of_the_window_while_confirmations_are_prompt() {
    let mut bench = Bench::new(5_000);
    bench.window.events = 1_000;
    assert_eq!(lengths(&bench.subscribe(From::Start)[1..]), [64; 4], "of the 256 that are used at first");
    assert_eq!(lengths(&bench.ack(256)), [128; 4]);
    assert_eq!(lengths(&bench.ack(768)), [250; 4]);
    bench.now = bench.now + Duration::from_millis(1_001);
    assert_eq!(lengths(&bench.ack(1_700)), [64, 64, 60], "who is slow gets them as at first");
}

#[test]
fn a_replay_of_confirmed_events_obeys_the_window_too() {
    let mut bench = Bench::new(6);
    bench.subscribe(From::Start);
    bench.ack(6);
    bench.window.events = 2;
    assert_eq!(bench.subscribe(From::Start), ["subscribed after 0", "events (0,2] 1 2"]);
    assert_eq!(bench.ack(2), ["events (2,4] 3 4"]);
    assert_eq!(bench.feed.tracker().counters().confirmed, 6, "counted once");
}

#[test]
fn selective_acks_free_the_window() {
    let mut bench = Bench::new(5);
    bench.window.events = 3;
    bench.subscribe(From::Start);
    assert_eq!(bench.try_ack(0, &[(1, 3)]).unwrap(), ["events (3,5] 4 5"]);
}

#[test]
fn aw_send_5_a_backlog_travels_many_to_a_frame_and_a_single_event_at_once() {
    let mut bench = Bench::new(130);
    let sent = bench.subscribe(From::Start);
    let heads: Vec<&str> = sent.iter().map(|frame| frame.split(']').next().unwrap()).collect();
    assert_eq!(heads, ["subscribed after 0", "events (0,64", "events (64,128", "events (128,130"]);
    bench.ack(130);
    assert_eq!(bench.append([131]), ["events (130,131] 131"]);
}

#[test]
fn frames_chain_over_what_was_covered() {
    let mut bench = Bench::new(10);
    bench.window.events = 4;
    let mut sent = bench.subscribe(From::Start);
    sent.extend(bench.try_ack(1, &[(2, 4)]).unwrap());
    sent.extend(bench.ack(7));
    sent.extend(bench.ack(10));
    let mut at = 0;
    for frame in sent.iter().filter(|frame| frame.starts_with("events")) {
        let (after, upto) = frame["events (".len()..frame.find(']').unwrap()].split_once(',').unwrap();
        assert_eq!(after.parse::<u64>().unwrap(), at, "{sent:?}");
        at = upto.parse().unwrap();
    }
    assert_eq!(at, 10);
}

#[test]
fn aw_recv_7_ended_comes_after_everything_was_sent() {
    let mut bench = Bench::new(3);
    bench.window.events = 2;
    assert_eq!(bench.subscribe(From::Start), ["subscribed after 0", "events (0,2] 1 2"]);
    assert_eq!(bench.end(), [""; 0]);
    assert_eq!(bench.ack(2), ["events (2,3] 3", "ended 3"]);
    bench.nack(3, 1);
    assert_eq!(bench.next(), ["events (2,3] 3#2"], "the last event may fail, too");
    bench.ack(3);
    assert_eq!(bench.subscribe(From::Resume), ["subscribed after 3", "ended 3"]);
    assert_eq!(bench.subscribe(From::Now), ["subscribed after 3", "ended 3"]);
}

#[test]
fn a_stream_that_ended_empty() {
    let mut bench = Bench::new(0);
    bench.end();
    assert_eq!(bench.subscribe(From::Resume), ["subscribed after 0", "ended 0"]);
}

#[test]
fn the_log_is_trimmed_faster_than_a_slow_consumer_reads() {
    let mut bench = Bench::new(10);
    bench.window.events = 2;
    bench.subscribe(From::Start);
    bench.trim(6);
    assert_eq!(bench.ack(2), ["lost (2,5] expired", "events (5,7] 6 7"]);
}

#[test]
fn a_log_that_cannot_be_read_is_read_again() {
    let mut bench = Bench::new(2);
    bench.window.events = 1;
    bench.subscribe(From::Start);
    let stream = bench.feed.stream().clone();
    let epoch = bench.feed.tracker().epoch().clone();
    let ack = ackwire::wire::Ack::new(stream, epoch, super::bench::seq(1), vec![]);
    bench.feed.handle_ack(bench.now, &ack).unwrap();
    for _ in 0..3 {
        let request = bench.feed.poll_read().unwrap();
        assert_eq!(bench.feed.poll_read(), None, "one at a time");
        bench.feed.handle_read_failed(bench.now, request.id);
        assert_eq!(bench.feed.poll_read(), None, "after a while");
        bench.now = bench.feed.poll_timeout().unwrap();
        bench.feed.handle_timeout(bench.now);
    }
    assert_eq!(bench.drain(), ["events (1,2] 2"]);
}

/// How many events each frame lists.
fn lengths(sent: &[String]) -> Vec<usize> {
    sent.iter().map(|frame| frame.split_whitespace().count() - 2).collect()
}
