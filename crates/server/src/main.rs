//! The program: options in, exit code out.
//! What it serves is in `serve`, the pages in `pages`, what they talk to in `demos`, plain HTTP in `api`, what is done with
//! a data directory in `store`.

mod api;
mod client;
mod demos;
mod json;
mod options;
mod pages;
mod public;
mod serve;
mod store;
mod units;

use std::io::Write as _;
use std::process::ExitCode;

use options::{Options, Reading};
use tracing_subscriber::EnvFilter;

/// Something the operator can change is wrong: an option, a port in use, a data directory that does not open.
const REFUSED: u8 = 2;

fn main() -> ExitCode {
    let options = match Options::read(std::env::args_os()) {
        Reading::Options(options) => options,
        Reading::Store(command) => return store::run(command),
        Reading::Shown(text) => {
            say(text.trim_end());
            return ExitCode::SUCCESS;
        }
        Reading::Wrong(sentence) => return refuse(&sentence),
    };
    log_to_stderr();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format!("cannot start: {error}")),
    };
    let outcome = runtime.block_on(serve::run(&options));
    // A thread that is still busy with a connection must not hold up the end.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(serve::Failure::Refused(sentence)) => refuse(&sentence),
        Err(serve::Failure::Broken(sentence)) => {
            complain(&sentence);
            ExitCode::FAILURE
        }
    }
}

fn refuse(sentence: &str) -> ExitCode {
    complain(sentence);
    ExitCode::from(REFUSED)
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

/// Writes a line for the operator. Nobody reading it is no reason to end.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn complain(sentence: &str) {
    let _ = writeln!(std::io::stderr(), "trunkline-server: {sentence}");
}
