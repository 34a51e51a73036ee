//! The options of the program, from its arguments and the environment.
//! Whether a port is free, or a directory there, shows when they are used.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::public::PublicRoom;
use crate::{store, units};

/// Serves Socket.IO, and two pages that show it: a chat and a whiteboard.
///
/// What is said and drawn is kept in a directory and survives the program, also one that is killed: clients come back to
/// where they were.
#[derive(Debug, Parser)]
#[command(name = "trunkline-server", version, args_conflicts_with_subcommands = true)]
struct Line {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Looks into a data directory, checks it, prints it or copies it, also while a server writes there
    Store {
        #[command(subcommand)]
        command: store::Command,
    },
}

/// How to serve.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Address to listen on: 127.0.0.1 is for this machine alone, 0.0.0.0 for all that can reach it
    #[arg(long, env = "TRUNKLINE_HOST", default_value = "127.0.0.1", value_name = "IP", value_parser = host)]
    pub(crate) host: IpAddr,

    /// Port to listen on; with 0 the system picks a free one, which is printed
    #[arg(long, env = "TRUNKLINE_PORT", default_value_t = 3000)]
    pub(crate) port: u16,

    /// Directory for what the program keeps, made if it is not there: `log` has what was said and drawn, `client` the
    /// files of the browser client. One program at a time has it open
    #[arg(long, env = "TRUNKLINE_DATA_DIR", default_value = "./data", value_name = "DIR")]
    pub(crate) data_dir: PathBuf,

    /// Keeps what is said and drawn in memory alone: it is gone with the program
    #[arg(long, env = "TRUNKLINE_MEMORY", conflicts_with = "fsync", value_parser = BoolishValueParser::new())]
    pub(crate) memory: bool,

    /// Has the disk itself confirm each write, 0.1 to 10 ms by the disk: what is acknowledged then survives loss of power.
    /// Without it, it survives the death of the program alone
    #[arg(long, env = "TRUNKLINE_FSYNC", value_parser = BoolishValueParser::new())]
    pub(crate) fsync: bool,

    /// Age beyond which what is kept is removed, in whole files of up to an hour; a number with s, m, h or d
    #[arg(long, env = "TRUNKLINE_RETENTION_AGE", default_value = "24h", value_name = "DURATION",
        value_parser = units::duration)]
    pub(crate) retention_age: Duration,

    /// Size of all that is kept, beyond which the oldest is removed, in whole files of up to 64 MiB; what clients who
    /// are away may still come back for stays. Bytes, or a number with KiB, MiB, GiB or TiB
    #[arg(long, env = "TRUNKLINE_RETENTION_BYTES", default_value = "1GiB", value_name = "SIZE",
        value_parser = units::bytes)]
    pub(crate) retention_bytes: u64,

    /// How long a client may be away and still come back to where it was; a number with s, m, h or d
    #[arg(long, env = "TRUNKLINE_RECOVERY_WINDOW", default_value = "10m", value_name = "DURATION",
        value_parser = units::duration)]
    pub(crate) recovery_window: Duration,

    /// A room whose past anybody may read at /api/history, such as `/chat#lobby`; with `*` at the end all rooms of the
    /// namespace that begin so. May be given several times (in the environment with commas between them); without it, no
    /// room is public
    #[arg(long = "public-room", env = "TRUNKLINE_PUBLIC_ROOMS", value_name = "NAMESPACE#ROOM", value_delimiter = ',')]
    pub(crate) public_rooms: Vec<PublicRoom>,

    /// Directory with the browser client's files, `dist` of the package socket.io-client; without this option they are
    /// taken from npm at the first start
    #[arg(long, env = "TRUNKLINE_CLIENT_DIR", value_name = "DIR")]
    pub(crate) client_dir: Option<PathBuf>,

    /// Threads that serve connections, 1 to 64; one a core without this option
    #[arg(long, env = "TRUNKLINE_SHARDS", value_name = "N",
        value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) shards: Option<u8>,
}

/// What came of the arguments.
#[derive(Debug)]
pub(crate) enum Reading {
    /// Serve with these.
    Options(Box<Options>),
    /// Do something with a data directory.
    Store(store::Command),
    /// A text that was asked for: the help or the version.
    Shown(String),
    /// One sentence about what is wrong.
    Wrong(String),
}

