//! A segment file: its name, its header, the index of its blocks and the footer that holds it.
//! Who writes, reads and removes segments is elsewhere.

use std::sync::Arc;

use trunkline_delivery::{Act, Position, Target, To};

use super::record::{ACTS, FOOTER, HEADER_LEN, Header, KEYED, put_record, u32_at, u64_at};
use super::storage::StoredFile;

/// Bytes of the header of a segment.
pub(crate) const SEGMENT_HEADER: usize = 64;
/// The version of segments.
pub(crate) const SEGMENT_VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"TRKLSEGM";
const FOOTER_MAGIC: &[u8; 4] = b"TRKF";
/// Bytes from which on a block is closed: what is read at once, and the grain of the index.
pub(crate) const BLOCK_BYTES: u64 = 64 << 10;
const FILTER_LEN: usize = 256;
const BLOCK_LEN: usize = 25 + FILTER_LEN;
/// Position, time and number of blocks before them; length and magic after them.
const FOOTER_FIXED: usize = 28;

/// The name of segment `number`.
pub(crate) fn name(number: u64) -> String {
    format!("{number:010}.log")
}

/// The number in the name of a segment.
pub(crate) fn number_in(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log").filter(|digits| digits.len() >= 10)?;
    let number = digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())??;
    (self::name(number) == name).then_some(number)
}

/// What stands at the beginning of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) number: u64,
    pub(crate) first: Position,
    pub(crate) created_ms: u64,
    /// Where the records of the one before end.
    pub(crate) previous_end: u64,
    /// Known to be on the disk itself, with all before it, when this one was begun.
    pub(crate) synced: u64,
}

impl SegmentHeader {
    pub(crate) fn to_bytes(self) -> [u8; SEGMENT_HEADER] {
        let mut to = [0; SEGMENT_HEADER];
        to[..8].copy_from_slice(MAGIC);
        to[8..12].copy_from_slice(&SEGMENT_VERSION.to_le_bytes());
        let fields = [self.number, self.first.number(), self.created_ms, self.previous_end, self.synced];
        for (space, field) in to[16..56].chunks_exact_mut(8).zip(fields) {
            space.copy_from_slice(&field.to_le_bytes());
        }
        let crc = crc32fast::hash(&to[..60]);
        to[60..].copy_from_slice(&crc.to_le_bytes());
        to
    }

    /// `Err(Some(version))` if a later program wrote it, `Err(None)` if it is none.
    pub(crate) fn read(from: &[u8; SEGMENT_HEADER]) -> Result<Self, Option<u32>> {
        if crc32fast::hash(&from[..60]) != u32_at(from, 60) || !from.starts_with(MAGIC) {
            return Err(None);
        }
        let version = u32_at(from, 8);
        if version != SEGMENT_VERSION {
            return Err(Some(version));
        }
        Ok(Self {
            number: u64_at(from, 16),
            first: Position::new(u64_at(from, 24)),
            created_ms: u64_at(from, 32),
            previous_end: u64_at(from, 40),
            synced: u64_at(from, 48),
        })
    }
}

/// A run of records that are read together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) offset: u64,
    /// Of its first entry, or of the next one to come.
    pub(crate) first: Position,
    pub(crate) last_ms: u64,
    /// [`ACTS`] and [`KEYED`], if a record in it has them.
    pub(crate) bits: u8,
    filter: [u8; FILTER_LEN],
}

impl Block {
    /// Whether events of a room may be in it.
    pub(crate) fn may_hold(&self, hash: u64) -> bool {
        bits_of(hash).iter().all(|&bit| self.filter[bit / 8] & 1 << (bit % 8) != 0)
    }

    fn note(&mut self, hash: u64) {
        bits_of(hash).iter().for_each(|&bit| self.filter[bit / 8] |= 1 << (bit % 8));
    }
}

fn bits_of(hash: u64) -> [usize; 4] {
    [0, 11, 22, 33].map(|shift| usize::try_from(hash >> shift & 2047).unwrap_or(0))
}

/// The hash by which a room is found in an index; the same in every process.
pub(crate) fn room_hash(ns: &str, room: &str) -> u64 {
    let bytes = ns.bytes().chain([0]).chain(room.bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    hash ^ hash >> 32
}

/// What is known of the records of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) blocks: Vec<Block>,
    /// The position that follows the last entry.
    pub(crate) next: Position,
    pub(crate) last_ms: u64,
    /// Where the records end, and where the footer begins.
    pub(crate) end: u64,
}

impl Index {
    /// Of a segment without records.
    pub(crate) fn new(header: &SegmentHeader) -> Self {
        let end = SEGMENT_HEADER as u64;
        Self { blocks: Vec::new(), next: header.first, last_ms: header.created_ms, end }
    }

