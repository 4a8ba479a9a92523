//! The streams of one connection.

use ackwire::wire::StreamName;

use super::subscription::Subscription;

/// By name. A map would have room for eleven from the first on, and most connections have one.
#[derive(Default)]
pub(super) struct Subscriptions(Vec<Subscription>);

impl Subscriptions {
    pub fn iter(&self) -> impl Iterator<Item = &Subscription> {
        self.0.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Subscription> {
        self.0.iter_mut()
    }

    pub fn get_mut(&mut self, stream: &StreamName) -> Option<&mut Subscription> {
        self.find(stream).ok().map(|index| &mut self.0[index])
    }

    /// Takes the place of an earlier one of the same stream.
    pub fn insert(&mut self, subscription: Subscription) {
        match self.find(&subscription.id.stream) {
            Ok(index) => self.0[index] = subscription,
            Err(index) => {
                self.0.reserve_exact(1);
                self.0.insert(index, subscription);
            }
        }
    }

    pub fn remove(&mut self, stream: &StreamName) -> Option<Subscription> {
        self.find(stream).ok().map(|index| self.0.remove(index))
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn find(&self, stream: &StreamName) -> Result<usize, usize> {
        self.0.binary_search_by(|subscription| subscription.id.stream.cmp(stream))
    }
}
