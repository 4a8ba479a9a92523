//! The shell, in a real browser: its decoder, its socket, its timer, the page's events, and calls from anywhere.
//! What needs a server is in `tests/browser`.
#![cfg(target_arch = "wasm32")]

use ackwire::receive::{Head, IdHasher};
use ackwire::web::frame::{self, Incoming};
use ackwire::web::{Engine, Host, Settings, SubscribeSettings};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::*;

wasm_bindgen_test_configure!(run_in_browser);

/// Nothing listens here: the browser refuses the connection, as it does when a server is down.
const REFUSED: &str = "ws://127.0.0.1:9/v1/socket";

#[wasm_bindgen(inline_js = r#"
export class Recorder {
  constructor() {
    this.told = [];
    this.waiting = [];
    const names = ["deliver", "state", "subscribed", "range", "lost", "reset", "ended", "published", "rejected", "error",
      "flushed", "askToken", "keepCheckpoint", "wake"];
    for (const name of names) this[name] = (...args) => this.tell(name, args);
  }
  tell(name, args) {
    this.told.push([name, ...args]);
    this.onTell?.(name, ...args);
    this.waiting = this.waiting.filter(({ text, resolve }) => !(this.text().includes(text) && (resolve(), true)));
  }
  text() {
    return this.told.map((entry) => entry.filter((part) => part !== undefined).join(" ")).join("\n");
  }
  until(text) {
    return new Promise((resolve) => {
      if (this.text().includes(text)) resolve();
      else this.waiting.push({ text, resolve });
    });
  }
  forget() {
    this.told = [];
  }
}
"#)]
extern "C" {
    #[derive(Clone)]
    type Recorder;
    #[wasm_bindgen(constructor)]
    fn new() -> Recorder;
    #[wasm_bindgen(method)]
    fn text(this: &Recorder) -> String;
    #[wasm_bindgen(method)]
    fn until(this: &Recorder, text: &str) -> js_sys::Promise;
    #[wasm_bindgen(method)]
    fn forget(this: &Recorder);
    #[wasm_bindgen(method, setter, js_name = onTell)]
    fn set_on_tell(this: &Recorder, listener: &JsValue);
}

fn object<T: JsCast>(json: &str) -> T {
    js_sys::JSON::parse(json).unwrap().unchecked_into()
}

fn engine(recorder: &Recorder, url: &str, max_wait_ms: u32, has_token: bool) -> Engine {
    let settings: Settings = object(&format!(
        r#"{{"backoffBaseMs": {max_wait_ms}, "backoffMaxMs": {max_wait_ms}, "maxTries": 0, "connectTimeoutMs": 15000,
            "ackDelayMs": 50, "reorderDelayMs": 50, "probeTimeoutMs": 5000, "hasToken": {has_token}}}"#
    ));
    let host: Host = recorder.clone().unchecked_into();
    Engine::new(host, url.into(), "c", &settings, None).unwrap()
}

fn subscribe(engine: &Engine, stream: &str) -> Result<u32, JsValue> {
    engine.subscribe(&object::<SubscribeSettings>(&format!(
        r#"{{"stream": "{stream}", "from": "start", "epoch": "", "seq": 0, "windowEvents": 256, "windowBytes": 1048576}}"#
    )))
}

async fn until(recorder: &Recorder, text: &str) {
    JsFuture::from(recorder.until(text)).await.unwrap();
}

fn read(text: &str) -> (Result<Incoming, String>, Vec<Head>) {
    let mut heads = Vec::new();
    let incoming = frame::read(&text.into(), &IdHasher::new(1, 2), &mut heads);
    (incoming, heads)
}

#[wasm_bindgen_test]
fn decodes_the_vectors_as_the_native_codec_does() {
    let vectors: js_sys::Array = object(include_str!("vectors/server_frames.json"));
    assert!(vectors.length() > 0);
    for vector in vectors.iter() {
        let get = |name: &str| js_sys::Reflect::get(&vector, &name.into()).unwrap();
        let text = get("text").as_string().unwrap();
        let (incoming, _) = read(&text);
        assert_eq!(incoming.is_ok(), get("valid") == true, "{text}");
        assert_eq!(matches!(incoming, Ok(Incoming::Unknown)), get("unknown") == true, "{text}");
    }
}

#[wasm_bindgen_test]
fn aw_event_heads_are_read_and_the_payload_is_left_alone() {
    let (incoming, heads) = read(
        r#"{"type":"events","stream":"s","after":0,"upto":9,"events":[
            {"seq":4,"id":"a","type":"t","time":0,"data":{"x":1}},
            {"seq":9007199254740991,"id":"b","type":"t","time":0,"data":null,"attempt":3,"priority":"critical"}]}"#,
    );
    let Ok(Incoming::Events(frame)) = incoming else { panic!("an events frame") };
    assert_eq!((frame.stream.as_str(), frame.after.get(), frame.upto.get()), ("s", 0, 9));
    let seen: Vec<_> = heads.iter().map(|head| (head.seq.get(), head.attempt, head.critical)).collect();
    assert_eq!(seen, [(4, 1, false), (9_007_199_254_740_991, 3, true)]);
    assert_ne!(heads[0].id_hash, heads[1].id_hash);
    assert_eq!(frame.events.unchecked_ref::<js_sys::Array>().length(), 2);
}

