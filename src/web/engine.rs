//! The class that the facade drives.

use std::rc::Rc;

use serde::Serialize;
use uuid::Uuid;
use wasm_bindgen::prelude::*;

use super::host::{Host, Settings, SubscribeSettings};
use super::shell::Shell;
use crate::receive::{Checkpoint, IdHasher, Outcome, PublishError, Session, SubscribeError};
use crate::wire::{ConsumerId, EventId, Seq, SeqRange, StreamName};

/// A random id (a version 4 UUID), for consumers and published events.
#[wasm_bindgen(js_name = newId)]
pub fn new_id() -> String {
    Uuid::new_v4().hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned()
}

/// A client without its application: the facade hands in calls, and is told through its [`Host`].
///
/// What it refuses it throws as a text: an error code of the facade.
#[wasm_bindgen]
pub struct Engine {
    shell: Rc<Shell>,
}

#[wasm_bindgen]
impl Engine {
    /// A client that does nothing yet. `checkpoint` is what `keepCheckpoint` was given last.
    #[wasm_bindgen(constructor)]
    pub fn new(
        host: Host,
        url: String,
        consumer: &str,
        settings: &Settings,
        checkpoint: Option<String>,
    ) -> Result<Engine, JsValue> {
        let consumer = ConsumerId::new(consumer).map_err(|_| "invalid_option")?;
        let checkpoint = checkpoint.as_deref().map(Checkpoint::from_text).unwrap_or_default();
        let (key0, key1) = Uuid::new_v4().as_u64_pair();
        let (seed, _) = Uuid::new_v4().as_u64_pair();
        let session = Session::new(settings.to_config(consumer), checkpoint, seed);
        Ok(Self { shell: Shell::new(session, host, url, IdHasher::new(key0, key1)) })
    }

    /// Connects now.
    pub fn connect(&self) {
        self.shell.watch_page();
        self.shell.input(Session::connect);
    }

    /// Acks what is settled, closes the socket, and lets go of the page.
    pub fn close(&self) {
        self.shell.input(Session::close);
        self.shell.shut_down();
    }

    /// Acks what is settled now; `flushed` comes when that is sent and every publish is answered.
    pub fn flush(&self) {
        self.shell.input(Session::flush);
    }

    /// Subscribes; returns the subscription's number.
    pub fn subscribe(&self, settings: &SubscribeSettings) -> Result<u32, JsValue> {
        let options = settings.to_options().map_err(|_| "invalid_option")?;
        self.shell.input(|session, now| session.subscribe(now, options)).map_err(|error| {
            JsValue::from_str(match error {
                SubscribeError::AlreadySubscribed => "already_subscribed",
                SubscribeError::TooMany => "too_many_subscriptions",
            })
        })
    }

    /// Ends a subscription.
    pub fn unsubscribe(&self, subscription: u32) {
        self.shell.input(|session, now| session.unsubscribe(now, subscription));
    }

    /// Every event of (after, upto] that runs is confirmed.
    #[wasm_bindgen(js_name = confirmRun)]
    pub fn confirm_run(&self, subscription: u32, after: f64, upto: f64) {
        let range = Seq::from_f64(after).zip(Seq::from_f64(upto)).and_then(|(after, upto)| SeqRange::new(after, upto));
        if let Some(range) = range {
            self.shell.input(|session, now| session.settle_run(now, subscription, range));
        }
    }

    /// An event is confirmed.
    pub fn confirm(&self, subscription: u32, seq: f64, attempt: u32) {
        self.settle(subscription, seq, attempt, Outcome::Confirmed);
    }

    /// An event failed.
    pub fn fail(&self, subscription: u32, seq: f64, attempt: u32, error: String, retry: bool) {
        self.settle(subscription, seq, attempt, Outcome::Failed { error, retry });
    }

    /// Sends an event: `text` is the finished `publish` frame.
    pub fn publish(&self, stream: &str, id: &str, text: String) -> Result<(), JsValue> {
        let stream = StreamName::new(stream).map_err(|_| "invalid_argument")?;
        let id = EventId::new(id).map_err(|_| "invalid_argument")?;
        let message = JsValue::from_str(&text);
        self.shell.input(|session, now| session.publish(now, (id, stream), message, text.len())).map_err(|error| {
            JsValue::from_str(match error {
                PublishError::OutboxFull => "outbox_full",
                PublishError::Duplicate => "invalid_argument",
                PublishError::TooLarge => "too_large",
            })
        })
    }

    /// The answer to `askToken`.
    pub fn token(&self, token: String) {
        self.shell.input(|session, now| session.handle_token(now, Some(token)));
    }

    /// There is no answer to `askToken`.
    #[wasm_bindgen(js_name = tokenFailed)]
    pub fn token_failed(&self, message: String) {
        self.shell.input(|session, now| session.handle_token_failed(now, message));
    }

    /// Everything that is counted, as lists.
    pub fn stats(&self) -> JsValue {
        snapshot(&self.shell.read(Session::stats))
    }

    /// The three positions of a subscription, as a list; `null` if there is none.
    pub fn position(&self, subscription: u32) -> JsValue {
        snapshot(&self.shell.read(|session| session.position(subscription)))
    }

    fn settle(&self, subscription: u32, seq: f64, attempt: u32, outcome: Outcome) {
        if let Some(seq) = Seq::from_f64(seq) {
            self.shell.input(|session, now| session.settle(now, subscription, seq, attempt, outcome));
        }
    }
}

/// As plain lists, texts and numbers.
fn snapshot(value: &impl Serialize) -> JsValue {
    value.serialize(&serde_wasm_bindgen::Serializer::json_compatible()).unwrap_or(JsValue::NULL)
}
