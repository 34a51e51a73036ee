//! How far back deflated data may refer, as a value that cannot be wrong.
//! Who asks for which window is left to the negotiation, keeping to it to the deflater.

use std::num::NonZeroU8;

/// The binary logarithm of a deflater's window in bytes: 9 to 15.
///
/// RFC 7692 knows 8 as well. Deflaters of zlib's family have no such window, so an offer that asks for it is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WindowBits(NonZeroU8);

impl WindowBits {
    /// The smallest window, 512 bytes.
    pub const MIN: Self = Self(NonZeroU8::new(9).expect("nine is not zero"));
    /// The largest window, 32 KiB, which is used where none was asked for.
    pub const MAX: Self = Self(NonZeroU8::new(15).expect("fifteen is not zero"));

    /// How many windows there are.
    pub(super) const COUNT: usize = (Self::MAX.get() - Self::MIN.get() + 1) as usize;

    /// The window of so many bits, `None` if there is none.
    #[must_use]
    pub const fn new(bits: u8) -> Option<Self> {
        match NonZeroU8::new(bits) {
            Some(bits) if Self::MIN.get() <= bits.get() && bits.get() <= Self::MAX.get() => Some(Self(bits)),
            _ => None,
        }
    }

    /// The number of bits.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }

    /// Its place among all windows, the smallest first.
    pub(super) const fn index(self) -> usize {
        (self.get() - Self::MIN.get()) as usize
    }
}
