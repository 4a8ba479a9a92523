//! Which server has which consumer, in Redis.
//!
//! Who has a consumer stands in a hash, under a fence that is a time in microseconds, or one more than the fence before. A
//! server is *in touch* for [`IN_TOUCH`] after it has last said so, which it does every second (see `keeper`): Redis's clock
//! tells when it no longer is. It goes by its own clock, which began earlier, and while it does not hear what others write
//! to it, it is not. What it has saved under a fence is not
//! overwritten by who had an older one (see `lua/claim.lua`, `lua/save.lua`), so a server that was stopped for a while, or
//! was cut off, does no harm with what it believes.
//!
//! A Redis that hangs carries out late what servers asked of it for connections that clients have left meanwhile. So the
//! newest connection is not the one for which a consumer was taken last: where clients number their connections it is the
//! one with the highest number, and what was taken for a connection that has gone is given back before anybody is told.
//!
//! Servers write to each other on channels, one for each (see `post`). What is not heard of costs time: a consumer that
//! was taken shows when a server looks whether it still has what it has, every few seconds.

mod keeper;
mod post;

pub(super) use keeper::{Held, keep};
pub(super) use post::Post;

use ackwire::wire::{ClientSession, StreamName};
use async_trait::async_trait;
use futures_util::future::try_join_all;
use redis::{RedisResult, Script, ScriptInvocation, Value};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{sync::mpsc, time::timeout};

use super::{
    Shared,
    keys::{self, House, Partition},
    lock, pages, scripts,
};
use crate::log::{
    ConsumerKey, EXPECTED_FOR, Fence, Loaded, LogError, Owners, Purpose, Save, ServerId, Taken, Taker, Word,
};
use post::Letter;

/// How long a server that has said nothing may still be at work.
pub(super) const IN_TOUCH: Duration = Duration::from_secs(3);
/// How long an answer of another server is waited for.
const ASK_WITHIN: Duration = Duration::from_secs(3);
/// How many consumers one script looks at.
const CONSUMERS: usize = 500;

/// See [`Owners`].
pub(super) struct RedisOwners(pub(super) Arc<Shared>);

/// For what a consumer was taken, as it stands in Redis.
#[derive(Clone)]
struct Row {
    purpose: Purpose,
    /// The connection that it was taken for, if it said so: its session, or a `?`, which no session's id has in it.
    session: String,
    connection: u64,
}

impl Row {
    fn new(purpose: Purpose, session: Option<&ClientSession>) -> Self {
        let (session, connection) =
            session.map_or(("?".into(), 0), |session| (session.id.to_string(), session.connection));
        Self { purpose, session, connection }
    }

    fn of(taker: &Taker) -> Self {
        let session = if let Taker::Connection { session, .. } = taker { session.as_ref() } else { None };
        Self::new(taker.purpose(), session)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { purpose, session, connection } = self;
        write!(f, "{} {session} {connection}", purpose.letter())
    }
}

impl Purpose {
    fn letter(self) -> &'static str {
        match self {
            Self::Connection => "c",
            Self::Operation => "o",
        }
    }

    fn of_letter(letter: &str) -> Self {
        if letter == "c" { Self::Connection } else { Self::Operation }
    }
}

/// A fence as a script takes and answers it.
fn fence(text: &str) -> Result<Fence, LogError> {
    text.parse().map(Fence).map_err(pages::unreadable)
}

#[async_trait]
impl Owners for RedisOwners {
    async fn take(&self, key: &ConsumerKey, held: Option<Fence>, taker: &Taker) -> Result<Taken, LogError> {
        let Self(shared) = self;
        let (who, purpose, row) = (pages::who(key), taker.purpose(), Row::of(taker));
        let not = if let Taker::Operation { not: Some(ServerId(server)) } = taker { server } else { "" };
        let (text, server, in_touch_ms): (String, String, u64) = shared
            .of_house(&scripts::TAKE, House::of(&who), |call| {
                call.arg(&who).arg(shared.post.id()).arg(held.unwrap_or_default().0);
                call.arg(purpose.letter()).arg(&row.session).arg(row.connection);
                call.arg(IN_TOUCH.as_millis() as u64).arg(not);
            })
            .await?;
        if text.is_empty() {
            return Ok(Taken::Overtaken);
        }
        let fence = fence(&text)?;
        if fence == Fence(0) {
            return Ok(Taken::Elsewhere(ServerId(server)));
        }
        if let Taker::Connection { is_there, .. } = taker
            && Some(fence) != held
            && !is_there()
        {
            // Whoever had it is not told: it keeps it.
            shared.held.release(key, fence);
            if let Err(error) = keeper::give_back(shared).await {
                tracing::debug!(%error, "a consumer is given back later");
            }
            return Ok(Taken::Overtaken);
        }
        shared.held.add(key, fence, row);
        if !server.is_empty() {
            let server = ServerId(server);
            let handing =
                shared.write_to(&server, |from, id| Letter::Taken { from, id, key: key.clone(), fence, purpose });
            // Nobody answers: then it has lost touch by now, and does nothing for the consumer any more.
            let handed = timeout(Duration::from_millis(in_touch_ms), handing).await;
            if in_touch_ms > 0 && !matches!(handed, Ok(Ok(_))) {
                tracing::info!(consumer = %key.consumer, "taken from a server that said nothing");
            }
        }
        Ok(Taken::Here(fence))
    }

