//! What servers write to each other.

use ackwire::wire::StreamName;
use redis::cmd;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::{mpsc, oneshot};

use super::{
    super::{Shared, keys},
    lock,
};
use crate::{
    fault::Fault,
    log::{ConsumerKey, Fence, LogError, Purpose, Reply, ServerId, Word},
};

/// Most words that wait to be taken. One that does not fit is let go: a consumer that was taken shows when it is looked at,
/// who asks is not answered and tries again, who waits for a save looks again.
const WORDS: usize = 4096;

/// A server's own place in the correspondence.
pub(in super::super) struct Post {
    id: String,
    channel: String,
    written: AtomicU64,
    /// Who waits for an answer, by the number of their letter: one for each consumer that is being taken, and for each
    /// operation that is under way.
    waiting: Mutex<HashMap<u64, oneshot::Sender<String>>>,
    words: mpsc::Sender<Word>,
    heard: Mutex<Option<mpsc::Receiver<Word>>>,
}

/// What is written.
#[derive(Serialize, Deserialize)]
pub(super) enum Letter {
    Taken { from: String, id: u64, key: ConsumerKey, fence: Fence, purpose: Purpose },
    Asked { from: String, id: u64, question: String },
    Answered { id: u64, answer: String },
}

impl Default for Post {
    fn default() -> Self {
        let id = format!("{:016x}", rand::random::<u64>());
        let (words, heard) = mpsc::channel(WORDS);
        let (channel, heard) = (keys::letters(&id), Mutex::new(Some(heard)));
        Self { channel, id, written: AtomicU64::new(0), waiting: Mutex::default(), words, heard }
    }
}

impl Post {
    /// This server's name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where it is written to.
    pub(in super::super) fn channel(&self) -> &str {
        &self.channel
    }

    pub fn words(&self) -> Option<mpsc::Receiver<Word>> {
        lock(&self.heard).take()
    }

    pub fn tell(&self, word: Word) {
        if let Err(error) = self.words.try_send(word) {
            tracing::debug!(%error, "a word of another server was let go");
        }
    }

    /// What is known of the stream's consumers was saved.
    pub(in super::super) fn saved(&self, stream: StreamName) {
        self.tell(Word::Saved(stream));
    }
}

/// A place among those who wait for an answer, given back on drop.
struct Waiting<'a> {
    post: &'a Post,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(&self.post.waiting).remove(&self.id);
    }
}

impl Shared {
    /// Writes to a server and waits for its answer, however long it takes.
    pub(super) async fn write_to(
        &self,
        server: &ServerId,
        letter: impl FnOnce(String, u64) -> Letter,
    ) -> Result<String, LogError> {
        let (post, id) = (&self.post, self.post.written.fetch_add(1, Ordering::Relaxed));
        let (answer, answered) = oneshot::channel();
        lock(&post.waiting).insert(id, answer);
        let _waiting = Waiting { post, id };
        let heard = self.deliver(&server.0, &letter(post.id.clone(), id)).await?;
        if heard == 0 {
            // It may come back to its channel, but not to this letter.
            let message = "the server that has this consumer does not listen: try again".into();
            return Err(LogError::Unavailable { fault: Fault::Connection, message });
        }
        answered.await.map_err(|_| LogError::broken("nobody will answer any more"))
    }

    /// How many heard it: one, or nobody.
    async fn deliver(&self, server: &str, letter: &Letter) -> Result<u64, LogError> {
        let text = serde_json::to_string(letter).expect("a letter has string keys only");
        let mut publish = cmd("SPUBLISH");
        publish.arg(keys::letters(server)).arg(text);
        self.ask(&publish).await
    }

    /// A letter has come.
    pub(in super::super) fn receive(self: &Arc<Self>, text: &str) {
        match serde_json::from_str(text) {
            Ok(Letter::Answered { id, answer }) => {
                if let Some(waiting) = lock(&self.post.waiting).remove(&id) {
                    // Whoever waited may have gone.
                    let _ = waiting.send(answer);
                }
            }
            Ok(Letter::Taken { from, id, key, fence, purpose }) => {
                self.post.tell(Word::Taken { key, fence, purpose, reply: self.reply(from, id) });
            }
            Ok(Letter::Asked { from, id, question }) => {
                self.post.tell(Word::Asked { question, reply: self.reply(from, id) });
            }
            Err(error) => tracing::warn!(%error, "a letter of another server was not understood"),
        }
    }

    fn reply(self: &Arc<Self>, to: String, id: u64) -> Reply {
        let shared = self.clone();
        Reply::new(move |answer| {
            tokio::spawn(async move {
                if let Err(error) = shared.deliver(&to, &Letter::Answered { id, answer }).await {
                    tracing::debug!(%error, "an answer was not sent");
                }
            });
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_words_wait() {
        let post = Post::default();
        let stream: StreamName = "run:1".parse().unwrap();
        (0..WORDS + 2).for_each(|_| post.saved(stream.clone()));
        let mut words = post.words().unwrap();
        assert!(post.words().is_none(), "they are one listener's");
        assert_eq!(std::iter::from_fn(|| words.try_recv().ok()).count(), WORDS);
    }
}
