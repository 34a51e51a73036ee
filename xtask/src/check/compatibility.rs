//! That `docs/compatibility.md` is true: every line of the checklist is there, and every test it names exists.
//! Whether a test shows what its line says is for a reader to judge.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::run::root;
use crate::tools::read;

const LINES: usize = 165;
/// What a line may wait for, as its third column names it.
const ISSUES: &[&str] = &["exactly once", "speed", "many machines"];

/// Judges the table row by row.
pub(super) fn check() -> Outcome<Vec<String>> {
    let document = read(&root().join("docs/compatibility.md"))?;
    let mut findings = Vec::new();
    let mut files = Files::default();
    let mut expected = 1;
    for (number, shown) in rows(&document) {
        if number != expected {
            findings.push(format!("docs/compatibility.md: line {expected} is missing before line {number}"));
        }
        expected = number + 1;
        if let Err(why) = judge(shown, &mut files) {
            findings.push(format!("docs/compatibility.md, line {number}: {why}"));
        }
    }
    if expected != LINES + 1 {
        findings.push(format!("docs/compatibility.md: the last line is {}, not {LINES}", expected - 1));
    }
    Ok(findings)
}

/// The rows of the table: the number in the first column and the text of the last.
fn rows(document: &str) -> impl Iterator<Item = (usize, &str)> {
    document.lines().filter_map(|line| {
        let mut cells = line.strip_prefix('|')?.trim_end().strip_suffix('|')?.split(" | ");
        let number = cells.next()?.trim().parse().ok()?;
        Some((number, cells.last()?.trim()))
    })
}

fn judge(shown: &str, files: &mut Files) -> Result<(), String> {
    if let Some(issue) = shown.strip_prefix("issue: ") {
        let known = ISSUES.contains(&issue);
        return if known { Ok(()) } else { Err(format!("no issue is called {issue}")) };
    }
    if shown.starts_with("not possible: ") {
        return Ok(());
    }
    for reference in shown.split("<br>") {
        let named = reference.trim().strip_prefix('`').and_then(|rest| rest.split_once("`: "));
        let (path, title) = named.ok_or_else(|| format!("neither a test nor a reason: {reference}"))?;
        if !files.has_test(path, title)? {
            return Err(format!("{path} has no test \"{title}\""));
        }
    }
    Ok(())
}

/// The test files read so far.
#[derive(Default)]
struct Files(HashMap<PathBuf, String>);

impl Files {
    fn has_test(&mut self, path: &str, title: &str) -> Result<bool, String> {
        let path = Path::new(path);
        if !self.0.contains_key(path) {
            self.0.insert(path.to_owned(), read(&root().join(path))?);
        }
        Ok(declares(&self.0[path], path, title))
    }
}

/// Whether a file declares a test: by its title in JavaScript, which may go on with a value, by its name elsewhere.
fn declares(text: &str, path: &Path, title: &str) -> bool {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("js") => ["test(", "attack("]
            .iter()
            .any(|call| ["\"", "`"].iter().any(|quote| text.contains(&format!("{call}{quote}{title}")))),
        Some("py") => text.contains(&format!("def {title}(")),
        _ => text.contains(&format!("fn {title}(")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_gives_its_number_and_its_last_column() {
        let document = "| no | behaviour | shown by |\n|---|---|---|\n| 7 | what | `a.js`: title |\ntext\n";
        assert_eq!(rows(document).collect::<Vec<_>>(), [(7, "`a.js`: title")]);
    }

    #[test]
    fn a_title_that_no_test_has_is_not_declared() {
        let text = "test(\"a thing works\", run); test(`over ${x}`, run)";
        assert!(declares(text, Path::new("a.js"), "a thing works"));
        assert!(declares(text, Path::new("a.js"), "over"));
        assert!(!declares(text, Path::new("a.js"), "thing works"));
        assert!(!declares("fn a_test() {}", Path::new("a.rs"), "another_test"));
    }
}
