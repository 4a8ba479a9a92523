//! What the facade calls. `js/shell.ts` is its other half.

use std::cell::RefCell;

use js_sys::Function;
use uuid::Uuid;
use wasm_bindgen::prelude::*;

use super::browser::Browser;
use super::numbers::Numbers;
use super::{input, output};
use crate::base::{Backoff, Instant};
use crate::receive::{Config, Head, IdHasher, Session, SocketId};
use crate::wire::ConsumerId;

/// A client without its texts.
pub(super) struct Engine {
    pub session: Session<u32>,
    browser: Browser,
    pub hasher: IdHasher,
    /// The heads of the frame at hand; kept to be used again.
    pub heads: Vec<Head>,
}

/// Where the facade and the engines meet. There is one thread, and no call leads into another: it is never borrowed twice.
struct Desk {
    /// What the facade has written.
    numbers: Vec<f64>,
    /// Ids of events that the facade has written.
    ids: Vec<u8>,
    /// What the engine has answered.
    answer: Vec<f64>,
    /// By the numbers that the facade has for them; nothing for those that have ended.
    engines: Vec<Option<Box<Engine>>>,
}

thread_local! {
    static DESK: RefCell<Desk> = const {
        RefCell::new(Desk { numbers: Vec::new(), ids: Vec::new(), answer: Vec::new(), engines: Vec::new() })
    };
}

/// The memory that the addresses below are of.
#[wasm_bindgen]
pub fn heap() -> JsValue {
    wasm_bindgen::memory()
}

/// Makes room for so many numbers; returns where to write them.
#[wasm_bindgen]
pub fn numbers(count: usize) -> *const f64 {
    DESK.with_borrow_mut(|desk| {
        desk.numbers.resize(count, 0.0);
        desk.numbers.as_ptr()
    })
}

/// Makes room for at least so many bytes of ids; returns where to write them.
#[wasm_bindgen]
pub fn ids(bytes: usize) -> *const u8 {
    DESK.with_borrow_mut(|desk| {
        if desk.ids.len() < bytes {
            desk.ids.resize(bytes, 0);
        }
        desk.ids.as_ptr()
    })
}

/// A random id (a version 4 UUID), for consumers and published events.
#[wasm_bindgen(js_name = newId)]
pub fn new_id() -> String {
    Uuid::new_v4().hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned()
}

/// A client that does nothing yet; returns its number. To be read: the settings in the order of the facade's `Settings`, and
/// the checkpoint that was told last. What happens in the browser is told to `happened`: see [`Browser`].
#[wasm_bindgen]
pub fn begin(happened: Function) -> usize {
    DESK.with_borrow_mut(|desk| {
        let mut given = Numbers::new(&desk.numbers);
        let (key0, key1) = Uuid::new_v4().as_u64_pair();
        let (seed, _) = Uuid::new_v4().as_u64_pair();
        let mut config = Config::new(ConsumerId(0));
        config.reconnect = Backoff { base: given.millis(), max: given.millis() };
        config.max_tries = Some(given.int()).filter(|&tries| tries > 0);
        config.connect_timeout = given.millis();
        config.ack_delay = given.millis();
        config.reorder_delay = given.millis();
        config.probe_timeout = given.millis();
        config.has_token = given.flag();
        let session = Session::new(config, given.checkpoint(), seed);
        let (browser, hasher) = (Browser::new(happened), IdHasher::new(key0, key1));
        desk.engines.push(Some(Box::new(Engine { session, browser, hasher, heads: Vec::new() })));
        desk.engines.len() - 1
    })
}

/// Hands in one input, as [`input`] lists them; the first `bytes` ids are those of an `events` frame, a line each. Returns
/// where to read: how many numbers follow, the answer, and what is to be done, as [`output`] lists it.
#[wasm_bindgen]
pub fn hand(engine: usize, bytes: usize) -> *const f64 {
    DESK.with_borrow_mut(|Desk { numbers, ids, answer, engines }| {
        answer.clear();
        answer.resize(2, 0.0);
        if let Some(Some(engine)) = engines.get_mut(engine) {
            let mut given = Numbers::new(numbers);
            let input = given.int();
            let now = Instant::from_millis(given.next() as u64);
            if input == input::TIMEOUT {
                engine.browser.fired();
            }
            input::hand_in(engine, input, now, given, ids.get(..bytes).unwrap_or_default(), answer);
            output::drain(&mut engine.session, answer);
            engine.browser.arm(now, engine.session.poll_timeout());
        }
        answer[0] = (answer.len() - 1) as f64;
        answer.as_ptr()
    })
}

/// Everything that is counted, as a list of numbers.
#[wasm_bindgen]
pub fn stats(engine: usize) -> JsValue {
    DESK.with_borrow(|desk| {
        let counted = desk.engines.get(engine).and_then(Option::as_ref).map(|engine| engine.session.numbers());
        serde_wasm_bindgen::to_value(&counted).unwrap_or(JsValue::NULL)
    })
}

/// Listens to the page from now on.
#[wasm_bindgen]
pub fn watch(engine: usize) {
    with_browser(engine, Browser::watch);
}

/// Opens a socket in place of the one before; throws what the browser throws.
#[wasm_bindgen]
pub fn open(engine: usize, socket: SocketId, url: &str) -> Result<(), JsValue> {
    with_browser(engine, |browser| browser.open(socket, url)).unwrap_or(Ok(()))
}

/// Closes a socket, if it is the one at hand.
#[wasm_bindgen]
pub fn close(engine: usize, socket: SocketId, code: u16, reason: &str) {
    with_browser(engine, |browser| browser.close(socket, code, reason));
}

/// Sends a text on a socket, if it is the one at hand and open.
#[wasm_bindgen]
pub fn send(engine: usize, socket: SocketId, text: &JsValue) {
    with_browser(engine, |browser| browser.send(socket, text));
}

/// The client is over, and lets go of the browser.
#[wasm_bindgen]
pub fn end(engine: usize) {
    DESK.with_borrow_mut(|desk| {
        if let Some(ended) = desk.engines.get_mut(engine) {
            *ended = None;
        }
    });
}

/// Nothing that the browser is asked for calls back at once.
fn with_browser<T>(engine: usize, ask: impl FnOnce(&mut Browser) -> T) -> Option<T> {
    DESK.with_borrow_mut(|desk| desk.engines.get_mut(engine)?.as_mut().map(|engine| ask(&mut engine.browser)))
}
