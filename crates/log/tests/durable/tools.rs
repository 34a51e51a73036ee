//! The tools beside the server: they see what is there, while it is written as well, and a backup opens as a log of its own.

use std::fs;

use trunkline_delivery::{Act, Position, Target};
use trunkline_log::durable::tools::{backup, entries, inspect, verify};
use trunkline_log::{Adapter, Appended, Batch, Durable, DurableOptions, NewEntry};

use crate::run::{append, event, events, folder, keyed, name, names};

fn options() -> DurableOptions {
    DurableOptions { segment_bytes: 500, ..DurableOptions::default() }
}

fn fill(log: &Durable, batches: usize) {
    for _ in 0..batches {
        let number = log.committed().number();
        append(log, events(&[&number.to_string(), &(number + 1).to_string()])).expect("the disk takes it");
    }
}

#[test]
fn what_is_in_a_directory_is_counted() {
    let dir = folder();
    let log = Durable::open(&dir, options()).expect("an empty folder");
    fill(&log, 20);
    append(&log, keyed("k", "x", &["e"])).expect("the disk takes it");
    let end = NewEntry { target: Target::socket("/".into(), "id".into()), act: Act::End };
    append(&log, Batch { entries: vec![event("other", "y"), end], keyed: None }).expect("the disk takes it");
    let seen = inspect(&dir).expect("it is sound");
    assert_eq!((seen.epoch, seen.events, seen.acts, seen.keys, seen.sessions), (Some(log.epoch()), 42, 1, 1, 0));
    assert!(seen.segments.len() > 2 && seen.segments[0].first == Position::new(1));
    assert!(seen.segments.windows(2).all(|pair| pair[0].last.next() == pair[1].first));
    let rooms: Vec<_> = seen.rooms.iter().map(|room| (&*room.room, room.events, room.last.number())).collect();
    assert_eq!(rooms, [("other", 1, 42), ("r", 41, 41)]);
    let reports = verify(&dir).expect("it can be read");
    assert!(reports.iter().all(|report| report.damage.is_none() && report.unfinished == 0), "{reports:?}");
    assert_eq!(reports.iter().map(|report| report.entries).sum::<u64>(), 43);
    assert_eq!(reports.iter().filter(|report| !report.sealed).count(), 2, "meta and the open segment");
}

#[test]
fn damage_is_reported_with_its_place() {
    let dir = folder();
    let log = Durable::open(&dir, options()).expect("an empty folder");
    fill(&log, 30);
    drop(log);
    let path = dir.join("0000000002.log");
    let mut bytes = fs::read(&path).expect("it is there");
    bytes[64 + 50] ^= 1;
    fs::write(&path, bytes).expect("it is ours");
    let reports = verify(&dir).expect("it can be read");
    let damaged: Vec<_> = reports.iter().filter_map(|report| report.damage.clone()).collect();
    assert_eq!(damaged[0].to_string(), "0000000002.log is damaged at byte 64 (the body of a record is wrong)");
    assert!(inspect(&dir).is_err());
    let read: Vec<_> = entries(&dir, Position::ZERO).expect("a directory").collect();
    assert!(read.last().is_some_and(Result::is_err) && read[..read.len() - 1].iter().all(Result::is_ok));
}

#[test]
fn a_footer_that_a_crash_has_torn_is_no_damage() {
    let dir = folder();
    let log = Durable::open(&dir, options()).expect("an empty folder");
    fill(&log, 30);
    drop(log);
    let path = dir.join("0000000002.log");
    let bytes = fs::read(&path).expect("it is there");
    fs::write(&path, &bytes[..bytes.len() - 20]).expect("it is ours");
    let reports = verify(&dir).expect("it can be read");
    assert!(reports.iter().all(|report| report.damage.is_none()), "{reports:?}");
    assert_eq!(inspect(&dir).expect("it is sound").events, 60);
    assert!(entries(&dir, Position::ZERO).expect("a directory").all(|stored| stored.is_ok()));
    let log = Durable::open(&dir, options()).expect("it is made again");
    assert_eq!(names(&log).expect("it is all kept").len(), 60);
}

#[test]
fn entries_are_followed_while_they_are_written() {
    let dir = folder();
    let log = Durable::open(&dir, options()).expect("an empty folder");
    fill(&log, 10);
    let mut following = entries(&dir, Position::new(7)).expect("a directory");
    let mut seen = Vec::new();
    for _ in 0..20 {
        seen.extend(following.by_ref().map(|stored| stored.expect("it is sound").entry));
        assert_eq!(seen.last().map(|entry| entry.position), Some(log.committed()));
        fill(&log, 3);
    }
    let numbers: Vec<_> = seen.iter().map(|entry| entry.position.number()).collect();
    assert_eq!(numbers, (8..8 + numbers.len() as u64).collect::<Vec<_>>());
    assert!(seen.iter().all(|entry| name(entry) == (entry.position.number() - 1).to_string()));
    let tail: Vec<_> = entries(&dir, Position::new(70)).expect("a directory").collect();
    assert_eq!(tail.len() as u64, log.committed().number() - 70);
}

#[test]
fn a_backup_of_a_running_log_opens_as_one_of_its_own() {
    let (dir, copies) = (folder(), folder());
    let to = copies.join("copy");
    let log = Durable::open(&dir, options()).expect("an empty folder");
    append(&log, keyed("k", "kept", &[])).expect("the disk takes it");
    fill(&log, 20);
    let made = backup(&dir, &to).expect("there is room");
    let at_backup = names(&log).expect("it is all kept");
    fill(&log, 20);
    assert_eq!((made.last.number(), made.segments > 2), (at_backup.len() as u64, true));
    assert!(backup(&dir, &to).is_err_and(|error| error.to_string().contains("not empty")));
    let mut epochs = vec![log.epoch()];
    for number in 0..2 {
        let again = copies.join(format!("restored {number}"));
        backup(&to, &again).expect("a backup is a data directory as well");
        let restored = Durable::open(&again, options()).expect("a backup is sound");
        assert_eq!(names(&restored).expect("it is all kept"), at_backup);
        assert_eq!(append(&restored, keyed("k", "x", &["lost"])), Ok(Appended::Known("kept".into())));
        fill(&restored, 5);
        epochs.push(restored.epoch());
    }
    assert!(epochs.iter().all(|epoch| epochs.iter().filter(|other| *other == epoch).count() == 1), "{epochs:?}");
    assert_eq!(names(&log).expect("it is all kept").len(), at_backup.len() + 40, "the original goes on");
    assert!(verify(&dir).expect("it can be read").iter().all(|report| report.damage.is_none()));
}

/// The corpus of the decoder holds a segment that was put together by the text of `docs/log-format.md` alone.
#[test]
fn the_format_is_the_one_that_is_drawn() {
    let (dir, corpus) = (folder(), concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/log_record/"));
    fs::copy(format!("{corpus}05"), dir.join("0000000001.log")).expect("it is in the corpus");
    let reports = verify(&dir).expect("it can be read");
    let [_, segment] = &reports[..] else { panic!("{reports:?}") };
    assert_eq!((segment.damage.as_ref(), segment.records, segment.entries), (None, 2, 8));
    let log = Durable::open(&dir, options()).expect("it is sound");
    assert_eq!(log.committed(), Position::new(8));
    let read = names(&log).expect("it is sound");
    assert_eq!((read[0].as_str(), read[1].as_str(), read[7].as_str()), ("msg", "7", "End"));
}
