//! Bounds that are met exactly, and what happens between a read and its answer.

use super::bench::{Bench, event, position, seq};
use ackwire::base::Duration;
use ackwire::deliver::{
    EventsOut, Failure, FeedFrame, MAX_EXCEPTIONS, NotDone, Notice, Page, Reported, State, Violation,
};
use ackwire::wire::{Ack, Confirm, From, ServerFrame, Subscribe};

impl Bench {
    /// Time passes and the timer fires, and nothing is drained yet.
    fn timer_fires(&mut self) {
        self.turn();
        self.now = self.feed.poll_timeout().expect("a timer runs").max(self.now);
        self.feed.handle_timeout(self.now);
    }
}

#[test]
fn aw_sub_9_what_now_passes_over_is_durable_before_the_answer() {
    let mut bench = Bench::new(3);
    let stream = bench.feed.stream().clone();
    let tail = ackwire::deliver::Tail {
        epoch: bench.feed.tracker().epoch().clone(),
        oldest: seq(1),
        head: seq(3),
        ended: false,
    };
    let subscribe = Subscribe { stream, from: From::Now, also: vec![], window: bench.window, filter: None };
    bench.feed.attach(bench.now, &subscribe, tail);
    assert!(bench.feed.is_attached());
    assert!(bench.feed.poll_transmit().is_none(), "not durable yet");
    assert_eq!(bench.drain(), ["subscribed after 3"]);
    bench.feed.detach();
    assert!(!bench.feed.is_attached());
}

#[test]
fn who_has_nothing_in_a_log_loses_nothing_with_it() {
    let mut bench = Bench::new(0);
    bench.replace_log("two", 1);
    assert_eq!(bench.subscribe(From::Resume), ["subscribed after 0", "events (0,1] 1"], "and is told of no reset");
}

#[test]
fn sixty_four_ranges_are_not_too_many() {
    let mut bench = Bench::new(200);
    bench.window.events = 200;
    bench.subscribe(From::Start);
    let ranges = |count: u64| (1..=count).map(|n| (2 * n, 2 * n + 1)).collect::<Vec<_>>();
    assert_eq!(bench.try_ack(0, &ranges(64)), Ok(vec![]));
    assert_eq!(bench.try_ack(0, &ranges(65)), Err(Violation::TooManyRanges { frame: "ack", field: "also" }));
}

#[test]
fn what_waits_to_be_sent_again_is_bounded() {
    let mut bench = Bench::unhurried(1000);
    bench.window.events = 1000;
    bench.subscribe(From::Start);
    let (stream, epoch) = (bench.feed.stream().clone(), bench.feed.tracker().epoch().clone());
    for frame in 0..5 {
        let ranges = (0..64).map(|n| super::bench::range((128 * frame + 2 * n, 128 * frame + 2 * n + 1))).collect();
        let resend = ackwire::wire::Resend { stream: stream.clone(), epoch: epoch.clone(), ranges };
        bench.feed.handle_resend(&resend).unwrap();
    }
    assert_eq!(bench.feed.tracker().counters().resends, 256);
    assert_eq!(bench.drain().len(), 256);
}

#[test]
fn a_requeued_event_that_is_confirmed_before_its_retry_goes_out_is_not_sent() {
    let mut bench = Bench::new(2);
    bench.subscribe(From::Start);
    bench.nack_with(1, 1, false);
    bench.feed.requeue(bench.now, &event(1)).unwrap();
    assert_eq!(bench.drain(), ["requeued (0,1] 1#2"]);
    bench.nack(1, 2);
    while bench.state(1) != State::Failed || bench.delivery(1).due.is_some_and(|due| due > bench.now) {
        bench.timer_fires();
    }
    let (stream, epoch) = (bench.feed.stream().clone(), bench.feed.tracker().epoch().clone());
    bench.feed.handle_confirm(bench.now, &Confirm { stream, epoch, seq: seq(1), attempt: 2 }).unwrap();
    assert_eq!(bench.state(1), State::Confirmed);
    let sent = bench.drain();
    assert!(sent.iter().all(|frame| frame.starts_with("mark")), "{sent:?}");
}

