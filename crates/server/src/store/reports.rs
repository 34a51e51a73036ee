//! Reports of a whole log: what is in it, whether it is sound, what was copied of it.
//! Single entries are printed in `entries`.

use std::io::Write;
use std::path::Path;

use serde::Serialize;
use serde_json::json;
use trunkline::store::{self, FileReport, Inspection, RoomReport, SegmentReport};

use super::Failure;
use crate::units::{readable, utc};

/// Prints what is in a log.
pub(super) fn inspect(log: &Path, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let found = store::inspect(log)?;
    if json { inspect_json(&found, out) } else { inspect_text(log, &found, out) }
}

fn inspect_text(log: &Path, found: &Inspection, out: &mut impl Write) -> Result<(), Failure> {
    let (first, last) = ends(found);
    let files = found.segments.len();
    let bytes = readable(found.segments.iter().map(|segment| segment.bytes).sum());
    writeln!(out, "{}: {bytes} in {}, positions {first} to {last}", log.display(), count(files, "file"))?;
    writeln!(
        out,
        "events {}, other entries {}, sessions {}, keys {}",
        found.events, found.acts, found.sessions, found.keys
    )?;
    for SegmentReport { file, bytes, first, last, created_ms, last_ms } in &found.segments {
        let (from, to) = (utc(*created_ms), utc(*last_ms));
        writeln!(out, "  {file}  {first} to {last}  {}  {from} to {to}", readable(*bytes))?;
    }
    if !found.rooms.is_empty() {
        writeln!(out, "rooms")?;
    }
    for RoomReport { ns, room, events, bytes, last } in &found.rooms {
        // Names can have anything in them, also what a terminal would obey.
        let events = count(usize::try_from(*events).unwrap_or(usize::MAX), "event");
        writeln!(out, "  {} {}  {events}  {}  last {last}", plain(ns), plain(room), readable(*bytes))?;
    }
    Ok(())
}

fn inspect_json(found: &Inspection, out: &mut impl Write) -> Result<(), Failure> {
    let (first, last) = ends(found);
    let log = json!({
        "kind": "log", "epoch": found.epoch.map(|epoch| format!("{epoch:016x}")), "synced": found.synced, "first": first,
        "last": last, "bytes": found.segments.iter().map(|segment| segment.bytes).sum::<u64>(), "events": found.events,
        "other_entries": found.acts, "sessions": found.sessions, "keys": found.keys,
    });
    line(&log, out)?;
    for SegmentReport { file, bytes, first, last, created_ms, last_ms } in &found.segments {
        let (first, last) = (first.number(), last.number());
        let segment = json!({
            "kind": "file", "file": file, "bytes": bytes, "first": first, "last": last, "created_ms": created_ms,
            "last_ms": last_ms,
        });
        line(&segment, out)?;
    }
    for RoomReport { ns, room, events, bytes, last } in &found.rooms {
        let (ns, room, last) = (&**ns, &**room, last.number());
        let room = json!({ "kind": "room", "ns": ns, "room": room, "events": events, "bytes": bytes, "last": last });
        line(&room, out)?;
    }
    Ok(())
}

/// The oldest and the newest position; the newest is one less if there is nothing.
fn ends(found: &Inspection) -> (u64, u64) {
    let first = found.segments.first().map_or(1, |segment| segment.first.number());
    (first, found.segments.last().map_or(0, |segment| segment.last.number()))
}

/// Checks a log, and prints what was found file by file.
pub(super) fn verify(log: &Path, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let reports = store::verify(log)?;
    for report in &reports {
        let FileReport { file, bytes, records, entries, sealed, unfinished, damage } = report;
        if json {
            let damage = damage.as_ref().map(|damage| json!({ "offset": damage.offset, "what": damage.what }));
            let report = json!({
                "file": file, "bytes": bytes, "records": records, "entries": entries, "sealed": sealed,
                "unfinished": unfinished, "damage": damage,
            });
            line(&report, out)?;
            continue;
        }
        let state = match damage {
            Some(damage) => format!("damaged at byte {} ({})", damage.offset, damage.what),
            None if *unfinished > 0 => format!("sound, {} not finished at its end", readable(*unfinished)),
            None => "sound".to_owned(),
        };
        writeln!(out, "{file}  {}  {} in {}  {state}", readable(*bytes), counted(*entries), counted_records(*records))?;
    }
    match reports.into_iter().find_map(|report| report.damage) {
        Some(damage) => Err(Failure::Damaged(damage.to_string())),
        None => Ok(()),
    }
}

/// Copies a log, and prints what of it.
pub(super) fn backup(log: &Path, to: &Path, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let done = store::backup(log, to)?;
    let (segments, bytes, last) = (done.segments, done.bytes, done.last.number());
    if json {
        return line(&json!({ "to": to.to_string_lossy(), "files": segments, "bytes": bytes, "last": last }), out);
    }
    let files = count(segments, "file");
    writeln!(out, "{} is in {}: {} in {files}, up to position {last}", log.display(), to.display(), readable(bytes))?;
    Ok(())
}

fn line(value: &impl Serialize, out: &mut impl Write) -> Result<(), Failure> {
    serde_json::to_writer(&mut *out, value)?;
    Ok(writeln!(out)?)
}

fn counted(entries: u64) -> String {
    if entries == 1 { "1 entry".to_owned() } else { format!("{entries} entries") }
}

fn counted_records(records: u64) -> String {
    count(usize::try_from(records).unwrap_or(usize::MAX), "record")
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// A name without what a terminal would obey.
fn plain(name: &str) -> impl std::fmt::Display {
    name.escape_debug()
}
