//! Keeps what this server has: says that it is in touch, looks whether it still has everything, gives back what it no
//! longer needs.

use ackwire::base::{Duration, Instant};
use futures_util::future::try_join_all;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{
    sync::Notify,
    time::{self, MissedTickBehavior},
};

use super::{
    super::{Shared, keys::House, pages, scripts},
    CONSUMERS, IN_TOUCH, Row, lock,
};
use crate::{
    clock,
    log::{ConsumerKey, Fence, LogError, Purpose, Reply, Word},
};

/// How often a server says that it is in touch.
const RENEW_EVERY: time::Duration = time::Duration::from_secs(1);
/// In every such round of these, and after it was out of touch, it looks whether it still has what it has.
const LOOK_EVERY: u64 = 3;
/// How long a server that has said nothing is remembered; then what it had is let go.
const GONE_AFTER: time::Duration = time::Duration::from_secs(60);

/// What this server has.
#[derive(Default)]
pub(in super::super) struct Held {
    /// As many as there are consumers in memory, or being taken.
    taken: Mutex<HashMap<ConsumerKey, (Fence, Row)>>,
    /// What is to be given back: what was taken before.
    released: Mutex<Vec<(ConsumerKey, Fence)>>,
    /// Something is to be given back, or to be looked at.
    is_stirred: Notify,
    /// One gives back at a time: who waits for it knows that it is done.
    giving_back: tokio::sync::Mutex<()>,
    /// Until when it is in touch, in milliseconds.
    in_touch_until: AtomicU64,
    /// How often it was in doubt whether it had heard everything.
    doubts: AtomicU64,
}

impl Held {
    pub(super) fn add(&self, key: &ConsumerKey, fence: Fence, row: Row) {
        let mut taken = lock(&self.taken);
        match taken.get(key) {
            // What is done to a consumer that is connected changes nothing in that.
            Some((known, _)) if *known == fence && row.purpose == Purpose::Operation => {}
            _ => _ = taken.insert(key.clone(), (fence, row)),
        }
    }

    pub(super) fn row(&self, key: &ConsumerKey) -> Option<Row> {
        lock(&self.taken).get(key).map(|(_, row)| row.clone())
    }

    pub fn release(&self, key: &ConsumerKey, fence: Fence) {
        let mut taken = lock(&self.taken);
        if taken.get(key).is_some_and(|(current, _)| *current == fence) {
            taken.remove(key);
        }
        drop(taken);
        lock(&self.released).push((key.clone(), fence));
        self.is_stirred.notify_one();
    }

    /// Letters may have been missed: it is out of touch until it has looked.
    pub(in super::super) fn doubt(&self) {
        self.doubts.fetch_add(1, Ordering::SeqCst);
        self.in_touch_until.store(0, Ordering::SeqCst);
        self.is_stirred.notify_one();
    }

    pub fn is_in_touch(&self) -> bool {
        clock::now() < Instant::from_millis(self.in_touch_until.load(Ordering::SeqCst))
    }

    /// What it has, by house.
    fn by_house(&self) -> BTreeMap<House, Vec<Holding>> {
        let mut by_house: BTreeMap<House, Vec<_>> = BTreeMap::new();
        for (key, (fence, row)) in lock(&self.taken).iter() {
            by_house.entry(House::of(&pages::who(key))).or_default().push((key.clone(), *fence, row.clone()));
        }
        by_house
    }
}

/// What this server has.
type Holding = (ConsumerKey, Fence, Row);
/// What others have taken since, and what for.
type Taken = (ConsumerKey, Fence, Purpose);

/// What came of saying that this server is in touch.
pub(super) struct Renewed {
    /// Servers that are not, for long.
    gone: Vec<(House, String)>,
    pub taken: Vec<Taken>,
}

