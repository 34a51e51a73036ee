//! The text that each message carries: who sent it, its number, and a filler that differs from message to message, so
//! that whatever arrives tells whether it is what was sent. Bookkeeping over what arrived is `receipts`'.

/// Bytes of a payload, without the quotes it travels in.
pub const BYTES: usize = 64;

const SENDER_DIGITS: usize = 6;
const HEAD: usize = SENDER_DIGITS + 10;

/// Long enough that a filler may start at any of its first 26 letters.
const FILLER: &[u8] = b"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";

/// Who sent a payload, and its number among those of that sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The number of the sender: a connection or a room, as the load has it.
    pub sender: usize,
    /// Counted from 0.
    pub number: u64,
}

impl Origin {
    /// The payload that this origin sends, and nobody else.
    #[must_use]
    pub fn payload(self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        write_digits(&mut bytes[..SENDER_DIGITS], self.sender as u64);
        write_digits(&mut bytes[SENDER_DIGITS..HEAD], self.number);
        bytes[HEAD..].copy_from_slice(filler(self.number));
        bytes
    }

    /// The origin of a payload; `None` when no origin would have sent it.
    #[must_use]
    pub fn of(payload: &[u8]) -> Option<Self> {
        if payload.len() != BYTES {
            return None;
        }
        let sender = read_digits(&payload[..SENDER_DIGITS])? as usize;
        let number = read_digits(&payload[SENDER_DIGITS..HEAD])?;
        (payload[HEAD..] == *filler(number)).then_some(Self { sender, number })
    }
}

fn filler(number: u64) -> &'static [u8] {
    let start = (number % 26) as usize;
    &FILLER[start..start + BYTES - HEAD]
}

fn write_digits(out: &mut [u8], mut value: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

fn read_digits(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_tells_its_origin_and_any_changed_byte_shows() {
        let origin = Origin { sender: 1_234, number: 98_765 };
        let payload = origin.payload();
        assert_eq!(Origin::of(&payload), Some(origin));
        for at in 0..BYTES {
            let mut altered = payload;
            altered[at] ^= 1;
            assert_ne!(Origin::of(&altered), Some(origin), "byte {at}");
        }
        assert_eq!(Origin::of(&payload[1..]), None);
    }
}
