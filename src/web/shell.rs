//! Between the session and the browser.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use gloo_timers::callback::Timeout;
use wasm_bindgen::prelude::*;

use super::clock::now;
use super::frame::{self, EventsFrame, Incoming};
use super::host::Host;
use super::page::Page;
use super::socket::Socket;
use crate::base::Instant;
use crate::receive::{Batch, Checkpoint, Head, IdHasher, Notice, Session, SocketId, State, StateReason, Transmit};
use crate::wire::CloseCode;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = String)]
    fn in_words(thrown: &JsValue) -> String;
}

/// The longest wait that `setTimeout` takes, in milliseconds; a timer that fires early is harmless.
const MAX_TIMEOUT_MS: u64 = i32::MAX as u64;

/// A session with its socket and its timer.
///
/// No cell is borrowed while anything outside is called, so that every callback may come back in here.
pub struct Shell {
    session: RefCell<Session<JsValue>>,
    host: Host,
    url: String,
    hasher: IdHasher,
    /// The heads of the frame at hand; kept to be used again.
    heads: Cell<Vec<Head>>,
    socket: RefCell<Option<Socket>>,
    timer: RefCell<Option<(Instant, Timeout)>>,
    page: RefCell<Option<Page>>,
    is_draining: Cell<bool>,
    itself: Weak<Shell>,
}

impl Shell {
    /// Does nothing yet.
    pub fn new(session: Session<JsValue>, host: Host, url: String, hasher: IdHasher) -> Rc<Self> {
        Rc::new_cyclic(|itself| Self {
            session: RefCell::new(session),
            host,
            url,
            hasher,
            heads: Cell::default(),
            socket: RefCell::default(),
            timer: RefCell::default(),
            page: RefCell::default(),
            is_draining: Cell::new(false),
            itself: itself.clone(),
        })
    }

    /// Hands one input to the session, then does what it wants done.
    pub fn input<T>(&self, act: impl FnOnce(&mut Session<JsValue>, Instant) -> T) -> T {
        let answer = act(&mut self.session.borrow_mut(), now());
        self.drain();
        answer
    }

    /// Looks at the session.
    pub fn read<T>(&self, look: impl FnOnce(&Session<JsValue>) -> T) -> T {
        look(&self.session.borrow())
    }

    /// Begins to hear of the page's life.
    pub fn watch_page(&self) {
        if self.page.borrow().is_none() {
            *self.page.borrow_mut() = Some(Page::watch(self.itself.clone()));
        }
    }

    /// Hears of nothing any more, and leaves nothing behind in the browser.
    pub fn shut_down(&self) {
        drop(self.page.take());
        drop(self.timer.take());
        drop(self.socket.take());
    }

    // --- called by the browser ---

    pub fn on_open(&self, socket: SocketId) {
        self.input(|session, now| session.handle_open(now, socket));
        self.host.wake();
    }

    pub fn on_message(&self, socket: SocketId, message: &JsValue) {
        let mut heads = self.heads.take();
        let incoming = frame::read(message, &self.hasher, &mut heads);
        self.input(|session, now| match incoming {
            Ok(Incoming::Events(frame)) => {
                let EventsFrame { after, upto, requeued, .. } = frame;
                let batch = Batch { after, upto, requeued, heads: &heads, payload: frame.events };
                session.handle_events(now, socket, &frame.stream, batch);
            }
            Ok(Incoming::Control(frame)) => session.handle_frame(now, socket, frame),
            Ok(Incoming::Unknown) => session.handle_unknown(now, socket),
            Err(detail) => session.handle_invalid(now, socket, &detail),
        });
        self.heads.set(heads);
        self.host.wake();
    }

    pub fn on_close(&self, socket: SocketId, code: u16, reason: &str) {
        self.input(|session, now| session.handle_closed(now, socket, code, reason));
        self.host.wake();
    }

    pub fn on_wake(&self) {
        self.input(Session::handle_wake);
        self.host.wake();
    }

    pub fn on_hide(&self) {
        self.input(Session::handle_hide);
        self.host.wake();
    }

    fn on_timer(&self) {
        drop(self.timer.take());
        self.input(Session::handle_timeout);
        self.host.wake();
    }

    // --- what the session wants ---

    /// A call from within (a store that calls back, say) leaves the rest to the outer one.
    fn drain(&self) {
        if self.is_draining.replace(true) {
            return;
        }
        loop {
            let transmit = self.session.borrow_mut().poll_transmit();
            if let Some(transmit) = transmit {
                self.transmit(transmit);
                continue;
            }
            let notice = self.session.borrow_mut().poll_notice();
            if let Some(notice) = notice {
                self.tell(notice);
                continue;
            }
            let checkpoint = self.session.borrow_mut().poll_checkpoint().map(Checkpoint::to_text);
            let Some(checkpoint) = checkpoint else { break };
            self.host.keep_checkpoint(&checkpoint);
        }
        self.is_draining.set(false);
        self.arm_timer();
    }