    /// Adds a record that stands at the end; its events are added with [`note_entry`](Self::note_entry).
    pub(crate) fn note_record(&mut self, header: &Header) {
        let full = |block: &Block| self.end - block.offset >= BLOCK_BYTES;
        if self.blocks.last().is_none_or(full) {
            let filter = [0; FILTER_LEN];
            self.blocks.push(Block { offset: self.end, first: header.position, last_ms: 0, bits: 0, filter });
        }
        self.last_ms = self.last_ms.max(header.time_ms);
        if let Some(block) = self.blocks.last_mut() {
            block.last_ms = self.last_ms;
            block.bits |= header.bits & (ACTS | KEYED);
        }
        self.end += header.record_len();
        self.next = header.next();
    }

    /// Adds an entry of the record that was added last.
    pub(crate) fn note_entry(&mut self, target: &Target, act: &Act) {
        if let (true, To::Rooms(rooms), Some(block)) = (act.is_emit(), &target.to, self.blocks.last_mut()) {
            rooms.iter().for_each(|room| block.note(room_hash(&target.ns, room)));
        }
    }

    /// Where block `at` begins and ends.
    pub(crate) fn range(&self, at: usize) -> Option<(u64, u64)> {
        let start = self.blocks.get(at)?.offset;
        Some((start, self.blocks.get(at + 1).map_or(self.end, |next| next.offset)))
    }

    /// The block that the entry at `position` is in.
    pub(crate) fn block_of(&self, position: Position) -> usize {
        // Blocks without entries have the first position of the one after them, which is the later one.
        self.blocks.partition_point(|block| block.first <= position).saturating_sub(1)
    }

    /// Writes the footer record.
    pub(crate) fn put_footer(&self, out: &mut Vec<u8>) {
        let header =
            Header { body_crc: 0, len: 0, bits: FOOTER, back: 0, count: 0, position: self.next, time_ms: self.last_ms };
        let len = FOOTER_FIXED + self.blocks.len() * BLOCK_LEN;
        put_record(out, header, |out| {
            out.extend(self.next.number().to_le_bytes());
            out.extend(self.last_ms.to_le_bytes());
            out.extend(u32::try_from(self.blocks.len()).unwrap_or(u32::MAX).to_le_bytes());
            for block in &self.blocks {
                out.extend(block.offset.to_le_bytes());
                out.extend(block.first.number().to_le_bytes());
                out.extend(block.last_ms.to_le_bytes());
                out.push(block.bits);
                out.extend(block.filter);
            }
            out.extend(u32::try_from(HEADER_LEN + len).unwrap_or(u32::MAX).to_le_bytes());
            out.extend(FOOTER_MAGIC);
        });
    }

    /// The index in the body of a footer that stands at `end`.
    pub(crate) fn from_footer(body: &[u8], end: u64) -> Option<Self> {
        let count = u32_at(body, 16) as usize;
        if body.len() != FOOTER_FIXED.checked_add(count.checked_mul(BLOCK_LEN)?)? {
            return None;
        }
        let blocks = body[20..body.len() - 8].chunks_exact(BLOCK_LEN).map(block_from).collect::<Option<Vec<_>>>()?;
        let grows = blocks.is_sorted_by(|a, b| a.offset < b.offset && a.first <= b.first);
        let within = blocks.first().is_none_or(|block| block.offset == SEGMENT_HEADER as u64)
            && blocks.last().is_none_or(|block| block.offset < end);
        let (next, last_ms) = (Position::new(u64_at(body, 0)), u64_at(body, 8));
        (grows && within).then_some(Self { blocks, next, last_ms, end })
    }

    /// Reads the footer at the end of a file of `size` bytes; `None` if there is no sound one.
    pub(crate) fn of_sealed(file: &dyn StoredFile, size: u64) -> std::io::Result<Option<Self>> {
        let smallest = (SEGMENT_HEADER + HEADER_LEN + FOOTER_FIXED) as u64;
        if size < smallest {
            return Ok(None);
        }
        let mut trailer = [0; 8];
        file.read_at(&mut trailer, size - 8)?;
        let len = u64::from(u32_at(&trailer, 0));
        if trailer[4..] != *FOOTER_MAGIC || len < smallest - SEGMENT_HEADER as u64 || len > size - SEGMENT_HEADER as u64
        {
            return Ok(None);
        }
        let mut record = vec![0; usize::try_from(len).unwrap_or(0)];
        file.read_at(&mut record, size - len)?;
        let Some((header, body)) = record.split_first_chunk() else { return Ok(None) };
        let header = Header::read(header).ok().filter(|header| header.has(FOOTER) && header.vouches_for(body));
        Ok(header.and_then(|_| Self::from_footer(body, size - len)))
    }
}

fn block_from(bytes: &[u8]) -> Option<Block> {
    Some(Block {
        offset: u64_at(bytes, 0),
        first: Position::new(u64_at(bytes, 8)),
        last_ms: u64_at(bytes, 16),
        bits: *bytes.get(24)?,
        filter: *bytes.get(25..)?.first_chunk()?,
    })
}

/// A segment of the log.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) header: SegmentHeader,
    pub(crate) file: Arc<dyn StoredFile>,
    pub(crate) index: Index,
    /// Bytes of the file, the footer included.
    pub(crate) size: u64,
}

impl Segment {
    pub(crate) fn number(&self) -> u64 {
        self.header.number
    }
}
