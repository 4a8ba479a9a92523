//! What a client may say that keeps to no rule but the frames' own.

use ackwire::wire::{
    Ack, ClientFrame, Confirm, ConfirmStatus, ConsumerId, EventConfirmation, EventId, Hello, Nack, Resend, Subscribe,
};
use arbitrary::{Result, Unstructured};

use crate::words;

/// One of those that a host gives its events.
pub fn event_id(choices: &mut Unstructured) -> Result<EventId> {
    Ok(EventId::new(&format!("id{}", choices.arbitrary::<u8>()? % 32)).expect("an id"))
}

pub fn hello(choices: &mut Unstructured) -> Result<ClientFrame> {
    let count = choices.int_in_range(0..=3)?;
    let subscriptions: Result<Vec<Subscribe>> = (0..count).map(|_| subscribe(choices)).collect();
    Ok(ClientFrame::Hello(Hello {
        consumer: ConsumerId::new("tab").expect("a name"),
        session: None,
        token: None,
        agent: "hostile/0".into(),
        subscriptions: subscriptions?,
    }))
}

/// Any frame.
pub fn frame(choices: &mut Unstructured) -> Result<ClientFrame> {
    let stream = words::stream(choices)?;
    Ok(match choices.int_in_range(0..=15)? {
        0 => hello(choices)?,
        1 | 2 => ClientFrame::Subscribe(subscribe(choices)?),
        3 => ClientFrame::Unsubscribe { stream },
        4..=6 => ClientFrame::Ack(Ack {
            stream,
            epoch: words::epoch(choices)?,
            upto: words::seq(choices)?,
            also: words::ranges(choices)?,
            delivered: words::seq(choices)?,
            received: words::seq(choices)?,
        }),
        7..=9 => ClientFrame::Nack(Nack {
            stream,
            epoch: words::epoch(choices)?,
            seq: words::seq(choices)?,
            attempt: choices.int_in_range(0..=5)?,
            error: "é".repeat(choices.int_in_range(0..=700)?),
            retry: choices.arbitrary()?,
        }),
        10 => ClientFrame::Confirm(Confirm {
            stream,
            epoch: words::epoch(choices)?,
            seq: words::seq(choices)?,
            attempt: choices.int_in_range(0..=9)?,
        }),
        11 => ClientFrame::Resend(Resend { stream, epoch: words::epoch(choices)?, ranges: words::ranges(choices)? }),
        12 => ClientFrame::EventConfirmation(EventConfirmation {
            event_id: event_id(choices)?,
            status: *choices.choose(&[ConfirmStatus::Confirmed, ConfirmStatus::Failed])?,
            error: if choices.arbitrary()? { Some("é".repeat(700)) } else { None },
        }),
        13 => ClientFrame::Auth { token: "token".into() },
        14 => ClientFrame::Ping,
        _ => ClientFrame::Pong,
    })
}

fn subscribe(choices: &mut Unstructured) -> Result<Subscribe> {
    Ok(Subscribe {
        stream: words::stream(choices)?,
        from: words::from(choices)?,
        also: words::ranges(choices)?,
        window: words::window(choices)?,
        filter: words::filter(choices)?,
    })
}
