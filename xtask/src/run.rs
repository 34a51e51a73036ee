//! Starting other programs, with their failures as sentences, and steps with their times.
//! It knows no program in particular.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::Outcome;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// The folder for everything that is built or installed.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A program that runs in the root of the repository.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// The cargo that runs this.
pub(crate) fn cargo() -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs a program to its end, its output passed through.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("{} cannot be started: {error}", line(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", line(command))) }
}

/// Runs a program to its end and gives what it wrote to its output.
pub(crate) fn output(command: &mut Command) -> Outcome<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{} cannot be started: {error}", line(command)))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{} ended with {}", line(command), output.status))
    }
}

/// Runs a program whose failure is a finding, not an error, and gives its output and errors together.
pub(crate) fn findings(command: &mut Command) -> Outcome<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{} cannot be started: {error}", line(command)))?;
    let both = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&both).into_owned())
}

/// A command as somebody would type it, shortened.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args().take(6));
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// One step of a longer command: says what begins, and how long it took.
pub(crate) fn step(name: &str, body: impl FnOnce() -> Outcome) -> Outcome {
    println!("==> {name}");
    let start = Instant::now();
    let outcome = body();
    let word = if outcome.is_ok() { "done" } else { "FAILED" };
    println!("<== {name}: {word} in {:.1} s", start.elapsed().as_secs_f64());
    outcome.map_err(|sentence| format!("{name}: {sentence}"))
}
