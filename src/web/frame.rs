//! What the server says, read from the object that JavaScript parsed it into.

use wasm_bindgen::prelude::*;

use crate::receive::{Head, IdHasher};
use crate::wire::{
    ConsumerId, Epoch, ErrorCode, EventId, LostRange, LostReason, Position, Seq, ServerFrame, ServerInfo, StreamName,
    Subscribed, Welcome,
};

/// The field that cannot be read.
type Field = &'static str;

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
    // Throws for what is no object only.
    #[wasm_bindgen(js_namespace = Reflect, js_name = get)]
    fn field(object: &JsValue, name: &str) -> JsValue;

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

/// Reads a message. `heads` is cleared, and filled by an `events` frame. An error says what is wrong, or names where as
/// `frame.field`.
pub fn read(message: &JsValue, hasher: &IdHasher, heads: &mut Vec<Head>) -> Result<Incoming, String> {
    heads.clear();
    if !message.is_string() {
        return Err("a message is text".into());
    }
    let value = parse_json(message).map_err(|_| "a message is JSON")?;
    if !value.is_object() {
        return Err("a message is a JSON object".into());
    }
    let frame: &FrameObject = value.unchecked_ref();
    let frame_type = frame.frame_type().as_string().ok_or("type")?;
    let read = if frame_type == "events" {
        read_events(frame, hasher, heads).map(Incoming::Events)
    } else {
        read_control(&frame_type, Fields(&value))
    };
    read.map_err(|field| [&*frame_type, ".", field].concat())
}

fn read_events(frame: &FrameObject, hasher: &IdHasher, heads: &mut Vec<Head>) -> Result<EventsFrame, Field> {
    let events = frame.events();
    if !js_sys::Array::is_array(&events) {
        return Err("events");
    }
    let list: &js_sys::Array = events.unchecked_ref();
    for index in 0..list.length() {
        let event = list.get(index);
        if !event.is_object() {
            return Err("events[]");
        }
        heads.push(read_head(event.unchecked_ref(), hasher)?);
    }
    Ok(EventsFrame {
        stream: frame.stream().as_string().ok_or("stream")?,
        after: seq(&frame.after()).ok_or("after")?,
        upto: seq(&frame.upto()).ok_or("upto")?,
        requeued: frame.requeued().is_truthy(),
        events,
    })
}

fn read_head(event: &EventObject, hasher: &IdHasher) -> Result<Head, Field> {
    let attempt = event.attempt();
    let priority = event.priority();
    Ok(Head {
        seq: seq(&event.seq()).filter(|&seq| seq > Seq::ZERO).ok_or("events[].seq")?,
        id_hash: hasher.hash(&event.id().as_string().ok_or("events[].id")?),
        attempt: if attempt.is_undefined() {
            1
        } else {
            integer(&attempt).filter(|&attempt| attempt > 0).ok_or("events[].attempt")?
        },
        critical: !priority.is_undefined() && priority.as_string().ok_or("events[].priority")? == "critical",
    })
}

fn read_control(frame_type: &str, fields: Fields<'_>) -> Result<Incoming, Field> {
    Ok(Incoming::Control(match frame_type {
        "welcome" => {
            let server = fields.object("server")?;
            ServerFrame::Welcome(Welcome {
                connection: fields.text("connection")?,
                consumer: fields.name("consumer", ConsumerId::new)?,
                heartbeat_ms: fields.integer("heartbeat_ms")?,
                max_frame_bytes: fields.integer("max_frame_bytes")?,
                token_expires_in_ms: fields.optional("token_expires_in_ms", Fields::millis)?,
                server: ServerInfo { name: Fields(&server).text("name")?, version: Fields(&server).text("version")? },
            })
        }
        "subscribed" => ServerFrame::Subscribed(Subscribed {
            stream: fields.name("stream", StreamName::new)?,
            epoch: fields.name("epoch", Epoch::new)?,
            after: fields.seq("after")?,
            head: fields.seq("head")?,
            oldest: fields.seq("oldest")?,
            replayed_upto: fields.seq("replayed_upto")?,
            reset: fields.optional("reset", |fields, path| {
                let reset = fields.object(path)?;
                Ok(Position { epoch: Fields(&reset).name("epoch", Epoch::new)?, seq: Fields(&reset).seq("seq")? })
            })?,
            lost: fields.optional("lost", |fields, path| read_lost(Fields(&fields.object(path)?)))?,
        }),
        "lost" => ServerFrame::Lost { stream: fields.name("stream", StreamName::new)?, range: read_lost(fields)? },
        "ended" => ServerFrame::Ended { stream: fields.name("stream", StreamName::new)?, seq: fields.seq("seq")? },
        "published" => ServerFrame::Published {
            id: fields.name("id", EventId::new)?,
            stream: fields.name("stream", StreamName::new)?,
            seq: fields.seq("seq")?,
            duplicate: field(fields.0, "duplicate").as_bool().ok_or("duplicate")?,
        },
        "rejected" => ServerFrame::Rejected {
            id: fields.text("id")?,
            stream: fields.text("stream")?,
            code: ErrorCode::parse(&fields.text("code")?),
            message: fields.text("message")?,
        },
        "authenticated" => {
            ServerFrame::Authenticated { expires_in_ms: fields.optional("expires_in_ms", Fields::millis)? }
        }
        "error" => ServerFrame::Error {
            code: ErrorCode::parse(&fields.text("code")?),
            message: fields.text("message")?,
            stream: fields.optional("stream", Fields::text)?,
        },
        "drain" => ServerFrame::Drain { reconnect_in_ms: fields.integer("reconnect_in_ms")? },
        "ping" => ServerFrame::Ping,
        "pong" => ServerFrame::Pong,
        _ => return Ok(Incoming::Unknown),
    }))
}

fn read_lost(fields: Fields<'_>) -> Result<LostRange, Field> {
    Ok(LostRange {
        after: fields.seq("after")?,
        upto: fields.seq("upto")?,
        reason: match fields.text("reason")?.as_str() {
            "expired" => LostReason::Expired,
            "compacted" => LostReason::Compacted,
            "failed" => LostReason::Failed,
            _ => return Err("reason"),
        },
    })
}

/// An object whose fields are read by name.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a JsValue);

impl Fields<'_> {
    fn text(self, name: Field) -> Result<String, Field> {
        field(self.0, name).as_string().ok_or(name)
    }

    fn name<T, E>(self, name: Field, new: fn(&str) -> Result<T, E>) -> Result<T, Field> {
        new(&self.text(name)?).map_err(|_| name)
    }

    fn seq(self, name: Field) -> Result<Seq, Field> {
        seq(&field(self.0, name)).ok_or(name)
    }

    fn integer(self, name: Field) -> Result<u32, Field> {
        integer(&field(self.0, name)).ok_or(name)
    }

    fn millis(self, name: Field) -> Result<u64, Field> {
        self.seq(name).map(Seq::get)
    }

    fn object(self, name: Field) -> Result<JsValue, Field> {
        Some(field(self.0, name)).filter(JsValue::is_object).ok_or(name)
    }

    /// `null` is as good as absent.
    fn optional<T>(self, name: Field, read: impl FnOnce(Self, Field) -> Result<T, Field>) -> Result<Option<T>, Field> {
        let value = field(self.0, name);
        if value.is_undefined() || value.is_null() { Ok(None) } else { read(self, name).map(Some) }
    }
}

fn seq(value: &JsValue) -> Option<Seq> {
    Seq::from_f64(value.as_f64()?)
}

fn integer(value: &JsValue) -> Option<u32> {
    u32::try_from(seq(value)?.get()).ok()
}
