//! Sockets that come and go, tokens, and when to try again.

use super::bench::{Bench, config, stream};
use ackwire::base::{Backoff, Duration};
use ackwire::receive::{Config, Transmit};
use ackwire::wire::{ClientFrame, ClientSession};
use serde_json::json;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn with_tokens() -> Config {
    Config { has_token: true, ..config() }
}

/// After two connections that failed and one that `use_it` used, is the next try within the first ceiling, whatever the
/// jitter?
fn counts_as_good(use_it: fn(&mut Bench)) -> bool {
    (0..40).all(|seed| {
        let reconnect = Backoff { base: MS(1000), max: MS(30_000) };
        let mut bench = Bench::idle(Config { reconnect, ..config() }, seed);
        bench.session.connect(bench.now);
        bench.drain();
        for _ in 0..2 {
            bench.close(1006);
            bench.session.handle_wake(bench.now);
            bench.drain();
        }
        bench.up();
        bench.subscribed("e1", 0);
        use_it(&mut bench);
        bench.close(1006);
        bench.retry_in.expect("it is tried again") <= MS(1000)
    })
}

#[test]
fn aw_retry_a_connection_is_good_that_brought_an_event_or_lasted() {
    assert!(counts_as_good(|bench| drop(bench.events(0, 1, &[1]))));
    assert!(counts_as_good(|bench| drop(bench.wait(5000))));
    assert!(!counts_as_good(|bench| drop(bench.wait(4999))));
    assert!(!counts_as_good(|bench| drop(bench.events(0, 0, &[]))), "a mark is no event");
    let once_is_enough = |bench: &mut Bench| {
        bench.events(0, 1, &[1]);
        bench.events(1, 1, &[]);
    };
    assert!(counts_as_good(once_is_enough));
}

#[test]
fn what_is_not_welcomed_in_time_is_left_and_not_before() {
    let mut bench = Bench::idle(config(), 1);
    bench.session.connect(bench.now);
    bench.drain();
    assert_eq!(bench.wait_and_call_too_early(14_999), [""; 0]);
    assert_eq!(bench.wait_and_call_too_early(1), ["close 1000", "waiting connect_timeout"]);
    assert_eq!(bench.wait_and_call_too_early(0), [""; 0], "its pause is not over");
    assert_eq!(bench.wait(500), ["open 2", "connecting retry"]);
    bench.session.handle_open(bench.now, bench.socket);
    bench.drain();
    assert!(
        bench.wait(15_000).contains(&"waiting connect_timeout".into()),
        "nor does a socket that greets nobody help"
    );
}

#[test]
fn a_welcome_before_hello_is_no_welcome() {
    let mut bench = Bench::idle(config(), 1);
    bench.session.connect(bench.now);
    bench.drain();
    bench.welcome(None);
    assert_eq!(bench.drain(), ["close 4400", "error server_misbehaved", "waiting server_misbehaved"]);
    assert_eq!(bench.session.stats().connections, 0);
}

#[test]
fn the_close_codes_that_blame_the_client_are_told() {
    for (code, error) in [(4400, "error protocol_violation"), (4413, "error frame_too_large")] {
        let mut bench = Bench::new();
        assert_eq!(bench.close(code), [error, "waiting socket_closed"]);
    }
    assert_eq!(Bench::new().close(1001), ["waiting socket_closed"]);
}

#[test]
fn aw_conn_5_a_client_numbers_its_connections() {
    let before = ClientSession { id: "tab-1".parse().unwrap(), connection: 7 };
    let mut bench = Bench::idle(Config { session: Some(before), ..config() }, 1);
    let mut connection = || {
        bench.session.connect(bench.now);
        bench.session.handle_wake(bench.now);
        bench.drain();
        bench.session.handle_open(bench.now, bench.socket);
        let hello = bench.session.poll_transmit();
        bench.close(1006);
        let Some(Transmit::Frame { frame: ClientFrame::Hello(hello), .. }) = hello else { panic!("{hello:?}") };
        let session = hello.session.unwrap();
        (session.id.to_string(), session.connection)
    };
    assert_eq!([connection(), connection()], [("tab-1".to_owned(), 8), ("tab-1".to_owned(), 9)]);
}

#[test]
fn a_client_says_what_it_is() {
    let agent = config().agent;
    assert_eq!(agent.to_string(), format!("ackwire/{}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn close_acks_first_and_is_quiet_after() {
    let mut bench = Bench::new();
    bench.events(0, 2, &[1, 2]);
    assert_eq!(bench.confirm(1, 1), [""; 0], "it waits for company");
    bench.session.close(bench.now);
    assert_eq!(bench.drain(), ["ack 1", "close 1000", "closed application"]);
    assert_eq!((bench.wait(600_000), bench.session.poll_timeout()), (Vec::<String>::new(), None));
}

#[test]
fn aw_auth_2_a_refresh_that_fails_is_tried_again_in_a_while() {
    let mut bench = Bench::idle(with_tokens(), 1);
    bench.session.connect(bench.now);
    bench.session.handle_token(bench.now, Some("a".into()));
    bench.drain();
    bench.session.handle_open(bench.now, bench.socket);
    bench.welcome(Some(10_000));
    bench.drain();
    assert_eq!(bench.wait(7999), [""; 0]);
    assert_eq!(bench.wait(1), ["token?"], "at 80 % of its life");
    bench.session.handle_token_failed(bench.now, "no".into());
    assert_eq!(bench.drain(), ["error token_failed"]);
    assert_eq!(bench.wait(4999), [""; 0]);
    assert_eq!(bench.wait(1), ["token?"]);
    bench.session.handle_token(bench.now, Some("b".into()));
    assert_eq!(bench.drain(), ["auth b"]);
}

#[test]
fn who_has_no_tokens_sends_none() {
    let mut bench = Bench::new();
    bench.session.handle_token(bench.now, Some("unasked".into()));
    assert_eq!(bench.drain(), [""; 0]);
}

#[test]
fn what_is_subscribed_while_greeting_is_asked_for_with_the_welcome() {
    let mut bench = Bench::idle(config(), 1);
    bench.session.connect(bench.now);
    bench.drain();
    bench.session.handle_open(bench.now, bench.socket);
    bench.session.subscribe(bench.now, ackwire::receive::SubscribeOptions::new(stream("late"))).unwrap();
    assert_eq!(bench.drain(), ["hello of 1"]);
    bench.welcome(None);
    assert_eq!(bench.drain(), ["subscribe late", "connected welcome"]);
}

#[test]
fn an_answer_to_what_was_given_up_hides_no_other() {
    let mut bench = Bench::new();
    let given_up = bench.session.subscribe(bench.now, ackwire::receive::SubscribeOptions::new(stream("gone"))).unwrap();
    bench.session.unsubscribe(bench.now, given_up);
    assert_eq!(bench.drain(), ["subscribe gone", "unsubscribe gone"]);
    bench.frame(json!({ "type": "error", "code": "forbidden", "message": "no", "stream": "s" }));
    assert_eq!(bench.drain(), ["error forbidden"]);
    bench.frame(json!({ "type": "error", "code": "forbidden", "message": "no", "stream": "gone" }));
    assert_eq!(bench.drain(), [""; 0], "nobody waits for it");
}
