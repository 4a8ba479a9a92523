//! Where a subscription begins: section 4 of `PROTOCOL.md`.

use super::bench::{Bench, epoch, event, position, seq};
use ackwire::deliver::{FeedFrame, Notice, State};
use ackwire::wire::{ConfirmStatus, EventConfirmation, Filter, From, Position, ServerFrame, Subscribe, Window};

#[test]
fn aw_sub_1_start_now_resume_and_a_position() {
    let mut bench = Bench::new(3);
    assert_eq!(bench.subscribe(From::Start), ["subscribed after 0", "events (0,3] 1 2 3"]);
    bench.ack(2);
    assert_eq!(
        bench.subscribe(From::Start),
        ["subscribed after 0", "events (0,3] 1 2 3"],
        "all of it, confirmed or not"
    );
    assert_eq!(bench.subscribe(From::Resume), ["subscribed after 2", "events (2,3] 3"]);
    assert_eq!(
        bench.subscribe(position(1)),
        ["subscribed after 1", "events (1,3] 2 3"],
        "2 was confirmed; it is asked for"
    );
    assert_eq!(bench.subscribe(From::Now), ["subscribed after 3"]);
    assert_eq!(bench.append([4]), ["events (3,4] 4"]);
}

#[test]
fn resume_before_any_event_was_received() {
    let mut bench = Bench::new(2);
    assert_eq!(bench.subscribe(From::Resume), ["subscribed after 0", "events (0,2] 1 2"]);
    let mut empty = Bench::new(0);
    assert_eq!(empty.subscribe(From::Resume), ["subscribed after 0"]);
    assert_eq!(empty.append([1]), ["events (0,1] 1"]);
}

#[test]
fn aw_sub_1_a_position_states_that_everything_up_to_it_is_applied() {
    let mut bench = Bench::new(3);
    bench.subscribe(From::Start);
    bench.feed.detach();
    assert_eq!(bench.subscribe(position(2)), ["subscribed after 2", "events (2,3] 3"]);
    assert_eq!((bench.state(1), bench.state(2), bench.state(3)), (State::Confirmed, State::Confirmed, State::Sent));
    assert_eq!(bench.feed.tracker().counters().confirmed, 2);
}

#[test]
fn aw_sub_2_also_is_applied_and_covered_not_sent() {
    let mut bench = Bench::new(6);
    bench.also = vec![(2, 3), (4, 6)];
    assert_eq!(bench.subscribe(position(1)), ["subscribed after 1", "events (1,6] 2 4"]);
    bench.ack(6);
    assert_eq!(bench.position(), 6);
}

#[test]
fn what_a_resuming_consumer_confirmed_out_of_order_is_covered() {
    let mut bench = Bench::new(5);
    bench.subscribe(From::Start);
    bench.try_ack(1, &[(2, 3), (4, 5)]).unwrap();
    bench.feed.detach();
    assert_eq!(bench.subscribe(From::Resume), ["subscribed after 1", "events (1,5] 2 4"]);
}

#[test]
fn aw_sub_4_resume_when_nothing_was_missed_but_history_was_pruned() {
    let mut bench = Bench::new(5);
    bench.subscribe(From::Start);
    bench.ack(5);
    bench.trim(6);
    assert_eq!(bench.subscribe(From::Resume), ["subscribed after 5"]);
    assert_eq!(bench.subscribe(position(5)), ["subscribed after 5"]);
}

#[test]
fn aw_sub_4_history_partly_expired_the_lost_range_exact_the_rest_delivered() {
    let mut bench = Bench::new(6);
    bench.trim(4);
    assert_eq!(bench.subscribe(position(1)), ["subscribed after 3 lost (1,3] expired", "events (3,6] 4 5 6"]);
    assert_eq!((bench.state(1), bench.state(2)), (State::Confirmed, State::Skipped));
    assert!(bench.notices.iter().any(|notice| matches!(notice, Notice::Lost(lost) if lost.upto == seq(3))));
    let mut first = Bench::new(6);
    first.trim(4);
    assert_eq!(first.subscribe(From::Resume), ["subscribed after 3 lost (0,3] expired", "events (3,6] 4 5 6"]);
}

#[test]
fn aw_sub_4_what_is_applied_is_not_lost_though_it_expired() {
    let mut bench = Bench::new(8);
    bench.trim(7);
    bench.also = vec![(2, 4)];
    // 2 is lost, 3 and 4 are applied, 5 and 6 are lost.
    let sent = bench.subscribe(position(1));
    assert_eq!(
        sent,
        ["subscribed after 2 lost (1,2] expired", "events (2,4]", "lost (4,6] expired", "events (6,8] 7 8"]
    );
}