#[test]
fn a_retry_of_what_this_connection_was_not_sent_goes_out_once_in_its_turn() {
    let mut bench = Bench::new(2);
    bench.subscribe(From::Start);
    bench.nack(2, 1);
    bench.window.events = 1;
    assert_eq!(bench.subscribe(From::Resume), ["subscribed after 0", "events (0,1] 1"]);
    assert_eq!(bench.wait(2), [""; 0], "its retry is due, and the window is full");
    assert_eq!(bench.ack(1), ["events (1,2] 2#2"]);
    assert_eq!(bench.drain(), [""; 0]);
}

#[test]
fn each_read_has_its_own_number() {
    let mut bench = Bench::new(0);
    bench.subscribe(From::Start);
    bench.log_moves([1]);
    let first = bench.feed.poll_read().unwrap();
    bench.feed.handle_read_failed(bench.now, first.id);
    bench.timer_fires();
    let second = bench.feed.poll_read().unwrap();
    assert_ne!(first.id, second.id);
    let page = bench.page(first.range, 10, 1000);
    bench.feed.handle_page(bench.now, first.id, &page);
    assert_eq!(bench.drain(), [""; 0], "the answer to the first comes too late");
    bench.feed.handle_page(bench.now, second.id, &page);
    assert_eq!(bench.drain(), ["events (0,1] 1"]);
}

#[test]
fn what_has_not_changed_is_not_to_be_saved() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    bench.nack(1, 1);
    assert!(bench.feed.take_dirty());
    assert!(!bench.feed.take_dirty());
    bench.nack(1, 1);
    assert!(!bench.feed.take_dirty(), "it was said before");
    bench.nack(1, 2);
    assert!(bench.feed.take_dirty(), "of an attempt that a crash has made the server forget");
    bench.nack_with(1, 2, false);
    assert_eq!(bench.state(1), State::Dead, "no retry is wanted after all");
}

#[test]
fn a_window_whose_bytes_are_used_up_reads_nothing() {
    let mut bench = Bench::new(0);
    bench.window.bytes = 1024;
    bench.subscribe(From::Start);
    let large = |n| {
        let data = serde_json::value::to_raw_value(&"x".repeat(1500)).unwrap();
        ackwire::wire::Event { data, ..event(n) }
    };
    assert_eq!(bench.append_event(large(1)), ["events (0,1] 1"], "one is always allowed");
    bench.log_moves([2]);
    assert_eq!(bench.feed.poll_read(), None);
    assert_eq!(bench.ack(1), ["events (1,2] 2"]);
    assert_eq!(bench.append_event(large(3)), [""; 0], "not beside another");
    assert_eq!(bench.ack(2), ["events (2,3] 3"]);
}

#[test]
fn a_repeat_whose_handler_hangs_times_out_like_the_first() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    bench.ack(1);
    assert_eq!(bench.subscribe(From::Start), ["subscribed after 0", "events (0,1] 1"]);
    bench.wait_ms(29_999);
    assert_eq!(bench.state(1), State::Confirmed);
    bench.wait_ms(1);
    assert_eq!(bench.state(1), State::Timeout);
    assert_eq!(bench.next(), ["events (0,1] 1#2"]);
}

#[test]
fn why_nothing_was_done_is_said_in_words() {
    let words = [NotDone::UnknownEvent, NotDone::Settled, NotDone::NoDeadLetter, NotDone::TooMany];
    let expected = [
        "this event was not sent to this consumer",
        "this event is settled",
        "this event is not among the consumer's dead letters",
        "64 dead letters are being sent again already",
    ];
    assert_eq!(words.map(|reason| reason.to_string()), expected);
}

#[test]
fn what_somebody_else_confirmed_is_remembered_up_to_a_bound() {
    let most = MAX_EXCEPTIONS as u64;
    let mut bench = Bench::unhurried(2 * most + 2);
    bench.window.events = 10_000;
    bench.window.bytes = 64 * 1024 * 1024;
    bench.subscribe(From::Start);
    let first_sent = |bench: &mut Bench| bench.subscribe(position(0))[1].clone();
    (0..most).for_each(|n| assert_eq!(bench.feed.confirm(bench.now, &event(2 * n + 1)), Ok(true)));
    assert!(first_sent(&mut bench).contains("] 2 4 6 "), "all of them are");
    bench.feed.confirm(bench.now, &event(2 * most + 1)).unwrap();
    assert!(first_sent(&mut bench).contains("] 1 2 4 6 "), "the oldest made room");
}

