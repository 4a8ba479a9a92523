//! Producers and their requests, which may get lost, and whose answers may.

use ackwire::base::Duration;

use crate::chance;
use crate::log::{Appended, Wanted};
use crate::producer::Batch;
use crate::world::{Happening, World};

/// How long a producer waits for its answer.
const ANSWER_WITHIN: Duration = Duration::from_millis(700);

impl World {
    pub(crate) fn request(&mut self, producer: usize) {
        let Some(number) = self.producers[producer].ask() else { return };
        let batch = self.producers[producer].asked().expect("it asks for something").clone();
        let mut rng = chance::stream(self.seed, ("request", producer, number));
        let is_lost = chance::percent(&mut rng, self.conditions.request_loss);
        if !is_lost {
            let delay = self.conditions.delay(&mut rng);
            self.at(delay, Happening::Request { producer, number, batch });
        }
        self.at(ANSWER_WITHIN, Happening::AskAgain { producer, number });
    }

    pub(crate) fn requested(&mut self, producer: usize, number: u64, batch: &Batch) {
        if !self.server_is_up() || self.server.is_sick {
            return;
        }
        let log = self.server.logs.get_mut(&batch.stream).expect("a stream");
        for wanted in &batch.events {
            let mut rng = chance::stream(self.seed, ("gap", &wanted.id));
            let gap = if chance::percent(&mut rng, self.conditions.sparse) { rng.up_to(4) } else { 0 };
            let appended = log.append_wanted(&Wanted { gap, ..wanted.clone() });
            if appended == Appended::Ended {
                break;
            }
        }
        self.log_moved(&batch.stream);
        let mut rng = chance::stream(self.seed, ("answer", producer, number));
        if !chance::percent(&mut rng, self.conditions.request_loss) {
            let delay = self.conditions.delay(&mut rng);
            self.at(delay, Happening::Answer { producer, number });
        }
    }
}
