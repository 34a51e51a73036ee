//! Reading a segment record by record, and judging what does not fit: torn by a crash, or damaged since.
//! The table that it follows is in `docs/log-format.md`; what is done with the verdict is the start's part.

use std::io;

use trunkline_delivery::Entry;

use super::block::decode;
use super::codec::StoredKey;
use super::record::{FOOTER, HEADER_LEN, Header};
use super::segment::{Index, SEGMENT_HEADER, SegmentHeader};
use super::storage::StoredFile;
use super::window::{Bad, Found, Records};

/// What a segment's records are, up to the first one that does not fit.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) index: Index,
    pub(crate) stop: Stop,
}

/// Where a scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Where the file does.
    End,
    /// At a footer.
    Footer,
    /// At something else.
    Bad(Bad),
}

/// Reads all records of a segment before `end`.
pub(crate) fn scan(file: &dyn StoredFile, header: &SegmentHeader, end: u64) -> io::Result<Scan> {
    scan_with(file, header, end, |_, _, _| ())
}

/// The same, and calls `each` with every record.
pub(crate) fn scan_with(
    file: &dyn StoredFile,
    header: &SegmentHeader,
    end: u64,
    mut each: impl FnMut(&Header, Option<StoredKey>, Vec<Entry>),
) -> io::Result<Scan> {
    let mut index = Index::new(header);
    let mut records = Records::new(file, SEGMENT_HEADER as u64, end, Some(header.first));
    let stop = loop {
        match records.next()? {
            Found::End => break Stop::End,
            Found::Bad(bad) => break Stop::Bad(bad),
            Found::Record(header) if header.has(FOOTER) => break Stop::Footer,
            Found::Record(header) => {
                // All of it before any of it counts.
                let Ok((key, entries)) = decode(&header, records.body()?) else {
                    break Stop::Bad(Bad::Wrong("a record cannot be decoded"));
                };
                index.note_record(&header);
                entries.iter().for_each(|entry| index.note_entry(&entry.target, &entry.act));
                each(&header, key, entries);
            }
        }
    };
    Ok(Scan { index, stop })
}

/// How the log was left, and how this start relates to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    /// The machine was not started again since.
    pub(crate) same_boot: bool,
    /// What was acknowledged is on the disk itself.
    pub(crate) synced: bool,
}

impl Left {
    /// The machine may have lost anything that it had not written by itself.
    pub(crate) fn is_loose(self) -> bool {
        !self.same_boot && !self.synced
    }
}

/// What becomes of a place that does not fit, at the end of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The log ends there.
    Cut {
        /// What is cut off may have been acknowledged.
        acknowledged: bool,
    },
    /// It is damage.
    Damage(&'static str),
    /// It is of a later version.
    Newer(u8),
}

/// Judges what is wrong at `at` of a file of `size` bytes that nothing follows.
pub(crate) fn judge(file: &dyn StoredFile, at: u64, size: u64, bad: Bad, left: Left) -> io::Result<Verdict> {
    let why = match bad {
        Bad::Newer(version) => return Ok(Verdict::Newer(version)),
        // The header vouches for the length: there is nothing behind it.
        Bad::Short => return Ok(Verdict::Cut { acknowledged: left.is_loose() }),
        Bad::Wrong(why) => why,
    };
    if left.is_loose() {
        return Ok(Verdict::Cut { acknowledged: true });
    }
    Ok(match sound_after(file, at, size)? {
        Some((offset, back)) if offset.saturating_sub(back) > at || left.same_boot => Verdict::Damage(why),
        // Another boot, and what follows was written together with it: the write was never synced.
        Some(_) => Verdict::Cut { acknowledged: false },
        None => Verdict::Cut { acknowledged: left.same_boot },
    })
}

/// The first sound record behind `at`: where it is, and how far before it its write began.
pub(crate) fn sound_after(file: &dyn StoredFile, at: u64, size: u64) -> io::Result<Option<(u64, u64)>> {
    let mut records = Records::new(file, at + 1, size, None);
    while records.at + HEADER_LEN as u64 <= size {
        let start = records.at;
        match records.next()? {
            Found::Record(header) => return Ok(Some((start, u64::from(header.back)))),
            Found::End => break,
            Found::Bad(_) => {
                records.at = start + 1;
                records.position = None;
            }
        }
    }
    Ok(None)
}
