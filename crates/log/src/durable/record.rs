//! The header of a record and its checksums. What the body holds is left to `codec`, where records stand to `segment`.

use trunkline_delivery::Position;

/// Bytes of a record's header.
pub(crate) const HEADER_LEN: usize = 40;
/// Bytes that a body may have. A batch whose record would be larger is refused.
pub(crate) const BODY_MAX: usize = 1 << 30;
/// The newest version of the format that is understood, and the one that is written.
pub(crate) const VERSION: u8 = 1;

/// There is a key in the body.
pub(crate) const KEYED: u8 = 1;
/// At least one entry is no event.
pub(crate) const ACTS: u8 = 2;
/// The key was committed by an earlier record.
pub(crate) const CARRIED: u8 = 4;
/// The body is the index of the segment, which ends here.
pub(crate) const FOOTER: u8 = 128;
const KNOWN: u8 = KEYED | ACTS | CARRIED | FOOTER;

/// What stands before a record's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) body_crc: u32,
    pub(crate) len: u32,
    pub(crate) bits: u8,
    /// Bytes from the start of the write that it was part of.
    pub(crate) back: u32,
    pub(crate) count: u32,
    pub(crate) position: Position,
    pub(crate) time_ms: u64,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoHeader {
    /// They are not what was written.
    Wrong,
    /// A later program wrote them.
    Newer(u8),
}

impl Header {
    pub(crate) fn has(&self, bit: u8) -> bool {
        self.bits & bit != 0
    }

    /// Bytes of the whole record.
    pub(crate) fn record_len(&self) -> u64 {
        HEADER_LEN as u64 + u64::from(self.len)
    }

    /// The position of what follows the record.
    pub(crate) fn next(&self) -> Position {
        Position::new(self.position.number().saturating_add(u64::from(self.count)))
    }

    pub(crate) fn write(&self, to: &mut [u8; HEADER_LEN]) {
        to[4..8].copy_from_slice(&self.body_crc.to_le_bytes());
        to[8..12].copy_from_slice(&self.len.to_le_bytes());
        to[12] = VERSION;
        to[13] = self.bits;
        to[14..16].copy_from_slice(&[0; 2]);
        to[16..20].copy_from_slice(&self.back.to_le_bytes());
        to[20..24].copy_from_slice(&self.count.to_le_bytes());
        to[24..32].copy_from_slice(&self.position.number().to_le_bytes());
        to[32..40].copy_from_slice(&self.time_ms.to_le_bytes());
        let crc = crc32fast::hash(&to[4..]);
        to[..4].copy_from_slice(&crc.to_le_bytes());
    }

    pub(crate) fn read(from: &[u8; HEADER_LEN]) -> Result<Self, NoHeader> {
        // Cheap ones first: a search for headers asks this at every byte.
        if u16_at(from, 14) != 0 || crc32fast::hash(&from[4..]) != u32_at(from, 0) {
            return Err(NoHeader::Wrong);
        }
        if from[12] != VERSION {
            return Err(NoHeader::Newer(from[12]));
        }
        let header = Self {
            body_crc: u32_at(from, 4),
            len: u32_at(from, 8),
            bits: from[13],
            back: u32_at(from, 16),
            count: u32_at(from, 20),
            position: Position::new(u64_at(from, 24)),
            time_ms: u64_at(from, 32),
        };
        let sound = header.bits & !KNOWN == 0 && header.len as usize <= BODY_MAX;
        if sound { Ok(header) } else { Err(NoHeader::Wrong) }
    }

    /// Whether this is the body that the header was written for.
    pub(crate) fn vouches_for(&self, body: &[u8]) -> bool {
        body.len() == self.len as usize && crc32fast::hash(body) == self.body_crc
    }
}

/// Writes a record around the body that `put` appends. Gives the header as it was written, or `None`, with nothing
/// appended, if the body is too large.
pub(crate) fn put_record(out: &mut Vec<u8>, mut header: Header, put: impl FnOnce(&mut Vec<u8>)) -> Option<Header> {
    let start = out.len();
    out.extend([0; HEADER_LEN]);
    put(out);
    let body = &out[start + HEADER_LEN..];
    if body.len() > BODY_MAX {
        out.truncate(start);
        return None;
    }
    header.len = u32::try_from(body.len()).unwrap_or(u32::MAX);
    header.body_crc = crc32fast::hash(body);
    if let Some(space) = out[start..].first_chunk_mut() {
        header.write(space);
    }
    Some(header)
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

/// The bytes at a place, zeros where there are none.
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}