#[test]
fn a_log_whose_head_was_compacted_is_covered_to_its_end() {
    let mut bench = Bench::new(3);
    bench.compact(3);
    assert_eq!(bench.subscribe(From::Start), ["subscribed after 0", "events (0,2] 1 2", "lost (2,3] compacted"]);
    assert_eq!(bench.feed.poll_read(), None, "there is no more to read");
}

#[test]
fn a_resend_that_the_log_cannot_answer_is_not_read_for_ever() {
    let mut bench = Bench::new(2);
    bench.subscribe(From::Start);
    let (stream, epoch) = (bench.feed.stream().clone(), bench.feed.tracker().epoch().clone());
    let ranges = vec![super::bench::range((0, 2))];
    bench.feed.handle_resend(&ackwire::wire::Resend { stream, epoch: epoch.clone(), ranges }).unwrap();
    let request = bench.feed.poll_read().unwrap();
    let page = Page { epoch, entries: vec![], upto: seq(0), oldest: seq(1), compacted: vec![] };
    bench.feed.handle_page(bench.now, request.id, &page);
    assert!(bench.feed.poll_transmit().is_none() && bench.feed.poll_read().is_none());
}

#[test]
fn what_settles_while_retries_are_read_is_left_out() {
    let mut bench = Bench::new(3);
    bench.subscribe(From::Start);
    (1..=3).for_each(|n| drop(bench.nack(n, 1)));
    let latest = bench.now + Duration::from_secs(1);
    bench.now = latest;
    bench.feed.handle_timeout(latest);
    bench.drain_frames();
    let request = bench.feed.poll_read().unwrap();
    let page = bench.page(request.range, 10, 10_000);
    assert_eq!(page.entries.len(), 3);
    bench.feed.confirm(bench.now, &event(2)).unwrap();
    bench.feed.handle_page(bench.now, request.id, &page);
    assert_eq!(bench.drain(), ["events (0,1] 1#2", "events (2,3] 3#2"]);
}

#[test]
fn a_retry_of_what_expired_while_the_log_was_read_is_lost() {
    let mut bench = Bench::new(2);
    bench.subscribe(From::Start);
    bench.nack(1, 1);
    bench.timer_fires();
    while bench.delivery(1).due.is_some_and(|due| due > bench.now) {
        bench.timer_fires();
    }
    bench.drain_frames();
    let request = bench.feed.poll_read().unwrap();
    let epoch = bench.feed.tracker().epoch().clone();
    let page =
        |oldest| Page { epoch: epoch.clone(), entries: vec![], upto: seq(0), oldest: seq(oldest), compacted: vec![] };
    bench.feed.handle_page(bench.now, request.id, &page(1));
    assert_eq!(bench.drain_frames(), [""; 0], "the log still holds it: it is read again");
    let request = bench.feed.poll_read().unwrap();
    bench.feed.handle_page(bench.now, request.id, &page(2));
    assert_eq!(bench.drain(), ["lost (0,1] expired"]);
}

