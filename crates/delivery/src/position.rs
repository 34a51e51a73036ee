//! A place in the log. What a position is made of in a store or on the wire is the adapter's business.

use std::fmt;

/// A place in the one ordered log of a deployment.
///
/// Positions only compare and grow; the first entry has position 1, and [`Position::ZERO`] lies before it. A socket
/// that joined at position `p` is owed entries after `p`; one that left at `q` is owed entries up to and including `q`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// The place before the first entry.
    pub const ZERO: Self = Self(0);
    /// Later than every entry: the end of an interval that is still open.
    pub const MAX: Self = Self(u64::MAX);

    /// The position with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number of this position.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The position right before this one.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The position that follows.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
