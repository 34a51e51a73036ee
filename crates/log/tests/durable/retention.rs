//! Which segments go and which stay: age and bytes, what must be kept, pins, what the tail has not shown, keys that are
//! carried; and reading old pages while segments come and go.

use std::sync::Arc;
use std::time::Duration;

use trunkline_delivery::{Act, Position, Target};
use trunkline_log::{
    Adapter, Appended, Batch, Durable, DurableOptions, HistoryQuery, Keep, NewEntry, PageLimit, ReadError, Take,
};

use crate::disk::Machine;
use crate::run::{EVERYTHING, append, event, events, finish, folder, keyed, name, names, open};

fn options(entries: u64, keys: u64) -> DurableOptions {
    let keep = Keep { entries: Duration::from_millis(entries), keys: Duration::from_millis(keys) };
    DurableOptions { keep, segment_bytes: 300, max_bytes: 1500, ring_bytes: 1, ..DurableOptions::default() }
}

fn fill(log: &Durable, batches: usize) {
    for number in 0..batches {
        append(log, events(&[&number.to_string()])).expect("the disk takes it");
        log.tail(log.committed());
    }
}

fn oldest(log: &Durable) -> Position {
    match finish(log.read(Position::ZERO, EVERYTHING)) {
        Err(ReadError::Gone { oldest }) => oldest,
        _ => Position::new(1),
    }
}

#[test]
fn what_is_over_goes_but_not_what_must_be_kept() {
    let machine = Machine::new(1);
    let log = open(&machine, options(1000, 0)).expect("an empty disk");
    fill(&log, 100);
    assert_eq!(oldest(&log), Position::new(1), "everything is younger than a second");
    machine.pass(1001);
    fill(&log, 20);
    assert!(oldest(&log) > Position::new(80) && oldest(&log) <= Position::new(101), "{}", oldest(&log));
    log.keep(Keep { entries: Duration::ZERO, keys: Duration::ZERO });
    fill(&log, 1);
    assert!(oldest(&log) > Position::new(101));
    let left = machine.files().len();
    drop(log);
    assert!(machine.files().len() <= left && machine.files().len() < 15, "{:?}", machine.files());
}

#[test]
fn age_alone_lets_a_quiet_log_go() {
    let machine = Machine::new(1);
    let options = DurableOptions { max_age: Duration::from_secs(10), max_bytes: u64::MAX, ..options(0, 0) };
    let options = DurableOptions { segment_age: Duration::from_secs(1), segment_bytes: 1 << 20, ..options };
    let log = open(&machine, options).expect("an empty disk");
    fill(&log, 10);
    machine.pass(5_000);
    fill(&log, 1);
    assert_eq!(oldest(&log), Position::new(1));
    machine.pass(5_001);
    fill(&log, 1);
    assert_eq!(oldest(&log), Position::new(11));
}

#[test]
fn a_pin_holds_until_it_is_twice_too_much() {
    let machine = Machine::new(1);
    let log = open(&machine, options(0, 0)).expect("an empty disk");
    fill(&log, 3);
    let pin = log.pin(Position::new(2)).expect("it is kept");
    fill(&log, 12);
    assert!(oldest(&log) <= Position::new(3), "it is pinned");
    fill(&log, 40);
    assert!(oldest(&log) > Position::new(3), "a pin is bounded");
    assert!(matches!(log.pin(Position::new(2)), Err(ReadError::Gone { .. })));
    drop(pin);
}

#[test]
fn what_the_tail_has_not_shown_stays() {
    let machine = Machine::new(1);
    let log = open(&machine, options(0, 0)).expect("an empty disk");
    for number in 0..50 {
        append(&log, events(&[&number.to_string()])).expect("the disk takes it");
    }
    assert_eq!((oldest(&log), log.tail(Position::ZERO).entries.len()), (Position::new(1), 50));
    append(&log, events(&["x"])).expect("the disk takes it");
    assert!(oldest(&log) > Position::new(1));
}

#[test]
fn keys_are_carried_while_they_are_promised() {
    let machine = Machine::new(1);
    let log = open(&machine, options(0, 10_000)).expect("an empty disk");
    for number in 0..40 {
        append(&log, keyed(&format!("key {number}"), &format!("answer {number}"), &["e"])).expect("the disk takes it");
        machine.pass(100);
        log.tail(log.committed());
    }
    fill(&log, 40);
    assert!(oldest(&log) > Position::new(40), "the segments that held the keys are gone");
    drop(log);
    let log = open(&machine, options(0, 10_000)).expect("it was closed");
    for number in 0..40 {
        let again = append(&log, keyed(&format!("key {number}"), "another", &["again"]));
        assert_eq!(again, Ok(Appended::Known(format!("answer {number}").into())));
    }
    machine.pass(8_050);
    let again = append(&log, keyed("key 0", "another", &["again"]));
    assert!(matches!(again, Ok(Appended::New(_))), "ten seconds after its commit, not after it was carried: {again:?}");
    assert_eq!(append(&log, keyed("key 39", "x", &[])), Ok(Appended::Known("answer 39".into())));
}

#[test]
fn keys_have_a_bound() {
    let machine = Machine::new(1);
    let log = open(&machine, DurableOptions { keys_bytes: 1000, ..options(0, 1000) }).expect("an empty disk");
    let taken = (0..20).filter(|number| append(&log, keyed(&number.to_string(), "", &["a"])).is_ok()).count();
    assert!((3..20).contains(&taken), "{taken}");
    machine.pass(1001);
    append(&log, keyed("later", "", &["a"])).expect("the old ones are forgotten");
}

