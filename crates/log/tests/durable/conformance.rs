//! The conformance kit on real files and on the simulated disk, with a ring that holds everything and one that holds next to
//! nothing.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use trunkline_log::{Adapter, Durable, DurableOptions, Keep, kit};

use crate::disk::Machine;
use crate::run::{finish, folder};

fn small_ring(fsync: bool) -> DurableOptions {
    DurableOptions { ring_bytes: 1, segment_bytes: 4096, fsync, ..DurableOptions::default() }
}

#[test]
fn the_store_conforms_on_files() {
    for options in [DurableOptions::default(), small_ring(false), small_ring(true)] {
        let (dir, number) = (folder(), Cell::new(0));
        finish(kit::conforms(async || {
            number.set(number.get() + 1);
            let log = Durable::open(dir.join(number.get().to_string()), options.clone());
            Arc::new(log.expect("an empty folder")) as Arc<dyn Adapter>
        }));
    }
}

#[test]
fn the_store_conforms_on_the_simulated_disk() {
    for options in [DurableOptions::default(), small_ring(true)] {
        finish(kit::conforms(async || {
            let storage = Machine::new(1).process();
            Arc::new(Durable::open_on(storage, options.clone()).expect("an empty disk")) as Arc<dyn Adapter>
        }));
    }
}

#[test]
fn the_store_forgets_what_is_over() {
    let keep = Keep { entries: Duration::ZERO, keys: Duration::ZERO };
    let options = DurableOptions { max_bytes: 2000, keep, segment_bytes: 200, ..small_ring(false) };
    let dir = folder();
    let log = Durable::open(&dir, options).expect("an empty folder");
    finish(kit::forgets(&log, 30));
}
