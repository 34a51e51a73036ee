//! The short benchmark as a program: every quick load against the limit and the project's testbed, alternately, and the
//! table of it on standard output. It builds nothing: all programs stand beside it.
//!
//! `quick [--ours FILE] [--before FILE] [--data DIR] [--only ROW,ROW] [--rounds N]`; `--before` is a testbed of another
//! state of the tree, which takes its turns beside ours. With `--data` ours runs with recovery as well: in memory, and
//! with its log in that directory.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use trunkline_bench::options::Options;
use trunkline_bench::process::raise_descriptor_limit;
use trunkline_bench::rounds::{Bench, quick_rows};
use trunkline_bench::servers::Spec;
use trunkline_bench::table::render;

/// Ports that the servers of the runs take in turn.
const PORTS: std::ops::Range<u16> = 4700..4800;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("bench: something was lost, repeated, reordered or altered; see the last column");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether every delivery of every run was right.
fn run() -> Result<bool, String> {
    let mut options = Options::from_args()?;
    let ours = options.take::<PathBuf>("ours")?;
    let before = options.take::<PathBuf>("before")?;
    let data = options.take::<String>("data")?;
    let only = options.take::<String>("only")?;
    let rounds = options.take("rounds")?;
    options.finish()?;
    raise_descriptor_limit().map_err(|error| error.to_string())?;
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let ceiling = Spec::ceiling(&here.with_file_name("ceiling"));
    let limit = ceiling.name.clone();
    let mut servers = vec![ceiling];
    servers.extend(before.map(|program| Spec::testbed("before", &program)));
    let ours = ours.unwrap_or_else(|| here.with_file_name("testbed"));
    servers.push(Spec::testbed("trunkline", &ours));
    if let Some(data) = data {
        servers.push(Spec::testbed("recovery", &ours).env("RECOVERY", "1"));
        servers.push(Spec::testbed("durable", &ours).env("DATA_DIR", &data));
    }
    let mut rows = quick_rows();
    if let Some(only) = only {
        rows.retain(|row| only.split(',').any(|name| name == row.name));
    }
    for row in &mut rows {
        row.rounds = rounds.unwrap_or(row.rounds);
    }
    let bench = Bench { load: here.with_file_name("load"), servers, ports: PORTS };
    let all = bench.run(&rows, |run| eprintln!("{run}")).map_err(|error| error.to_string())?;
    writeln!(std::io::stdout(), "{}", render(&all, &limit)).map_err(|error| error.to_string())?;
    Ok(all.iter().flat_map(|runs| &runs.runs).all(|measured| !measured.noticed.any()))
}
