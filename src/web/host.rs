//! What the facade gives: settings that it has checked, and an object that takes notices.

use wasm_bindgen::prelude::*;

use crate::base::{Backoff, Duration};
use crate::receive::{Config, SubscribeOptions};
use crate::wire::{self, ConsumerId, Epoch, Filter, InvalidName, Position, Seq, StreamName, Window};

#[wasm_bindgen]
extern "C" {
    /// The facade's end. Its methods queue what they are given and return; they never throw.
    pub type Host;

    /// Hand `events[start..end]` to the handlers.
    #[wasm_bindgen(method)]
    pub fn deliver(this: &Host, subscription: u32, events: &JsValue, start: u32, end: u32);

    /// The connection's state has changed.
    #[wasm_bindgen(method)]
    pub fn state(
        this: &Host,
        current: &str,
        previous: &str,
        reason: &str,
        detail: Option<&str>,
        code: Option<u16>,
        retry_in_ms: Option<f64>,
    );

    /// Where the feed begins.
    #[wasm_bindgen(method)]
    pub fn subscribed(this: &Host, subscription: u32, epoch: &str, after: f64, head: f64, replayed_upto: f64);

    /// A range is missing (`gap`) or has come (`repaired`).
    #[wasm_bindgen(method)]
    pub fn range(this: &Host, subscription: u32, notice: &str, after: f64, upto: f64);

    /// A range never comes.
    #[wasm_bindgen(method)]
    pub fn lost(this: &Host, subscription: u32, after: f64, upto: f64, reason: &str);

    /// A position is void.
    #[wasm_bindgen(method)]
    pub fn reset(this: &Host, subscription: u32, void_epoch: &str, void_seq: f64, epoch: &str, seq: f64);

    /// The stream is complete.
    #[wasm_bindgen(method)]
    pub fn ended(this: &Host, subscription: u32, seq: f64);

    /// A publish is in the log.
    #[wasm_bindgen(method)]
    pub fn published(this: &Host, stream: &str, id: &str, seq: f64, duplicate: bool);

    /// A publish was refused.
    #[wasm_bindgen(method)]
    pub fn rejected(this: &Host, stream: &str, id: &str, code: &str, message: &str);

    /// Something failed.
    #[wasm_bindgen(method)]
    pub fn error(this: &Host, code: &str, message: &str, subscription: Option<u32>);

    /// Everything before `flush` is done.
    #[wasm_bindgen(method)]
    pub fn flushed(this: &Host);

    /// A token is wanted; the answer is `token` or `tokenFailed`.
    #[wasm_bindgen(method, js_name = askToken)]
    pub fn ask_token(this: &Host);

    /// To be kept for the page's next life.
    #[wasm_bindgen(method, js_name = keepCheckpoint)]
    pub fn keep_checkpoint(this: &Host, text: &str);

    /// The engine was called by the browser, and is done: now the application may be called.
    #[wasm_bindgen(method)]
    pub fn wake(this: &Host);
}

#[wasm_bindgen]
extern "C" {
    /// A client's settings, within their bounds: `Settings` of the facade.
    pub type Settings;

    /// What `subscribe` was given, within its bounds: `SubscribeSettings` of the facade.
    pub type SubscribeSettings;

    // Read once, so by name: a getter for each is 50 bytes of glue. Throws for what is no object only.
    #[wasm_bindgen(js_namespace = Reflect, js_name = get)]
    fn field(object: &JsValue, name: &str) -> JsValue;
}

impl Settings {
    /// As the core wants it.
    pub fn to_config(&self, consumer: ConsumerId) -> Config {
        let millis = |name| Duration::from_millis(number(self, name) as u64);
        let mut config = Config::new(consumer);
        config.has_token = field(self, "hasToken").is_truthy();
        config.reconnect = Backoff { base: millis("backoffBaseMs"), max: millis("backoffMaxMs") };
        config.max_tries = Some(number(self, "maxTries") as u32).filter(|&tries| tries > 0);
        config.connect_timeout = millis("connectTimeoutMs");
        config.ack_delay = millis("ackDelayMs");
        config.reorder_delay = millis("reorderDelayMs");
        config.probe_timeout = millis("probeTimeoutMs");
        config
    }
}

impl SubscribeSettings {
    /// As the core wants it. An error means that the facade let something through.
    pub fn to_options(&self) -> Result<SubscribeOptions, InvalidName> {
        let mut options = SubscribeOptions::new(StreamName::new(&text(self, "stream"))?);
        options.from = match text(self, "from").as_str() {
            "start" => wire::From::Start,
            "now" => wire::From::Now,
            "resume" => wire::From::Resume,
            _ => wire::From::Position(Position {
                epoch: Epoch::new(&text(self, "epoch"))?,
                seq: Seq::from_f64(number(self, "seq")).unwrap_or(Seq::ZERO),
            }),
        };
        let (events, bytes) = (number(self, "windowEvents") as u32, number(self, "windowBytes") as u32);
        options.window = Window::new(events, bytes).unwrap_or_default();
        options.filter = field(self, "filter").as_string().map(Filter);
        Ok(options)
    }
}

fn number(object: &JsValue, name: &str) -> f64 {
    field(object, name).as_f64().unwrap_or_default()
}

fn text(object: &JsValue, name: &str) -> String {
    field(object, name).as_string().unwrap_or_default()
}
