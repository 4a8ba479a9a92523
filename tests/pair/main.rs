//! Both ends against each other on virtual time: the cases that broke others, as stories of a tab and a server.
//!
//! Each story sets its conditions, runs, and checks what the application saw and what the server knows.
#![cfg(not(target_arch = "wasm32"))]

use ackwire::base::Duration;
use ackwire::deliver::State;
use ackwire::receive::{self, SubscribeOptions};
use ackwire::wire::{EventId, From, LostReason, Priority, StreamName, Window};
use ackwire_simulation::{Conditions, Seen, World};

const MS: fn(u64) -> Duration = Duration::from_millis;
const MINUTE: Duration = Duration::from_secs(60);

/// A server with the stream `s`, and nobody there.
fn world(conditions: Conditions) -> World {
    World::new(7, conditions, &["s"])
}

/// A tab that subscribed to `s`.
fn tab(world: &mut World) -> usize {
    tab_with(world, "tab", 16)
}

fn tab_with(world: &mut World, consumer: &str, window: u32) -> usize {
    let window = Window::new(window, 65_536).unwrap();
    world.open_tab(consumer, vec![SubscribeOptions { window, ..SubscribeOptions::new(StreamName::new("s").unwrap()) }])
}

/// `id1` … as they were applied in this page life.
fn applied(world: &World, tab: usize) -> Vec<u64> {
    world.tabs[tab].readers[0].applied().map(|id| id.trim_start_matches("id").parse().unwrap()).collect()
}

fn seen(world: &World, tab: usize) -> &[Seen] {
    &world.tabs[tab].readers[0].seen
}

fn lost(world: &World, tab: usize) -> Vec<(u64, u64, LostReason)> {
    let lost = seen(world, tab).iter().filter_map(|seen| match seen {
        Seen::Lost { range, reason, .. } => Some((range.after().get(), range.upto().get(), *reason)),
        _ => None,
    });
    lost.collect()
}

fn resets(world: &World, tab: usize) -> usize {
    seen(world, tab).iter().filter(|seen| matches!(seen, Seen::Reset { .. })).count()
}

fn stats(world: &World, tab: usize) -> receive::SubscriptionStats {
    world.tabs[tab].session.stats().subscriptions.remove(0)
}

/// What the server knows of an event, for the consumer of the first tab.
fn state(world: &World, seq: u64) -> State {
    let (key, feed) = world.server.feeds.iter().next().expect("a feed");
    let event = world.server.logs[&key.0].events().find(|event| event.seq.get() == seq).expect("an event");
    feed.tracker().delivery(event).state
}

/// Runs until everything has settled, and checks what only then holds.
fn settle(world: &mut World) {
    assert!(world.run_until_settled(MINUTE), "it settles within a minute");
    world.check_settled();
}

#[test]
fn first_event_aw_promise() {
    let mut world = world(Conditions::quiet());
    let tab = tab(&mut world);
    world.produce("s", 1);
    settle(&mut world);
    assert_eq!(applied(&world, tab), [1]);
    assert_eq!(state(&world, 1), State::Confirmed);
}

#[test]
fn confirmed_only_after_the_handler_finished_aw_ack_1() {
    let mut world = world(Conditions { slow: MS(5000), ..Conditions::quiet() });
    let tab = tab(&mut world);
    world.produce("s", 1);
    world.run_for(MS(1));
    let mut waited = 0;
    while applied(&world, tab).is_empty() {
        assert_eq!(state(&world, 1), State::Sent);
        world.run_for(MS(1));
        waited += 1;
    }
    assert!(waited > 1, "the handler took its time");
    settle(&mut world);
    assert_eq!(state(&world, 1), State::Confirmed);
}

#[test]
fn ack_lost_then_redelivery_aw_recv_2() {
    let mut world = world(Conditions::quiet());
    let tab = tab(&mut world);
    world.produce("s", 5);
    // Applied; the ack would go out 50 ms later.
    world.run_for(MS(20));
    assert_eq!(applied(&world, tab), [1, 2, 3, 4, 5]);
    world.cut(tab);
    settle(&mut world);
    assert_eq!(applied(&world, tab), [1, 2, 3, 4, 5]);
    assert_eq!(stats(&world, tab).counters.delivered, 5);
}

