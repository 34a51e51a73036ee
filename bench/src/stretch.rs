//! One run of one load against one server: everybody connects, a warm-up, the measured stretch, and the wait for what
//! is still owed. A stretch goes by the clock and by the server's CPU, so that a starved server is watched for longer.
//! Repeating runs and comparing servers is `rounds`'.

use std::io;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::crowd::{Crowd, Outbox};
use crate::loads::{Idle, Steady};
use crate::process::{CpuClock, resident_kib};
use crate::receipts::Noticed;

/// Connections that may be on their way at once; the queue of a listener holds as many.
const CONNECTING_MAX: usize = 128;

/// How many large messages of the idle load are under way at once.
const LARGE_AT_ONCE: usize = 32;

/// How often the server's CPU clock is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long a run lasts.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The least time measured.
    pub measure: Duration,
    /// The least CPU time of the server measured, unless four times `measure` have gone.
    pub server_cpu: Duration,
    /// The least time, and half of `server_cpu` the least CPU time, before it; zero for no warm-up.
    pub warm_up: Duration,
    /// The most units measured: for tests, which want an amount and not a time.
    pub units_max: u64,
    /// How long nothing may come at all while something is owed.
    pub stall: Duration,
    /// How long idle connections rest before their memory is read.
    pub rest: Duration,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            measure: Duration::from_secs(3),
            server_cpu: Duration::from_millis(1_500),
            warm_up: Duration::from_secs(1),
            units_max: u64::MAX,
            stall: Duration::from_secs(3),
            rest: Duration::from_secs(5),
        }
    }
}

/// What a run found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Measured {
    /// What a unit is.
    pub unit: String,
    /// Units of the measured stretch.
    pub units: u64,
    /// Its length in seconds.
    pub seconds: f64,
    /// The server's CPU time in the stretch over its units, in µs.
    pub cpu_us_per_unit: f64,
    /// The part of a core the server had.
    pub server_core_share: f64,
    /// The part of a core the generator took.
    pub load_core_share: f64,
    /// Latencies in µs.
    pub p50_us: f64,
    /// The latency that one in a hundred exceeds, in µs.
    pub p99_us: f64,
    /// The latency that one in a thousand exceeds, in µs.
    pub p999_us: f64,
    /// Resident growth of the server in KiB per connection, at rest (idle load only).
    pub idle_kib: f64,
    /// The same after one large message each.
    pub idle_kib_after_message: f64,
    /// What was wrong, from the first connection to the last delivery.
    pub noticed: Noticed,
}

/// Runs a steady load against the server `pid` on `port`.
pub fn run_steady<L: Steady>(
    mut load: L,
    connections: usize,
    port: u16,
    pid: u32,
    plan: &Plan,
) -> io::Result<Measured> {
    let mut crowd = Crowd::new(port, connections)?;
    if load.settled() == 0 {
        connect_all(&mut crowd, &mut load, plan, L::settled, |load| load.tally().noticed)?;
    }
    let mut clocks = Clocks::new(pid)?;
    act(&mut crowd, &mut load, L::start)?;
    if !plan.warm_up.is_zero() {
        let warm = Plan { server_cpu: plan.server_cpu / 2, measure: plan.warm_up, ..*plan };
        clocks.watch(&mut crowd, &mut load, &warm)?;
    }
    load.tally().latencies.clear();
    let mut measured = clocks.watch(&mut crowd, &mut load, plan)?;
    let latencies = &load.tally().latencies;
    measured.unit = L::UNIT.to_owned();
    measured.p50_us = latencies.quantile_us(0.5);
    measured.p99_us = latencies.quantile_us(0.99);
    measured.p999_us = latencies.quantile_us(0.999);
    load.stop();
    let mut progress = Progress::new(plan.stall);
    while load.outstanding() > 0 && progress.goes_on(load.tally().units) {
        crowd.turn(&mut load)?;
    }
    load.count_lost();
    measured.noticed = load.tally().noticed;
    Ok(measured)
}

