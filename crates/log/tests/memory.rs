//! The ring in memory against the conformance kit, and how much it keeps.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use trunkline_delivery::{Act, Names, Position, Target};
use trunkline_log::{Adapter, Batch, Memory, MemoryLimits, NewEntry, PageLimit, kit};

#[test]
fn the_ring_conforms() {
    finish(kit::conforms(async || Arc::new(Memory::default()) as Arc<dyn Adapter>));
}

#[test]
fn the_ring_forgets_what_is_over() {
    let by_entries = MemoryLimits { entries: 3, ..MemoryLimits::default() };
    let by_bytes = MemoryLimits { bytes: 1000, ..MemoryLimits::default() };
    for limits in [by_entries, by_bytes] {
        finish(kit::forgets(&Memory::new(limits), 10));
    }
}

#[test]
fn the_newest_entry_stays_however_large_it_is() {
    let log = Memory::new(MemoryLimits { entries: 10, bytes: 1, ..MemoryLimits::default() });
    let large = Act::Join(Names::from_elem("r".repeat(1000).as_str().into(), 1));
    for _ in 0..2 {
        let batch = vec![NewEntry { target: Target::everyone("/".into()), act: large.clone() }];
        finish(log.append(Batch { entries: batch, keyed: None })).expect("an open log takes a batch");
    }
    log.tail(Position::ZERO);
    let page = finish(log.read(Position::new(1), PageLimit { entries: 9, bytes: 1 })).expect("the newest is kept");
    assert_eq!(page.entries.len(), 1);
}

/// The ring answers at once, so there is nothing to wait for.
fn finish<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    for _ in 0..100 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
    panic!("the ring makes somebody wait");
}
