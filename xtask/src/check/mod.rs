//! `cargo xtask check`: everything that can be judged without running the code.
//! Each judgement is a module; this one says in which order, and what cargo's own tools are asked.

use std::path::PathBuf;

use crate::run::{self, cargo, command, output, root, step};
use crate::{Outcome, tools};

mod compatibility;
mod edges;
mod rules;
mod sizes;
mod source;

/// Runs every check, and stops at the first that fails.
pub(crate) fn run() -> Outcome {
    step("format", || run::run(cargo().args(["fmt", "--all", "--check"])))?;
    step("tidy", tidy)?;
    step("lints", || {
        run::run(cargo().args(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))
    })?;
    step("docs", || {
        let mut doc = cargo();
        doc.args(["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"]);
        run::run(doc.env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    step("dependencies", dependencies)
}

/// The judgements of our own: all of them are made, and all findings told at once.
pub(crate) fn tidy() -> Outcome {
    let files = tracked_files()?;
    let mut findings = Vec::new();
    findings.extend(edges::check(&files)?);
    findings.extend(sizes::check(&files)?);
    findings.extend(rules::check(&files)?);
    findings.extend(compatibility::check()?);
    for finding in &findings {
        println!("    {finding}");
    }
    if findings.is_empty() { Ok(()) } else { Err(format!("{} finding(s), listed above", findings.len())) }
}

fn dependencies() -> Outcome {
    // The crates of other systems are judged as well, and no build has brought those here.
    run::run(cargo().args(["fetch", "--locked", "--quiet"]))?;
    let mut deny = command(tools::cargo_deny()?);
    // Offline: the advisories need the network and change from day to day, so they are no part of a check.
    run::run(deny.args([
        "--offline",
        "--log-level",
        "error",
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]))
}

/// Every file of the repository that git knows or would add, relative to the root.
fn tracked_files() -> Outcome<Vec<PathBuf>> {
    let listed = output(command("git").args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]))?;
    let paths = listed.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from);
    Ok(paths.filter(|path| root().join(path).is_file()).collect())
}
