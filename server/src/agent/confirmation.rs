//! Waiting, after a call, until the user has seen what came of it.

use std::{sync::Arc, time::Duration};

use ackwire::wire::{Event, SeqRange};

use super::run::AgentRun;
use crate::{
    hub::{Awaited, DeliveryView, Hub, Outcome, Selection},
    log::{LogError, PageLimit, Placed},
};

/// Whose confirmation a dispatcher waits for after each call, and how long.
#[derive(Clone)]
pub struct Confirmation {
    /// Over the log that the runs' bridge goes to.
    pub hub: Arc<Hub>,
    /// Which consumers.
    pub awaited: Awaited,
    /// Whether only those of the run's own user count, by their tokens' `sub`; without tokens there are none such.
    pub by_user: bool,
    /// The longest wait. The event stays on its way after it.
    pub within: Duration,
}

/// Why an event that is in the log is not known to be seen.
#[derive(Clone, Debug)]
pub enum Unconfirmed {
    /// Nobody has confirmed it in time, or the server drains.
    Timeout,
    /// It has failed for good.
    Failed(Vec<DeliveryView>),
    /// Nobody waited; the text says why.
    NotWaited(String),
}

impl Confirmation {
    /// By whom the event was confirmed.
    pub(super) async fn wait(&self, run: &AgentRun, place: &Placed) -> Result<Vec<DeliveryView>, Unconfirmed> {
        let not_waited = |reason: String| Unconfirmed::NotWaited(reason);
        let event = self.event(run, place).await.map_err(|error| not_waited(error.to_string()))?;
        let event = event.ok_or_else(|| not_waited("the log holds the event no longer".into()))?;
        let subject = self.by_user.then(|| Some(run.user().to_owned()));
        let selection = Selection { subject, ..Selection::default() };
        match self.hub.wait(run.stream(), &event, &self.awaited, &selection, self.within).await {
            Ok(Outcome::Confirmed { by }) => Ok(by),
            Ok(Outcome::Failed { by }) => Err(Unconfirmed::Failed(by)),
            Ok(Outcome::Timeout) => Err(Unconfirmed::Timeout),
            Err(error) => Err(not_waited(error.to_string())),
        }
    }

    async fn event(&self, run: &AgentRun, place: &Placed) -> Result<Option<Event>, LogError> {
        let Some(range) = SeqRange::single(place.seq) else { return Ok(None) };
        let page = self.hub.log().read(run.stream(), range, PageLimit { events: 1, bytes: 1 }).await?;
        Ok(page.entries.first().map(|entry| entry.event().clone()))
    }
}
