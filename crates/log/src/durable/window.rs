//! A file read forward, in pieces, and its records one after another. What a wrong record means is left to `repair`.

use std::io;

use trunkline_delivery::Position;

use super::record::{HEADER_LEN, Header, NoHeader};
use super::storage::StoredFile;

/// Bytes that are read at a time.
const STEP: usize = 256 << 10;

/// A piece of a file in memory.
#[derive(Debug)]
pub(crate) struct Window<'a> {
    file: &'a dyn StoredFile,
    /// Nothing from here on is read.
    pub(crate) end: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    pub(crate) fn new(file: &'a dyn StoredFile, end: u64) -> Self {
        Self { file, end, start: 0, bytes: Vec::new() }
    }

    /// What stands in the file there; shorter where it ends.
    pub(crate) fn get(&mut self, at: u64, len: usize) -> io::Result<&[u8]> {
        let have = self.end.saturating_sub(at);
        let len = usize::try_from(have).map_or(len, |have| have.min(len));
        let held = at.checked_sub(self.start).and_then(|skip| usize::try_from(skip).ok());
        let within = held.filter(|skip| skip.saturating_add(len) <= self.bytes.len());
        let skip = match within {
            Some(skip) => skip,
            None => {
                let want = usize::try_from(have).map_or(STEP, |have| have.min(STEP)).max(len);
                self.bytes.resize(want, 0);
                self.start = at;
                if let Err(error) = self.file.read_at(&mut self.bytes, at) {
                    self.bytes.clear();
                    return Err(error);
                }
                0
            }
        };
        Ok(&self.bytes[skip..skip + len])
    }
}

/// What stands at a place of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A record whose checksums fit; its body is asked for with [`Records::body`].
    Record(Header),
    /// Nothing: the file ends here.
    End,
    /// No record.
    Bad(Bad),
}

/// How it is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// The file ends inside it.
    Short,
    /// Its checksum or its place in the order is wrong.
    Wrong(&'static str),
    /// A later program wrote it.
    Newer(u8),
}

/// The records of a stretch of a file, in order.
#[derive(Debug)]
pub(crate) struct Records<'a> {
    pub(crate) window: Window<'a>,
    /// Where the next one begins.
    pub(crate) at: u64,
    /// The position it must begin with, if that is known.
    pub(crate) position: Option<Position>,
    body: (u64, usize),
}

impl<'a> Records<'a> {
    pub(crate) fn new(file: &'a dyn StoredFile, at: u64, end: u64, position: Option<Position>) -> Self {
        Self { window: Window::new(file, end), at, position, body: (at, 0) }
    }

    /// The next record; whoever wants to go on after a bad one moves `at`.
    pub(crate) fn next(&mut self) -> io::Result<Found> {
        if self.at >= self.window.end {
            return Ok(Found::End);
        }
        let header = self.window.get(self.at, HEADER_LEN)?;
        let Some(header) = header.first_chunk() else { return Ok(Found::Bad(Bad::Short)) };
        let header = match Header::read(header) {
            Ok(header) => header,
            Err(NoHeader::Newer(version)) => return Ok(Found::Bad(Bad::Newer(version))),
            Err(NoHeader::Wrong) => return Ok(Found::Bad(Bad::Wrong("the header of a record is wrong"))),
        };
        if self.position.is_some_and(|wanted| wanted != header.position) {
            return Ok(Found::Bad(Bad::Wrong("a record has the position of another one")));
        }
        if self.at + header.record_len() > self.window.end {
            return Ok(Found::Bad(Bad::Short));
        }
        let body = self.window.get(self.at + HEADER_LEN as u64, header.len as usize)?;
        if !header.vouches_for(body) {
            return Ok(Found::Bad(Bad::Wrong("the body of a record is wrong")));
        }
        self.body = (self.at + HEADER_LEN as u64, header.len as usize);
        self.at += header.record_len();
        self.position = Some(header.next());
        Ok(Found::Record(header))
    }

    /// The body of the record that was given last.
    pub(crate) fn body(&mut self) -> io::Result<&[u8]> {
        self.window.get(self.body.0, self.body.1)
    }
}