#[test]
fn frames_are_written_for_the_stream_that_they_are_of() {
    let bench = Bench::new(0);
    let covering = EventsOut { after: seq(1), upto: seq(2), entries: vec![], requeued: false };
    let text = FeedFrame::Events(covering).encode(bench.feed.stream());
    assert_eq!(text, r#"{"type":"events","stream":"run:1","after":1,"upto":2,"events":[]}"#);
    assert_eq!(FeedFrame::Control(ServerFrame::Ping).encode(bench.feed.stream()), r#"{"type":"ping"}"#);
}

#[test]
fn only_a_timeout_is_written_as_one() {
    let failure = |timed_out| Failure { attempt: 1, at: 2, message: "no".into(), timed_out };
    let text = |timed_out| serde_json::to_string(&failure(timed_out)).unwrap();
    assert_eq!(text(false), r#"{"attempt":1,"at":2,"message":"no"}"#);
    assert_eq!(text(true), r#"{"attempt":1,"at":2,"message":"no","timed_out":true}"#);
}

#[test]
fn what_a_consumer_says_of_itself_ends_with_the_log() {
    let mut bench = Bench::new(5);
    bench.subscribe(From::Start);
    let (stream, epoch) = (bench.feed.stream().clone(), bench.feed.tracker().epoch().clone());
    let ack = Ack { delivered: seq(4), received: seq(5), ..Ack::new(stream, epoch, seq(2), vec![]) };
    bench.feed.handle_ack(bench.now, &ack).unwrap();
    let reported = bench.feed.tracker().reported();
    assert_eq!(reported, Reported { delivered: seq(4), received: seq(5) });
    assert_eq!(reported.at_least(seq(3)), reported);
    assert_eq!(reported.at_least(seq(9)), Reported { delivered: seq(9), received: seq(9) });
    bench.feed.detach();
    bench.lose_tail(3);
    bench.subscribe(position(9));
    assert_eq!(bench.feed.tracker().reported(), Reported { delivered: seq(3), received: seq(3) });
}

#[test]
fn a_second_life_waits_for_its_retries_as_briefly_as_the_first() {
    for n in 1..=8 {
        let mut bench = Bench::new(n);
        bench.subscribe(From::Start);
        bench.ack(n - 1);
        for attempt in 1..=3 {
            bench.nack(n, attempt);
            bench.next();
        }
        bench.nack(n, 4);
        bench.feed.requeue(bench.now, &event(n)).unwrap();
        bench.drain();
        bench.notices.clear();
        bench.nack(n, 5);
        let [Notice::Failed { attempt: 5, retry_in, .. }] = bench.notices[..] else { panic!("{:?}", bench.notices) };
        assert!(retry_in <= Duration::from_secs(1), "{retry_in:?} of a first retry");
    }
}

#[test]
fn a_nack_of_what_expired_says_so_again_and_of_what_was_compacted_that() {
    let mut bench = Bench::new(3);
    bench.subscribe(From::Start);
    bench.nack(1, 1);
    bench.trim(2);
    bench.log_moves([4]);
    bench.drain();
    assert_eq!(bench.next(), ["lost (0,1] expired"]);
    assert_eq!(bench.nack(1, 1), ["lost (0,1] expired"]);
    bench.nack(2, 1);
    bench.compact(2);
    assert_eq!(bench.next(), ["lost (1,2] compacted"]);
    assert_eq!(bench.nack(2, 1), ["lost (1,2] compacted"], "2 is the oldest that the log may hold");
}

#[test]
fn what_was_covered_meanwhile_is_not_covered_again() {
    let mut bench = Bench::new(0);
    bench.filter = Some(ackwire::wire::Filter { types: Some(vec!["odd".parse().unwrap()]), ..Default::default() });
    bench.subscribe(From::Start);
    assert_eq!(bench.append([2]), [""; 0], "an event may follow soon, and cover this one");
    bench.log_moves([3]);
    bench.compact(3);
    assert_eq!(bench.drain(), ["events (0,2]", "lost (2,3] compacted"]);
    assert_eq!(bench.wait_ms(1_500), []);
}

#[test]
fn a_position_that_passes_a_dead_event_does_not_confirm_its_replay() {
    let mut bench = Bench::new(2);
    bench.subscribe(From::Start);
    bench.nack_with(1, 1, false);
    bench.ack(2);
    // A tab replays everything, and its handler hangs; another one of the same consumer had heard that 1 is lost.
    bench.subscribe(From::Start);
    bench.wait(31);
    assert_eq!(bench.state(1), State::Retrying);
    bench.notices.clear();
    bench.subscribe(position(2));
    assert_eq!(bench.state(1), State::Dead);
    let is_confirmed = |notice: &Notice| matches!(notice, Notice::Confirmed { seq: at, .. } if *at == seq(1));
    assert!(!bench.notices.iter().any(is_confirmed), "{:?}", bench.notices);
}
