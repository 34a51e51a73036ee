//! The ruler for speed: builds the programs of `bench/` and the testbed, and runs them.
//! What is measured and how is written in `bench/`, not here.

use crate::run::{cargo, command, run, step, target};
use crate::{Outcome, option};

const USAGE: &str = "usage: cargo xtask bench --quick [--only LOAD,LOAD] [--rounds N] [--before TESTBED] [--data DIR]";

/// Runs the short benchmark against the limit server.
pub(crate) fn run_bench(arguments: &[&str]) -> Outcome {
    let ["--quick", rest @ ..] = arguments else { return Err(USAGE.to_owned()) };
    let build = ["build", "--release", "--package", "trunkline-bench", "--package", "testbed", "--bins"];
    step("build", || run(cargo().args(build)))?;
    let mut quick = command(target().join("release/quick"));
    for name in ["--only", "--rounds", "--before", "--data"] {
        if let Some(value) = option(rest, name) {
            quick.args([name, value]);
        }
    }
    step("bench, about two minutes on a quiet machine", || run(&mut quick))
}
