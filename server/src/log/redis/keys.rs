//! What the keys are called, and which of them lie together.
//!
//! Streams are spread over [`PARTITIONS`] partitions by their names. All keys of a partition have its number as their hash
//! tag and so lie in one slot of a cluster: one script may change a stream, its partition's list of streams and its
//! count of changes at once. A partition is also a channel, so that a server needs so many subscriptions and not one for
//! each stream.

use ackwire::wire::{ConsumerId, StreamName};
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// How many partitions there are: what a log was begun with it must go on with. More than any cluster has nodes for, few
/// enough to ask all of them at once.
pub(super) const PARTITIONS: usize = 1024;

/// A share of the streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Partition(pub(super) usize);

impl Partition {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..PARTITIONS).map(Self)
    }

    /// The one that a stream belongs to.
    pub(super) fn of(stream: &StreamName) -> Self {
        Self(share(stream.as_str(), PARTITIONS))
    }

    /// The hash of what is known of it; also the name of its channel.
    pub(super) fn key(self) -> String {
        format!("ackwire:{{{}}}", self.0)
    }

    /// The partition whose channel has this name.
    pub(super) fn of_channel(name: &str) -> Option<Self> {
        let number = name.strip_prefix("ackwire:{")?.strip_suffix('}')?.parse().ok()?;
        (number < PARTITIONS).then_some(Self(number))
    }

    /// What its other keys begin with.
    pub(super) fn prefix(self) -> String {
        format!("{}:", self.key())
    }

    /// The sorted set of its streams, by name.
    pub(super) fn streams(self) -> String {
        self.key() + ":streams"
    }

    /// The sorted set of who was saved when.
    pub(super) fn saved(self) -> String {
        self.key() + ":saved"
    }

    /// The sorted set of the partition's streams that a consumer of this name was saved for.
    pub(super) fn streams_of(self, consumer: &ConsumerId) -> String {
        format!("{}:streams-of:{consumer}", self.key())
    }
}

/// A share of the consumers, whoever's they are: who has them is kept together. There are fewer than partitions, because a
/// server says so often in each of them that it is in touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct House(usize);

/// How many houses there are, each in the partition of its number.
const HOUSES: usize = 64;

impl House {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..HOUSES).map(Self)
    }

    /// The one that a consumer of this name in Redis belongs to.
    pub(super) fn of(who: &str) -> Self {
        Self(share(who, HOUSES))
    }

    /// The hash of who has which consumer.
    pub(super) fn owners(self) -> String {
        Partition(self.0).prefix() + "owners"
    }

    /// The sorted set of until when each server is in touch.
    pub(super) fn servers(self) -> String {
        Partition(self.0).prefix() + "servers"
    }
}

/// The channel on which a server is told what concerns it alone.
pub(super) fn letters(server: &str) -> String {
    format!("{}:letters:{server}", Partition(share(server, PARTITIONS)).key())
}

/// One of so many shares, always the same.
fn share(name: &str, of: usize) -> usize {
    let mut hasher = SipHasher13::new();
    hasher.write(name.as_bytes());
    (hasher.finish() % of as u64) as usize
}

/// A stream's hash of what is known of it.
pub(super) fn meta(stream: &StreamName) -> String {
    of_stream("meta", stream)
}

/// A stream's events.
pub(super) fn events(stream: &StreamName) -> String {
    of_stream("events", stream)
}

/// A stream's hash of ids.
pub(super) fn ids(stream: &StreamName) -> String {
    of_stream("ids", stream)
}

/// A stream's hash of what was saved for its consumers.
pub(super) fn states(stream: &StreamName) -> String {
    of_stream("states", stream)
}

/// A stream's hash of the fences under which its consumers were taken.
pub(super) fn claims(stream: &StreamName) -> String {
    of_stream("claims", stream)
}

/// A stream's sorted set of consumers, by name.
pub(super) fn consumers(stream: &StreamName) -> String {
    of_stream("consumers", stream)
}

fn of_stream(what: &str, stream: &StreamName) -> String {
    format!("{}:{what}:{stream}", Partition::of(stream).key())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(name: &str) -> StreamName {
        StreamName::new(name).unwrap()
    }

    #[test]
    fn a_stream_stays_where_it_is_from_release_to_release() {
        let places = ["run:1", "run:2", "a/b.c-d"].map(|name| Partition::of(&stream(name)).0);
        assert_eq!(places, [298, 899, 670]);
    }

    #[test]
    fn a_channel_names_its_partition() {
        assert!(Partition::all().all(|partition| Partition::of_channel(&partition.key()) == Some(partition)));
        for other in ["ackwire:{1024}", "ackwire:{x}", "ackwire:7", "other:{7}"] {
            assert_eq!(Partition::of_channel(other), None, "{other}");
        }
    }
}