/// Until the log is dropped. What is given back is given back between the rounds, so that no look takes it for forgotten.
pub(in super::super) async fn keep(shared: Arc<Shared>) {
    let held = &shared.held;
    let mut rounds = time::interval(RENEW_EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut number = 0;
    loop {
        let is_due = tokio::select! {
            _ = rounds.tick() => true,
            () = held.is_stirred.notified() => !held.is_in_touch(),
        };
        if let Err(error) = give_back(&shared).await {
            tracing::debug!(%error, "consumers are given back later");
        }
        if is_due {
            number += 1;
            let looks = number % LOOK_EVERY == 0 || !held.is_in_touch();
            if let Err(error) = round(&shared, looks).await {
                tracing::debug!(%error, "not in touch with the other servers");
            }
        }
    }
}

async fn round(shared: &Arc<Shared>, looks: bool) -> Result<(), LogError> {
    let (began, doubts) = (clock::now(), shared.held.doubts.load(Ordering::SeqCst));
    let by_house = shared.held.by_house();
    let renewals = by_house.iter().flat_map(|(house, held)| {
        let held = if looks { held.as_slice() } else { &[] };
        let first = &held[..held.len().min(CONSUMERS)];
        let rest = held.get(CONSUMERS..).unwrap_or_default().chunks(CONSUMERS);
        std::iter::once(first).chain(rest).map(|held| renew(shared, *house, held))
    });
    let renewed = try_join_all(renewals).await?;
    let until = began + Duration::from_millis(IN_TOUCH.as_millis() as u64);
    if shared.held.doubts.load(Ordering::SeqCst) == doubts {
        shared.held.in_touch_until.store(until.as_millis(), Ordering::SeqCst);
    }
    for (key, fence, purpose) in renewed.iter().flat_map(|renewed| renewed.taken.iter().cloned()) {
        shared.post.tell(Word::Taken { key, fence, purpose, reply: Reply::new(drop) });
    }
    for (house, gone) in renewed.iter().flat_map(|renewed| &renewed.gone) {
        sweep(shared, *house, gone).await?;
    }
    Ok(())
}

/// Says in one house that this server is in touch, and looks whether it has these.
pub(super) async fn renew(shared: &Shared, house: House, held: &[Holding]) -> Result<Renewed, LogError> {
    let (gone, taken): (Vec<String>, Vec<String>) = shared
        .of_house(&scripts::RENEW, house, |call| {
            call.arg(shared.post.id()).arg(IN_TOUCH.as_millis() as u64).arg(GONE_AFTER.as_millis() as u64);
            for (key, fence, row) in held {
                call.arg(pages::who(key)).arg(fence.0).arg(row.to_string());
            }
        })
        .await?;
    let taken = taken
        .chunks_exact(3)
        .map(|row| Ok((pages::consumer(&row[0])?, super::fence(&row[1])?, Purpose::of_letter(&row[2]))));
    let gone = gone.into_iter().map(|server| (house, server)).collect();
    Ok(Renewed { gone, taken: taken.collect::<Result<_, LogError>>()? })
}

/// Lets go in one house what a server had that is long gone, and then the server.
async fn sweep(shared: &Shared, house: House, gone: &str) -> Result<(), LogError> {
    let let_go = async |names: &[&String]| {
        let fill = |call: &mut redis::ScriptInvocation| {
            call.arg(GONE_AFTER.as_millis() as u64).arg(gone).arg(names);
        };
        shared.of_house::<redis::Value>(&scripts::SWEEP, house, fill).await
    };
    let mut cursor = "0".to_owned();
    loop {
        let mut scan = redis::cmd("HSCAN");
        scan.arg(house.owners()).arg(&cursor).arg("COUNT").arg(CONSUMERS);
        let (next, rows): (String, Vec<String>) = shared.ask(&scan).await?;
        let of_gone = rows.chunks_exact(2).filter(|row| row[1].split(' ').nth(1) == Some(gone));
        let names: Vec<&String> = of_gone.map(|row| &row[0]).collect();
        if !names.is_empty() {
            let_go(&names).await?;
        }
        if next == "0" {
            return let_go(&[]).await.map(drop);
        }
        cursor = next;
    }
}

pub(super) async fn give_back(shared: &Shared) -> Result<(), LogError> {
    let _turn = shared.held.giving_back.lock().await;
    let released = std::mem::take(&mut *lock(&shared.held.released));
    let mut by_house: BTreeMap<House, Vec<&(ConsumerKey, Fence)>> = BTreeMap::new();
    for one in &released {
        by_house.entry(House::of(&pages::who(&one.0))).or_default().push(one);
    }
    let pieces = by_house.iter().flat_map(|(house, of_house)| of_house.chunks(CONSUMERS).map(|piece| (*house, piece)));
    let given_back = try_join_all(pieces.map(|(house, piece)| {
        shared.of_house::<redis::Value>(&scripts::RELEASE, house, move |call| {
            call.arg(shared.post.id());
            for (key, fence) in piece {
                call.arg(pages::who(key)).arg(fence.0);
            }
        })
    }));
    let given_back = given_back.await.map(drop);
    if given_back.is_err() {
        lock(&shared.held.released).extend(released);
    }
    given_back
}

/// Gives everything back, and is remembered by nobody.
pub(super) async fn leave(shared: &Shared) -> Result<(), LogError> {
    let taken: Vec<_> = lock(&shared.held.taken).drain().collect();
    lock(&shared.held.released).extend(taken.into_iter().map(|(key, (fence, _))| (key, fence)));
    give_back(shared).await?;
    let forgotten = House::all().map(|house| {
        let mut forget = redis::cmd("ZREM");
        forget.arg(house.servers()).arg(shared.post.id());
        async move { shared.ask::<redis::Value>(&forget).await }
    });
    try_join_all(forgotten).await.map(drop)
}
