//! The load generator as a program: runs one load against one server and prints what it found as one line of JSON.
//! The loads are `trunkline_bench::loads`, their course is `trunkline_bench::stretch`.
//!
//! `load --load broadcast|rooms|echo|churn|idle --port N --pid N --connections N [--window N] [--members N]
//! [--measure-ms N] [--cpu-ms N] [--warm-ms N] [--rest-ms N]`

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use trunkline_bench::loads::{Churn, Echo, Fanout, Idle};
use trunkline_bench::options::Options;
use trunkline_bench::process::raise_descriptor_limit;
use trunkline_bench::stretch::{Measured, Plan, run_idle, run_steady};

/// What a process has open beside its connections.
const SPARE_DESCRIPTORS: u64 = 64;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let mut options = Options::from_args()?;
    let name: String = options.need("load")?;
    let (port, pid): (u16, u32) = (options.need("port")?, options.need("pid")?);
    let connections: usize = options.need("connections")?;
    let window = options.take("window")?.unwrap_or(1);
    let members: usize = options.take("members")?.unwrap_or(10);
    let plan = plan(&mut options)?;
    options.finish()?;
    if members == 0 || window == 0 || connections == 0 || (name == "rooms" && !connections.is_multiple_of(members)) {
        return Err("the rooms must be of equal size, and nothing may be zero".to_owned());
    }
    let limit = raise_descriptor_limit().map_err(|error| error.to_string())?;
    if limit < connections as u64 + SPARE_DESCRIPTORS {
        return Err(format!(
            "{connections} connections are more than the {limit} descriptors that one process may open"
        ));
    }
    let measured = match name.as_str() {
        "broadcast" => run_steady(Fanout::broadcast(connections, window), connections, port, pid, &plan),
        "rooms" => run_steady(Fanout::rooms(connections / members, members, window), connections, port, pid, &plan),
        "echo" => run_steady(Echo::new(connections), connections, port, pid, &plan),
        "churn" => run_steady(Churn::new(connections), connections, port, pid, &plan),
        "idle" => run_idle(Idle::new(connections), connections, port, pid, &plan),
        _ => return Err(format!("there is no load {name}")),
    };
    print(&measured.map_err(|error| format!("{name}: {error}"))?)
}

fn plan(options: &mut Options) -> Result<Plan, String> {
    let mut plan = Plan::default();
    let durations = [
        ("measure-ms", &mut plan.measure),
        ("cpu-ms", &mut plan.server_cpu),
        ("warm-ms", &mut plan.warm_up),
        ("rest-ms", &mut plan.rest),
    ];
    for (name, duration) in durations {
        if let Some(ms) = options.take(name)? {
            *duration = Duration::from_millis(ms);
        }
    }
    Ok(plan)
}

fn print(measured: &Measured) -> Result<(), String> {
    let line = serde_json::to_string(measured).map_err(|error| error.to_string())?;
    writeln!(std::io::stdout(), "{line}").map_err(|error| error.to_string())
}