#[test]
fn resume_before_any_event_was_received_aw_sub_6() {
    let mut world = world(Conditions::quiet());
    let tab = tab(&mut world);
    world.run_for(MS(10));
    world.cut(tab);
    world.produce("s", 3);
    settle(&mut world);
    assert_eq!(applied(&world, tab), [1, 2, 3]);
    assert_eq!((lost(&world, tab), resets(&world, tab)), (vec![], 0));
}

#[test]
fn resume_when_nothing_was_missed_but_history_was_pruned_aw_sub_4() {
    let mut world = world(Conditions::quiet());
    let tab = tab(&mut world);
    world.produce("s", 9);
    settle(&mut world);
    world.cut(tab);
    world.trim("s", 0);
    settle(&mut world);
    world.produce("s", 1);
    settle(&mut world);
    assert_eq!(applied(&world, tab), (1..=10).collect::<Vec<_>>());
    assert_eq!(lost(&world, tab), []);
}

#[test]
fn history_partly_expired_aw_sub_4() {
    let mut world = world(Conditions::quiet());
    let tab = tab(&mut world);
    world.produce("s", 4);
    settle(&mut world);
    world.cut(tab);
    world.produce("s", 20);
    world.trim("s", 5);
    settle(&mut world);
    assert_eq!(applied(&world, tab), [1, 2, 3, 4, 20, 21, 22, 23, 24]);
    assert_eq!(lost(&world, tab), [(4, 19, LostReason::Expired)]);
}

