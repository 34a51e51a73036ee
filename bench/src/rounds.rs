//! Rounds: each load against each server in turn (A B, A B, ...), every run on a fresh server process, the server on
//! one core and the generator on another. Printing what came of it is `table`'s.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use crate::servers::{Spec, pinned};
use crate::stretch::Measured;

/// The core of the servers.
pub const SERVER_CORE: usize = 0;
/// The core of the load generator.
pub const LOAD_CORE: usize = 1;

/// One load, and how often it is run.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its name in the tables.
    pub name: &'static str,
    /// Runs of it against each server.
    pub rounds: usize,
    /// What the load generator is told.
    pub args: Vec<&'static str>,
}

/// All runs of one load against one server.
#[derive(Debug, Clone)]
pub struct Runs {
    /// The load.
    pub row: &'static str,
    /// The server.
    pub server: String,
    /// In the order of the rounds.
    pub runs: Vec<Measured>,
}

/// The short set, about two minutes for two servers.
#[must_use]
pub fn quick_rows() -> Vec<Row> {
    let row = |name, args: &[&'static str]| Row {
        name,
        rounds: 3,
        args: [args, &["--measure-ms", "2000", "--cpu-ms", "1000", "--warm-ms", "400"]].concat(),
    };
    vec![
        row("bc1000w1", &["--load", "broadcast", "--connections", "1000", "--window", "1"]),
        row("rooms", &["--load", "rooms", "--connections", "1000", "--members", "10", "--window", "1"]),
        row("echo100", &["--load", "echo", "--connections", "100"]),
        row("echo1000", &["--load", "echo", "--connections", "1000"]),
        row("churn", &["--load", "churn", "--connections", "16"]),
        Row { name: "idle10k", rounds: 1, args: vec!["--load", "idle", "--connections", "10000", "--rest-ms", "2500"] },
    ]
}

/// Where to run, and with what.
#[derive(Debug)]
pub struct Bench {
    /// The load generator's program.
    pub load: PathBuf,
    /// The servers, in the order of their turns.
    pub servers: Vec<Spec>,
    /// Each run takes the next port, so that no run waits for the sockets of the last one.
    pub ports: std::ops::Range<u16>,
}

impl Bench {
    /// Runs all rounds of `rows`, and tells `progress` of each run.
    pub fn run(&self, rows: &[Row], mut progress: impl FnMut(&str)) -> io::Result<Vec<Runs>> {
        let mut ports = self.ports.clone().cycle();
        let mut all = Vec::new();
        for row in rows {
            let mut of_row: Vec<Runs> = self.servers.iter().map(|server| Runs::none(row, server)).collect();
            for round in 0..row.rounds {
                for (server, runs) in self.servers.iter().zip(&mut of_row) {
                    let port = ports.next().ok_or_else(|| io::Error::other("no ports"))?;
                    let measured = self.run_once(row, server, port)?;
                    progress(&format!(
                        "{} {}/{} {}: {:.2} µs per {}",
                        row.name,
                        round + 1,
                        row.rounds,
                        server.name,
                        measured.cpu_us_per_unit,
                        measured.unit
                    ));
                    runs.runs.push(measured);
                }
            }
            all.extend(of_row);
        }
        Ok(all)
    }

    fn run_once(&self, row: &Row, server: &Spec, port: u16) -> io::Result<Measured> {
        let server = server.start(port, SERVER_CORE)?;
        let output = pinned(&self.load, LOAD_CORE)
            .args(&row.args)
            .args(["--port", &server.port().to_string(), "--pid", &server.pid().to_string()])
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err(io::Error::other(format!("the load {} ended with {}", row.name, output.status)));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

impl Runs {
    fn none(row: &Row, server: &Spec) -> Self {
        Self { row: row.name, server: server.name.clone(), runs: Vec::new() }
    }

    /// Median, smallest and largest of what `figure` reads from the runs.
    #[must_use]
    pub fn spread(&self, figure: impl Fn(&Measured) -> f64) -> Spread {
        let mut figures: Vec<f64> = self.runs.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        let at = |i: usize| figures.get(i).copied().unwrap_or(f64::NAN);
        let middle = figures.len() / 2;
        let median = if figures.len() % 2 == 1 { at(middle) } else { (at(middle.wrapping_sub(1)) + at(middle)) / 2.0 };
        Spread { median, min: at(0), max: at(figures.len().wrapping_sub(1)) }
    }
}

/// A figure over the rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The middle one, or the mean of the two middle ones.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// The distance from smallest to largest over the median.
    #[must_use]
    pub fn relative(self) -> f64 {
        (self.max - self.min) / self.median
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_of_the_sorted_rounds() {
        let of = |figures: &[f64]| {
            let runs = figures.iter().map(|us| Measured { cpu_us_per_unit: *us, ..Measured::default() }).collect();
            Runs { row: "r", server: "s".to_owned(), runs }.spread(|measured| measured.cpu_us_per_unit)
        };
        assert_eq!(of(&[3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert!((of(&[9.0, 10.0, 11.0]).relative() - 0.2).abs() < 1e-9);
    }
}
