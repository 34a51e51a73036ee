//! The thread that reads segments for those who are behind the ring: pages, histories, acts. It takes one question after the
//! other, so that questions for the same place are answered by one read.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use trunkline_delivery::{Entry, Position};

use super::block::{Cache, Entries, entries_after, read_records};
use super::error::Damage;
use super::options::millis;
use super::promise::Promise;
use super::record::ACTS;
use super::segment::{Segment, room_hash};
use super::shared::{Place, Shared};
use crate::ring::is_event_of;
use crate::{HistoryQuery, Page, PageLimit, ReadError, Take};

type Answer<T> = Promise<Result<T, ReadError>>;

/// A question.
#[derive(Debug)]
pub(crate) enum Asked {
    Page(Position, PageLimit, Answer<Page>),
    History(HistoryQuery, Answer<Vec<Arc<Entry>>>),
    Acts(Answer<Vec<Arc<Entry>>>),
}

/// Answers until there is nobody left to ask.
pub(crate) fn run(shared: &Shared) {
    let mut reader = Reader { shared, cache: Cache::new(shared.options.cache_bytes) };
    while let Some(asked) = shared.reads.take(|_| 1) {
        match asked {
            Asked::Page(after, limit, promise) => promise.keep(reader.page(after, limit)),
            Asked::History(query, promise) => promise.keep(reader.history(&query)),
            Asked::Acts(promise) => promise.keep(reader.acts()),
        }
        shared.blocks_read.store(reader.cache.missed, Ordering::Relaxed);
    }
}

struct Reader<'a> {
    shared: &'a Shared,
    cache: Cache,
}

impl Reader<'_> {
    fn page(&mut self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        let mut page = Page { entries: Vec::new(), upto: after };
        let mut bytes = 0;
        while let Some(place) = self.place_after(page.upto, &page)? {
            let block = self.cache.entries(&place).map_err(|damage| unreadable(&damage))?;
            let wanted = entries_after(&block, page.upto);
            if wanted.is_empty() {
                let what = format!("the entry at {} is not where the index says", page.upto.next());
                return Err(ReadError::Unavailable(what));
            }
            if !wanted.iter().all(|entry| page.take(entry, &mut bytes, limit)) {
                break;
            }
        }
        Ok(page)
    }

    /// Where what follows is, if anything does. That it is gone is an error for a page that holds nothing yet.
    fn place_after(&self, upto: Position, page: &Page) -> Result<Option<Place>, ReadError> {
        let state = self.shared.state();
        if upto >= state.ring.committed() {
            return Ok(None);
        }
        match state.check(upto) {
            Err(_) if !page.entries.is_empty() => Ok(None),
            Err(gone) => Err(gone),
            Ok(()) => Ok(state.place_of(upto.next())),
        }
    }

    fn history(&mut self, query: &HistoryQuery) -> Result<Vec<Arc<Entry>>, ReadError> {
        let (limit, newest_first) = match query.take {
            Take::Newest(limit) => (limit, true),
            Take::Oldest(limit) => (limit, false),
        };
        let mut found = Vec::new();
        for segment in self.segments(newest_first) {
            if found.len() >= limit {
                break;
            }
            let mut places = self.places(segment, |segment, block| may_concern(segment, block, query));
            if newest_first {
                places.reverse();
            }
            for place in places {
                let block = self.cache.entries(&place).map_err(|damage| unreadable(&damage))?;
                take_events(&block, query, limit, newest_first, &mut found);
            }
        }
        if newest_first {
            found.reverse();
        }
        Ok(found)
    }

    /// The numbers of the segments. They may be removed meanwhile, which a history does not mind.
    fn segments(&self, newest_first: bool) -> Vec<u64> {
        let mut numbers: Vec<_> = self.shared.state().segments.iter().map(Segment::number).collect();
        if newest_first {
            numbers.reverse();
        }
        numbers
    }

    /// The blocks of a segment that are `wanted`, in order.
    fn places(&self, number: u64, wanted: impl Fn(&Segment, usize) -> bool) -> Vec<Place> {
        let state = self.shared.state();
        let Some(segment) = state.segments.iter().find(|segment| segment.number() == number) else { return Vec::new() };
        let blocks = 0..segment.index.blocks.len();
        blocks.filter(|&block| wanted(segment, block)).filter_map(|block| segment.place(block)).collect()
    }

    /// Those that are not older than what must be kept, counted back from the newest record: a server that was down for an
    /// hour finds the sessions that were alive when it went.
    fn acts(&self) -> Result<Vec<Arc<Entry>>, ReadError> {
        let since = {
            let state = self.shared.state();
            // Of a record: a segment without any was begun after whatever the server was down for.
            let newest = state.segments.iter().rev().find_map(|segment| segment.index.blocks.last());
            let newest = newest.map_or(0, |block| block.last_ms);
            newest.saturating_sub(millis(state.keep.entries))
        };
        let mut acts = Vec::new();
        for segment in self.segments(false) {
            let recent = |segment: &Segment, at: usize| {
                segment.index.blocks.get(at).is_some_and(|block| block.bits & ACTS != 0 && block.last_ms >= since)
            };
            for place in self.places(segment, recent) {
                let wanted = |header: &super::record::Header| header.has(ACTS) && header.time_ms >= since;
                let mut add = |entries: Vec<Entry>| {
                    acts.extend(entries.into_iter().filter(|entry| !entry.act.is_emit()).map(Arc::new));
                };
                read_records(&place, wanted, |_, _, entries| add(entries)).map_err(|damage| unreadable(&damage))?;
            }
        }
        Ok(acts)
    }
}

fn unreadable(damage: &Damage) -> ReadError {
    tracing::error!(%damage, "the log cannot be read");
    ReadError::Unavailable(damage.to_string())
}

/// Whether a block may hold events that are asked for.
fn may_concern(segment: &Segment, at: usize, query: &HistoryQuery) -> bool {
    let blocks = &segment.index.blocks;
    let next = blocks.get(at + 1).map_or(segment.index.next, |block| block.first);
    next > query.after.next() && blocks.get(at).is_some_and(|block| block.may_hold(room_hash(&query.ns, &query.room)))
}

fn take_events(block: &Entries, query: &HistoryQuery, limit: usize, newest_first: bool, found: &mut Vec<Arc<Entry>>) {
    let room = limit.saturating_sub(found.len());
    let wanted = entries_after(block, query.after).iter().filter(|entry| is_event_of(entry, query));
    if newest_first {
        found.extend(wanted.rev().take(room).cloned());
    } else {
        found.extend(wanted.take(room).cloned());
    }
}
