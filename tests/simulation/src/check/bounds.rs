//! Every bound that the two ends keep, and that a story of this size can come to: `docs/bounds.md` lists them all.

use ackwire::deliver::{Feed, MAX_DEAD_LETTERS, MAX_REQUEUED, MAX_RESENDS};
use ackwire::receive::{
    Checkpoint, Footprint, HELD_WINDOWS, MAX_FAILED_AHEAD, MAX_HELD_FRAMES, MAX_IN_FLIGHT, MAX_REMEMBERED, Stats,
};
use ackwire::wire::{ClientFrame, MAX_RANGES, SeqRange, Subscribe, Window};

use crate::reader::Reader;
use crate::server::Key;
use crate::tab::Tab;

/// Most entries of a tracker's memory: its bounds, and what a window and a log of this size can bring.
const MAX_ENTRIES: usize = 4_000;

/// What a page holds, and keeps for its next life; `frame_events` is the most that its server puts into a frame.
pub fn page(tab: &Tab, stats: &Stats, frame_events: u32) {
    let (who, config) = (&tab.consumer, tab.config());
    assert!(stats.outbox as usize <= config.max_outbox, "{who}: {} in the outbox", stats.outbox);
    assert!(stats.subscriptions.len() <= config.max_subscriptions);
    let unanswered = tab.unanswered();
    assert!(unanswered <= MAX_IN_FLIGHT, "{who}: {unanswered} publishes sent and not answered");
    checkpoint(tab);
    for held in &stats.subscriptions {
        let window = tab.options(&held.stream).window.events as usize;
        // A single frame is held whatever it lists.
        let most = (window * HELD_WINDOWS).max(frame_events as usize);
        assert!(held.held as usize <= most, "{who}, {}: {} held, at most {most}", held.stream, held.held);
    }
    for reader in &tab.readers {
        let Some(footprint) = reader.subscription.and_then(|subscription| tab.session.footprint(subscription)) else {
            continue;
        };
        let Footprint { ids, held_frames, failed_ahead, ahead, requeued } = footprint;
        let is_kept = ids <= config.dedupe_window
            && held_frames <= MAX_HELD_FRAMES
            && failed_ahead <= MAX_FAILED_AHEAD
            && ahead <= MAX_RANGES
            && requeued <= MAX_REMEMBERED;
        assert!(is_kept, "{who}, {}: {footprint:?}, with {} ids to be remembered", reader.stream, config.dedupe_window);
    }
}

/// What the application was handed on this connection and has not settled: never more than the page has granted
/// [AW-SEND-4].
pub fn received(tab: &Tab, reader: &Reader) {
    let Window { events: most, bytes: most_bytes } = tab.options(&reader.stream).window;
    let (mut events, mut bytes) = (0, 0);
    for arrived in reader.of_this_feed() {
        events += 1;
        bytes += arrived.bytes;
    }
    let is_granted = events <= most && (bytes <= most_bytes as usize || events == 1);
    let (who, stream) = (&tab.consumer, &reader.stream);
    assert!(
        is_granted,
        "{who}, {stream}: {events} events of {bytes} bytes run, and the window is {most}, {most_bytes}"
    );
}

fn checkpoint(tab: &Tab) {
    let (who, checkpoint) = (&tab.consumer, tab.storage());
    assert!(checkpoint.streams.len() <= Checkpoint::MAX_STREAMS, "{who}: {} streams kept", checkpoint.streams.len());
    checkpoint.streams.iter().for_each(|entry| ranges(tab, "a checkpoint", &entry.also));
}

/// What a page sends.
pub fn frame(tab: &Tab, frame: &ClientFrame) {
    let subscribe = |subscribe: &Subscribe| ranges(tab, "a `subscribe`", &subscribe.also);
    match frame {
        ClientFrame::Hello(hello) => hello.subscriptions.iter().for_each(subscribe),
        ClientFrame::Subscribe(frame) => subscribe(frame),
        ClientFrame::Ack(ack) => ranges(tab, "an `ack`", &ack.also),
        ClientFrame::Resend(resend) => ranges(tab, "a `resend`", &resend.ranges),
        _ => {}
    }
}

fn ranges(tab: &Tab, of: &str, ranges: &[SeqRange]) {
    assert!(ranges.len() <= MAX_RANGES, "{}: {of} with {} ranges", tab.consumer, ranges.len());
}

/// What a feed keeps of its consumer and, while there is a subscription, of what it was sent.
pub fn feed(key: &Key, feed: &Feed, window: Option<Window>) {
    let tracker = feed.tracker();
    let footprint = tracker.footprint();
    assert!(footprint <= MAX_ENTRIES, "{key:?}: a tracker of {footprint} entries");
    let letters = tracker.dead_letters().len();
    assert!(letters <= MAX_DEAD_LETTERS, "{key:?}: {letters} dead letters");
    let Some(Window { events, bytes }) = window.filter(|_| feed.is_attached()) else { return };
    // One more is being read.
    assert!(feed.resends() <= MAX_RESENDS + 1, "{key:?}: {} ranges to be sent again", feed.resends());
    // [AW-SEND-3]
    let (out, out_bytes) = (feed.outstanding(), feed.outstanding_bytes());
    assert!(out <= events as usize, "{key:?}: {out} events out, the window is {events}");
    assert!(out_bytes <= u64::from(bytes) || out == 1, "{key:?}: {out_bytes} bytes out, the window is {bytes}");
    // One window that runs, and one that is replayed. Dead letters in their second life are outside of it [AW-SEND-9].
    let (unsettled, most) = (tracker.unsettled(), 2 * events as usize + MAX_REQUEUED);
    assert!(unsettled <= most, "{key:?}: {unsettled} sent and unsettled, at most {most}");
}