#[wasm_bindgen_test]
fn aw_conn_2_names_the_field_that_is_wrong() {
    let events = |event: &str| format!(r#"{{"type":"events","stream":"s","after":0,"upto":1,"events":[{event}]}}"#);
    for (text, expected) in [
        ("null".into(), "a message is a JSON object"),
        ("{}".into(), "type"),
        (r#"{"type":"events","stream":"s","after":0,"upto":1,"events":{}}"#.into(), "events.events"),
        (r#"{"type":"events","stream":7,"after":0,"upto":1,"events":[]}"#.into(), "events.stream"),
        (events("null"), "events.events[]"),
        (events(r#"{"seq":"1","id":"a"}"#), "events.events[].seq"),
        (events(r#"{"seq":0,"id":"a"}"#), "events.events[].seq"),
        (events(r#"{"seq":1,"id":"a","attempt":0}"#), "events.events[].attempt"),
        (events(r#"{"seq":1,"id":"a","priority":1}"#), "events.events[].priority"),
        (r#"{"type":"ended","stream":"s"}"#.into(), "ended.seq"),
    ] {
        let (incoming, _): (_, Vec<Head>) = read(&text);
        assert_eq!(incoming.err().as_deref(), Some(expected), "{text}");
    }
    let binary = frame::read(&js_sys::Uint8Array::new_with_length(1), &IdHasher::new(1, 2), &mut Vec::new());
    assert_eq!(binary.err().as_deref(), Some("a message is text"));
}

#[wasm_bindgen_test]
async fn aw_retry_a_refused_connection_is_tried_again_by_the_timer() {
    let recorder = Recorder::new();
    let engine = engine(&recorder, REFUSED, 1, false);
    engine.connect();
    until(&recorder, "state connecting idle application").await;
    until(&recorder, "state waiting connecting socket_closed").await;
    until(&recorder, "state connecting waiting retry").await;
    engine.close();
}

#[wasm_bindgen_test]
async fn an_address_that_the_browser_refuses_is_a_closed_socket() {
    let recorder = Recorder::new();
    let engine = engine(&recorder, "ws://127.0.0.1:9/#fragment", 60_000, false);
    engine.connect();
    until(&recorder, "state waiting connecting socket_closed").await;
    assert!(recorder.text().contains("fragment"), "the browser's own words: {}", recorder.text());
    engine.close();
}

#[wasm_bindgen_test]
async fn aw_heart_3_online_connects_at_once() {
    let recorder = Recorder::new();
    // With a wait of up to an hour, a quick retry by chance is one in a million.
    let engine = engine(&recorder, REFUSED, 3_600_000, false);
    engine.connect();
    until(&recorder, "state waiting connecting socket_closed").await;
    recorder.forget();
    let online = web_sys::Event::new("online").unwrap();
    web_sys::window().unwrap().dispatch_event(&online).unwrap();
    until(&recorder, "state connecting waiting wake").await;
    engine.close();

    recorder.forget();
    web_sys::window().unwrap().dispatch_event(&online).unwrap();
    assert_eq!(recorder.text(), "", "a closed engine hears of nothing");
}

#[wasm_bindgen_test]
async fn aw_auth_1_a_token_is_asked_for_before_the_socket_opens() {
    let recorder = Recorder::new();
    let engine = engine(&recorder, REFUSED, 3_600_000, true);
    engine.connect();
    until(&recorder, "askToken").await;
    assert!(!recorder.text().contains("waiting"));
    engine.token_failed("the sign-in is over".into());
    until(&recorder, "state waiting connecting token_failed the sign-in is over").await;
    engine.close();
}

#[wasm_bindgen_test]
async fn an_application_may_close_the_engine_from_within() {
    let recorder = Recorder::new();
    let engine = std::rc::Rc::new(engine(&recorder, REFUSED, 1, false));
    let inner = engine.clone();
    let on_tell = Closure::<dyn FnMut(String, JsValue)>::new(move |name: String, current: JsValue| {
        if name == "state" && current == "waiting" {
            inner.close();
            inner.connect();
            inner.close();
            inner.flush();
        }
    });
    recorder.set_on_tell(on_tell.as_ref());
    engine.connect();
    until(&recorder, "state closed").await;
    recorder.set_on_tell(&JsValue::UNDEFINED);
}

#[wasm_bindgen_test]
fn snapshots_are_plain_lists() {
    let recorder = Recorder::new();
    let engine = engine(&recorder, REFUSED, 1, false);
    let run = subscribe(&engine, "run:1").unwrap();
    engine.publish("run:1", "m-1", r#"{"type":"publish"}"#.into()).unwrap();
    let text = |value: JsValue| String::from(js_sys::JSON::stringify(&value).unwrap());
    assert_eq!(text(engine.position(run)), "[null,0,0,0]");
    assert!(engine.position(run + 1).is_null());
    let expected = r#"[[0,0,0,0,0],1,[["run:1",[null,0,0,0],0,0,[0,0,0,0,0,0,0,0,0,0]]]]"#;
    assert_eq!(text(engine.stats()), expected);
}

#[wasm_bindgen_test]
fn refusals_are_codes() {
    let engine = engine(&Recorder::new(), REFUSED, 1, false);
    subscribe(&engine, "run:1").unwrap();
    assert_eq!(subscribe(&engine, "run:1").unwrap_err(), "already_subscribed");
    assert_eq!(subscribe(&engine, "a b").unwrap_err(), "invalid_option");
    assert_eq!(engine.publish("run:1", "", "{}".into()).unwrap_err(), "invalid_argument");
}
