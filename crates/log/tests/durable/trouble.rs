//! Disks that are full or fail, and directories that cannot be had.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use trunkline_log::{Adapter, AppendError, Appended, Durable, DurableOptions, OpenError};

use crate::disk::Machine;
use crate::run::{append, events, finish, folder, keyed, names, open};

fn is_unavailable(result: &Result<Appended, AppendError>) -> bool {
    matches!(result, Err(AppendError::Unavailable(_)))
}

#[test]
fn a_full_disk_refuses_until_there_is_room() {
    let long = "b".repeat(300);
    for room in (0..350).step_by(5) {
        let machine = Machine::new(room as u64);
        let options = DurableOptions { segment_bytes: 300, ..DurableOptions::default() };
        let log = open(&machine, options.clone()).expect("an empty disk");
        append(&log, events(&["a"])).expect("there is room");
        machine.set_capacity(Some(machine.used() + room));
        let refused = append(&log, keyed("k", "lost", &[&long, "c"]));
        assert!(is_unavailable(&refused), "room {room}: {refused:?}");
        assert!(log.trouble().is_some());
        machine.set_capacity(None);
        append(&log, keyed("k", "kept", &["d"])).expect("a key that was refused is free");
        assert_eq!(log.trouble(), None);
        // Its process is killed: closing would tidy up.
        let epoch = log.epoch();
        let storage = machine.process();
        drop(log);
        let log = Durable::open_on(storage, options).expect("nothing is left of what was refused");
        assert_eq!(log.epoch(), epoch, "room {room}: there was nothing to repair");
        assert_eq!(names(&log), Ok(vec!["a".to_owned(), "d".to_owned()]), "room {room}");
        assert_eq!(finish(log.answer(b"k")), Ok(Some("kept".into())));
    }
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged() {
    let machine = Machine::new(1);
    let options = DurableOptions { fsync: true, ..DurableOptions::default() };
    let log = open(&machine, options.clone()).expect("an empty disk");
    append(&log, keyed("old", "kept", &["a"])).expect("the disk takes it");
    machine.fail_to_sync(true);
    let same_group = [log.append(keyed("k", "x", &["b"])), log.append(keyed("k", "y", &["c"]))];
    for refused in same_group.map(finish) {
        assert!(is_unavailable(&refused), "{refused:?}");
    }
    machine.fail_to_sync(false);
    assert!(is_unavailable(&append(&log, events(&["d"]))), "a sync is not tried again");
    assert!(is_unavailable(&append(&log, events(&[]))), "nothing at all is taken");
    assert_eq!(append(&log, keyed("old", "x", &[])), Ok(Appended::Known("kept".into())));
    assert!(log.trouble().is_some_and(|why| why.contains("restart the process")));
    assert_eq!(names(&log), Ok(vec!["a".to_owned()]), "what is committed can still be read");
    drop(log);
    let log = open(&machine, options).expect("the restart is what is asked for");
    assert_eq!((names(&log), log.trouble()), (Ok(vec!["a".to_owned()]), None));
}

#[test]
fn a_directory_is_had_once() {
    let machine = Machine::new(1);
    let log = open(&machine, DurableOptions::default()).expect("an empty disk");
    let second = Durable::open_on(machine.beside(), DurableOptions::default());
    assert!(matches!(second, Err(OpenError::InUse)));
    finish(log.close());
    Durable::open_on(machine.beside(), DurableOptions::default()).expect("it was closed");
    let dir = folder();
    let log = Durable::open(&dir, DurableOptions::default()).expect("an empty folder");
    let error = Durable::open(&dir, DurableOptions::default()).expect_err("it is open");
    assert!(error.to_string().contains("in use by another process"), "{error}");
    drop(log);
    Durable::open(&dir, DurableOptions::default()).expect("it was dropped");
}

#[test]
fn a_directory_of_another_process_is_in_use() {
    let dir = folder();
    // util-linux's flock takes the same lock; it says a line when it has it, and goes when its input ends.
    let mut other = Command::new("flock");
    other.arg(dir.join("lock")).args(["sh", "-c", "echo locked; read line"]);
    let Ok(mut other) = other.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else { return };
    let mut said = [0; 7];
    let mut output = other.stdout.take().expect("it is piped");
    std::io::Read::read_exact(&mut output, &mut said).expect("it gets the lock");
    assert!(matches!(Durable::open(&dir, DurableOptions::default()), Err(OpenError::InUse)));
    drop(other.stdin.take());
    other.wait().expect("it ends");
    Durable::open(&dir, DurableOptions::default()).expect("the other one has gone");
}

#[test]
fn what_is_no_directory_of_ours_is_told_in_a_sentence() {
    let dir = folder();
    let file = dir.join("file");
    fs::write(&file, "x").expect("a file");
    for path in [file.clone(), file.join("below")] {
        let error = Durable::open(&path, DurableOptions::default()).expect_err("a file is no directory");
        assert!(matches!(error, OpenError::NotADirectory(_)), "{error}");
    }
    let closed = dir.join("closed");
    fs::create_dir(&closed).expect("a folder");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).expect("it is ours");
    // Permissions do not stop root.
    if fs::write(closed.join("probe"), "x").is_err() {
        let error = Durable::open(&closed, DurableOptions::default()).expect_err("it cannot be written");
        assert!(error.to_string().contains("let this user"), "{error}");
    }
}

#[test]
fn a_queue_that_is_full_refuses() {
    let machine = Machine::new(1);
    let log = open(&machine, DurableOptions { queue_bytes: 0, ..DurableOptions::default() }).expect("an empty disk");
    let appends: Vec<_> = (0..2000).map(|_| log.append(events(&["a"]))).collect();
    let refused = appends.into_iter().map(finish).filter(is_unavailable).count();
    let kept = names(&log).expect("it is all kept").len();
    assert_eq!(kept + refused, 2000);
}
