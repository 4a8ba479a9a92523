//! The known faults of home-made offline queues, each as a test of its name [AW-PUB-1].
#![cfg(not(target_arch = "wasm32"))]

use ackwire::base::{Duration, Instant};
use ackwire::receive::{Checkpoint, Config, MAX_IN_FLIGHT, PublishError, Session, Transmit};
use ackwire::wire::{ErrorCode, EventId, Seq, ServerFrame, StreamName, decode_server};

const NOW: Instant = Instant::from_millis(1_000);
const WELCOME: &str = r#"{"type":"welcome","connection":"c","consumer":"tab","heartbeat_ms":25000,
    "max_frame_bytes":262144,"server":{"name":"s","version":"1"}}"#;

fn named(n: u64) -> (EventId, StreamName) {
    (EventId::new(&n.to_string()).unwrap(), StreamName::new("s").unwrap())
}

fn session() -> Session<u64> {
    let config = Config::new(ackwire::wire::ConsumerId::new("tab").unwrap());
    Session::new(config, Checkpoint::default(), 7)
}

/// What the session publishes on the newest socket, once that is open and welcome.
fn connected(session: &mut Session<u64>) -> Vec<u64> {
    let socket = std::iter::from_fn(|| session.poll_transmit()).find_map(|transmit| match transmit {
        Transmit::Open { socket } => Some(socket),
        _ => None,
    });
    let socket = socket.expect("it opens a socket");
    session.handle_open(NOW, socket);
    session.handle_frame(NOW, socket, decode_server(WELCOME).unwrap().unwrap());
    published(session)
}

fn published(session: &mut Session<u64>) -> Vec<u64> {
    let transmits = std::iter::from_fn(|| session.poll_transmit());
    transmits
        .filter_map(|transmit| if let Transmit::Publish { message, .. } = transmit { Some(message) } else { None })
        .collect()
}

#[test]
fn the_offline_queue_cleared_before_it_was_sent() {
    let mut session = session();
    (1..=3).for_each(|n| session.publish(NOW, named(n), n, 10).unwrap());
    session.connect(NOW);
    assert_eq!(connected(&mut session), [1, 2, 3]);
    let (id, stream) = named(1);
    session.handle_frame(NOW, 1, ServerFrame::Published { id, stream, seq: Seq::new(1).unwrap(), duplicate: false });
    // Handed to a socket is not sent: what was not answered goes out again.
    session.handle_closed(NOW, 1, 1006, "");
    session.handle_wake(NOW);
    assert_eq!(connected(&mut session), [2, 3]);
}

#[test]
fn queue_overflow_dropping_silently() {
    let mut session = session();
    let first_refused = (1..).find(|n| session.publish(NOW, named(*n), *n, 10).is_err()).unwrap();
    assert_eq!(session.publish(NOW, named(first_refused), first_refused, 10), Err(PublishError::OutboxFull));
    session.connect(NOW);
    let sent = connected(&mut session);
    assert_eq!(sent.first(), Some(&1), "and nothing that was taken gave way");
}

#[test]
fn the_whole_queue_flushed_at_once() {
    let most = MAX_IN_FLIGHT as u64;
    let mut session = session();
    (1..=most + 2).for_each(|n| session.publish(NOW, named(n), n, 10).unwrap());
    session.connect(NOW);
    assert_eq!(connected(&mut session), (1..=most).collect::<Vec<_>>());
    let (id, stream) = named(1);
    session.handle_frame(NOW, 1, ServerFrame::Published { id, stream, seq: Seq::new(1).unwrap(), duplicate: false });
    assert_eq!(published(&mut session), [most + 1], "one for one");
}

#[test]
fn a_retry_that_is_due_and_has_no_room_spinning_the_timer() {
    let most = MAX_IN_FLIGHT as u64;
    let mut session = session();
    (1..=most + 1).for_each(|n| session.publish(NOW, named(n), n, 10).unwrap());
    session.connect(NOW);
    connected(&mut session);
    let (id, stream) = (1.to_string(), "s".to_string());
    let code = ErrorCode::TooManyRequests;
    session.handle_frame(NOW, 1, ServerFrame::Rejected { id, stream, code, message: String::new() });
    assert_eq!(published(&mut session), [most + 1], "its place is taken");
    // Long enough for its turn, not for the connection to look silent.
    let later = NOW + Duration::from_secs(2);
    session.handle_timeout(later);
    assert!(published(&mut session).is_empty(), "the server has answered none of the others");
    assert!(session.poll_timeout() > Some(later), "a timer that fires at once, again and again, would change nothing");
    let (id, stream) = named(2);
    session.handle_frame(later, 1, ServerFrame::Published { id, stream, seq: Seq::new(1).unwrap(), duplicate: false });
    assert_eq!(published(&mut session), [1]);
}
