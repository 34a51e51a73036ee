//! `cargo xtask faults`: the long form of the fault runs, official clients through proxies that break their connections.
//! The scenarios, the judge and the table of results are in `tests/js/faults`.

use crate::run::{command, run, step};
use crate::{Outcome, server, tools};

/// Runs the scenarios whose names hold one of the words, or all of them; the options are the runner's.
pub(crate) fn run_faults(arguments: &[&str]) -> Outcome {
    step("testbed, release build", || server::build_testbed().map(drop))?;
    step("npm packages", tools::npm_packages)?;
    let mut node = command("node");
    node.current_dir(tools::js_folder()).arg("faults/run.js").args(arguments);
    step("faults", || run(node.env("TESTBED", server::testbed())))
}