#[test]
fn epoch_changed_while_away_aw_sub_5() {
    let mut world = world(Conditions::quiet());
    let tab = tab(&mut world);
    world.produce("s", 6);
    settle(&mut world);
    world.crash_server(MS(100), 2);
    settle(&mut world);
    world.produce("s", 2);
    settle(&mut world);
    // 5 and 6 are gone from the log, 1 to 4 came again and are known by their ids.
    assert_eq!(applied(&world, tab), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(resets(&world, tab), 1);
    assert_eq!(stats(&world, tab).counters.suppressed, 4);
}

#[test]
fn server_restart_with_the_same_log() {
    let mut world = world(Conditions { slow: MS(40), ..Conditions::quiet() });
    let tab = tab(&mut world);
    world.produce("s", 30);
    world.run_for(MS(200));
    world.crash_server(MS(700), 0);
    world.produce("s", 10);
    settle(&mut world);
    assert_eq!(applied(&world, tab), (1..=40).collect::<Vec<_>>());
    assert_eq!(resets(&world, tab), 0);
}

#[test]
fn replay_interleaved_with_live_events() {
    let mut world = world(Conditions { latency: MS(30), reorder: 60, ..Conditions::quiet() });
    world.produce("s", 200);
    let tab = tab(&mut world);
    for _ in 0..50 {
        world.produce("s", 2);
        world.run_for(MS(10));
    }
    settle(&mut world);
    assert_eq!(applied(&world, tab), (1..=300).collect::<Vec<_>>());
}

#[test]
fn ten_thousand_replayed_events_keep_to_the_window_aw_send_3() {
    let mut world = world(Conditions::quiet());
    world.produce("s", 10_000);
    let tab = tab(&mut world);
    settle(&mut world);
    assert_eq!(applied(&world, tab).len(), 10_000);
}

#[test]
fn a_window_of_one() {
    let mut world = world(Conditions { slow: MS(20), latency: MS(5), ..Conditions::quiet() });
    let tab = tab_with(&mut world, "tab", 1);
    world.produce("s", 20);
    settle(&mut world);
    assert_eq!(applied(&world, tab), (1..=20).collect::<Vec<_>>());
}

#[test]
fn a_slow_tab_slows_only_its_own_feed_aw_send_3() {
    let mut world = world(Conditions { hangs: 100, ..Conditions::quiet() });
    let stuck = tab_with(&mut world, "stuck", 4);
    world.produce("s", 1);
    world.run_for(MS(10));
    world.conditions.hangs = 0;
    let quick = tab_with(&mut world, "quick", 16);
    world.produce("s", 99);
    world.run_for(MS(1000));
    assert_eq!(applied(&world, quick).len(), 100);
    assert!(applied(&world, stuck).is_empty());
    assert_eq!(stats(&world, stuck).unsettled, 4, "the window, and no more");
}

#[test]
fn old_sockets_frames_after_the_new_one_opened_aw_conn_6() {
    let mut world = world(Conditions { latency: MS(400), ..Conditions::quiet() });
    let tab = tab(&mut world);
    world.run_for(MS(2000));
    for _ in 0..10 {
        world.produce("s", 5);
        world.run_for(MS(100));
        world.cut(tab);
        world.wake(tab);
    }
    settle(&mut world);
    assert_eq!(applied(&world, tab), (1..=50).collect::<Vec<_>>());
}

#[test]
fn laptop_sleep_socket_still_open_but_dead_aw_heart_2() {
    let mut world = world(Conditions::quiet());
    let tab = tab(&mut world);
    world.run_for(MS(10));
    world.half_open(tab);
    world.produce("s", 3);
    world.run_for(MS(1000));
    assert!(applied(&world, tab).is_empty());
    // 1.5 × 25 s of silence, 5 s for the probe, and the first retry.
    world.run_for(MS(37_500 + 5000 + 500));
    settle(&mut world);
    assert_eq!(applied(&world, tab), [1, 2, 3]);
}

#[test]
fn bfcache_restore_pageshow_only_aw_heart_3() {
    let mut world = world(Conditions::quiet());
    let tab = tab(&mut world);
    world.run_for(MS(10));
    world.half_open(tab);
    world.produce("s", 3);
    world.wake(tab);
    world.run_for(MS(5000 + 500));
    settle(&mut world);
    assert_eq!(applied(&world, tab), [1, 2, 3]);
}

#[test]
fn a_handler_that_throws_and_then_succeeds_aw_ack_5() {
    let mut world = world(Conditions { throws: 100, ..Conditions::quiet() });
    let tab = tab(&mut world);
    world.produce("s", 1);
    world.run_for(MS(1));
    assert_eq!(state(&world, 1), State::Failed);
    world.conditions.throws = 0;
    settle(&mut world);
    assert_eq!(applied(&world, tab), [1]);
    assert_eq!(state(&world, 1), State::Confirmed);
}

#[test]
fn a_handler_that_throws_for_ever_aw_send_2() {
    let mut world = world(Conditions { throws: 100, ..Conditions::quiet() });
    let tab = tab(&mut world);
    world.produce("s", 1);
    settle(&mut world);
    let attempts = seen(&world, tab).iter().filter(|seen| matches!(seen, Seen::Began { .. })).count();
    assert_eq!(attempts, 4, "the first try and three retries");
    assert_eq!(lost(&world, tab), [(0, 1, LostReason::Failed)]);
    assert_eq!(state(&world, 1), State::Dead);
}

#[test]
fn a_handler_that_never_settles_aw_recv_6() {
    let mut world = world(Conditions { hangs: 100, ..Conditions::quiet() });
    let tab = tab(&mut world);
    world.produce("s", 1);
    world.run_for(MS(10));
    world.conditions.hangs = 0;
    // Four deadlines of 30 s, and the waits between.
    world.run_for(Duration::from_secs(4 * 30 + 1 + 2 + 4));
    assert_eq!(lost(&world, tab), [(0, 1, LostReason::Failed)]);
    world.produce("s", 1);
    settle(&mut world);
    assert_eq!(applied(&world, tab), [2]);
}

#[test]
fn a_handler_that_never_settles_on_a_repeat_aw_send_2() {
    let mut world = world(Conditions::quiet());
    world.produce("s", 2);
    let start = SubscribeOptions { from: From::Start, ..SubscribeOptions::new(StreamName::new("s").unwrap()) };
    let tab = world.open_tab("tab", vec![start]);
    settle(&mut world);
    world.conditions.hangs = 100;
    world.reload(tab);
    world.run_for(MS(10));
    world.conditions.hangs = 0;
    world.run_for(Duration::from_secs(4 * 30 + 1 + 2 + 4));
    assert_eq!(lost(&world, tab)[0], (0, 1, LostReason::Failed));
    world.produce("s", 1);
    settle(&mut world);
    assert_eq!(applied(&world, tab).last(), Some(&3));
}

#[test]
fn confirmation_arriving_after_its_event_timed_out_aw_send_1() {
    let mut world = world(Conditions::quiet());
    let tab = tab(&mut world);
    world.run_for(MS(10));
    world.half_open(tab);
    world.produce("s", 1);
    world.run_for(Duration::from_secs(31));
    assert!(matches!(state(&world, 1), State::Timeout | State::Retrying));
    settle(&mut world);
    assert_eq!((applied(&world, tab), state(&world, 1)), (vec![1], State::Confirmed));
}

#[test]
fn frames_lost_behind_the_socket_are_asked_for_aw_recv_3() {
    let mut world = world(Conditions { drop: 30, ..Conditions::quiet() });
    let tab = tab(&mut world);
    for _ in 0..100 {
        world.produce("s", 1);
        world.run_for(MS(20));
    }
    settle(&mut world);
    assert_eq!(applied(&world, tab), (1..=100).collect::<Vec<_>>());
    let counters = stats(&world, tab).counters;
    assert!(counters.gaps > 0 && counters.resends > 0 && lost(&world, tab).is_empty(), "{counters:?}");
}

#[test]
fn a_lost_tail_shows_at_the_mark_aw_send_7() {
    let mut world = world(Conditions { drop: 100, ..Conditions::quiet() });
    let tab = tab(&mut world);
    world.produce("s", 3);
    world.conditions.drop = 0;
    // The mark after a second, the reorder delay, and no deadline.
    world.run_for(MS(1000 + 50 + 50));
    assert_eq!(applied(&world, tab), [1, 2, 3]);
}

#[test]
fn a_reload_repeats_nothing_that_was_applied_aw_sub_6() {
    let mut world = world(Conditions { slow: MS(30), ..Conditions::quiet() });
    let tab = tab(&mut world);
    world.produce("s", 40);
    world.run_for(MS(300));
    world.reload(tab);
    settle(&mut world);
    let stream = StreamName::new("s").unwrap();
    let before = world.tabs[tab].past[&stream][0].iter().filter(|seen| matches!(seen, Seen::Applied { .. })).count();
    let after = applied(&world, tab);
    assert!(before > 0 && after.last() == Some(&40));
    // A crash of the tab takes at most the acks of the last 50 ms with it: two handlers of up to 30 ms, and more if quick.
    assert!(after[0] <= before as u64 + 1, "no hole: {before} before, then {}", after[0]);
}

#[test]
fn two_tabs_with_one_identity_the_newest_wins_aw_conn_5() {
    let mut world = world(Conditions::quiet());
    let first = tab(&mut world);
    world.run_for(MS(10));
    let second = tab(&mut world);
    world.run_for(MS(10));
    world.produce("s", 3);
    world.run_for(MS(1000));
    assert!(applied(&world, first).is_empty());
    assert_eq!(applied(&world, second), [1, 2, 3]);
    assert_eq!(world.tabs[first].session.state(), receive::State::Failed);
}

#[test]
fn a_hello_that_was_held_up_until_after_a_reload_replaces_nobody_aw_conn_5() {
    let mut world = world(Conditions::quiet());
    let tab = tab(&mut world);
    world.stall(tab, MS(5000));
    world.run_for(MS(100));
    world.reload(tab);
    world.run_for(MS(6000));
    world.produce("s", 3);
    settle(&mut world);
    assert_eq!(applied(&world, tab), [1, 2, 3]);
    assert_eq!(world.tabs[tab].session.state(), receive::State::Connected);
}

#[test]
fn consumers_do_not_share_a_position_aw_consumer() {
    let mut world = world(Conditions::quiet());
    let one = tab_with(&mut world, "one", 8);
    world.produce("s", 5);
    settle(&mut world);
    let two = tab_with(&mut world, "two", 8);
    settle(&mut world);
    assert_eq!(applied(&world, one), applied(&world, two));
}

#[test]
fn producer_repeats_an_event_id_aw_event() {
    let mut world = world(Conditions::quiet());
    let tab = tab(&mut world);
    let id = EventId::new("id1").unwrap();
    assert!(world.append("s", id.clone(), Priority::Normal).is_some());
    assert!(world.append("s", id, Priority::Critical).is_none());
    settle(&mut world);
    assert_eq!(applied(&world, tab), [1]);
}

#[test]
fn ended_after_everything_aw_recv_7() {
    let mut world = world(Conditions { latency: MS(40), drop: 40, ..Conditions::quiet() });
    let tab = tab(&mut world);
    world.run_for(MS(200));
    world.produce("s", 20);
    world.end("s");
    settle(&mut world);
    world.run_for(MS(5000));
    assert_eq!(applied(&world, tab).len(), 20);
    assert_eq!(seen(&world, tab).iter().filter(|seen| **seen == Seen::Ended).count(), 1);
}
