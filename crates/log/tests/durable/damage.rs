//! Files that are not what was written: torn at every length, with one bit flipped, missing, or of a later version. What is
//! in the middle is reported, what was torn is repaired, and nothing that was acknowledged is missing in silence.

use std::time::Duration;

use trunkline_log::durable::Damage;
use trunkline_log::{Adapter, DurableOptions, Keep, OpenError};

use crate::disk::Machine;
use crate::rng::Rng;
use crate::run::{append, events, keyed, names, open};

fn options() -> DurableOptions {
    let keep = Keep { entries: Duration::from_secs(60), keys: Duration::from_secs(60) };
    DurableOptions { segment_bytes: 300, keep, ..DurableOptions::default() }
}

/// A log of a few segments, closed or not, and the names in it.
fn written(seed: u64) -> (Machine, Vec<String>, u64) {
    let machine = Machine::new(seed);
    let log = open(&machine, options()).expect("an empty disk");
    for number in 0..12 {
        let (a, b) = (format!("{number}a"), format!("{number}b"));
        let batch = if number % 5 == 0 { keyed(&a, &b, &[&a, &b]) } else { events(&[&a, &b]) };
        append(&log, batch).expect("the disk takes it");
    }
    let names = names(&log).expect("it is all kept");
    let epoch = log.epoch();
    // Killed: what is on the disk is as the last write left it.
    let _next = machine.process();
    drop(log);
    (machine, names, epoch)
}

fn newest(machine: &Machine) -> String {
    machine.files().into_iter().filter(|name| name.ends_with(".log")).max().expect("a segment")
}

#[test]
fn a_torn_tail_is_cut_off_at_every_length() {
    let (whole, all, epoch) = written(1);
    let name = newest(&whole);
    let full = whole.with_file(&name, |bytes| bytes.len());
    let mut fewest = all.len();
    for len in (0..full).rev() {
        let machine = whole.copy(1);
        machine.with_file(&name, |bytes| bytes.truncate(len));
        let log = open(&machine, options()).unwrap_or_else(|error| panic!("{len} bytes: {error}"));
        let kept = names(&log).unwrap_or_else(|error| panic!("{len} bytes: {error}"));
        assert!(all.starts_with(&kept) && kept.len().is_multiple_of(2), "{len} bytes: {kept:?}");
        assert!(kept.len() <= fewest, "{len} bytes");
        fewest = kept.len();
        assert_eq!(log.epoch(), epoch, "{len} bytes: what is torn was not acknowledged");
        append(&log, events(&["after"])).expect("the disk takes it");
        drop(log);
        let log = open(&machine, options()).unwrap_or_else(|error| panic!("{len} bytes, again: {error}"));
        assert_eq!(names(&log), Ok([&kept[..], &["after".to_owned()]].concat()), "{len} bytes");
    }
    assert!(fewest < all.len());
}

#[test]
fn one_flipped_bit_is_never_silent() {
    let (whole, all, epoch) = written(1);
    let mut rng = Rng::new(7);
    let (mut refused, mut unreadable, mut repaired) = (0, 0, 0);
    for file in whole.files() {
        let bits = 8 * whole.with_file(&file, |bytes| bytes.len());
        for _ in 0..150.min(bits) {
            let bit = rng.below(bits);
            let context = format!("{file}, bit {bit}");
            let machine = whole.copy(1);
            machine.with_file(&file, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            let log = match open(&machine, options()) {
                Ok(log) => log,
                Err(OpenError::Damaged(damage)) => {
                    assert_eq!(damage.file, file, "{context}: {damage}");
                    refused += 1;
                    continue;
                }
                Err(OpenError::Newer { .. }) => panic!("{context}: a checksum covers the version"),
                Err(error) => panic!("{context}: {error}"),
            };
            match names(&log) {
                Err(_) => unreadable += 1,
                Ok(kept) if kept == all => {}
                Ok(kept) => {
                    assert_eq!(file, newest(&whole), "{context}");
                    assert_eq!(kept, all[..all.len() - 2], "{context}: only the last record is cut off");
                    assert_ne!(log.epoch(), epoch, "{context}: it may have been acknowledged");
                    repaired += 1;
                }
            }
        }
    }
    assert!(
        refused > 0 && unreadable > 0 && repaired > 0,
        "{refused} refused, {unreadable} unreadable, {repaired} cut"
    );
}

#[test]
fn what_a_later_write_stands_behind_is_damage_after_a_restart_of_the_machine_as_well() {
    let machine = Machine::new(1);
    let options = DurableOptions { fsync: true, ..DurableOptions::default() };
    let log = open(&machine, options.clone()).expect("an empty disk");
    for name in ["a", "b", "c"] {
        append(&log, events(&[name])).expect("the disk takes it");
    }
    drop(log);
    machine.with_file("0000000001.log", |bytes| bytes[64 + 45] ^= 1);
    machine.reboot();
    let Err(OpenError::Damaged(damage)) = open(&machine, options) else { panic!("it was synced") };
    assert_eq!((damage.file.as_str(), damage.offset), ("0000000001.log", 64));
}

#[test]
fn a_missing_segment_is_damage() {
    let (machine, ..) = written(1);
    machine.forget("0000000002.log");
    let Err(OpenError::Damaged(Damage { file, .. })) = open(&machine, options()) else { panic!("a gap is damage") };
    assert_eq!(file, "0000000003.log");
}

#[test]
fn without_its_meta_a_log_takes_a_new_epoch() {
    let (machine, all, epoch) = written(1);
    machine.forget("meta");
    let log = open(&machine, options()).expect("the segments are sound");
    assert_eq!(names(&log), Ok(all));
    assert_ne!(log.epoch(), epoch);
}

#[test]
fn a_later_version_is_refused_and_left_alone() {
    let (whole, ..) = written(1);
    for (file, version, crc) in [("meta", 8, 60), ("0000000002.log", 8, 60), (newest(&whole).as_str(), 64 + 12, 64)] {
        let machine = whole.copy(1);
        machine.with_file(file, |bytes| {
            bytes[version] = 2;
            let sum = if crc == 60 { crc32(&bytes[..60]) } else { crc32(&bytes[68..104]) };
            bytes[crc..crc + 4].copy_from_slice(&sum.to_le_bytes());
        });
        let before = machine.with_file(file, |bytes| bytes.clone());
        let error = open(&machine, options()).expect_err("a later version is not understood");
        assert!(matches!(&error, OpenError::Newer { file: named, version: 2 } if named == file), "{error}");
        assert!(error.to_string().contains("run the program that wrote it"), "{error}");
        assert_eq!(machine.with_file(file, |bytes| bytes.clone()), before);
    }
}

/// As the format says it, without the crate that the store uses.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}
