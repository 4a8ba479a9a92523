//! What the server says, read from the object that JavaScript parsed it into.

use wasm_bindgen::prelude::*;

use crate::receive::{Head, IdHasher};
use crate::wire::{
    ConsumerId, Epoch, ErrorCode, EventId, LostRange, LostReason, Position, Seq, ServerFrame, ServerInfo, StreamName,
    Subscribed, Welcome,
};

/// A frame that cannot be read: where it went wrong, as `frame.field`.
pub type Invalid = &'static str;

/// A frame.
pub enum Incoming {
    /// Events; their heads are in the buffer that [`read`] was given.
    Events(EventsFrame),
    /// Anything else.
    Control(ServerFrame),
    /// Of a type that this version does not know.
    Unknown,
}

/// An `events` frame without its heads.
pub struct EventsFrame {
    /// Which stream, as it was given.
    pub stream: String,
    /// Covers what comes after this …
    pub after: Seq,
    /// … up to and with this.
    pub upto: Seq,
    /// Whether these are dead letters in their second life [AW-SEND-9].
    pub requeued: bool,
    /// The parsed events.
    pub events: JsValue,
}

#[wasm_bindgen]
extern "C" {
    // js-sys has it for `&str` only, which would copy the text into wasm and out again.
    #[wasm_bindgen(js_namespace = JSON, js_name = parse, catch)]
    fn parse_json(text: &JsValue) -> Result<JsValue, JsValue>;

    // Getters with fixed names are forty times as fast as `Reflect.get`; what each frame or event needs has one.
    type FrameObject;
    #[wasm_bindgen(method, getter, js_name = type)]
    fn frame_type(this: &FrameObject) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn stream(this: &FrameObject) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn after(this: &FrameObject) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn upto(this: &FrameObject) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn requeued(this: &FrameObject) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn events(this: &FrameObject) -> JsValue;

    type EventObject;
    #[wasm_bindgen(method, getter)]
    fn seq(this: &EventObject) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn id(this: &EventObject) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn attempt(this: &EventObject) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn priority(this: &EventObject) -> JsValue;
}

/// Reads a message. `heads` is cleared, and filled by an `events` frame.
pub fn read(message: &JsValue, hasher: &IdHasher, heads: &mut Vec<Head>) -> Result<Incoming, Invalid> {
    heads.clear();
    if !message.is_string() {
        return Err("a message is text");
    }
    let value = parse_json(message).map_err(|_| "a message is JSON")?;
    if !value.is_object() {
        return Err("a message is a JSON object");
    }
    let frame: &FrameObject = value.unchecked_ref();
    let frame_type = frame.frame_type().as_string().ok_or("type")?;
    if frame_type == "events" {
        return read_events(frame, hasher, heads).map(Incoming::Events);
    }
    Ok(read_control(&frame_type, Fields(&value))?.map_or(Incoming::Unknown, Incoming::Control))
}

fn read_events(frame: &FrameObject, hasher: &IdHasher, heads: &mut Vec<Head>) -> Result<EventsFrame, Invalid> {
    let events = frame.events();
    if !js_sys::Array::is_array(&events) {
        return Err("events.events");
    }
    let list: &js_sys::Array = events.unchecked_ref();
    for index in 0..list.length() {
        let event = list.get(index);
        if !event.is_object() {
            return Err("events.events[]");
        }
        heads.push(read_head(event.unchecked_ref(), hasher)?);
    }
    Ok(EventsFrame {
        stream: frame.stream().as_string().ok_or("events.stream")?,
        after: seq(&frame.after()).ok_or("events.after")?,
        upto: seq(&frame.upto()).ok_or("events.upto")?,
        requeued: frame.requeued().is_truthy(),
        events,
    })
}

fn read_head(event: &EventObject, hasher: &IdHasher) -> Result<Head, Invalid> {
    let attempt = event.attempt();
    let priority = event.priority();
    Ok(Head {
        seq: seq(&event.seq()).filter(|&seq| seq > Seq::ZERO).ok_or("event.seq")?,
        id_hash: hasher.hash(&event.id().as_string().ok_or("event.id")?),
        attempt: if attempt.is_undefined() {
            1
        } else {
            integer(&attempt).filter(|&attempt| attempt > 0).ok_or("event.attempt")?
        },
        critical: !priority.is_undefined() && priority.as_string().ok_or("event.priority")? == "critical",
    })
}