#[test]
fn everything_expired() {
    let mut bench = Bench::new(3);
    bench.trim(4);
    assert_eq!(bench.subscribe(From::Start), ["subscribed after 3 lost (0,3] expired"]);
    assert_eq!(bench.append([4]), ["events (3,4] 4"]);
}

#[test]
fn aw_sub_5_resume_from_a_position_ahead_of_the_head() {
    let mut bench = Bench::new(5);
    bench.subscribe(From::Start);
    bench.ack(5);
    bench.lose_tail(3);
    assert_eq!(bench.subscribe(position(5)), ["subscribed after 3 reset one/5"]);
    assert_eq!(bench.append([4]), ["events (3,4] 4"], "not counted as confirmed, though a 4 was");
    let mut quiet = Bench::new(5);
    quiet.subscribe(From::Start);
    quiet.ack(5);
    quiet.lose_tail(3);
    assert_eq!(quiet.subscribe(From::Resume), ["subscribed after 3 reset one/5"]);
}

#[test]
fn aw_sub_5_what_becomes_of_a_void_event_is_not_said_of_the_one_that_takes_its_place() {
    let mut bench = Bench::new(5);
    bench.subscribe(From::Start);
    bench.try_ack(3, &[(3, 4)]).unwrap();
    bench.nack_with(5, 1, false);
    bench.lose_tail(3);
    bench.subscribe(From::Resume);
    assert_eq!(bench.feed.tracker().dead_letters().len(), 0, "its event is no more");
    assert_eq!([4, 5].map(|n| bench.state(n)), [State::Pending; 2]);
    let confirmation = EventConfirmation { event_id: event(4).id, status: ConfirmStatus::Confirmed, error: None };
    assert!(!bench.feed.handle_confirmation(bench.now, &confirmation), "no such event was sent");
}

#[test]
fn aw_sub_5_epoch_changed_while_away() {
    let mut bench = Bench::new(5);
    bench.subscribe(From::Start);
    bench.ack(4);
    bench.feed.detach();
    bench.replace_log("two", 2);
    let asked = bench.subscribe(position(4));
    assert_eq!(asked, ["subscribed after 0 reset one/4", "events (0,2] 1 2"]);
    assert_eq!(bench.state(1), State::Sent, "what was confirmed was another 1");

    let mut known = Bench::new(5);
    known.subscribe(From::Start);
    known.ack(4);
    known.replace_log("two", 2);
    assert_eq!(known.subscribe(From::Resume), ["subscribed after 0 reset one/4", "events (0,2] 1 2"]);
    assert_eq!(known.subscribe(From::Resume), ["subscribed after 0", "events (0,2] 1 2"], "told once");
}

#[test]
fn a_position_of_an_epoch_that_nobody_knows() {
    let mut bench = Bench::new(2);
    let from = From::Position(Position { epoch: epoch("made-up"), seq: seq(1) });
    assert_eq!(bench.subscribe(from), ["subscribed after 0 reset made-up/1", "events (0,2] 1 2"]);
    assert_eq!(bench.state(1), State::Sent);
}

#[test]
fn a_log_that_is_replaced_under_a_connection_ends_it() {
    let mut bench = Bench::new(2);
    bench.subscribe(From::Start);
    bench.replace_log("two", 1);
    assert_eq!(bench.append([2]), [""; 0]);
    assert_eq!(bench.notices.last(), Some(&Notice::EpochChanged));
    assert!(!bench.feed.is_attached());
}

/// The feed passes its tracker on to the next log before anybody has asked for them.
#[test]
fn what_has_happened_is_told_although_another_log_takes_its_place() {
    let mut bench = Bench::new(1);
    bench.subscribe(From::Start);
    bench.notices.clear();
    let failed = EventConfirmation { event_id: event(1).id, status: ConfirmStatus::Failed, error: None };
    assert!(bench.feed.handle_confirmation(bench.now, &failed));
    bench.replace_log("two", 1);
    bench.subscribe(From::Resume);
    assert!(matches!(bench.notices[..], [Notice::Failed { .. }, ..]), "{:?}", bench.notices);
}

