//! `cargo xtask fuzz`: libFuzzer on every target that `trunkline-proto` and `trunkline-log` list, for a while each.
//! The targets are plain functions of those crates; `fuzz/` wraps them.

use std::path::Path;

use crate::run::{cargo, command, output, root, run as run_command, step, target};
use crate::{Outcome, option, tools};

const SECONDS_EACH: &str = "600";
const CARGO_FUZZ: &str = "0.13.2";

/// Runs one target or all of them, one after another.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let seconds = option(arguments, "--seconds").unwrap_or(SECONDS_EACH);
    let seconds: u64 = seconds.parse().map_err(|_| format!("fuzz: --seconds takes a number, not {seconds}"))?;
    let only = arguments.first().filter(|first| !first.starts_with("--")).copied();
    let all = targets()?;
    let chosen: Vec<&str> = all.lines().filter(|name| only.is_none_or(|only| only == *name)).collect();
    if chosen.is_empty() {
        return Err(format!("fuzz: the targets are {}", all.split_whitespace().collect::<Vec<_>>().join(", ")));
    }
    let fuzzer = tools::cargo_tool("cargo-fuzz", CARGO_FUZZ)?;
    for name in chosen {
        step(name, || fuzz(&fuzzer, name, seconds))?;
    }
    Ok(())
}

fn targets() -> Outcome<String> {
    let manifest = root().join("fuzz/Cargo.toml");
    output(cargo().args(["run", "--quiet", "--bin", "list", "--manifest-path"]).arg(manifest))
}

/// What libFuzzer finds new goes to a corpus under target/; the seeds in the repository are read and stay as they are.
fn fuzz(fuzzer: &Path, name: &str, seconds: u64) -> Outcome {
    let found = target().join("fuzz-corpus").join(name);
    std::fs::create_dir_all(&found).map_err(|error| format!("cannot make {}: {error}", found.display()))?;
    let mut fuzz = command(fuzzer);
    // The sanitizers are unstable options of the compiler, which a stable one takes when it is told to.
    fuzz.env("RUSTC_BOOTSTRAP", "1").env("TRUNKLINE_FUZZ_TARGET", name);
    fuzz.args(["fuzz", "run", "any"]).arg(&found);
    let seeds = ["proto", "log"].map(|package| root().join("crates").join(package).join("corpus").join(name));
    fuzz.args(seeds.iter().filter(|seeds| seeds.is_dir()));
    run_command(fuzz.arg("--").arg(format!("-max_total_time={seconds}")))
}
