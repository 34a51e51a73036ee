//! `cargo xtask test`: the checks and every test, from a fresh machine on.
//! What the tests need is installed by `tools`; what they say is theirs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::run::{self, cargo, command, root, step};
use crate::{Outcome, check, server, tools};

/// How many test files run at once: they wait more than they compute.
const FILES_AT_ONCE: &str = "--test-concurrency=4";

/// How many files of fault runs at once; each runs some scenarios at the same time by itself.
const WORLDS_AT_ONCE: &str = "--test-concurrency=3";

/// Mutations of each parser's corpus: about a minute for all of them in a debug build.
const FUZZ_ROUNDS: &str = "60000";

/// Runs everything, and stops at the first step that fails.
pub(crate) fn run() -> Outcome {
    let start = Instant::now();
    check::run()?;
    step("tests in Rust", || run::run(cargo().args(["test", "--workspace"])))?;
    step("every wrong of the delivery machine is found by its simulation", || {
        run::run(cargo().args(["test", "-p", "trunkline-log", "--features", "mutants", "--test", "simulation"]))
    })?;
    step("every parser over its corpus, and a minute of seeded mutations", || {
        ["trunkline-proto", "trunkline-log"].into_iter().try_for_each(|package| {
            let mut replay = cargo();
            replay.args(["test", "-p", package, "--features", "fuzz", "--test", "fuzz_replay"]);
            run::run(replay.env("TRUNKLINE_FUZZ_ROUNDS", FUZZ_ROUNDS))
        })
    })?;
    step("testbed, release build", || server::build_testbed().map(drop))?;
    step("npm packages", tools::npm_packages)?;
    step("the codec against npm's parsers", codec_tests)?;
    step("Chromium", tools::chromium)?;
    step("official JavaScript clients, raw wire, browser bundles", || {
        let files = files_ending(&tools::js_folder().join("contract"), ".test.js")?;
        node_tests(files, FILES_AT_ONCE)
    })?;
    step("official JavaScript clients through every fault, once", || {
        let files = files_ending(&tools::js_folder().join("faults"), ".test.js")?;
        node_tests(files, WORLDS_AT_ONCE)
    })?;
    step("official Python clients", python_tests)?;
    step("the demo pages in two windows", || {
        run::run(cargo().args(["build", "--release", "--package", "trunkline-server"]))?;
        node_tests(vec![tools::js_folder().join("demo.test.js")], "--test-concurrency=1")
    })?;
    println!("everything passed in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn node_tests(files: Vec<PathBuf>, concurrency: &str) -> Outcome {
    run_tests(&mut node(files, concurrency))
}

fn node(files: Vec<PathBuf>, concurrency: &str) -> Command {
    let mut node = command("node");
    node.current_dir(tools::js_folder()).args(["--test", concurrency, "--test-reporter=./reporter.js"]);
    node.args(["--test-reporter-destination=stdout"]).args(files);
    node
}

/// The codec is on the other side of a pipe: a program that reads messages by the line.
fn codec_tests() -> Outcome {
    run::run(cargo().args(["build", "--package", "trunkline-proto", "--example", "codec_lines"]))?;
    let mut node = node(files_ending(&tools::js_folder().join("codec"), ".test.js")?, "--test-concurrency=1");
    run::run(node.env("CODEC_LINES", run::target().join("debug/examples/codec_lines")))
}

fn python_tests() -> Outcome {
    let mut python = command(tools::python()?);
    python.args(["-m", "unittest", "discover", "--start-directory"]);
    run_tests(python.arg(root().join("tests/python")))
}

/// Runs tests against the binaries that were built.
fn run_tests(tests: &mut Command) -> Outcome {
    tests.env("TESTBED", server::testbed()).env("PROGRAM", server::program());
    run::run(tests)
}

/// The files of a folder whose names end so, in the order of their names; never none.
fn files_ending(folder: &Path, ending: &str) -> Outcome<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("cannot list {}: {error}", folder.display()))?;
    let mut found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.retain(|path| path.to_string_lossy().ends_with(ending));
    found.sort();
    if found.is_empty() {
        return Err(format!("no test in {}", folder.display()));
    }
    Ok(found)
}
