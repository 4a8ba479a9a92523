//! Runs the machine-readable vectors in `tests/vectors/`, as an implementation in another language would.
#![cfg(not(target_arch = "wasm32"))]

#[path = "vectors/runner/mod.rs"]
mod runner;

/// One test for each timeline of an end, by the name of its file.
macro_rules! timelines {
    ($end:ident: $($name:ident)*) => {
        mod $end {
            $(#[test] fn $name() { super::runner::$end::run(include_str!(concat!("vectors/", stringify!($end), "/", stringify!($name), ".json"))); })*

            #[test]
            fn every_timeline_is_run() {
                super::runner::assert_all_listed(stringify!($end), &[$(stringify!($name)),*]);
            }
        }
    };
}

timelines! { receive:
    ack_goes_with_what_settles_late
    ack_lost_then_redelivery
    acks_are_coalesced
    bfcache_restore_probes_at_once
    confirm_twice_counts_once
    confirmation_after_its_event_timed_out
    ended_is_told_once_and_acked
    epoch_changed_while_away
    filtered_ranges_are_no_gaps
    flush_hide_and_critical_ack_at_once
    gap_asks_for_exactly_the_missing_ranges
    gap_that_stays_reconnects
    gap_wider_than_the_buffer
    handler_that_never_settles
    handler_that_throws
    handler_that_unsubscribes_itself
    history_partly_expired
    laptop_sleep_socket_open_but_dead
    lost_for_good_while_held
    lost_inside_a_gap
    mark_shows_a_lost_tail
    newer_connection_replaces_this_one
    nack_is_repeated_on_resume
    old_sockets_frames_are_inert
    positions_are_told_while_a_handler_hangs
    publish_survives_a_reconnect
    producer_repeats_an_event_id
    reload_resumes_from_the_checkpoint
    reordered_frames_deliver_in_order
    requeued_and_applied_is_known_in_the_next_log
    requeued_and_given_up_is_known_by_its_attempt
    requeued_dead_letter_has_its_own_confirmation
    requeued_while_its_first_life_runs
    replay_advances_the_cursor
    replay_interleaved_with_live_events
    resume_before_any_event_was_received
    resubscribing_repeats_nothing
    resume_from_a_position_ahead_of_the_head
    unsubscribed_between_hello_and_welcome
    resume_when_nothing_was_missed_but_history_was_pruned
    seq_at_its_maximum
    server_drains
    server_misbehaves
    server_overruns_the_window
    server_restart_with_the_same_log
    subscribe_refused
    subscribe_refused_for_now
    three_refused_tokens_are_terminal
    token_expires_during_resume
    too_many_requests_pauses
}

timelines! { deliver:
    ack_of_what_was_never_sent
    confirmation_by_id
    ended_after_everything
    epoch_changed_while_away
    failed_for_good
    filter_covers
    first_event
    history_partly_expired
    lost_cover_is_shown_by_a_mark
    nack_of_an_older_attempt
    now_skips
    positions_are_the_consumers_word
    position_beyond_the_head
    resend_covers_exactly
    restart_keeps_what_was_confirmed
    resume_sends_what_is_unsettled
    sparse_log
    tail_mark
    timeout_then_late_confirmation
    window_holds
}

#[test]
fn client_frames() {
    runner::frames::client(include_str!("vectors/client_frames.json"));
}

#[test]
fn server_frames() {
    runner::frames::server(include_str!("vectors/server_frames.json"));
}
