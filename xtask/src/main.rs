//! The commands of the house, run as `cargo xtask NAME`: what to run for a change, for CI, and by hand.
//! Each command is a module of its own; how programs are started is `run`, what is installed for them `tools`.
#![allow(clippy::print_stdout, reason = "a command line program reports on its output")]

use std::process::ExitCode;

mod autobahn;
mod bench;
mod check;
mod faults;
mod fuzz;
mod run;
mod server;
mod suites;
mod test;
mod tools;

/// What a step gives: nothing, or one sentence that says what is wrong and what to do.
pub(crate) type Outcome<T = ()> = Result<T, String>;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  check                     format, lints, docs, tidiness, dependencies
  tidy                      of check, the parts that are our own
  test                      check, and every test there is; what CI runs
  faults [NAME..]           official clients through every fault, or those whose names hold a word
       [--seeds N]          how many seeds (3), or [--seed S] one of them
       [--seconds N]        how long each run has load (20)
       [--at-once N]        how many runs at the same time (4)
  fuzz [TARGET]             libFuzzer on every target, or on one
       [--seconds N]        how long each target runs (600)
  suites --checkout DIR     the Socket.IO project's own suites, from a checkout of its repository
         [--only NAME]      one of them
         [--reference]      against npm's socket.io instead of the testbed
  autobahn [--reference]    the Autobahn WebSocket test suite
  bench --quick             fan-out, echo, churn and idle against the limit of this machine
        [--only LOAD,LOAD]  some of the loads
        [--rounds N]        how often each is run (3, idle once)
        [--before TESTBED]  and against a testbed built from another state of the tree";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["check"] => check::run(),
        ["tidy"] => check::tidy(),
        ["test"] => test::run(),
        ["faults", rest @ ..] => faults::run_faults(rest),
        ["fuzz", rest @ ..] => fuzz::run(rest),
        ["suites", rest @ ..] => suites::run(rest),
        ["autobahn", rest @ ..] => autobahn::run(rest),
        ["bench", rest @ ..] => bench::run_bench(rest),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        }
    }
}

/// The value behind `--name` among the arguments of a command.
pub(crate) fn option<'a>(arguments: &[&'a str], name: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|argument| *argument == name)?;
    arguments.get(at + 1).copied()
}
