//! Shows that the load generator notices what the limit server does wrong on purpose, and nothing else. That it finds
//! nothing wrong with the project's own server is for the benchmark to say.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use trunkline_bench::ceiling::Ceiling;
use trunkline_bench::faults::{Faults, Injected, ONE_IN};
use trunkline_bench::loads::{Churn, Echo, Fanout, Idle};
use trunkline_bench::receipts::Noticed;
use trunkline_bench::stretch::{Measured, Plan, run_idle, run_steady};

const CONNECTIONS: usize = 100;

/// Enough for each fault to happen at least three times.
const UNITS: u64 = 4 * ONE_IN;

/// A limit server on a thread of this process, which takes it down when it ends.
fn ceiling(fault: Option<Injected>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let server = Ceiling::new(listener, Faults::new(fault)).expect("epoll");
    std::thread::spawn(move || server.run());
    port
}

/// Ends by the units, so that it takes as long as the machine needs; a stall ends it too.
fn plan() -> Plan {
    Plan {
        measure: Duration::from_secs(120),
        warm_up: Duration::ZERO,
        units_max: UNITS,
        stall: Duration::from_secs(2),
        rest: Duration::ZERO,
        ..Plan::default()
    }
}

fn broadcast(fault: Option<Injected>) -> Noticed {
    let load = Fanout::broadcast(CONNECTIONS, 4);
    run_steady(load, CONNECTIONS, ceiling(fault), std::process::id(), &plan()).expect("a run").noticed
}

fn echo(fault: Option<Injected>) -> Noticed {
    let load = Echo::new(CONNECTIONS);
    run_steady(load, CONNECTIONS, ceiling(fault), std::process::id(), &plan()).expect("a run").noticed
}

#[test]
fn nothing_is_wrong_with_an_honest_server() {
    let (pid, plan) = (std::process::id(), plan());
    let rooms = Fanout::rooms(10, 10, 1);
    let runs: [Measured; 5] = [
        run_steady(Fanout::broadcast(CONNECTIONS, 4), CONNECTIONS, ceiling(None), pid, &plan).expect("broadcast"),
        run_steady(rooms, CONNECTIONS, ceiling(None), pid, &plan).expect("rooms"),
        run_steady(Echo::new(CONNECTIONS), CONNECTIONS, ceiling(None), pid, &plan).expect("echo"),
        run_steady(Churn::new(16), 16, ceiling(None), pid, &Plan { units_max: 500, ..plan }).expect("churn"),
        run_idle(Idle::new(CONNECTIONS), CONNECTIONS, ceiling(None), pid, &plan).expect("idle"),
    ];
    for run in runs {
        assert_eq!(run.noticed, Noticed::default(), "{run:?}");
        assert!(run.units >= 100, "{run:?}");
    }
}

#[test]
fn a_dropped_delivery_is_lost() {
    let only_lost =
        |noticed: Noticed| noticed.lost > 0 && noticed == Noticed { lost: noticed.lost, ..Noticed::default() };
    for noticed in [broadcast(Some(Injected::Drop)), echo(Some(Injected::Drop))] {
        assert!(only_lost(noticed), "{noticed:?}");
    }
}

#[test]
fn a_repeated_delivery_is_repeated() {
    for noticed in [broadcast(Some(Injected::Repeat)), echo(Some(Injected::Repeat))] {
        assert!(noticed.repeated > 0, "{noticed:?}");
        assert_eq!(noticed, Noticed { repeated: noticed.repeated, ..Noticed::default() });
    }
}

#[test]
fn swapped_deliveries_are_reordered() {
    let noticed = broadcast(Some(Injected::Swap));
    assert!(noticed.reordered > 0, "{noticed:?}");
    // One that waits for its successor when the run ends has not come.
    assert_eq!(noticed, Noticed { reordered: noticed.reordered, lost: noticed.lost, ..Noticed::default() });
}

#[test]
fn an_altered_delivery_is_altered() {
    for noticed in [broadcast(Some(Injected::Alter)), echo(Some(Injected::Alter))] {
        assert!(noticed.altered > 0, "{noticed:?}");
        // What came altered did not come as it was sent.
        assert_eq!(noticed, Noticed { altered: noticed.altered, lost: noticed.lost, ..Noticed::default() });
    }
}
