//! Sequence numbers, positions, and half-open ranges of them.

use serde::{Deserialize, Serialize};
use std::fmt;

use super::Epoch;

/// A sequence number within (stream, epoch): 0 ("before the first event") to 2^53−1 [AW-SEQ].
///
/// The upper bound is the largest integer that JavaScript's `number` holds exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Seq(u64);

/// A number beyond [`Seq::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSeq;

impl Seq {
    /// Before the first event.
    pub const ZERO: Seq = Seq(0);
    /// 2^53−1.
    pub const MAX: Seq = Seq((1 << 53) - 1);

    /// Checks the bound.
    pub const fn new(value: u64) -> Result<Self, InvalidSeq> {
        if value <= Self::MAX.0 { Ok(Seq(value)) } else { Err(InvalidSeq) }
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// One less; 0 stays 0. As the `after` of a range it makes the range begin with this seq.
    pub const fn before(self) -> Self {
        Seq(self.0.saturating_sub(1))
    }

    /// One more, or `None` at [`Seq::MAX`].
    pub const fn next(self) -> Option<Self> {
        if self.0 < Self::MAX.0 { Some(Seq(self.0 + 1)) } else { None }
    }

    /// From a JavaScript number; `None` if it is no integer within the bounds.
    pub fn from_f64(value: f64) -> Option<Self> {
        let whole = value as u64;
        if whole as f64 == value { Self::new(whole).ok() } else { None }
    }

    /// As a JavaScript number, exactly.
    pub fn as_f64(self) -> f64 {
        self.0 as f64
    }
}

impl TryFrom<u64> for Seq {
    type Error = InvalidSeq;
    fn try_from(value: u64) -> Result<Self, InvalidSeq> {
        Seq::new(value)
    }
}

impl From<Seq> for u64 {
    fn from(seq: Seq) -> u64 {
        seq.0
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for InvalidSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence number is an integer from 0 to 9007199254740991")
    }
}

impl std::error::Error for InvalidSeq {}

/// Where in a stream: (epoch, seq), always adopted, stored and compared as one pair [AW-POSITION].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The incarnation of the log.
    pub epoch: Epoch,
    /// Everything up to this seq lies behind.
    pub seq: Seq,
}

/// The half-open range `(after, upto]`, never empty [AW-RANGE]. On the wire: `[after, upto]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "(Seq, Seq)", into = "(Seq, Seq)")]
pub struct SeqRange {
    after: Seq,
    upto: Seq,
}

impl SeqRange {
    /// `None` if it would be empty.
    pub const fn new(after: Seq, upto: Seq) -> Option<Self> {
        if after.0 < upto.0 { Some(Self { after, upto }) } else { None }
    }

    /// The range that holds just this seq; `None` for [`Seq::ZERO`].
    pub const fn single(seq: Seq) -> Option<Self> {
        Self::new(seq.before(), seq)
    }

    /// Exclusive start.
    pub const fn after(self) -> Seq {
        self.after
    }

    /// Inclusive end.
    pub const fn upto(self) -> Seq {
        self.upto
    }

    /// Whether the seq lies inside.
    pub fn contains(self, seq: Seq) -> bool {
        self.after < seq && seq <= self.upto
    }

    /// What both hold.
    pub fn intersection(self, other: Self) -> Option<Self> {
        Self::new(self.after.max(other.after), self.upto.min(other.upto))
    }
}

impl TryFrom<(Seq, Seq)> for SeqRange {
    type Error = &'static str;
    fn try_from((after, upto): (Seq, Seq)) -> Result<Self, Self::Error> {
        Self::new(after, upto).ok_or("a range is [after, upto] with after < upto")
    }
}

impl From<SeqRange> for (Seq, Seq) {
    fn from(range: SeqRange) -> Self {
        (range.after, range.upto)
    }
}

impl fmt::Display for SeqRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {}]", self.after, self.upto)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aw_seq_bounds() {
        assert_eq!(Seq::new((1 << 53) - 1), Ok(Seq::MAX));
        assert_eq!(Seq::new(1 << 53), Err(InvalidSeq));
        assert_eq!(Seq::MAX.next(), None);
        assert_eq!(Seq::ZERO.before(), Seq::ZERO);
        assert_eq!(Seq::from_f64(9_007_199_254_740_991.0), Some(Seq::MAX));
        assert_eq!(Seq::MAX.as_f64(), 9_007_199_254_740_991.0);
        assert_eq!(u64::from(Seq::MAX), (1 << 53) - 1);
        assert_eq!(Seq::MAX.before().next(), Some(Seq::MAX));
        for bad in [1.5, -1.0, 9_007_199_254_740_992.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Seq::from_f64(bad), None, "{bad}");
        }
    }

    #[test]
    fn aw_range_is_half_open_and_never_empty() {
        let seq = |n| Seq::new(n).unwrap();
        assert_eq!(SeqRange::new(seq(3), seq(3)), None);
        let range = SeqRange::new(seq(3), seq(5)).unwrap();
        assert!(!range.contains(seq(3)) && range.contains(seq(4)) && range.contains(seq(5)));
        assert_eq!(SeqRange::single(Seq::MAX).unwrap().upto(), Seq::MAX);
        assert_eq!(range.intersection(SeqRange::new(seq(5), seq(9)).unwrap()), None);
        assert_eq!(range.intersection(SeqRange::new(seq(4), seq(9)).unwrap()), SeqRange::single(seq(5)));
        assert_eq!(range.to_string(), "(3, 5]");
    }
}
