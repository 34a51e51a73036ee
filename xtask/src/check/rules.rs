//! Rules of the house that a scan of the text can judge: licences, paths of machines, unsafe code, the first lines of files.
//! What clippy can judge is in the workspace's lints instead.

use std::path::{Path, PathBuf};

use super::sizes::is_test_code;
use super::source::{mask, without_tests};
use crate::Outcome;
use crate::run::root;
use crate::tools::read;

/// What no tracked text may hold: folders of somebody's machine. In two halves, so that this file may be tracked.
const MACHINE_PATHS: &[(&str, &str)] = &[("/wo", "rk/"), ("/ro", "ot/"), ("/ho", "me/"), ("/Us", "ers/")];

/// Endings of files that are text of ours.
const TEXT: &[&str] = &["rs", "toml", "md", "js", "json", "py", "txt", "html", "css", "yml", "sh", "lock"];

/// What code outside tests may not hold, and why.
const BANNED: &[(&str, &str)] = &[
    ("unbounded_channel(", "every queue is bounded"),
    ("mpsc::unbounded(", "every queue is bounded"),
    ("mpsc::channel::<()>()", "every queue is bounded"),
    ("process::exit(", "a library returns; a program gives an ExitCode"),
];

/// Applies every rule to every file.
pub(super) fn check(files: &[PathBuf]) -> Outcome<Vec<String>> {
    let mut findings = licences(files)?;
    for path in files.iter().filter(|path| is_text(path)) {
        let Ok(text) = std::fs::read_to_string(root().join(path)) else {
            continue;
        };
        findings.extend(in_text(path, &text));
        if path.extension().is_some_and(|end| end == "rs") {
            findings.extend(in_rust(path, &text));
        }
    }
    Ok(findings)
}

fn is_text(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_none_or(|ending| TEXT.contains(&ending))
}

fn licences(files: &[PathBuf]) -> Outcome<Vec<String>> {
    let mut findings = Vec::new();
    for name in ["LICENSE-MIT", "LICENSE-APACHE"] {
        if !root().join(name).exists() {
            findings.push(format!("{name} is not there"));
        }
    }
    for path in files.iter().filter(|path| path.ends_with("Cargo.toml")) {
        let manifest = read(&root().join(path))?;
        if manifest.contains("[package]") && !manifest.lines().any(|line| line.starts_with("license")) {
            findings.push(format!("{}: the package names no licence", path.display()));
        }
    }
    Ok(findings)
}

fn in_text(path: &Path, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (first, second) in MACHINE_PATHS {
        if let Some(at) = text.find(&format!("{first}{second}")) {
            let line = 1 + text[..at].matches('\n').count();
            findings.push(format!("{}:{line}: a path of one machine", path.display()));
        }
    }
    if path.ends_with("package-lock.json") && text.contains("\"resolved\"") {
        findings.push(format!("{}: the lock names a registry's address", path.display()));
    }
    findings
}

fn in_rust(path: &Path, text: &str) -> Vec<String> {
    let shown = path.display();
    let masked = mask(text);
    let mut findings = Vec::new();
    if !text.starts_with("//!") {
        findings.push(format!("{shown}: the file does not begin with what it holds"));
    }
    if words(&masked).any(|word| word == "unsafe") {
        findings.push(format!("{shown}: unsafe code"));
    }
    if masked.contains("#[ignore") {
        findings.push(format!("{shown}: an ignored test"));
    }
    if !is_test_code(path) && !path.starts_with("xtask") {
        let code = without_tests(&masked);
        let found = BANNED.iter().filter(|(needle, _)| code.contains(needle));
        findings.extend(found.map(|(needle, why)| format!("{shown}: {needle}…: {why}")));
    }
    findings
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
}
