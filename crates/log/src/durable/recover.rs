//! The segments of a directory, in order, each whole or cut where a crash has torn it. What follows from a cut for the epoch
//! is the start's part; the rules are in `docs/log-format.md`.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::error::OpenError;
use super::meta::Meta;
use super::repair::{Left, Scan, Stop, Verdict, judge, scan, sound_after};
use super::segment::{self, Index, SEGMENT_HEADER, Segment, SegmentHeader};
use super::storage::{Storage, StoredFile};
use super::window::Bad;

pub(super) struct Finder<'a> {
    pub(super) storage: &'a dyn Storage,
    pub(super) old: Option<Meta>,
    pub(super) left: Left,
    pub(super) segments: VecDeque<Segment>,
    /// Something was cut off that may have been acknowledged.
    pub(super) lost: bool,
    /// The last segment is sealed, or there is none.
    pub(super) ends: bool,
}

/// A segment file before its records are known.
struct Opened {
    number: u64,
    name: String,
    file: Arc<dyn StoredFile>,
    size: u64,
    header: Result<SegmentHeader, Bad>,
}

impl Finder<'_> {
    pub(super) fn find(&mut self) -> Result<(), OpenError> {
        let names = self.storage.list().map_err(OpenError::io("cannot list the data directory"))?;
        let mut numbers: Vec<_> = names.iter().filter_map(|name| segment::number_in(name)).collect();
        numbers.sort_unstable();
        let mut opened = numbers.iter().map(|&number| self.opened(number)).collect::<Result<VecDeque<_>, _>>()?;
        // Later versions first: then nothing is changed.
        if let Some((file, version)) = opened.iter().find_map(newer) {
            return Err(OpenError::Newer { file, version });
        }
        let synced = opened.iter().rev().find_map(|file| file.header.ok()).map_or(0, |header| header.synced);
        self.ends = true;
        while let Some(file) = opened.pop_front() {
            // What the machine may have lost is read, whatever footers say.
            let loose = self.left.is_loose() && file.number > synced;
            let next = opened.front();
            let whole = if loose { self.loose(&file)? } else { self.sound(&file, next)? };
            if !whole {
                self.drop_rest(&opened)?;
                break;
            }
        }
        Ok(())
    }

    fn opened(&self, number: u64) -> Result<Opened, OpenError> {
        let name = segment::name(number);
        let file = self.storage.open(&name).map_err(OpenError::io(format!("cannot open {name}")))?;
        let read = |file: &dyn StoredFile| {
            let size = file.size()?;
            let mut bytes = [0; SEGMENT_HEADER];
            if size < SEGMENT_HEADER as u64 {
                return Ok((size, Err(Bad::Short)));
            }
            file.read_at(&mut bytes, 0)?;
            let header = SegmentHeader::read(&bytes).map_err(|newer| match newer {
                Some(version) => Bad::Newer(u8::try_from(version).unwrap_or(u8::MAX)),
                None => Bad::Wrong("the header of the segment is wrong"),
            });
            Ok((size, header))
        };
        let (size, header) = read(&*file).map_err(OpenError::io(format!("cannot read {name}")))?;
        Ok(Opened { number, name, file, size, header })
    }

    /// The header, if it continues the segments before.
    fn header(&self, file: &Opened) -> Result<SegmentHeader, Bad> {
        let header = file.header?;
        if header.number != file.number {
            return Err(Bad::Wrong("it is another segment than its name says"));
        }
        match self.segments.back() {
            Some(before) if before.number() + 1 != header.number => Err(Bad::Wrong("the segment before is missing")),
            Some(before) if before.index.next != header.first || before.index.end != header.previous_end => {
                Err(Bad::Wrong("the segment before does not end where this one begins"))
            }
            _ => Ok(header),
        }
    }

    /// A segment that a crash of the machine may have torn anywhere. `false` where the log ends.
    fn loose(&mut self, file: &Opened) -> Result<bool, OpenError> {
        let Ok(header) = self.header(file) else {
            self.lost = true;
            return self.drop_file(file).map(|()| false);
        };
        let scanned = scan(&*file.file, &header, file.size).map_err(reading(file))?;
        self.accept(file, header, scanned.index, scanned.stop).map(|()| !matches!(scanned.stop, Stop::Bad(_)))
    }

    /// A segment that must be whole, but for the end of the last one. `false` where the log ends.
    fn sound(&mut self, file: &Opened, next: Option<&Opened>) -> Result<bool, OpenError> {
        let header = match self.header(file) {
            Ok(header) => header,
            Err(bad) if next.is_some() => return Err(damage(file, 0, bad)),
            Err(bad) => return self.headless(file, bad).map(|()| false),
        };
        if let Some(index) = Index::of_sealed(&*file.file, file.size).map_err(reading(file))? {
            self.segments.push_back(Segment { header, file: file.file.clone(), index, size: file.size });
            self.ends = true;
            return Ok(true);
        }
        // The header of the next one knows where the records end.
        let Some(end) = next.and_then(|next| next.header.ok()).map(|next| next.previous_end) else {
            let scanned = scan(&*file.file, &header, file.size).map_err(reading(file))?;
            return self.accept(file, header, scanned.index, scanned.stop).map(|()| true);
        };
        let Scan { index, stop } = scan(&*file.file, &header, end.min(file.size)).map_err(reading(file))?;
        match stop {
            Stop::Bad(bad) => Err(damage(file, index.end, bad)),
            Stop::End | Stop::Footer if index.end != end => Err(damage(file, index.end, Bad::Short)),
            Stop::End | Stop::Footer => {
                tracing::warn!(
                    file = file.name,
                    "the index of a segment was not sound, and made again from its records"
                );
                self.segments.push_back(Segment { header, file: file.file.clone(), index, size: file.size });
                self.ends = true;
                Ok(true)
            }
        }
    }

    /// The last segment, without a header that fits: it was begun when the crash came, and holds nothing.
    fn headless(&mut self, file: &Opened, bad: Bad) -> Result<(), OpenError> {
        let holds = file.header.is_ok() || sound_after(&*file.file, 0, file.size).map_err(reading(file))?.is_some();
        if holds {
            return Err(damage(file, 0, bad));
        }
        self.drop_file(file)
    }

    /// Takes a segment as far as it was read; what follows is judged and cut off.
    fn accept(&mut self, file: &Opened, header: SegmentHeader, index: Index, stop: Stop) -> Result<(), OpenError> {
        let end = index.end;
        self.ends = stop == Stop::Footer;
        let mut size = file.size;
        if let Stop::Bad(bad) = stop {
            match judge(&*file.file, end, file.size, bad, self.left).map_err(reading(file))? {
                Verdict::Cut { acknowledged: true } => self.lose()?,
                Verdict::Cut { acknowledged: false } => {}
                Verdict::Damage(what) => return Err(OpenError::damaged(&file.name, end, what)),
                Verdict::Newer(version) => {
                    return Err(OpenError::Newer { file: file.name.clone(), version: version.into() });
                }
            }
            tracing::warn!(
                file = file.name,
                offset = end,
                bytes = file.size - end,
                "the end of the log was torn by a crash, and cut off"
            );
            let cut = || file.file.truncate(end).and_then(|()| file.file.sync());
            cut().map_err(OpenError::io(format!("cannot repair {}", file.name)))?;
            size = end;
        }
        self.segments.push_back(Segment { header, file: file.file.clone(), index, size });
        Ok(())
    }

    /// The epoch ends, before what was acknowledged is cut off: should this start be cut short, the next one finds it so.
    fn lose(&mut self) -> Result<(), OpenError> {
        self.lost = true;
        match &self.old {
            Some(old) => {
                Meta { epoch: 0, ..old.clone() }.write(self.storage).map_err(OpenError::io("cannot write meta"))
            }
            None => Ok(()),
        }
    }

    fn drop_rest(&mut self, files: &VecDeque<Opened>) -> Result<(), OpenError> {
        // The newest first: what stays has no gap if this is cut short.
        files.iter().rev().try_for_each(|file| {
            self.lost = true;
            self.drop_file(file)
        })
    }

    fn drop_file(&self, file: &Opened) -> Result<(), OpenError> {
        tracing::warn!(file = file.name, bytes = file.size, "a segment was torn by a crash, and removed");
        let remove = || self.storage.remove(&file.name).and_then(|()| self.storage.sync_names());
        remove().map_err(OpenError::io(format!("cannot remove {}", file.name)))
    }
}

fn newer(file: &Opened) -> Option<(String, u32)> {
    match file.header {
        Err(Bad::Newer(version)) => Some((file.name.clone(), version.into())),
        _ => None,
    }
}

fn reading(file: &Opened) -> impl FnOnce(io::Error) -> OpenError + use<> {
    OpenError::io(format!("cannot read {}", file.name))
}

fn damage(file: &Opened, offset: u64, bad: Bad) -> OpenError {
    match bad {
        Bad::Short => OpenError::damaged(&file.name, offset, "it is too short"),
        Bad::Wrong(what) => OpenError::damaged(&file.name, offset, what),
        Bad::Newer(version) => OpenError::Newer { file: file.name.clone(), version: version.into() },
    }
}
