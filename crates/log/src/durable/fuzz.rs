//! What fuzzing does with bytes that may be a record's body or a segment's file.
//! The list of targets is the crate's `fuzz`.

use std::io;

use trunkline_delivery::Position;

use super::block::decode;
use super::codec::{put_entry, put_key};
use super::record::{CARRIED, Header, KEYED};
use super::repair::{Left, Stop, judge, scan};
use super::segment::{Index, SEGMENT_HEADER, SegmentHeader};
use super::storage::StoredFile;

/// The first byte says whether there is a key, the second how many entries there are, the rest is the body: what is decoded
/// is encoded and decoded again, and takes memory by its length. Then all of it is the file of a segment.
pub(crate) fn record(data: &[u8]) {
    as_segment(data);
    let [bits, count, body @ ..] = data else { return };
    let header = Header {
        body_crc: 0,
        len: u32::try_from(body.len()).unwrap_or(u32::MAX),
        bits: bits & (KEYED | CARRIED),
        back: 0,
        count: u32::from(*count),
        position: Position::new(7),
        time_ms: 0,
    };
    let Ok((key, entries)) = decode(&header, body) else { return };
    let size: usize = entries.iter().map(|entry| entry.act.size()).sum();
    assert!(size <= 1000 * (1 + body.len()), "{size} bytes of {}", body.len());
    let mut again = Vec::new();
    if let Some(key) = &key {
        put_key(&mut again, &key.key, &key.answer, key.committed_ms);
    }
    entries.iter().for_each(|entry| put_entry(&mut again, &entry.target, &entry.act));
    let (same_key, same) = decode(&header, &again).expect("what was encoded can be decoded");
    assert_eq!(same_key, key);
    assert_eq!(format!("{same:?}"), format!("{entries:?}"));
}

#[derive(Debug)]
struct Slice(Vec<u8>);

impl StoredFile for Slice {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..));
        let bytes = rest.and_then(|rest| rest.get(..buffer.len())).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn truncate(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

fn as_segment(data: &[u8]) {
    let (file, size) = (Slice(data.to_vec()), data.len() as u64);
    if let Some(header) = data.first_chunk() {
        let _any = SegmentHeader::read(header);
    }
    let header = SegmentHeader { number: 1, first: Position::new(1), created_ms: 0, previous_end: 0, synced: 0 };
    if size < SEGMENT_HEADER as u64 {
        return;
    }
    let scanned = scan(&file, &header, size).expect("it can be read");
    assert!(scanned.index.end <= size);
    let footer = Index::of_sealed(&file, size).expect("it can be read");
    assert!(footer.is_none_or(|footer| footer.end < size));
    if let Stop::Bad(bad) = scanned.stop {
        for (same_boot, synced) in [(true, true), (false, true), (false, false)] {
            judge(&file, scanned.index.end, size, bad, Left { same_boot, synced }).expect("it can be read");
        }
    }
}
