//! Faults on purpose: what the limit server does to one delivery in so many, to show that the load generator would
//! notice it in any server. Counting what was noticed is `receipts`'.

/// One delivery in so many is spoilt.
pub const ONE_IN: u64 = 5_000;

/// What may happen to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Injected {
    /// It is not sent.
    Drop,
    /// It is sent twice.
    Repeat,
    /// It is sent after the next one to the same receiver.
    Swap,
    /// One byte of it is another.
    Alter,
}

impl Injected {
    /// Reads the argument of `--fault`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "drop" => Self::Drop,
            "repeat" => Self::Repeat,
            "swap" => Self::Swap,
            "alter" => Self::Alter,
            _ => return None,
        })
    }
}

/// Counts deliveries, and says which are spoilt.
#[derive(Debug, Default)]
pub struct Faults {
    kind: Option<Injected>,
    deliveries: u64,
}

impl Faults {
    /// Spoils one delivery in [`ONE_IN`], or none.
    #[must_use]
    pub fn new(kind: Option<Injected>) -> Self {
        Self { kind, deliveries: 0 }
    }

    /// What happens to the next delivery.
    pub(crate) fn next(&mut self) -> Option<Injected> {
        let kind = self.kind?;
        self.deliveries += 1;
        self.deliveries.is_multiple_of(ONE_IN).then_some(kind)
    }
}

/// The frame with its last payload byte but two changed: that is inside the string which every load carries.
pub(crate) fn altered(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    if let Some(byte) = frame.iter_mut().rev().nth(2) {
        *byte ^= 1;
    }
    frame
}
