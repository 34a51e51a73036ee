//! Running mocha on a folder and reading its counts.
//! Which folder and which server is the caller's.

use std::path::Path;

use crate::Outcome;
use crate::run::{command, findings};

/// How a suite ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: u32,
    pub(super) failed: u32,
    pub(super) skipped: u32,
}

/// Runs mocha, prints what failed, and gives the counts.
pub(super) fn run(folder: &Path, arguments: &[&str]) -> Outcome<Counts> {
    let mut node = command("node");
    node.current_dir(folder).arg("node_modules/.bin/mocha").args(arguments);
    let said = findings(&mut node)?;
    let counts = counts(&said).ok_or_else(|| format!("mocha gave no counts:\n{said}"))?;
    if counts.failed > 0 {
        let from = said.find(" failing").map_or(0, |at| said[..at].rfind('\n').unwrap_or(0));
        println!("{}", &said[from..]);
    }
    Ok(counts)
}

/// The counts among the last lines of mocha's report; none if it did not get that far.
fn counts(said: &str) -> Option<Counts> {
    let count = |word: &str| {
        said.lines().find_map(|line| {
            let (number, rest) = line.trim().split_once(' ')?;
            (rest == word || rest.starts_with(&format!("{word} ("))).then(|| number.parse().ok())?
        })
    };
    let passed = count("passing")?;
    Some(Counts { passed, failed: count("failing").unwrap_or(0), skipped: count("pending").unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_the_end_of_a_report() {
        let said = "  suite\n    ok\n\n  24 passing (9s)\n  1 pending\n  2 failing\n\n  1) suite\n";
        assert_eq!(counts(said), Some(Counts { passed: 24, failed: 2, skipped: 1 }));
        assert_eq!(counts("Error: no such file\n"), None);
    }
}