fn read_control(frame_type: &str, fields: Fields<'_>) -> Result<Option<ServerFrame>, Invalid> {
    Ok(Some(match frame_type {
        "welcome" => {
            let server = fields.object("welcome.server")?;
            ServerFrame::Welcome(Welcome {
                connection: fields.text("welcome.connection")?,
                consumer: fields.name("welcome.consumer", ConsumerId::new)?,
                heartbeat_ms: fields.integer("welcome.heartbeat_ms")?,
                max_frame_bytes: fields.integer("welcome.max_frame_bytes")?,
                token_expires_in_ms: fields.optional("welcome.token_expires_in_ms", Fields::millis)?,
                server: ServerInfo {
                    name: Fields(&server).text("welcome.server.name")?,
                    version: Fields(&server).text("welcome.server.version")?,
                },
            })
        }
        "subscribed" => ServerFrame::Subscribed(Subscribed {
            stream: fields.name("subscribed.stream", StreamName::new)?,
            epoch: fields.name("subscribed.epoch", Epoch::new)?,
            after: fields.seq("subscribed.after")?,
            head: fields.seq("subscribed.head")?,
            oldest: fields.seq("subscribed.oldest")?,
            replayed_upto: fields.seq("subscribed.replayed_upto")?,
            reset: fields.optional("subscribed.reset", |fields, path| {
                let reset = fields.object(path)?;
                Ok(Position {
                    epoch: Fields(&reset).name("subscribed.reset.epoch", Epoch::new)?,
                    seq: Fields(&reset).seq("subscribed.reset.seq")?,
                })
            })?,
            lost: fields.optional("subscribed.lost", |fields, path| read_lost(Fields(&fields.object(path)?)))?,
        }),
        "lost" => ServerFrame::Lost { stream: fields.name("lost.stream", StreamName::new)?, range: read_lost(fields)? },
        "ended" => {
            ServerFrame::Ended { stream: fields.name("ended.stream", StreamName::new)?, seq: fields.seq("ended.seq")? }
        }
        "published" => ServerFrame::Published {
            id: fields.name("published.id", EventId::new)?,
            stream: fields.name("published.stream", StreamName::new)?,
            seq: fields.seq("published.seq")?,
            duplicate: fields.get("duplicate").as_bool().ok_or("published.duplicate")?,
        },
        "rejected" => ServerFrame::Rejected {
            id: fields.text("rejected.id")?,
            stream: fields.text("rejected.stream")?,
            code: ErrorCode::parse(&fields.text("rejected.code")?),
            message: fields.text("rejected.message")?,
        },
        "authenticated" => ServerFrame::Authenticated {
            expires_in_ms: fields.optional("authenticated.expires_in_ms", Fields::millis)?,
        },
        "error" => ServerFrame::Error {
            code: ErrorCode::parse(&fields.text("error.code")?),
            message: fields.text("error.message")?,
            stream: fields.optional("error.stream", Fields::text)?,
        },
        "drain" => ServerFrame::Drain { reconnect_in_ms: fields.integer("drain.reconnect_in_ms")? },
        "ping" => ServerFrame::Ping,
        "pong" => ServerFrame::Pong,
        _ => return Ok(None),
    }))
}

fn read_lost(fields: Fields<'_>) -> Result<LostRange, Invalid> {
    Ok(LostRange {
        after: fields.seq("lost.after")?,
        upto: fields.seq("lost.upto")?,
        reason: match fields.text("lost.reason")?.as_str() {
            "expired" => LostReason::Expired,
            "compacted" => LostReason::Compacted,
            "failed" => LostReason::Failed,
            _ => return Err("lost.reason"),
        },
    })
}

/// An object whose fields are read by path: the part behind the last dot is the field's name.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a JsValue);

impl Fields<'_> {
    fn get(self, path: &str) -> JsValue {
        let name = path.rsplit('.').next().unwrap_or(path);
        js_sys::Reflect::get(self.0, &name.into()).unwrap_or(JsValue::UNDEFINED)
    }

    fn text(self, path: Invalid) -> Result<String, Invalid> {
        self.get(path).as_string().ok_or(path)
    }

    fn name<T, E>(self, path: Invalid, new: fn(&str) -> Result<T, E>) -> Result<T, Invalid> {
        new(&self.text(path)?).map_err(|_| path)
    }

    fn seq(self, path: Invalid) -> Result<Seq, Invalid> {
        seq(&self.get(path)).ok_or(path)
    }

    fn integer(self, path: Invalid) -> Result<u32, Invalid> {
        integer(&self.get(path)).ok_or(path)
    }

    fn millis(self, path: Invalid) -> Result<u64, Invalid> {
        self.seq(path).map(Seq::get)
    }

    fn object(self, path: Invalid) -> Result<JsValue, Invalid> {
        Some(self.get(path)).filter(JsValue::is_object).ok_or(path)
    }

    /// `null` is as good as absent.
    fn optional<T>(
        self,
        path: Invalid,
        read: impl FnOnce(Self, Invalid) -> Result<T, Invalid>,
    ) -> Result<Option<T>, Invalid> {
        let value = self.get(path);
        if value.is_undefined() || value.is_null() { Ok(None) } else { read(self, path).map(Some) }
    }
}

fn seq(value: &JsValue) -> Option<Seq> {
    Seq::from_f64(value.as_f64()?)
}

fn integer(value: &JsValue) -> Option<u32> {
    u32::try_from(seq(value)?.get()).ok()
}
