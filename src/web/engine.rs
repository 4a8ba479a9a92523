//! What the facade calls. `js/shell.ts` is its other half.

use std::cell::RefCell;

use wasm_bindgen::prelude::*;

use super::numbers::Numbers;
use super::{input, output};
use crate::base::{Backoff, Instant};
use crate::receive::{Config, Head, IdHasher, Session};
use crate::wire::ConsumerId;

/// A client without its surroundings.
pub(super) struct Engine {
    pub session: Session<u32>,
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

/// A client that does nothing yet; returns its number. To be read: six random numbers of 32 bits, the settings in the order
/// of the facade's `Settings`, and the checkpoint that was told last.
#[wasm_bindgen]
pub fn begin() -> usize {
    DESK.with_borrow_mut(|desk| {
        let mut given = Numbers::new(&desk.numbers);
        let hasher = IdHasher::new(given.bits(), given.bits());
        let seed = given.bits();
        let mut config = Config::new(ConsumerId(0));
        config.reconnect = Backoff { base: given.millis(), max: given.millis() };
        config.max_tries = Some(given.int()).filter(|&tries| tries > 0);
        config.connect_timeout = given.millis();
        config.ack_delay = given.millis();
        config.reorder_delay = given.millis();
        config.probe_timeout = given.millis();
        config.has_token = given.flag();
        let session = Session::new(config, given.checkpoint(), seed);
        desk.engines.push(Some(Box::new(Engine { session, hasher, heads: Vec::new() })));
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
            input::hand_in(engine, input, now, given, ids.get(..bytes).unwrap_or_default(), answer);
            output::drain(&mut engine.session, answer);
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

/// The client is over.
#[wasm_bindgen]
pub fn end(engine: usize) {
    DESK.with_borrow_mut(|desk| {
        if let Some(ended) = desk.engines.get_mut(engine) {
            *ended = None;
        }
    });
}
