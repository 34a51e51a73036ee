//! The offset that a client is given with each event and sends back when it returns: which log, and where in it.

use std::fmt;

use crate::Position;

/// A place as clients carry it: `<8 hex digits of the log's name>-<position in hex>`, lower case, nothing else.
///
/// The official client keeps the last argument of an event, if it is a string, and sends it as `auth.offset`; what an
/// application puts there itself is told apart by this form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// The log it is a place in, as [`Offset::log_of`] shortens its name.
    pub log: u32,
    /// The place.
    pub position: Position,
}

impl Offset {
    /// What an offset says of the log with this name.
    #[must_use]
    pub const fn log_of(epoch: u64) -> u32 {
        (epoch ^ epoch >> 32) as u32
    }

    /// Reads what a client sent; `None` if it is not of our form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (log, position) = text.split_once('-')?;
        let lower_hex = |text: &str| text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
        let shortest = position == "0" || !position.starts_with('0');
        if log.len() != 8 || !lower_hex(log) || !lower_hex(position) || !shortest {
            return None;
        }
        let log = u32::from_str_radix(log, 16).ok()?;
        let position = u64::from_str_radix(position, 16).ok()?;
        Some(Self { log, position: Position::new(position) })
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:x}", self.log, self.position.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (log, position) in [(0, 0), (1, 1), (u32::MAX, u64::MAX), (0x1234_5678, 0x1f)] {
            let offset = Offset { log, position: Position::new(position) };
            assert_eq!(Offset::parse(&offset.to_string()), Some(offset));
        }
    }

    #[test]
    fn what_is_not_ours_is_not_read() {
        for text in [
            "",
            "-",
            "1",
            "12345678",
            "12345678-",
            "1234567-1",
            "12345678-01",
            "12345678-+1",
            "12345678-A",
            "1234567G-1",
            "12345678-1-2",
            "+2345678-1",
            "12345678-10000000000000000",
            "é345678-1",
        ] {
            assert_eq!(Offset::parse(text), None, "{text}");
        }
    }
}
