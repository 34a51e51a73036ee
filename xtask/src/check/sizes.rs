//! How long files and functions are, against STYLE.md's measure.
//! What only tests use is not counted.

use std::path::{Path, PathBuf};

use super::source::{Function, functions, mask, without_tests};
use crate::Outcome;
use crate::run::root;
use crate::tools::read;

const FILE_LINES_MAX: usize = 700;
const FILE_LINES_LOOK: usize = 500;
const FUNCTION_LINES_MAX: usize = 100;
const FUNCTION_LINES_LOOK: usize = 70;

/// Whether a path holds nothing but tests.
pub(super) fn is_test_code(path: &Path) -> bool {
    let in_folder = path.iter().any(|part| part == "tests" || part == "benches" || part == "fuzz");
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    in_folder || stem == "tests" || stem.ends_with("_tests")
}

/// Measures every Rust file, prints what to look at, and gives what is over the limits.
pub(super) fn check(files: &[PathBuf]) -> Outcome<Vec<String>> {
    let mut findings = Vec::new();
    let mut lengths = Vec::new();
    for path in files.iter().filter(|path| path.extension().is_some_and(|end| end == "rs") && !is_test_code(path)) {
        let code = without_tests(&mask(&read(&root().join(path))?));
        let (shown, lines) = (path.display(), lines_outside_tests(&code));
        if lines > FILE_LINES_MAX {
            findings.push(format!("{shown}: {lines} lines, over {FILE_LINES_MAX}"));
        } else if lines > FILE_LINES_LOOK {
            println!("    look at {shown}: {lines} lines");
        }
        for Function { name, line, lines } in functions(&code) {
            if lines > FUNCTION_LINES_MAX {
                findings.push(format!("{shown}:{line}: {name} has {lines} lines, over {FUNCTION_LINES_MAX}"));
            } else if lines > FUNCTION_LINES_LOOK {
                println!("    look at {shown}:{line}: {name} has {lines} lines");
            }
            lengths.push(lines);
        }
    }
    report(lengths);
    Ok(findings)
}

/// The lines up to the last one with code: blanked tests at a file's end do not count.
fn lines_outside_tests(code: &str) -> usize {
    code.trim_end().lines().count()
}

fn report(mut lengths: Vec<usize>) {
    lengths.sort_unstable();
    let median = lengths.get(lengths.len() / 2).copied().unwrap_or_default();
    let longest = lengths.last().copied().unwrap_or_default();
    println!("    {} functions, half of them have {median} lines or fewer, the longest {longest}", lengths.len());
}
