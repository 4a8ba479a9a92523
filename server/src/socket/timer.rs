//! The one timer of a connection.

use ackwire::base::Instant;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::time::{Duration, Sleep, sleep};

use crate::clock;

/// Most inputs move what is due further away. The timer is armed anew only if it would come too late: to come early is
/// harmless, and costs less than to arm it each time.
pub(super) struct Timer {
    sleep: Pin<Box<Sleep>>,
    /// When the sleep is over; `None` if it is over already.
    at: Option<Instant>,
}

impl Timer {
    pub fn new() -> Self {
        Self { sleep: Box::pin(sleep(Duration::ZERO)), at: None }
    }

    /// Comes at `due` at the latest; `None`: need not come.
    pub fn arm(&mut self, due: Option<Instant>) {
        if let Some(due) = due
            && self.at.is_none_or(|at| due < at)
        {
            self.sleep.set(sleep(clock::until(due)));
            self.at = Some(due);
        }
    }

    /// Ready when it comes.
    pub fn poll_fired(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.at.is_none() {
            return Poll::Pending;
        }
        ready!(self.sleep.as_mut().poll(context));
        self.at = None;
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::future::poll_fn;

    #[tokio::test]
    async fn it_comes_at_the_earliest_that_it_was_armed_for() {
        let mut timer = Timer::new();
        assert_eq!(poll_fn(|context| timer.poll_fired(context)).now_or_never(), None, "nothing is due");
        let now = clock::now();
        let after = |millis| Some(now + ackwire::base::Duration::from_millis(millis));
        timer.arm(after(1_000_000));
        timer.arm(after(20));
        timer.arm(after(2_000_000));
        timer.arm(None);
        poll_fn(|context| timer.poll_fired(context)).await;
        assert!(clock::now() >= after(20).unwrap());
        assert_eq!(poll_fn(|context| timer.poll_fired(context)).now_or_never(), None, "it comes once");
        timer.arm(Some(now));
        poll_fn(|context| timer.poll_fired(context)).await;
    }
}
