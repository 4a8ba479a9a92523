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
    /// A client's settings, within their bounds.
    pub type Settings;

    #[wasm_bindgen(method, getter, js_name = backoffBaseMs)]
    fn backoff_base_ms(this: &Settings) -> u32;
    #[wasm_bindgen(method, getter, js_name = backoffMaxMs)]
    fn backoff_max_ms(this: &Settings) -> u32;
    #[wasm_bindgen(method, getter, js_name = maxTries)]
    fn max_tries(this: &Settings) -> u32;
    #[wasm_bindgen(method, getter, js_name = connectTimeoutMs)]
    fn connect_timeout_ms(this: &Settings) -> u32;
    #[wasm_bindgen(method, getter, js_name = ackDelayMs)]
    fn ack_delay_ms(this: &Settings) -> u32;
    #[wasm_bindgen(method, getter, js_name = reorderDelayMs)]
    fn reorder_delay_ms(this: &Settings) -> u32;
    #[wasm_bindgen(method, getter, js_name = probeTimeoutMs)]
    fn probe_timeout_ms(this: &Settings) -> u32;
    #[wasm_bindgen(method, getter, js_name = hasToken)]
    fn has_token(this: &Settings) -> bool;
}

impl Settings {
    /// As the core wants it.
    pub fn to_config(&self, consumer: ConsumerId) -> Config {
        let millis = |value: u32| Duration::from_millis(u64::from(value));
        let mut config = Config::new(consumer);
        config.has_token = self.has_token();
        config.reconnect = Backoff { base: millis(self.backoff_base_ms()), max: millis(self.backoff_max_ms()) };
        config.max_tries = Some(self.max_tries()).filter(|&tries| tries > 0);
        config.connect_timeout = millis(self.connect_timeout_ms());
        config.ack_delay = millis(self.ack_delay_ms());
        config.reorder_delay = millis(self.reorder_delay_ms());
        config.probe_timeout = millis(self.probe_timeout_ms());
        config
    }
}

#[wasm_bindgen]
extern "C" {
    /// What `subscribe` was given, within its bounds.
    pub type SubscribeSettings;

    #[wasm_bindgen(method, getter)]
    fn stream(this: &SubscribeSettings) -> String;
    #[wasm_bindgen(method, getter)]
    fn from(this: &SubscribeSettings) -> String;
    #[wasm_bindgen(method, getter)]
    fn epoch(this: &SubscribeSettings) -> String;
    #[wasm_bindgen(method, getter)]
    fn seq(this: &SubscribeSettings) -> f64;
    #[wasm_bindgen(method, getter, js_name = windowEvents)]
    fn window_events(this: &SubscribeSettings) -> u32;
    #[wasm_bindgen(method, getter, js_name = windowBytes)]
    fn window_bytes(this: &SubscribeSettings) -> u32;
    /// As JSON; nothing for all.
    #[wasm_bindgen(method, getter)]
    fn filter(this: &SubscribeSettings) -> Option<String>;
}

impl SubscribeSettings {
    /// As the core wants it. An error means that the facade let something through.
    pub fn to_options(&self) -> Result<SubscribeOptions, InvalidName> {
        let from = match self.from().as_str() {
            "start" => wire::From::Start,
            "now" => wire::From::Now,
            "resume" => wire::From::Resume,
            _ => wire::From::Position(Position {
                epoch: Epoch::new(&self.epoch())?,
                seq: Seq::from_f64(self.seq()).unwrap_or(Seq::ZERO),
            }),
        };
        let mut options = SubscribeOptions::new(StreamName::new(&self.stream())?);
        options.from = from;
        options.window = Window::new(self.window_events(), self.window_bytes()).unwrap_or_default();
        options.filter = self.filter().map(Filter);
        Ok(options)
    }
}
