//! What other servers have to say.

use futures_util::{StreamExt, stream};
use std::sync::{Arc, Weak};
use tokio::sync::mpsc;

use super::Hub;
use crate::log::Word;

/// Most words that are acted on at the same time; the others wait.
const MAX_WORDS: usize = 64;

/// Until the log or the hub is gone.
pub(super) async fn run(hub: Weak<Hub>, mut words: mpsc::Receiver<Word>) {
    let words = stream::poll_fn(|context| words.poll_recv(context));
    words.for_each_concurrent(MAX_WORDS, |word| act(hub.upgrade(), word)).await;
}

async fn act(hub: Option<Arc<Hub>>, word: Word) {
    let Some(hub) = hub else { return };
    match word {
        Word::Taken { key, fence, purpose, reply } => {
            hub.hand_over(&key, fence, purpose).await;
            reply.send(String::new());
        }
        Word::Asked { question, reply } => reply.send(hub.answer(&question).await),
        Word::Saved(stream) => hub.waiters.wake_all(&stream),
    }
}