impl Options {
    /// Reads arguments, the program's name first, and the environment.
    pub(crate) fn read<T: Into<OsString> + Clone>(args: impl IntoIterator<Item = T>) -> Reading {
        use ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
        match Line::try_parse_from(args) {
            Ok(Line { command: Some(Command::Store { command }), .. }) => Reading::Store(command),
            Ok(Line { options, command: None }) => Reading::Options(Box::new(options)),
            Err(error) if matches!(error.kind(), DisplayHelp | DisplayVersion) => Reading::Shown(error.to_string()),
            Err(error) if error.kind() == DisplayHelpOnMissingArgumentOrSubcommand => {
                Reading::Wrong("`store` needs to know what to do (store --help lists it)".to_owned())
            }
            Err(error) => Reading::Wrong(sentence(&error.to_string())),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }
}

/// The first line of an error says what is wrong; usage and tips below it are in the help.
fn sentence(error: &str) -> String {
    let first = error.lines().next().unwrap_or_default();
    format!("{} (--help lists the options)", first.trim_start_matches("error: "))
}

fn host(text: &str) -> Result<IpAddr, String> {
    if text == "localhost" {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    text.parse().map_err(|_| "it is not an IP address".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str]) -> Reading {
        Options::read(["trunkline-server"].iter().chain(args))
    }

    fn options(args: &[&str]) -> Options {
        match read(args) {
            Reading::Options(options) => *options,
            other => panic!("{args:?} gave {other:?}"),
        }
    }

    fn wrong(args: &[&str]) -> String {
        match read(args) {
            Reading::Wrong(sentence) => sentence,
            other => panic!("{args:?} gave {other:?}"),
        }
    }

    #[test]
    fn without_arguments_it_serves_this_machine_on_port_3000() {
        let options = options(&[]);
        assert_eq!(options.address().to_string(), "127.0.0.1:3000");
        assert_eq!(options.data_dir, PathBuf::from("./data"));
        assert_eq!((options.client_dir, options.shards), (None, None));
        assert_eq!((options.memory, options.fsync, options.public_rooms.len()), (false, false, 0));
        assert_eq!(options.retention_age, Duration::from_secs(24 * 3600));
        assert_eq!(options.retention_bytes, 1 << 30);
        assert_eq!(options.recovery_window, Duration::from_secs(600));
    }

    #[test]
    fn every_option_is_read() {
        let options = options(&[
            "--host",
            "::1",
            "--port=0",
            "--data-dir",
            "/var/lib/t",
            "--client-dir",
            "dist",
            "--shards",
            "2",
        ]);
        assert_eq!(options.address().to_string(), "[::1]:0");
        assert_eq!(options.data_dir, PathBuf::from("/var/lib/t"));
        assert_eq!(options.client_dir, Some(PathBuf::from("dist")));
        assert_eq!(options.shards, Some(2));
    }

    #[test]
    fn what_is_kept_is_the_operators_choice() {
        let kept = options(&["--fsync", "--retention-age", "7d", "--retention-bytes", "4GiB", "--recovery-window=1h"]);
        assert!(kept.fsync);
        assert_eq!(kept.retention_age, Duration::from_secs(7 * 86_400));
        assert_eq!(kept.retention_bytes, 4 << 30);
        assert_eq!(kept.recovery_window, Duration::from_secs(3600));
        assert!(options(&["--memory"]).memory);
        let public = options(&["--public-room", "/chat#lobby", "--public-room=/news#*"]).public_rooms;
        assert_eq!(public.len(), 2);
    }

    #[test]
    fn localhost_is_an_address() {
        assert_eq!(options(&["--host", "localhost"]).host, Ipv4Addr::LOCALHOST);
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line_that_names_the_option() {
        for (args, named) in [
            (&["--prot", "1"][..], "--prot"),
            (&["--port", "70000"], "70000"),
            (&["--port", "many"], "--port"),
            (&["--host", "example.invalid"], "not an IP address"),
            (&["--shards", "0"], "1..=64"),
            (&["--data-dir"], "--data-dir"),
            (&["somewhere"], "somewhere"),
            (&["--retention-age", "24"], "not a duration"),
            (&["--retention-bytes", "1GB"], "not a size"),
            (&["--recovery-window", "0s"], "not a duration"),
            (&["--memory", "--fsync"], "--fsync"),
            (&["--public-room", "lobby"], "/chat#lobby"),
            (&["store"], "store"),
            (&["store", "look"], "look"),
            (&["--port", "1", "store", "inspect"], "store"),
        ] {
            let sentence = wrong(args);
            assert!(sentence.contains(named), "{args:?}: {sentence}");
            assert!(!sentence.contains('\n'), "{args:?}: {sentence}");
        }
    }

    #[test]
    fn help_and_version_are_no_errors() {
        for (arg, part) in [("--help", "--client-dir"), ("--version", env!("CARGO_PKG_VERSION"))] {
            match read(&[arg]) {
                Reading::Shown(text) => assert!(text.contains(part), "{text}"),
                other => panic!("{arg} gave {other:?}"),
            }
        }
    }
}
