//! Who is at the other end of a connection: what the limits of one peer go by.

use axum::{
    extract::ConnectInfo,
    http::{Extensions, HeaderMap},
};
use clap::ValueEnum;
use lru::LruCache;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ackwire::{base::Instant, deliver::Bucket};

use crate::limits::MAX_PEERS;

/// How a client's address is known. A header is worth what the proxy before the server makes of it: where clients reach
/// the server past the proxy, or the proxy passes on what it was sent, anybody can be anybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PeerFrom {
    /// Its connection. Behind a proxy everybody is one peer
    #[default]
    Socket,
    /// The last address in X-Forwarded-For, which the nearest proxy added
    XForwardedFor,
    /// X-Real-IP
    XRealIp,
    /// CF-Connecting-IP (Cloudflare)
    CfConnectingIp,
}

impl PeerFrom {
    /// Who sent a request. The connection's address if the header is not there; `None` if that is not known either: in an
    /// application that does not pass it on (`into_make_service_with_connect_info::<SocketAddr>`).
    pub(crate) fn peer(self, headers: &HeaderMap, extensions: &Extensions) -> Option<Peer> {
        let named = match self {
            Self::Socket => None,
            Self::XForwardedFor => client_ip::rightmost_x_forwarded_for(headers).ok(),
            Self::XRealIp => client_ip::x_real_ip(headers).ok(),
            Self::CfConnectingIp => client_ip::cf_connecting_ip(headers).ok(),
        };
        let connected = || extensions.get().map(|ConnectInfo::<SocketAddr>(address)| address.ip());
        named.or_else(connected).map(Peer::from)
    }
}

/// An address that limits count by: of IPv6 the first 64 bits, which is what one household has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer(IpAddr);

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
            v4 => v4,
        })
    }
}

/// How much of something each peer has. There is one entry for each peer that has any, so that what bounds all of it bounds
/// this.
#[derive(Debug)]
pub struct Crowd {
    most: usize,
    present: Mutex<HashMap<Peer, usize>>,
}

/// One of what a peer has, given back on drop.
#[derive(Debug)]
pub struct Presence {
    crowd: Arc<Crowd>,
    peer: Peer,
}

impl Crowd {
    /// Of each peer at most so many.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, present: Mutex::default() })
    }

    /// One more, unless the peer has as many as it may.
    pub fn enter(self: &Arc<Self>, peer: Peer) -> Option<Presence> {
        let mut present = lock(&self.present);
        let count = present.entry(peer).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Presence { crowd: self.clone(), peer })
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut present = lock(&self.crowd.present);
        if let Some(count) = present.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                present.remove(&self.peer);
            }
        }
    }
}

/// How often each peer does something. Of [`MAX_PEERS`] peers it is known; the one that did nothing for longest is then
/// forgotten, and begins anew.
pub struct Pace {
    per_second: u32,
    burst: u32,
    buckets: Mutex<LruCache<Peer, Bucket>>,
}

impl Pace {
    /// On average so often in a second, and so often at once.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let most = NonZeroUsize::new(MAX_PEERS).expect("it is not 0");
        Self { per_second, burst, buckets: Mutex::new(LruCache::sparse(most)) }
    }

    /// Whether the peer may do it once more.
    pub fn take(&self, now: Instant, peer: Peer) -> bool {
        let mut buckets = lock(&self.buckets);
        buckets.get_or_insert_mut(peer, || Bucket::new(now, self.per_second, self.burst)).take(now)
    }
}

/// What a panicking holder left is whole: every change is one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_millis(0);

    fn peer(address: &str) -> Peer {
        Peer::from(address.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn a_household_is_one_peer() {
        assert_eq!(peer("2001:db8:1:2::1"), peer("2001:db8:1:2:ffff::9"));
        assert_ne!(peer("2001:db8:1:2::1"), peer("2001:db8:1:3::1"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
        assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
    }

    #[test]
    fn a_crowd_forgets_who_has_left() {
        let crowd = Crowd::new(2);
        let here = [crowd.enter(peer("192.0.2.1")), crowd.enter(peer("192.0.2.1")), crowd.enter(peer("192.0.2.2"))];
        assert!(here.iter().all(Option::is_some) && crowd.enter(peer("192.0.2.1")).is_none());
        assert_eq!(lock(&crowd.present).len(), 2);
        drop(here);
        assert!(lock(&crowd.present).is_empty());
    }

    #[test]
    fn of_too_many_peers_the_one_that_was_away_for_longest_begins_anew() {
        let pace = Pace::new(1, 1);
        let nth = |n: usize| Peer(IpAddr::V4(u32::try_from(n).unwrap().into()));
        assert!((0..MAX_PEERS).all(|n| pace.take(NOW, nth(n))));
        assert!(!pace.take(NOW, nth(0)), "it is remembered, and was here again");
        assert!(pace.take(NOW, nth(MAX_PEERS)));
        assert_eq!(lock(&pace.buckets).len(), MAX_PEERS);
        assert!(!pace.take(NOW, nth(0)) && pace.take(NOW, nth(1)), "the second was forgotten");
    }
}
