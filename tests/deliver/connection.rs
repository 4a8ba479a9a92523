//! The decisions of a connection: section 3 of `PROTOCOL.md`.

use ackwire::base::{Duration, Instant};
use ackwire::deliver::{Action, Connection, Limits, Violation};
use ackwire::wire::{ServerFrame, StreamName};

struct Line {
    connection: Connection,
    now: Instant,
}

impl Line {
    fn new() -> Self {
        let now = Instant::from_millis(5_000);
        Self { connection: Connection::new(now, Limits::default()), now }
    }

    /// After `hello` and `welcome`; the token lasts so long.
    fn open(token: Option<Duration>) -> Self {
        let mut line = Self::new();
        assert_eq!(line.say(r#"{"type":"hello","consumer":"tab","token":"t"}"#), ["authenticate tab t"]);
        // The frame stands for `welcome`: the shell makes it.
        line.connection.handle_accepted(line.now, token, ServerFrame::Pong);
        assert_eq!(line.drain(), ["send Pong"]);
        line
    }

    fn say(&mut self, text: &str) -> Vec<String> {
        self.connection.handle_text(self.now, text);
        self.drain()
    }

    fn wait(&mut self, millis: u64) -> Vec<(u64, String)> {
        let (start, end) = (self.now, self.now + Duration::from_millis(millis));
        let (mut done, mut fired) = (Vec::new(), 0);
        while let Some(due) = self.connection.poll_timeout().filter(|due| *due <= end) {
            fired += 1;
            assert!(fired < 1_000, "it never comes to rest");
            self.now = due.max(self.now);
            self.connection.handle_timeout(self.now);
            let actions = self.drain();
            if actions.iter().any(|action| action.starts_with("send")) {
                self.connection.handle_sent(self.now);
            }
            done.extend(actions.into_iter().map(|action| ((self.now - start).as_millis(), action)));
        }
        self.now = end;
        done
    }

    fn drain(&mut self) -> Vec<String> {
        let actions = std::iter::from_fn(|| self.connection.poll_action());
        let text = |action| match action {
            Action::Authenticate { consumer, token, .. } => {
                let consumer = consumer.map_or("again".to_owned(), |consumer| consumer.to_string());
                format!("authenticate {consumer} {}", token.unwrap_or_default())
            }
            Action::Subscribe(subscribe) => format!("subscribe {}", subscribe.stream),
            Action::Unsubscribe(stream) => format!("unsubscribe {stream}"),
            Action::Send(ServerFrame::Error { code, .. }) => format!("error {}", code.as_str()),
            Action::Send(frame) => format!("send {frame:?}"),
            Action::Close { code, reason } => format!("close {} {reason}", code.0),
            other => format!("{other:?}").split(['(', ' ']).next().unwrap().to_lowercase(),
        };
        actions.map(text).collect()
    }
}

#[test]
fn aw_conn_4_hello_resumes_everything_and_comes_first() {
    let mut line = Line::new();
    line.say(r#"{"type":"hello","consumer":"tab","subscriptions":[{"stream":"a"},{"stream":"b","from":"now"}]}"#);
    line.connection.handle_accepted(line.now, None, ServerFrame::Pong);
    assert_eq!(line.drain(), ["send Pong", "subscribe a", "subscribe b"]);
    assert_eq!(line.say(r#"{"type":"hello","consumer":"tab"}"#), ["close 4400 a second `hello` frame"]);
    for early in [r#"{"type":"ping"}"#, r#"{"type":"unknown"}"#] {
        assert_eq!(Line::new().say(early), ["close 4400 a frame came before `hello`"]);
    }
}

#[test]
fn aw_conn_4_the_hello_deadline() {
    let mut line = Line::new();
    assert_eq!(line.wait(60_000), [(10_000, "close 4408 no `hello` in time".to_owned())]);
    assert_eq!(line.connection.poll_timeout(), None);
}

#[test]
fn aw_conn_2_unknown_frames_are_counted_and_malformed_ones_close() {
    let mut line = Line::open(None);
    assert_eq!(line.say(r#"{"type":"x"}"#), [""; 0]);
    assert_eq!(line.say(r#"{"type":"ping","new":1}"#), ["send Pong"]);
    assert_eq!(line.connection.unknown(), 1);
    let closed = line.say(r#"{"type":"ack","stream":"a","epoch":"e"}"#);
    assert!(closed[0].starts_with("close 4400 invalid `ack` frame: missing field `upto`"), "{closed:?}");
    assert_eq!(line.say(r#"{"type":"ping"}"#), [""; 0], "after the close every frame is ignored");
    assert_eq!(line.wait(100_000), []);
}

/// Found by the fuzzer: the good subscriptions of such a `hello` were attached, one of them after the close.
#[test]
fn aw_conn_2_a_hello_with_one_bad_subscription_changes_nothing() {
    let mut line = Line::new();
    let also = vec!["[1,2]"; 65].join(",");
    let closed = line.say(&format!(
        r#"{{"type":"hello","consumer":"tab","subscriptions":[
            {{"stream":"a"}},{{"stream":"b","also":[{also}]}},{{"stream":"c"}}]}}"#
    ));
    assert_eq!(closed, ["close 4400 invalid `hello` frame: `subscriptions[1].also` has too many ranges"]);
}

#[test]
fn aw_heart_the_server_pings_and_notices_a_dead_peer() {
    let mut line = Line::open(None);
    let expected = [(25_000, "send Ping".to_owned()), (50_000, "close 1001 nothing heard from the client".to_owned())];
    assert_eq!(line.wait(200_000), expected);

    let mut answering = Line::open(None);
    for _ in 0..5 {
        assert_eq!(answering.wait(25_000), [(25_000, "send Ping".to_owned())]);
        answering.say(r#"{"type":"pong"}"#);
    }
    let mut answering_below = Line::open(None);
    for _ in 0..5 {
        assert_eq!(answering_below.wait(25_000), [(25_000, "send Ping".to_owned())]);
        answering_below.connection.handle_sign_of_life(answering_below.now);
    }
    // A server that is busy sending notices it, too.
    let mut busy = Line::open(None);
    let mut done = Vec::new();
    for _ in 0..60 {
        busy.connection.handle_sent(busy.now);
        done.extend(busy.wait(1_000).into_iter().map(|(_, action)| action));
    }
    assert_eq!(done, ["send Ping", "close 1001 nothing heard from the client"]);
}

#[test]
fn aw_auth_2_a_token_runs_out_unless_it_is_refreshed() {
    let mut line = Line::open(Some(Duration::from_secs(20)));
    line.wait(16_000);
    assert_eq!(line.say(r#"{"type":"auth","token":"fresh"}"#), ["authenticate again fresh"]);
    line.connection.handle_accepted(line.now, Some(Duration::from_secs(20)), ServerFrame::Pong);
    assert_eq!(line.drain(), ["send Authenticated { expires_in_ms: Some(20000) }"]);
    assert_eq!(line.wait(21_000).last().unwrap(), &(20_000, "close 4401 the token has expired".to_owned()));
    let mut refused = Line::new();
    refused.say(r#"{"type":"hello","consumer":"tab"}"#);
    refused.connection.handle_refused("no");
    assert_eq!(refused.drain(), ["close 4401 no"]);
}

#[test]
fn the_limits_of_section_8() {
    let mut line = Line::open(None);
    for n in 0..100 {
        assert_eq!(line.say(&format!(r#"{{"type":"subscribe","stream":"s{n}"}}"#)), [format!("subscribe s{n}")]);
    }
    assert_eq!(line.say(r#"{"type":"subscribe","stream":"one-more"}"#), ["error too_many_subscriptions"]);
    assert_eq!(line.say(r#"{"type":"subscribe","stream":"s1"}"#), ["subscribe s1"], "[AW-SUB-7]");
    assert_eq!(line.say(r#"{"type":"unsubscribe","stream":"s2"}"#), ["unsubscribe s2"]);
    assert_eq!(line.say(r#"{"type":"subscribe","stream":"one-more"}"#), ["subscribe one-more"]);

    let mut large = Line::open(None);
    let fill = "x".repeat(256 * 1024);
    assert_eq!(large.say(&format!(r#"{{"type":"x","y":"{fill}"}}"#)), ["close 4413 a frame has at most 262144 bytes"]);

    let mut ranges = Line::open(None);
    let also = vec!["[1,2]"; 65].join(",");
    let closed = ranges.say(&format!(r#"{{"type":"subscribe","stream":"a","also":[{also}]}}"#));
    assert!(closed[0].starts_with("close 4400 invalid `subscribe` frame: `also`"), "{closed:?}");
}

#[test]
fn too_many_messages_close_with_4429_and_the_allowance_grows_back() {
    let mut line = Line::open(None);
    for _ in 0..9_999 {
        assert_eq!(line.say(r#"{"type":"pong"}"#), [""; 0]);
    }
    line.wait(1);
    for _ in 0..5 {
        assert_eq!(line.say(r#"{"type":"pong"}"#), [""; 0], "5,000 a second: five in a millisecond");
    }
    assert_eq!(line.say(r#"{"type":"pong"}"#), ["close 4429 more than 5000 messages a second"]);
}

#[test]
fn aw_pub_2_too_many_publishes_are_rejected_and_the_connection_lives() {
    let mut line = Line::open(None);
    let publish = r#"{"type":"publish","stream":"s","id":"a","event_type":"t","data":1}"#;
    for _ in 0..400 {
        assert_eq!(line.say(publish).len(), 1);
    }
    let refused = line.say(publish);
    assert!(refused[0].contains("Rejected") && refused[0].contains("TooManyRequests"), "{refused:?}");
    line.wait(5);
    assert!(!line.say(publish)[0].contains("Rejected"), "200 a second: one every 5 ms");
}

#[test]
fn aw_drain_and_aw_conn_5() {
    let mut line = Line::open(None);
    line.connection.handle_drain(line.now, Duration::from_secs(3));
    line.connection.handle_drain(line.now, Duration::from_secs(9));
    assert_eq!(line.drain(), ["send Drain { reconnect_in_ms: 3000 }"]);
    assert_eq!(line.say(r#"{"type":"ping"}"#), ["send Pong"], "until then it serves");
    assert_eq!(line.wait(5_000), [(3_000, "close 4503 this server is going away".to_owned())]);
    let mut replaced = Line::open(None);
    replaced.connection.handle_replaced();
    assert!(replaced.drain()[0].starts_with("close 4409"));
    assert_eq!(replaced.say(r#"{"type":"ping"}"#), [""; 0]);
}

#[test]
fn aw_drain_comes_after_welcome() {
    let mut line = Line::new();
    line.connection.handle_drain(line.now, Duration::from_secs(3));
    assert_eq!(line.drain(), [""; 0], "the first frame of a server is `welcome`");
    line.say(r#"{"type":"hello","consumer":"tab","subscriptions":[{"stream":"a"}]}"#);
    line.wait(1_000);
    line.connection.handle_accepted(line.now, None, ServerFrame::Pong);
    assert_eq!(line.drain(), ["send Pong", "send Drain { reconnect_in_ms: 2000 }", "subscribe a"]);

    let mut silent = Line::new();
    silent.connection.handle_drain(silent.now, Duration::from_secs(3));
    assert_eq!(silent.wait(5_000), [(3_000, "close 4503 this server is going away".to_owned())]);
}

#[test]
fn a_limit_met_exactly_is_not_passed() {
    let mut line = Line::open(None);
    let frame = |bytes: usize| {
        let empty = r#"{"type":"x","y":""}"#;
        empty.replace(r#""""#, &format!(r#""{}""#, "y".repeat(bytes - empty.len())))
    };
    assert_eq!(line.say(&frame(256 * 1024)), [""; 0]);
    let also = vec!["[1,2]"; 64].join(",");
    assert_eq!(line.say(&format!(r#"{{"type":"subscribe","stream":"a","also":[{also}]}}"#)), ["subscribe a"]);
}

#[test]
fn it_is_open_from_welcome_to_close() {
    let mut line = Line::new();
    assert!(!line.connection.is_open());
    line.say(r#"{"type":"hello","consumer":"tab"}"#);
    assert!(!line.connection.is_open(), "the token is being looked at");
    line.connection.handle_accepted(line.now, None, ServerFrame::Pong);
    assert!(line.connection.is_open());
    line.connection.handle_binary(line.now);
    assert_eq!(line.drain(), ["send Pong", "close 4400 a binary message"]);
    assert!(!line.connection.is_open());
}

#[test]
fn what_a_feed_objects_to_closes() {
    let mut line = Line::open(None);
    line.connection.handle_violation(&Violation::OtherEpoch { frame: "ack" });
    assert_eq!(line.drain(), ["close 4400 invalid `ack` frame: `epoch` is not the subscription's"]);
}

#[test]
fn a_feed_that_broke_off_leaves_its_place() {
    let mut line = Line::open(None);
    for n in 0..100 {
        line.say(&format!(r#"{{"type":"subscribe","stream":"s{n}"}}"#));
    }
    line.connection.handle_unsubscribed(&StreamName::new("s7").unwrap());
    assert_eq!(line.say(r#"{"type":"subscribe","stream":"one-more"}"#), ["subscribe one-more"]);
    assert_eq!(line.say(r#"{"type":"subscribe","stream":"another"}"#), ["error too_many_subscriptions"]);
}

#[test]
fn an_early_timer_brings_nothing() {
    let mut line = Line::open(None);
    line.connection.handle_timeout(line.now);
    assert_eq!(line.drain(), [""; 0]);
    assert_eq!(line.connection.unknown(), 0);
}