    fn transmit(&self, transmit: Transmit<JsValue>) {
        match transmit {
            Transmit::Token => self.host.ask_token(),
            Transmit::Open { socket } => self.open(socket),
            Transmit::Frame { socket, frame } => self.send(socket, &frame.to_json()),
            Transmit::Publish { socket, message } => self.send(socket, &message.as_string().unwrap_or_default()),
            Transmit::Close { socket, code, reason } => {
                let gone = self.socket.borrow_mut().take_if(|held| held.id() == socket);
                if let Some(gone) = gone {
                    gone.close(code, &reason);
                }
            }
        }
    }

    fn open(&self, id: SocketId) {
        drop(self.socket.take());
        match Socket::open(&self.url, id, &self.itself) {
            Ok(socket) => *self.socket.borrow_mut() = Some(socket),
            Err(thrown) => {
                let code = CloseCode::ABNORMAL.0;
                self.session.borrow_mut().handle_closed(now(), id, code, &in_words(&thrown));
            }
        }
    }

    fn send(&self, id: SocketId, text: &str) {
        if let Some(socket) = self.socket.borrow().as_ref().filter(|held| held.id() == id) {
            socket.send(text);
        }
    }

    fn tell(&self, notice: Notice<JsValue>) {
        let host = &self.host;
        match notice {
            Notice::Deliver { subscription, payload, start, end } => host.deliver(subscription, &payload, start, end),
            Notice::State { current, previous, reason, retry_in } => {
                let (detail, code) = match &reason {
                    StateReason::SocketClosed { code, reason } => (Some(reason.as_str()), Some(*code)),
                    StateReason::TokenFailed { message } => (Some(message.as_str()), None),
                    StateReason::ServerMisbehaved { detail } => (Some(detail.as_ref()), None),
                    _ => (None, None),
                };
                let retry_in = retry_in.map(|wait| wait.as_millis() as f64);
                host.state(state_name(current), state_name(previous), reason.as_str(), detail, code, retry_in);
            }
            Notice::Subscribed { subscription, epoch, after, head, replayed_upto } => {
                host.subscribed(subscription, &epoch, after.as_f64(), head.as_f64(), replayed_upto.as_f64());
            }
            Notice::Gap { subscription, range } => {
                host.range(subscription, "gap", range.after().as_f64(), range.upto().as_f64());
            }
            Notice::Repaired { subscription, range } => {
                host.range(subscription, "repaired", range.after().as_f64(), range.upto().as_f64());
            }
            Notice::Lost { subscription, range, reason } => {
                host.lost(subscription, range.after().as_f64(), range.upto().as_f64(), reason.as_str());
            }
            Notice::Reset { subscription, void, position } => {
                let (void_seq, seq) = (void.seq.as_f64(), position.seq.as_f64());
                host.reset(subscription, &void.epoch, void_seq, &position.epoch, seq);
            }
            Notice::Ended { subscription, seq } => host.ended(subscription, seq.as_f64()),
            Notice::Published { id, stream, seq, duplicate } => host.published(&stream, &id, seq.as_f64(), duplicate),
            Notice::Rejected { id, stream, code, message } => host.rejected(&stream, &id, code.as_str(), &message),
            Notice::Error { code, message, subscription } => host.error(code, &message, subscription),
            Notice::Flushed => host.flushed(),
        }
    }

    /// One timer. One that fires early is harmless, so it is set anew only when something is due sooner.
    fn arm_timer(&self) {
        let due = self.session.borrow().poll_timeout();
        let mut timer = self.timer.borrow_mut();
        let Some(due) = due else {
            *timer = None;
            return;
        };
        if timer.as_ref().is_some_and(|(armed, _)| *armed <= due) {
            return;
        }
        let wait = (due - now()).as_millis().min(MAX_TIMEOUT_MS) as u32;
        let shell = self.itself.clone();
        let timeout = Timeout::new(wait, move || {
            if let Some(shell) = shell.upgrade() {
                shell.on_timer();
            }
        });
        *timer = Some((due, timeout));
    }
}

/// As the facade says it.
fn state_name(state: State) -> &'static str {
    match state {
        State::Idle => "idle",
        State::Connecting => "connecting",
        State::Connected => "connected",
        State::Waiting => "waiting",
        State::Closed => "closed",
        State::Failed => "failed",
    }
}
