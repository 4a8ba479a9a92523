//! What the browser has for a client: its socket, its timer, and the page's events.
//!
//! What happens there goes to the facade as the browser tells it, and comes back as an input. So nothing here decides
//! anything, and no message's text is copied into this program.

use gloo_timers::callback::Timeout;
use js_sys::Function;
use wasm_bindgen::prelude::*;
use web_sys::{Document, Event, EventTarget, WebSocket};

use crate::base::{Duration, Instant};
use crate::receive::SocketId;
use crate::wire::SUBPROTOCOL;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(thread_local_v2, js_name = globalThis)]
    static GLOBAL: EventTarget;
    /// A worker has none.
    #[wasm_bindgen(thread_local_v2, js_name = document)]
    static DOCUMENT: Option<Document>;

    /// web-sys sends a `&str` only, which would copy the text in and out again.
    type Sender;
    #[wasm_bindgen(method)]
    fn send(this: &Sender, text: &JsValue);
}

/// Of the window or the worker; a worker hears only of `online`.
const GLOBAL_EVENTS: [&str; 3] = ["online", "pageshow", "pagehide"];
/// Of the document, where there is one.
const DOCUMENT_EVENTS: [&str; 3] = ["visibilitychange", "freeze", "resume"];
/// How early the timer may fire.
const EARLY: Duration = Duration::from_secs(1);
/// The longest wait that `setTimeout` takes; a timer that fires early is harmless.
const LONGEST: Duration = Duration::from_millis(i32::MAX as u64);

/// A client's share of the browser. Dropped, it lets go of everything.
pub struct Browser {
    /// Called with an event, or with nothing when the timer fires, and the number of the socket that it is of.
    happened: Function,
    socket: Option<Socket>,
    timer: Option<(Instant, Timeout)>,
    page: Option<Page>,
}

impl Browser {
    /// Nothing yet.
    pub fn new(happened: Function) -> Self {
        Self { happened, socket: None, timer: None, page: None }
    }

    /// Listens to the page, or the worker.
    pub fn watch(&mut self) {
        self.page = Some(Page::watch(listener(&self.happened, 0)));
    }

    /// Opens a socket in place of the one before. The browser throws at once for an address that the page may not use,
    /// such as `ws:` on `https:`.
    pub fn open(&mut self, id: SocketId, url: &str) -> Result<(), JsValue> {
        self.socket = None;
        let socket = WebSocket::new_with_str(url, SUBPROTOCOL)?;
        let listener = listener(&self.happened, id);
        let heard = Some(listener.as_ref().unchecked_ref());
        socket.set_onopen(heard);
        socket.set_onmessage(heard);
        socket.set_onclose(heard);
        self.socket = Some(Socket { id, socket, _listener: listener });
        Ok(())
    }

    /// Closes this socket, if it is the one at hand. Refused by the browser only for codes and reasons that the session
    /// never gives.
    pub fn close(&mut self, id: SocketId, code: u16, reason: &str) {
        if let Some(gone) = self.socket.take_if(|socket| socket.id == id) {
            let _ = gone.socket.close_with_code_and_reason(code, reason);
        }
    }

    /// Sends a text on this socket. On one that is closing it is dropped: what must arrive is sent again after `welcome`.
    pub fn send(&self, id: SocketId, text: &JsValue) {
        if let Some(Socket { socket, .. }) = self.socket.as_ref().filter(|socket| socket.id == id)
            && socket.ready_state() == WebSocket::OPEN
        {
            socket.unchecked_ref::<Sender>().send(text);
        }
    }

    /// The timer has fired.
    pub fn fired(&mut self) {
        self.timer = None;
    }

    /// The one timer. One that fires early is harmless: while what is due moves on by little, it stays. One that would wake
    /// the page for nothing, because what it was set for is done, is set anew.
    pub fn arm(&mut self, now: Instant, due: Option<Instant>) {
        let Some(due) = due else { return self.timer = None };
        if self.timer.as_ref().is_some_and(|&(armed, _)| armed <= due && due < armed + EARLY) {
            return;
        }
        let wait = due.since(now).min(LONGEST);
        let happened = self.happened.clone();
        let timeout = Timeout::new(wait.as_millis() as u32, move || tell(&happened, &JsValue::UNDEFINED, 0));
        self.timer = Some((due, timeout));
    }
}

/// A WebSocket whose words carry the number that the session gave it. Dropped, it says nothing any more.
struct Socket {
    id: SocketId,
    socket: WebSocket,
    /// Lives as long as the browser may call it.
    _listener: Closure<dyn Fn(Event)>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        let _ = self.socket.close();
    }
}

/// The life of the page, or of the worker. Listens until dropped.
struct Page {
    global: EventTarget,
    document: Option<Document>,
    listener: Closure<dyn Fn(Event)>,
}

impl Page {
    fn watch(listener: Closure<dyn Fn(Event)>) -> Self {
        let page = Self { global: GLOBAL.with(Clone::clone), document: DOCUMENT.with(Clone::clone), listener };
        page.each(|target, event, listener| {
            let _ = target.add_event_listener_with_callback(event, listener);
        });
        page
    }

    fn each(&self, act: fn(&EventTarget, &str, &Function)) {
        let listener = self.listener.as_ref().unchecked_ref();
        GLOBAL_EVENTS.iter().for_each(|event| act(&self.global, event, listener));
        if let Some(document) = &self.document {
            DOCUMENT_EVENTS.iter().for_each(|event| act(document, event, listener));
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.each(|target, event, listener| {
            let _ = target.remove_event_listener_with_callback(event, listener);
        });
    }
}

/// Hands on events. One may lead to the next before it returns.
fn listener(happened: &Function, socket: SocketId) -> Closure<dyn Fn(Event)> {
    let happened = happened.clone();
    Closure::new(move |event: Event| tell(&happened, &event, socket))
}

/// The facade throws nothing.
fn tell(happened: &Function, event: &JsValue, socket: SocketId) {
    let _ = happened.call2(&JsValue::NULL, event, &socket.into());
}
