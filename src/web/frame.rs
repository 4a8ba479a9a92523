//! What the server says, read from the object that JavaScript parsed it into.

use std::cell::Cell;

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
    let wrong = Cell::new(None);
    let read = if frame_type == "events" {
        read_events(frame, hasher, heads).map(Incoming::Events)
    } else {
        read_control(&frame_type, Fields { object: &value, wrong: &wrong })
    };
    let read = wrong.get().map_or(read, Err);
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
            let server = fields.object("server");
            ServerFrame::Welcome(Welcome {
                consumer: fields.name("consumer", ConsumerId::new)?,
                connection: fields.text("connection"),
                heartbeat_ms: fields.integer("heartbeat_ms"),
                max_frame_bytes: fields.integer("max_frame_bytes"),
                token_expires_in_ms: fields.millis("token_expires_in_ms"),
                server: ServerInfo {
                    name: fields.within(&server).text("name"),
                    version: fields.within(&server).text("version"),
                },
            })
        }
        "subscribed" => {
            let reset = fields.optional("reset");
            let lost = fields.optional("lost");
            ServerFrame::Subscribed(Subscribed {
                stream: fields.name("stream", StreamName::new)?,
                epoch: fields.name("epoch", Epoch::new)?,
                after: fields.seq("after"),
                head: fields.seq("head"),
                oldest: fields.seq("oldest"),
                replayed_upto: fields.seq("replayed_upto"),
                reset: match reset {
                    Some(reset) => Some(read_position(fields.within(&reset))?),
                    None => None,
                },
                lost: lost.map(|lost| read_lost(fields.within(&lost))),
            })
        }
        "lost" => ServerFrame::Lost { stream: fields.name("stream", StreamName::new)?, range: read_lost(fields) },
        "ended" => ServerFrame::Ended { stream: fields.name("stream", StreamName::new)?, seq: fields.seq("seq") },
        "published" => ServerFrame::Published {
            id: fields.name("id", EventId::new)?,
            stream: fields.name("stream", StreamName::new)?,
            seq: fields.seq("seq"),
            duplicate: fields.get("duplicate").as_bool().ok_or("duplicate")?,
        },
        "rejected" => ServerFrame::Rejected {
            id: fields.text("id"),
            stream: fields.text("stream"),
            code: ErrorCode::parse(&fields.text("code")),
            message: fields.text("message"),
        },
        "authenticated" => ServerFrame::Authenticated { expires_in_ms: fields.millis("expires_in_ms") },
        "error" => ServerFrame::Error {
            code: ErrorCode::parse(&fields.text("code")),
            message: fields.text("message"),
            stream: fields.optional_text("stream"),
        },
        "drain" => ServerFrame::Drain { reconnect_in_ms: fields.integer("reconnect_in_ms") },
        "ping" => ServerFrame::Ping,
        "pong" => ServerFrame::Pong,
        _ => return Ok(Incoming::Unknown),
    }))
}

fn read_position(fields: Fields<'_>) -> Result<Position, Field> {
    Ok(Position { epoch: fields.name("epoch", Epoch::new)?, seq: fields.seq("seq") })
}

fn read_lost(fields: Fields<'_>) -> LostRange {
    let reason = match fields.text("reason").as_str() {
        "expired" => LostReason::Expired,
        "compacted" => LostReason::Compacted,
        "failed" => LostReason::Failed,
        _ => {
            fields.fail::<()>("reason");
            LostReason::Expired
        }
    };
    LostRange { after: fields.seq("after"), upto: fields.seq("upto"), reason }
}

/// An object whose fields are read by name. It remembers one that was wrong, and reads on with a value in its place:
/// asked once at the end, that takes half of the code that leaving at each field takes.
#[derive(Clone, Copy)]
struct Fields<'a> {
    object: &'a JsValue,
    wrong: &'a Cell<Option<Field>>,
}

impl<'a> Fields<'a> {
    fn within(self, object: &'a JsValue) -> Self {
        Self { object, ..self }
    }

    fn get(self, name: Field) -> JsValue {
        field(self.object, name)
    }

    fn name<T, E>(self, name: Field, new: fn(&str) -> Result<T, E>) -> Result<T, Field> {
        new(&self.text(name)).map_err(|_| name)
    }

    fn text(self, name: Field) -> String {
        self.get(name).as_string().unwrap_or_else(|| self.fail(name))
    }

    fn seq(self, name: Field) -> Seq {
        seq(&self.get(name)).unwrap_or_else(|| self.fail(name))
    }

    fn integer(self, name: Field) -> u32 {
        integer(&self.get(name)).unwrap_or_else(|| self.fail(name))
    }

    fn object(self, name: Field) -> JsValue {
        let value = self.get(name);
        if value.is_object() {
            return value;
        }
        self.fail::<()>(name);
        // Whatever is read of it does not count any more, but it must be an object.
        self.object.clone()
    }

    fn millis(self, name: Field) -> Option<u64> {
        self.is_given(name).then(|| self.seq(name).get())
    }

    fn optional(self, name: Field) -> Option<JsValue> {
        self.is_given(name).then(|| self.object(name))
    }

    fn optional_text(self, name: Field) -> Option<String> {
        self.is_given(name).then(|| self.text(name))
    }

    /// `null` is as good as absent.
    fn is_given(self, name: Field) -> bool {
        let value = self.get(name);
        !value.is_undefined() && !value.is_null()
    }

    fn fail<T: Default>(self, name: Field) -> T {
        self.wrong.set(Some(name));
        T::default()
    }
}

fn seq(value: &JsValue) -> Option<Seq> {
    Seq::from_f64(value.as_f64()?)
}

fn integer(value: &JsValue) -> Option<u32> {
    u32::try_from(seq(value)?.get()).ok()
}