/// Runs the idle load against the server `pid` on `port`.
pub fn run_idle(mut load: Idle, connections: usize, port: u16, pid: u32, plan: &Plan) -> io::Result<Measured> {
    let empty = resident_kib(pid)?;
    let per_connection = |now: u64| (now as f64 - empty as f64) / connections as f64;
    let mut crowd = Crowd::new(port, connections)?;
    let (began, clock) = (Instant::now(), CpuClock::of(pid)?);
    let cpu = clock.read()?;
    connect_all(&mut crowd, &mut load, plan, Idle::settled, |load| load.noticed())?;
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), clock.read()? - cpu);
    rest(&mut crowd, &mut load, plan.rest)?;
    let idle_kib = per_connection(resident_kib(pid)?);
    for _ in 0..LARGE_AT_ONCE {
        act(&mut crowd, &mut load, Idle::ask_next)?;
    }
    let mut progress = Progress::new(plan.stall);
    while load.answered() < connections && progress.goes_on(load.answered() as u64) {
        crowd.turn(&mut load)?;
    }
    rest(&mut crowd, &mut load, plan.rest)?;
    let mut noticed = load.noticed();
    noticed.lost += (connections - load.answered()) as u64;
    Ok(Measured {
        unit: "connection".to_owned(),
        units: connections as u64,
        seconds,
        cpu_us_per_unit: cpu.as_secs_f64() * 1e6 / connections as f64,
        server_core_share: cpu.as_secs_f64() / seconds,
        idle_kib,
        idle_kib_after_message: per_connection(resident_kib(pid)?),
        noticed,
        ..Measured::default()
    })
}

/// Both CPU clocks.
struct Clocks {
    server: CpuClock,
    own: CpuClock,
}

impl Clocks {
    fn new(pid: u32) -> io::Result<Self> {
        Ok(Self { server: CpuClock::of(pid)?, own: CpuClock::of(std::process::id())? })
    }

    /// Turns until the plan is fulfilled, or nothing comes any more, and says what the stretch was.
    fn watch<L: Steady>(&mut self, crowd: &mut Crowd, load: &mut L, plan: &Plan) -> io::Result<Measured> {
        let (began, server, own) = (Instant::now(), self.server.read()?, self.own.read()?);
        let units_before = load.tally().units;
        let mut progress = Progress::new(plan.stall);
        let mut looked = began;
        loop {
            crowd.turn(load)?;
            let units = load.tally().units;
            if units - units_before >= plan.units_max {
                break;
            }
            if looked.elapsed() < LOOK_EVERY {
                continue;
            }
            looked = Instant::now();
            let (elapsed, cpu) = (looked - began, self.server.read()? - server);
            let long_enough = elapsed >= plan.measure && (cpu >= plan.server_cpu || elapsed >= plan.measure * 4);
            if long_enough || !progress.goes_on(units) {
                break;
            }
        }
        let units = load.tally().units - units_before;
        let (seconds, cpu) = (began.elapsed().as_secs_f64(), (self.server.read()? - server).as_secs_f64());
        Ok(Measured {
            units,
            seconds,
            cpu_us_per_unit: cpu * 1e6 / units.max(1) as f64,
            server_core_share: cpu / seconds,
            load_core_share: (self.own.read()? - own).as_secs_f64() / seconds,
            ..Measured::default()
        })
    }
}

/// Notices when nothing comes any more.
struct Progress {
    stall: Duration,
    last: u64,
    since: Instant,
}

impl Progress {
    fn new(stall: Duration) -> Self {
        Self { stall, last: u64::MAX, since: Instant::now() }
    }

    fn goes_on(&mut self, count: u64) -> bool {
        if count != self.last {
            (self.last, self.since) = (count, Instant::now());
        }
        self.since.elapsed() < self.stall
    }
}

/// Connects everybody, a bounded number at a time, until all are where the load wants them.
fn connect_all<L: crate::crowd::Load>(
    crowd: &mut Crowd,
    load: &mut L,
    plan: &Plan,
    settled: impl Fn(&L) -> usize,
    noticed: impl Fn(&mut L) -> Noticed,
) -> io::Result<()> {
    let mut begun = 0;
    let mut progress = Progress::new(plan.stall);
    while settled(load) < crowd.size() {
        while begun < crowd.size().min(settled(load) + CONNECTING_MAX) {
            crowd.act(load, |out| out.connect(begun))?;
            begun += 1;
        }
        crowd.turn(load)?;
        if noticed(load).any() || !progress.goes_on(settled(load) as u64) {
            let (settled, noticed) = (settled(load), noticed(load));
            return Err(io::Error::other(format!("only {settled} of {begun} clients could join: {noticed:?}")));
        }
    }
    Ok(())
}

fn act<L: crate::crowd::Load>(
    crowd: &mut Crowd,
    load: &mut L,
    decide: impl FnOnce(&mut L, &mut Outbox),
) -> io::Result<()> {
    let mut decided = Outbox::default();
    decide(load, &mut decided);
    crowd.act(load, |out| *out = decided)
}

fn rest<L: crate::crowd::Load>(crowd: &mut Crowd, load: &mut L, how_long: Duration) -> io::Result<()> {
    let began = Instant::now();
    while began.elapsed() < how_long {
        crowd.turn(load)?;
    }
    Ok(())
}
