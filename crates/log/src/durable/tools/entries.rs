//! The entries of a data directory, one after another, also while more are written: what `tail` and `export` print.
//! How they are printed is left to the program.

use std::collections::VecDeque;
use std::path::Path;

use trunkline_delivery::{Entry, Position};

use super::{Opened, files, numbers, reading};
use crate::durable::block::decode;
use crate::durable::error::OpenError;
use crate::durable::files::Files;
use crate::durable::record::FOOTER;
use crate::durable::segment::{Index, SEGMENT_HEADER};
use crate::durable::window::{Bad, Found, Records};

/// Bytes of records that are decoded at a time, at the least one record.
const STEP: u64 = 1 << 20;

/// An entry and when it was written.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Milliseconds since 1970.
    pub time_ms: u64,
    /// The entry.
    pub entry: Entry,
}

/// The entries of a data directory after a position.
///
/// `None` is where the log ends for now: asking again later goes on with what was written meanwhile. Should segments be
/// removed faster than they are read, the positions show the gap. After an error it goes no further.
#[derive(Debug)]
pub struct Entries {
    files: Files,
    after: Position,
    at: Option<Place>,
    ready: VecDeque<Stored>,
    ended: bool,
}

/// Where the next record is.
#[derive(Clone, Copy, Debug)]
struct Place {
    segment: u64,
    offset: u64,
    position: Position,
}

/// The entries after `after` of a data directory.
///
/// # Errors
///
/// The path is no directory.
pub fn entries(dir: impl AsRef<Path>, after: Position) -> Result<Entries, OpenError> {
    Ok(Entries { files: files(dir.as_ref())?, after, at: None, ready: VecDeque::new(), ended: false })
}

impl Iterator for Entries {
    type Item = Result<Stored, OpenError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && !self.ended {
            match self.fill() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
        let stored = self.ready.pop_front()?;
        self.after = stored.entry.position;
        Some(Ok(stored))
    }
}

impl Entries {
    /// Decodes some more, or moves on; `false` where the log ends for now.
    fn fill(&mut self) -> Result<bool, OpenError> {
        let Some(place) = self.at else { return self.begin() };
        match Opened::open(&self.files, place.segment)? {
            Some(mut opened) => {
                let followed = numbers(&self.files)?.iter().any(|&number| number > place.segment);
                // After the question whether it is sealed: then all of it is seen.
                opened.refresh()?;
                let end = opened.end(&self.files, place.segment)?;
                self.read(&opened, place, end, followed)
            }
            None => self.follow(place.segment),
        }
    }

    /// Finds where to begin.
    fn begin(&mut self) -> Result<bool, OpenError> {
        let wanted = self.after.next();
        for &number in numbers(&self.files)?.iter().rev() {
            let Some(opened) = Opened::open(&self.files, number)? else { continue };
            let Some(header) = opened.header else { continue };
            let mut place = Place { segment: number, offset: SEGMENT_HEADER as u64, position: header.first };
            if header.first <= wanted {
                let index = Index::of_sealed(&*opened.file, opened.size).map_err(reading(&opened.name))?;
                if let Some(index) = index
                    && let Some(block) = index.blocks.get(index.block_of(wanted))
                {
                    place = Place { offset: block.offset, position: block.first, ..place };
                }
                self.at = Some(place);
                return Ok(true);
            }
            // Should there be none before it, the log begins here.
            self.at = Some(place);
        }
        Ok(self.at.is_some())
    }

    fn read(&mut self, opened: &Opened, mut place: Place, until: u64, followed: bool) -> Result<bool, OpenError> {
        let mut records = Records::new(&*opened.file, place.offset, until, Some(place.position));
        let limit = place.offset + STEP;
        let mut end = None;
        while end.is_none() && records.at < limit {
            let at = records.at;
            match records.next().map_err(reading(&opened.name))? {
                Found::Record(header) if header.has(FOOTER) => end = Some(None),
                Found::Record(header) => {
                    let body = records.body().map_err(reading(&opened.name))?;
                    let decoded = decode(&header, body);
                    let (_, entries) = decoded.map_err(|what| OpenError::damaged(&opened.name, at, what))?;
                    let wanted = entries.into_iter().filter(|entry| entry.position > self.after);
                    self.ready.extend(wanted.map(|entry| Stored { time_ms: header.time_ms, entry }));
                    place = Place { offset: records.at, position: header.next(), ..place };
                }
                Found::End => end = Some(None),
                Found::Bad(bad) => end = Some(Some(bad)),
            }
        }
        self.at = Some(place);
        match end {
            None => Ok(true),
            Some(_) if !self.ready.is_empty() => Ok(true),
            Some(None) if followed => self.follow(place.segment),
            Some(None) | Some(Some(Bad::Short)) if !followed => Ok(false),
            Some(None) | Some(Some(Bad::Short)) => {
                Err(OpenError::damaged(&opened.name, place.offset, "the file ends inside a record"))
            }
            Some(Some(Bad::Wrong(what))) => Err(OpenError::damaged(&opened.name, place.offset, what)),
            Some(Some(Bad::Newer(version))) => {
                Err(OpenError::Newer { file: opened.name.clone(), version: version.into() })
            }
        }
    }

    /// Goes on with the segment after this one, if it is there.
    fn follow(&mut self, segment: u64) -> Result<bool, OpenError> {
        let Some(&next) = numbers(&self.files)?.iter().find(|&&number| number > segment) else { return Ok(false) };
        let Some(opened) = Opened::open(&self.files, next)? else { return Ok(false) };
        // Just begun: its header comes.
        let Some(header) = opened.header else { return Ok(false) };
        self.at = Some(Place { segment: next, offset: SEGMENT_HEADER as u64, position: header.first });
        Ok(true)
    }
}
