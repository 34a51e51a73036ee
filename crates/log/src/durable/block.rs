//! Reading back one block of a segment: its bytes, its records, the entries in them; and the few that are kept for the next
//! reader. Which block is wanted is the reader's matter.

use std::sync::Arc;

use hashbrown::HashMap;
use trunkline_delivery::{Entry, Position};

use super::codec::{Body, StoredKey};
use super::error::Damage;
use super::record::{HEADER_LEN, Header};
use super::segment;
use super::shared::Place;

/// Reads the records of a place and calls `each` with every one that `wanted` takes. A record that is wrong is an error:
/// what was committed is never passed over.
pub(crate) fn read_records(
    place: &Place,
    wanted: impl Fn(&Header) -> bool,
    mut each: impl FnMut(&Header, Option<StoredKey>, Vec<Entry>),
) -> Result<(), Damage> {
    let mut bytes = vec![0; usize::try_from(place.end - place.start).unwrap_or(0)];
    let damage = |at: u64, what: String| Damage { file: segment::name(place.segment), offset: at, what };
    place.file.read_at(&mut bytes, place.start).map_err(|error| damage(place.start, error.to_string()))?;
    let mut rest = &bytes[..];
    let mut position = place.first;
    while !rest.is_empty() {
        let at = place.end - rest.len() as u64;
        let wrong = |what: &str| damage(at, what.to_owned());
        let header = rest.first_chunk::<HEADER_LEN>().and_then(|header| Header::read(header).ok());
        let header = header.filter(|header| header.position == position);
        let header = header.ok_or_else(|| wrong("the header of a record is wrong"))?;
        let body = rest.get(HEADER_LEN..HEADER_LEN + header.len as usize);
        let body =
            body.filter(|body| header.vouches_for(body)).ok_or_else(|| wrong("the body of a record is wrong"))?;
        if wanted(&header) {
            let (key, entries) = decode(&header, body).map_err(|what| damage(at, format!("a record lacks {what}")))?;
            each(&header, key, entries);
        }
        position = header.next();
        rest = &rest[HEADER_LEN + header.len as usize..];
    }
    Ok(())
}

/// The key and the entries of a record.
pub(crate) fn decode(header: &Header, body: &[u8]) -> Result<(Option<StoredKey>, Vec<Entry>), &'static str> {
    let (key, mut body) = Body::open(header, body)?;
    let mut entries = Vec::new();
    while let Some(entry) = body.next()? {
        entries.push(entry);
    }
    Ok((key, entries))
}

/// The entries of a block, in order.
pub(crate) type Entries = Arc<Vec<Arc<Entry>>>;

/// The blocks that were read last, bounded by bytes: many readers at one place cost one read.
#[derive(Debug)]
pub(crate) struct Cache {
    bytes_max: usize,
    bytes: usize,
    clock: u64,
    blocks: HashMap<(u64, u64, u64), Cached>,
    /// Blocks that were not here.
    pub(crate) missed: u64,
}

#[derive(Debug)]
struct Cached {
    entries: Entries,
    bytes: usize,
    used: u64,
}

impl Cache {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, clock: 0, blocks: HashMap::new(), missed: 0 }
    }

    /// The entries of a block, read unless they are here.
    pub(crate) fn entries(&mut self, place: &Place) -> Result<Entries, Damage> {
        self.clock += 1;
        // With its end: the last block of an open segment grows.
        let name = (place.segment, place.start, place.end);
        if let Some(cached) = self.blocks.get_mut(&name) {
            cached.used = self.clock;
            return Ok(cached.entries.clone());
        }
        self.missed += 1;
        let mut read = Vec::new();
        read_records(place, |_| true, |_, _, entries| read.extend(entries.into_iter().map(Arc::new)))?;
        let bytes = read.iter().map(|entry| entry.size()).sum();
        let entries = Arc::new(read);
        self.bytes += bytes;
        self.blocks.insert(name, Cached { entries: entries.clone(), bytes, used: self.clock });
        self.trim();
        Ok(entries)
    }

    fn trim(&mut self) {
        while self.bytes > self.bytes_max {
            let oldest = self.blocks.iter().min_by_key(|(_, cached)| cached.used).map(|(&name, _)| name);
            let Some(removed) = oldest.and_then(|name| self.blocks.remove(&name)) else { return };
            self.bytes -= removed.bytes;
        }
    }
}

/// The entries after `after` in a sorted run.
pub(crate) fn entries_after(entries: &[Arc<Entry>], after: Position) -> &[Arc<Entry>] {
    &entries[entries.partition_point(|entry| entry.position <= after)..]
}
