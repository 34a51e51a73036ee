//! `cargo xtask autobahn`: the Autobahn WebSocket test suite against the testbed's bare echo.
//! The suite runs on CPython 2.7 only, which has to be there; all else is installed under target/.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::run::{command, findings, output, run as run_command, step, target};
use crate::server::Subject;
use crate::tools::{read, write};

const PORT: u16 = 29_001;
/// The last release that makes environments for CPython 2.7.
const VIRTUALENV: &str = "virtualenv==20.15.1";
const SUITE: &str = "autobahntestsuite==25.10.1";
const PYTHON_2: &str = "2.7.18";

/// All of framing, and of the many and slow cases on compression those of one size each.
const CASES: &str = r#""1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*",
    "12.1.1", "12.1.5", "12.1.10", "12.1.18", "12.2.3", "12.3.7", "12.4.11", "12.5.15",
    "13.1.1", "13.1.5", "13.1.10", "13.1.18", "13.2.3", "13.3.7", "13.4.11", "13.5.15", "13.6.2", "13.7.6""#;

/// What counts as well done: behaviour that the specification leaves open is no failure.
const GOOD: &[&str] = &["OK", "NON-STRICT", "INFORMATIONAL"];

/// Runs the cases and prints a table; fails if one did.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let subject = if arguments.contains(&"--reference") { Subject::Reference } else { Subject::Testbed };
    subject.prepare()?;
    let folder = target().join("autobahn");
    std::fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    step("installation", || install(&folder))?;
    step("cases", || {
        let _server = subject.start(PORT, &[("MODE", "ws-echo"), ("WS_DEFLATE", "1")])?;
        write(&folder.join("spec.json"), &spec())?;
        let mut suite = command(folder.join("env/bin/wstest"));
        let said = findings(suite.current_dir(&folder).args(["-m", "fuzzingclient", "-s", "spec.json"]))?;
        write(&folder.join("output.txt"), &said)
    })?;
    print(&read(&folder.join("reports/index.json"))?)
}

fn spec() -> String {
    format!(
        r#"{{ "outdir": "reports", "servers": [{{ "agent": "subject", "url": "ws://127.0.0.1:{PORT}/" }}],
  "cases": [{CASES}], "exclude-cases": [], "exclude-agent-cases": {{}} }}"#
    )
}

/// An environment of CPython 2.7 with the suite in it, made by a virtualenv old enough to know that version.
fn install(folder: &Path) -> Outcome {
    if folder.join("env/bin/wstest").exists() {
        return Ok(());
    }
    let python_2 = python_2()?;
    let tool = folder.join("tool");
    run_command(command("python3").args(["-m", "venv", "--clear"]).arg(&tool))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run_command(command(tool.join("bin/python")).args(pip).arg(VIRTUALENV))?;
    let mut make = command(tool.join("bin/python"));
    run_command(make.args(["-m", "virtualenv", "--quiet", "--python"]).arg(python_2).arg(folder.join("env")))?;
    run_command(command(folder.join("env/bin/python")).args(pip).arg(SUITE))
}

/// The interpreter itself: a shim of pyenv's in the path would not be one for virtualenv.
fn python_2() -> Outcome<PathBuf> {
    let pyenv = findings(command("pyenv").arg("root")).unwrap_or_default();
    let python = Path::new(pyenv.trim()).join("versions").join(PYTHON_2).join("bin/python2.7");
    if python.exists() {
        return Ok(python);
    }
    let where_it_is = ["-c", "import sys; sys.stdout.write(sys.executable)"];
    output(command("python2.7").args(where_it_is))
        .map(PathBuf::from)
        .map_err(|_| "Autobahn wants CPython 2.7: install it, for example by pyenv install 2.7.18".to_owned())
}

/// Prints, for each group of cases, how many ended how.
fn print(index: &str) -> Outcome {
    let mut table: BTreeMap<u32, BTreeMap<&str, u32>> = BTreeMap::new();
    let mut bad = Vec::new();
    for (case, behaviour) in results(index) {
        let group = case.split('.').next().and_then(|word| word.parse().ok()).unwrap_or_default();
        *table.entry(group).or_default().entry(behaviour).or_default() += 1;
        if !GOOD.contains(&behaviour) {
            bad.push(format!("{case} {behaviour}"));
        }
    }
    for (group, counts) in &table {
        let shown: Vec<_> = counts.iter().map(|(behaviour, count)| format!("{count} {behaviour}")).collect();
        println!("cases {group:>2}: {}", shown.join(", "));
    }
    if table.is_empty() {
        return Err("the suite gave no results; what it said is in output.txt of target/autobahn".to_owned());
    }
    if bad.is_empty() { Ok(()) } else { Err(format!("not well done: {}", bad.join(", "))) }
}

/// Each case and how it ended, the worse of its behaviour and its way of closing.
fn results(index: &str) -> Vec<(&str, &str)> {
    let mut found: Vec<(&str, &str)> = Vec::new();
    let mut case = "";
    for line in index.lines() {
        let mut quoted = line.split('"').skip(1).step_by(2);
        match (quoted.next(), quoted.next()) {
            (Some(key), _) if key.starts_with(|c: char| c.is_ascii_digit()) => case = key,
            (Some("behavior"), Some(behaviour)) => found.push((case, behaviour)),
            (Some("behaviorClose"), Some(closing)) if !GOOD.contains(&closing) => {
                found.push((case, closing));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_from_the_suites_index() {
        let index = r#"{
   "subject": {
      "1.1.1": {
         "behavior": "OK",
         "behaviorClose": "OK",
         "duration": 3
      },
      "7.1.1": {
         "behavior": "OK",
         "behaviorClose": "FAILED"
      }
   }
}"#;
        assert_eq!(results(index), [("1.1.1", "OK"), ("7.1.1", "OK"), ("7.1.1", "FAILED")]);
    }
}