    fn release(&self, key: &ConsumerKey, fence: Fence) {
        self.0.held.release(key, fence);
    }

    async fn leave(&self) -> Result<(), LogError> {
        keeper::leave(&self.0).await
    }

    fn is_in_touch(&self) -> bool {
        self.0.held.is_in_touch() && self.0.is_listening.load(Ordering::Relaxed)
    }

    async fn superseded(&self, key: &ConsumerKey, fence: Fence) -> Result<Option<Purpose>, LogError> {
        let who = pages::who(key);
        let row = self.0.held.row(key).unwrap_or_else(|| Row::new(Purpose::Connection, None));
        let held = vec![(key.clone(), fence, row)];
        let renewed = keeper::renew(&self.0, House::of(&who), &held).await?;
        Ok(renewed.taken.first().map(|(_, _, purpose)| *purpose))
    }

    async fn load(&self, stream: &StreamName, key: &ConsumerKey, fence: Fence) -> Result<Loaded, LogError> {
        let lines = self.0.link.lines().await?;
        let mut call = scripts::CLAIM.key(keys::claims(stream));
        call.key(keys::states(stream)).arg(pages::who(key)).arg(fence.0);
        let answer: RedisResult<Vec<Value>> = call.invoke_async(&mut lines.writes.clone()).await;
        let mut answer = self.0.sorted(&lines, answer)?.into_iter();
        match answer.next() {
            Some(Value::Int(1)) => {
                let state = answer.next().map_or(Ok(None), redis::from_redis_value);
                Ok(Loaded::Current(state.map_err(pages::unreadable)?))
            }
            _ => Ok(Loaded::Superseded),
        }
    }

    async fn save(&self, saves: Vec<Save>) -> Result<Vec<(ConsumerKey, Fence)>, LogError> {
        self.0.save_all(saves).await
    }

    async fn connected(&self, stream: &StreamName, keys: &[ConsumerKey]) -> Result<Vec<bool>, LogError> {
        let names: Vec<String> = keys.iter().map(pages::who).collect();
        let mut claims = Vec::with_capacity(names.len());
        for names in names.chunks(CONSUMERS) {
            let mut ask = redis::cmd("HMGET");
            ask.arg(keys::claims(stream)).arg(names);
            claims.extend(self.0.ask::<Vec<Option<String>>>(&ask).await?);
        }
        // Those that were subscribed when they were saved last, and under which fence.
        let mut by_house: BTreeMap<House, Vec<(usize, &str)>> = BTreeMap::new();
        for (place, claim) in claims.iter().enumerate() {
            if let Some((fence, "1")) = claim.as_deref().and_then(claimed) {
                by_house.entry(House::of(&names[place])).or_default().push((place, fence));
            }
        }
        let asked = by_house.iter().map(|(house, claimed)| {
            let who = claimed.iter().map(|(place, _)| names[*place].as_str()).collect::<Vec<_>>();
            async move {
                let fill = |call: &mut ScriptInvocation| _ = call.arg(who);
                self.0.of_house::<Vec<String>>(&scripts::CURRENT, *house, fill).await
            }
        });
        let current = try_join_all(asked).await?;
        let mut connected = vec![false; keys.len()];
        for ((place, fence), current) in by_house.values().flatten().zip(current.iter().flatten()) {
            connected[*place] = fence == current;
        }
        Ok(connected)
    }

    async fn expect(&self, stream: &StreamName) -> Result<(), LogError> {
        let lines = self.0.link.lines().await?;
        let mut call = scripts::EXPECT.key(Partition::of(stream).key());
        call.arg(EXPECTED_FOR.as_millis() as u64);
        let expected: RedisResult<Value> = call.invoke_async(&mut lines.writes.clone()).await;
        self.0.sorted(&lines, expected).map(drop)
    }

    async fn ask(&self, server: &ServerId, question: String) -> Result<String, LogError> {
        let answer = self.0.write_to(server, |from, id| Letter::Asked { from, id, question });
        timeout(ASK_WITHIN, answer).await.unwrap_or_else(|_| {
            let message = format!("the server that has this consumer did not answer within {ASK_WITHIN:?}; try again");
            Err(LogError::Unavailable { fault: crate::fault::Fault::Timeout, message })
        })
    }

    fn words(&self) -> Option<mpsc::Receiver<Word>> {
        self.0.post.words()
    }
}

/// The fence, and '1' if it was connected.
fn claimed(claim: &str) -> Option<(&str, &str)> {
    let mut words = claim.split(' ');
    Some((words.next()?, words.nth(1)?))
}

impl Shared {
    /// Runs a script on a house.
    async fn of_house<T: redis::FromRedisValue>(
        &self,
        script: &Script,
        house: House,
        fill: impl FnOnce(&mut ScriptInvocation),
    ) -> Result<T, LogError> {
        let lines = self.link.lines().await?;
        let mut call = script.prepare_invoke();
        call.key(house.owners()).key(house.servers());
        fill(&mut call);
        let answer = call.invoke_async(&mut lines.writes.clone()).await;
        self.sorted(&lines, answer)
    }
}