#[test]
fn old_pages_are_read_while_segments_come_and_go() {
    let options = DurableOptions { max_bytes: 60_000, segment_bytes: 2000, ..options(0, 0) };
    let dir = folder();
    let log = Arc::new(Durable::open(&dir, options).expect("an empty folder"));
    let reader = {
        let log = log.clone();
        std::thread::spawn(move || {
            let (mut upto, mut read, mut gaps) = (Position::ZERO, 0_u64, 0);
            while upto < Position::new(3000) {
                match finish(log.read(upto, PageLimit { entries: 50, bytes: 1 << 20 })) {
                    Ok(page) => {
                        for entry in page.entries {
                            assert_eq!(entry.position, upto.next());
                            assert_eq!(name(&entry), (entry.position.number() - 1).to_string());
                            upto = entry.position;
                            read += 1;
                        }
                        finish(log.changed(upto.min(Position::new(2999))));
                    }
                    Err(ReadError::Gone { oldest }) => {
                        assert!(oldest > upto.next());
                        upto = oldest.before();
                        gaps += 1;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            (read, gaps)
        })
    };
    for number in 0..3000 {
        append(&log, events(&[&number.to_string()])).expect("the disk takes it");
        log.tail(log.committed());
    }
    let (read, gaps) = reader.join().expect("the reader finds everything in place");
    assert!(read > 0 && read <= 3000, "{read} read, {gaps} gaps");
}

#[test]
fn readers_at_one_place_cost_one_read() {
    let machine = Machine::new(1);
    let log = open(&machine, DurableOptions { max_bytes: 1 << 30, ..options(0, 0) }).expect("an empty disk");
    fill(&log, 30);
    assert_eq!((log.stats().writes, log.stats().blocks_read), (30, 0));
    let before = machine.reads();
    let limit = PageLimit { entries: 2, bytes: 1 << 20 };
    for _ in 0..100 {
        assert_eq!(finish(log.read(Position::new(3), limit)).expect("it is kept").entries.len(), 2);
    }
    assert!(machine.reads() - before <= 2, "{} reads", machine.reads() - before);
    let stats = log.stats();
    assert_eq!((stats.oldest, stats.keys_bytes, stats.queued_bytes), (Position::new(1), 0, 0));
    assert!(stats.blocks_read <= 2 && stats.segments > 2 && stats.bytes > 300, "{stats:?}");
}

#[test]
fn histories_of_quiet_rooms_do_not_read_the_busy_ones() {
    let machine = Machine::new(1);
    let options = DurableOptions { max_bytes: 1 << 30, segment_bytes: 500_000, ..options(0, 0) };
    let log = open(&machine, options).expect("an empty disk");
    let busy = || Batch { entries: (0..1000).map(|_| event("busy", "x")).collect(), keyed: None };
    let quiet = |name: &str| Batch { entries: vec![event("quiet", name)], keyed: None };
    for number in 0..5 {
        append(&log, busy()).expect("the disk takes it");
        append(&log, quiet(&number.to_string())).expect("the disk takes it");
        append(&log, busy()).expect("the disk takes it");
    }
    let ask = |take, after| {
        let query = HistoryQuery { ns: "/".into(), room: "quiet".into(), after, take };
        let found = finish(log.history(query)).expect("it is all kept");
        found.iter().map(|entry| name(entry)).collect::<Vec<_>>()
    };
    let before = machine.reads();
    assert_eq!(ask(Take::Newest(2), Position::ZERO), ["3", "4"]);
    assert_eq!(ask(Take::Oldest(2), Position::ZERO), ["0", "1"]);
    assert_eq!(ask(Take::Oldest(9), Position::new(4003)), ["2", "3", "4"]);
    assert!(machine.reads() - before <= 10, "{} reads", machine.reads() - before);
}

#[test]
fn acts_are_those_that_sessions_need() {
    let machine = Machine::new(1);
    let act = || Batch {
        entries: vec![NewEntry { target: Target::socket("/".into(), "id".into()), act: Act::End }, event("r", "x")],
        keyed: None,
    };
    let options = DurableOptions { max_bytes: 1 << 30, ..options(1000, 0) };
    let log = open(&machine, options.clone()).expect("an empty disk");
    for _ in 0..10 {
        append(&log, act()).expect("the disk takes it");
        machine.pass(200);
    }
    drop(log);
    // A server that was down for long finds what was recent when it went.
    machine.pass(1_000_000);
    let log = open(&machine, options).expect("it was closed");
    let acts: Vec<_> = finish(log.acts()).expect("they can be read").iter().map(|act| act.position.number()).collect();
    assert_eq!(acts, [9, 11, 13, 15, 17, 19]);
}

#[test]
fn a_large_log_is_opened_again() {
    let dir = folder();
    let options = DurableOptions { ring_bytes: 1 << 20, segment_bytes: 8 << 20, ..DurableOptions::default() };
    let log = Durable::open(&dir, options.clone()).expect("an empty folder");
    let batch = || Batch { entries: (0..1000).map(|number| event("r", &number.to_string())).collect(), keyed: None };
    let appends: Vec<_> = (0..200).map(|_| log.append(batch())).collect();
    appends.into_iter().for_each(|append| drop(finish(append).expect("the disk takes it")));
    drop(log);
    let log = Durable::open(&dir, options).expect("it was closed");
    assert_eq!(log.committed(), Position::new(200_000));
    let page = finish(log.read(Position::new(123_455), PageLimit { entries: 2, bytes: 1 << 20 })).expect("it is kept");
    assert_eq!(page.entries.iter().map(|entry| name(entry)).collect::<Vec<_>>(), ["455", "456"]);
    assert_eq!(names(&log).expect("it is all kept").len(), 200_000);
}
