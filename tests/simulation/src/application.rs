//! The application of a page: its handlers, as the SDK runs them, and what it asks of its client.

use ackwire::base::Instant;
use ackwire::receive::{PublishError, SubscribeOptions, SubscriptionId};
use ackwire::wire::{Event, EventId, EventType, Meta, Publish, Seq, SeqRange, StreamName};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, VecDeque};

use crate::reader::{Arrived, Reader, Waiting};
use crate::seen::{Call, Handling, Seen};
use crate::tab::{Payload, Publication, Tab, Wish};

impl Tab {
    // --- what it calls ---

    /// The application calls its client.
    pub fn call(&mut self, now: Instant, call: Call, stream: &StreamName) {
        for Reader { stream, subscription, .. } in &self.readers {
            let position = subscription.and_then(|subscription| self.session.position(subscription));
            self.stood.extend(position.map(|position| (stream.clone(), position)));
        }
        match call {
            Call::Flush => self.session.flush(now),
            Call::Publish => self.publish(now, stream),
            Call::Unsubscribe => self.unsubscribe(now, stream),
            Call::Resubscribe => {
                self.unsubscribe(now, stream);
                self.resubscribe(now, stream);
            }
            Call::ResubscribeOther => {
                let other = self.streams().find(|other| *other != stream).cloned();
                if let Some(other) = other {
                    self.call(now, Call::Resubscribe, &other);
                }
            }
            Call::Reconnect => {
                self.session.close(now);
                self.session.connect(now);
            }
            Call::Connect => self.session.connect(now),
            Call::Hide => self.session.handle_hide(now),
            Call::Wake => self.session.handle_wake(now),
        }
    }

    /// Subscribes to what it had unsubscribed from.
    pub fn resubscribe(&mut self, now: Instant, stream: &StreamName) {
        if self.reader(stream).is_none() {
            let options = self.options(stream).clone();
            self.subscribe(now, options);
        }
    }

    pub(crate) fn subscribe(&mut self, now: Instant, options: SubscribeOptions) {
        let (stream, from) = (options.stream.clone(), options.from.clone());
        let subscription = self.session.subscribe(now, options).expect("a stream that is not subscribed");
        self.readers.push(Reader {
            stream,
            subscription: Some(subscription),
            from,
            seen: Vec::new(),
            noted: 0,
            epoch: None,
            arrivals: 0,
            feed_start: Seq::ZERO,
            queue: VecDeque::new(),
            running: BTreeMap::new(),
        });
    }

    fn unsubscribe(&mut self, now: Instant, stream: &StreamName) {
        let open = |reader: &&mut Reader| reader.stream == *stream && reader.subscription.is_some();
        let Some(reader) = self.readers.iter_mut().find(open) else { return };
        reader.queue.clear();
        reader.running.clear();
        let subscription = reader.subscription.take().expect("it is open");
        self.session.unsubscribe(now, subscription);
    }

    fn publish(&mut self, now: Instant, stream: &StreamName) {
        let number = self.publications.len() + 1;
        let id = EventId::new(&format!("{}.{}.{number}", self.consumer, self.life)).expect("an id");
        let (event_type, data) = (EventType::new("published").expect("a type"), RawValue::NULL.to_owned());
        let publish = Publish { stream: stream.clone(), id: id.clone(), event_type, data, meta: Meta::new() };
        let fields = serde_json::to_string(&publish).expect("JSON");
        let text = format!("{{\"type\":\"publish\",{}", &fields[1..]);
        let bytes = text.len();
        match self.session.publish(now, (id.clone(), stream.clone()), Payload::Message(text.into()), bytes) {
            Ok(()) => self.publications.push(Publication { stream: stream.clone(), id, answers: 0 }),
            Err(PublishError::OutboxFull) => {
                assert_eq!(self.session.stats().outbox as usize, self.app.config.max_outbox, "the outbox is not full");
            }
            Err(error) => panic!("a publish was refused: {error:?}"),
        }
    }

    // --- its handlers ---

    /// A handler is done, unless it was given up or belongs to an earlier life.
    pub fn finish(&mut self, now: Instant, life: u32, reader: usize, number: u64, handling: Handling) {
        if life != self.life {
            return;
        }
        let reader = &mut self.readers[reader];
        let Some(Arrived { event, .. }) = reader.running.remove(&number) else { return };
        let outcome = reader.outcome(&event, handling);
        let subscription = reader.subscription.expect("a closed reader runs nothing");
        self.session.settle(now, subscription, event.seq, event.attempt, outcome);
    }

    /// Hands events of one subscription to its handlers, as far as they take any. Whether anything was called.
    pub(crate) fn hand_over(
        &mut self,
        now: Instant,
        index: usize,
        decide: &dyn Fn(&Self, &Event) -> Handling,
        wishes: &mut Vec<Wish>,
    ) -> bool {
        let mut any = false;
        // What is done at once is reported as a run, as the SDK does: its delivery, and (after, upto].
        let mut handled: Option<(u64, SubscriptionId, Seq, Seq)> = None;
        while self.readers[index].running.len() < self.app.concurrency {
            let reader = &mut self.readers[index];
            let (Some(waiting), Some(subscription)) = (reader.queue.pop_front(), reader.subscription) else {
                break;
            };
            any = true;
            let (run, handling) = (waiting.run, decide(self, &waiting.arrived.event));
            if handled.is_some_and(|(known, ..)| known != run) || handling.call.is_some() || !handling.is_done() {
                self.report(now, handled.take());
            }
            let number = self.begin(index, waiting);
            if let Some(call) = handling.call {
                let stream = self.readers[index].stream.clone();
                self.call(now, call, &stream);
            }
            if handling.after.is_some() || handling.hangs {
                wishes.push(Wish::Handle(index, number, handling));
            } else if handling.throws {
                self.finish(now, self.life, index, number, handling);
            } else if let Some(Arrived { event, .. }) = self.readers[index].running.remove(&number) {
                self.readers[index].outcome(&event, handling);
                let after = handled.map_or(event.seq.before(), |(_, _, after, _)| after);
                handled = Some((run, subscription, after, event.seq));
            }
        }
        self.report(now, handled);
        any
    }

    fn begin(&mut self, index: usize, Waiting { number, arrived, .. }: Waiting) -> u64 {
        let reader = &mut self.readers[index];
        let Event { seq, attempt, .. } = arrived.event;
        let epoch = reader.epoch.clone().expect("an event has an epoch");
        reader.seen.push(Seen::Began { epoch, seq, id: arrived.event.id.clone(), attempt, number });
        self.handlers += 1;
        reader.running.insert(self.handlers, arrived);
        self.handlers
    }

    fn report(&mut self, now: Instant, handled: Option<(u64, SubscriptionId, Seq, Seq)>) {
        let Some((_, subscription, after, upto)) = handled else { return };
        if let Some(range) = SeqRange::new(after, upto) {
            self.session.settle_run(now, subscription, range);
        }
    }
}
