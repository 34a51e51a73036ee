//! What an append costs: CPU time an entry by size of batch, latency of a commit, and how long a large log takes to open.
//! Run by hand: `cargo run --release -p trunkline-log --example append -- DIR [fsync]`; DIR is made, and should be empty.

#![allow(clippy::print_stdout, reason = "it is a program that prints")]

use std::path::Path;
use std::time::Instant;

use trunkline_delivery::{Act, Names, Target};
use trunkline_log::kit::finish;
use trunkline_log::{Adapter, Batch, Durable, DurableOptions, NewEntry};
use trunkline_proto::{Args, Event};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(dir) = arguments.next() else { return eprintln!("append DIR [fsync]") };
    let fsync = arguments.next().is_some();
    let dir = Path::new(&dir);
    for size in [1, 16, 64, 1024] {
        let batches = if fsync { 1000 } else { 400_000 / size.max(4) };
        cost(&dir.join(size.to_string()), size, batches, fsync);
    }
    if !fsync {
        reopen(&dir.join("large"));
    }
}

fn open(dir: &Path, fsync: bool) -> Durable {
    Durable::open(dir, DurableOptions { fsync, max_bytes: 1 << 40, ..DurableOptions::default() }).expect("a directory")
}

fn cost(dir: &Path, size: usize, batches: usize, fsync: bool) {
    let log = open(dir, fsync);
    let made: Vec<_> = (0..batches).map(|_| batch(size)).collect();
    let (cpu, start) = (cpu_seconds(), Instant::now());
    let mut latencies: Vec<_> = made
        .into_iter()
        .map(|batch| {
            let start = Instant::now();
            finish(log.append(batch)).expect("the disk takes it");
            log.tail(log.committed());
            start.elapsed()
        })
        .collect();
    let entries = (size * batches) as f64;
    let cpu = 1e6 * (cpu_seconds() - cpu) / entries;
    let wall = 1e6 * start.elapsed().as_secs_f64() / entries;
    latencies.sort_unstable();
    let at = |share: f64| latencies[(share * (batches - 1) as f64) as usize].as_micros();
    println!(
        "batch {size:4}: {cpu:6.2} µs CPU an entry ({wall:.2} µs of time); commit p50 {} p99 {} p99.9 {} µs",
        at(0.5),
        at(0.99),
        at(0.999)
    );
}

fn reopen(dir: &Path) {
    let log = open(dir, false);
    for _ in 0..1000 {
        finish(log.append(batch(1000))).expect("the disk takes it");
        log.tail(log.committed());
    }
    drop(log);
    let start = Instant::now();
    let log = open(dir, false);
    println!("opened with {} entries in {:.3} s", log.committed(), start.elapsed().as_secs_f64());
}

/// Entries of about 200 bytes to one of a hundred rooms.
fn batch(size: usize) -> Batch {
    let entry = |number: usize| {
        let args = Args::serialize(&("x".repeat(140), number)).expect("arguments");
        let target = Target::rooms("/".into(), Names::from_elem(format!("room {}", number % 100).into(), 1));
        NewEntry { target, act: Act::Emit { event: Event::new("message", args), compress: true } }
    };
    Batch { entries: (0..size).map(entry).collect(), keyed: None }
}

/// User and system time of this process, by Linux's count of hundredths.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / 100.0
}
