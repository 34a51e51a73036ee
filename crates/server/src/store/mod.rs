//! What an operator does with a data directory: look into it, check it, print it, copy it.
//! How the log is read is the library's part; what is printed of its entries is in `entries`, of the whole in `reports`.

mod entries;
mod reports;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use trunkline::OpenError;

use crate::{complain, refuse, serve};

/// Exit codes: 0 if it was done, 1 if damage was found, 2 if the directory cannot be read.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows positions, sizes, rooms, and how many sessions and keys there are
    Inspect {
        #[command(flatten)]
        dir: Dir,
        /// Prints JSON lines instead: one for the log, then one for each file and each room
        #[arg(long)]
        json: bool,
    },
    /// Reads every byte and checks it; ends with code 1, naming the first damage, if there is any
    Verify {
        #[command(flatten)]
        dir: Dir,
        /// Prints a JSON line for each file instead
        #[arg(long)]
        json: bool,
    },
    /// Shows the newest entries, oldest first
    Tail {
        #[command(flatten)]
        dir: Dir,
        /// How many
        #[arg(long, short = 'n', default_value_t = 10, value_name = "ENTRIES")]
        lines: usize,
        /// Goes on with what is written from then on, until it is ended
        #[arg(long, short)]
        follow: bool,
        /// Prints JSON lines, as `export` does
        #[arg(long)]
        json: bool,
    },
    /// Prints every entry as a JSON line
    ///
    /// A line has `position`, `time_ms` (since 1970), `ns`, the receivers (`rooms` or `socket`; neither is everybody),
    /// `except` and `act`. Of an `emit` it has `name` and `args`, in which an attachment is {"base64":".."}. The secrets
    /// by which clients come back are left out: an export is to be read, a backup to be served.
    Export {
        #[command(flatten)]
        dir: Dir,
        /// Only what stands after this position
        #[arg(long, default_value_t = 0, value_name = "POSITION")]
        after: u64,
    },
    /// Copies the data directory, so that a server can be started on the copy
    ///
    /// Clients may have seen what came after the backup, so on the copy they all begin afresh.
    Backup {
        #[command(flatten)]
        dir: Dir,
        /// Where to: made if it is not there; no log may be in it
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        /// Prints a JSON line instead
        #[arg(long)]
        json: bool,
    },
}

/// Which directory is meant.
#[derive(Debug, Args)]
pub(crate) struct Dir {
    /// The data directory of the program, or the one that an application gave to `Recovery::durable`
    #[arg(env = "TRUNKLINE_DATA_DIR", default_value = "./data", value_name = "DIR")]
    dir: PathBuf,
}

impl Dir {
    /// The directory of the log: in that of the program, or itself.
    fn log(&self) -> PathBuf {
        let inside = serve::log_in(&self.dir);
        if inside.is_dir() { inside } else { self.dir.clone() }
    }

    /// A directory of the same shape.
    fn log_like_this(&self, other: &Path) -> PathBuf {
        if self.log() == self.dir { other.to_owned() } else { serve::log_in(other) }
    }
}

/// Why a command was not done to its end.
#[derive(Debug)]
enum Failure {
    /// The operator can change it.
    Refused(String),
    /// What it found is damage.
    Damaged(String),
    /// Nobody reads what it prints.
    Unread(io::Error),
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Damaged(_) => Self::Damaged(error.to_string()),
            error => Self::Refused(error.to_string()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Unread(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Unread(error.into())
    }
}

/// Does it.
pub(crate) fn run(command: Command) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let done = execute(command, &mut out).and_then(|()| Ok(out.flush()?));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // `head` has what it wanted.
        Err(Failure::Unread(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Unread(error)) => refuse(&format!("cannot print: {error}")),
        Err(Failure::Refused(sentence)) => refuse(&sentence),
        Err(Failure::Damaged(sentence)) => {
            // What was printed before belongs before it.
            let _ = out.flush();
            complain(&sentence);
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command, out: &mut impl Write) -> Result<(), Failure> {
    match command {
        Command::Inspect { dir, json } => reports::inspect(&dir.log(), json, out),
        Command::Verify { dir, json } => reports::verify(&dir.log(), json, out),
        Command::Tail { dir, lines, follow, json } => entries::tail(&dir.log(), lines, follow, json, out),
        Command::Export { dir, after } => entries::export(&dir.log(), after, out),
        Command::Backup { dir, to, json } => reports::backup(&dir.log(), &dir.log_like_this(&to), json, out),
    }
}