#[test]
fn aw_sub_8_what_the_filter_excludes_is_covered() {
    let mut bench = Bench::new(6);
    bench.filter = Some(Filter { types: Some(vec!["even".parse().unwrap()]), ..Filter::default() });
    assert_eq!(bench.subscribe(From::Start), ["subscribed after 0", "events (0,6] 2 4 6"]);
    bench.ack(6);
    assert_eq!(bench.position(), 6);
    assert_eq!((bench.state(1), bench.state(2)), (State::Skipped, State::Confirmed));
    // Live: a frame that lists nothing waits a second for an event.
    assert_eq!(bench.append([7]), [""; 0]);
    assert_eq!(bench.append([8]), ["events (6,8] 8"]);
    bench.ack(8);
    assert_eq!(bench.append([9]), [""; 0]);
    assert_eq!(bench.wait_ms(1_500), [(1_000, "events (8,9]".to_owned())]);
    bench.ack(9);
    assert_eq!(bench.wait_ms(5_000), []);
    assert_eq!(bench.position(), 9, "there is nothing to apply");
}

#[test]
fn aw_sub_9_now_skips_and_does_not_confirm() {
    let mut bench = Bench::new(3);
    bench.subscribe(From::Start);
    bench.ack(1);
    bench.subscribe(From::Now);
    assert_eq!([1, 2, 3].map(|n| bench.state(n)), [State::Confirmed, State::Skipped, State::Skipped]);
    assert_eq!((bench.position(), bench.feed.tracker().counters().confirmed), (3, 1));
    assert_eq!(bench.subscribe(From::Resume), ["subscribed after 3"]);
}

#[test]
fn aw_sub_7_subscribing_again_replaces_the_subscription() {
    let mut bench = Bench::new(4);
    bench.window.events = 2;
    assert_eq!(bench.subscribe(From::Start), ["subscribed after 0", "events (0,2] 1 2"]);
    bench.window.events = 3;
    assert_eq!(
        bench.subscribe(From::Resume),
        ["subscribed after 0", "events (0,3] 1 2 3"],
        "the new window, and it is free"
    );
}

#[test]
fn late_pages_of_an_earlier_attach_are_inert() {
    let mut bench = Bench::new(3);
    bench.subscribe(From::Now);
    bench.append([4]);
    bench.ack(4);
    bench.log_moves([5]);
    let request = bench.feed.poll_read().unwrap();
    let page = bench.page(request.range, 64, 1 << 20);
    assert_eq!(bench.subscribe(position(3)), ["subscribed after 3", "events (3,5] 4 5"]);
    bench.feed.handle_page(bench.now, request.id, &page);
    bench.feed.handle_read_failed(bench.now, request.id);
    assert_eq!(bench.drain(), [""; 0]);
}

#[test]
fn a_sparse_log_needs_no_special_case() {
    // [AW-SEQ], [AW-RANGE]
    let mut bench = Bench::new(0);
    bench.append([10, 20, 1_000_000]);
    assert_eq!(bench.subscribe(From::Start), ["subscribed after 0", "events (0,1000000] 10 20 1000000"]);
    bench.try_ack(10, &[(20, 1_000_000)]).unwrap();
    assert_eq!(bench.subscribe(From::Resume), ["subscribed after 19", "events (19,1000000] 20"]);
}

#[test]
fn seq_at_the_end_of_its_range() {
    // [AW-SEQ]
    let most = (1 << 53) - 1;
    let mut bench = Bench::new(0);
    bench.append([most - 1, most]);
    assert_eq!(bench.subscribe(From::Start)[1], format!("events (0,{most}] {} {most}", most - 1));
    assert_eq!(bench.ack(most), [""; 0]);
    assert_eq!(bench.position(), most);
    bench.subscribe(From::Resume);
    assert_eq!(bench.end(), [format!("ended {most}")]);
}

#[test]
fn aw_sub_3_a_subscribe_is_answered_even_if_it_is_unsubscribed_before_it_is_durable() {
    let mut bench = Bench::new(2);
    let subscribe = Subscribe {
        stream: bench.feed.stream().clone(),
        from: From::Now,
        also: Vec::new(),
        window: Window::default(),
        filter: None,
    };
    bench.feed.attach(bench.now, &subscribe, bench.tail());
    assert!(bench.feed.poll_save().is_some() && bench.feed.poll_transmit().is_none(), "it waits for the save");
    let answers = bench.feed.take_answers();
    assert!(matches!(answers[..], [FeedFrame::Control(ServerFrame::Subscribed(_))]), "{answers:?}");
    bench.feed.detach();
    assert!(bench.feed.take_answers().is_empty(), "once");
}
