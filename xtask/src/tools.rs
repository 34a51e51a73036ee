//! What tests need from outside: npm and PyPI packages in folders of their own, Chromium, cargo-deny.
//! Each is looked for first, then installed, and where it may not be, a sentence says what to do.

use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::run::{cargo, command, findings, output, root, run, target};

const NODE_MAJOR_MIN: u32 = 20;
const CARGO_DENY: &str = "0.20.2";

/// The folder of the official JavaScript clients' tests.
pub(crate) fn js_folder() -> PathBuf {
    root().join("tests/js")
}

/// Fails unless a Node.js is there that can run the tests.
pub(crate) fn node() -> Outcome {
    let version = output(command("node").arg("--version"))
        .map_err(|_| format!("Node.js {NODE_MAJOR_MIN} or later is needed: install nodejs and npm"))?;
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|word| word.parse().ok());
    if major < Some(NODE_MAJOR_MIN) {
        return Err(format!("Node.js {NODE_MAJOR_MIN} or later is needed, and this is {}", version.trim()));
    }
    Ok(())
}

/// Installs the npm packages of the tests exactly as locked, unless that lock was installed before.
pub(crate) fn npm_packages() -> Outcome {
    node()?;
    let folder = js_folder();
    let lock = read(&folder.join("package-lock.json"))?;
    let stamp = folder.join("node_modules/.installed-lock");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    run(command("npm").args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&folder))?;
    write(&stamp, &lock)
}

/// Installs npm packages by name in a folder under target/.
pub(crate) fn npm_install(folder: &Path, packages: &[&str]) -> Outcome {
    node()?;
    std::fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let manifest = folder.join("package.json");
    if !manifest.exists() {
        write(&manifest, "{ \"private\": true }\n")?;
    }
    let mut install = command("npm");
    install.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--legacy-peer-deps"]);
    run(install.args(packages).current_dir(folder))
}

/// A Python environment with the packages of the requirements file; gives its interpreter.
pub(crate) fn python() -> Outcome<PathBuf> {
    let folder = target().join("python");
    let requirements = root().join("tests/python/requirements.txt");
    let wanted = read(&requirements)?;
    let stamp = folder.join("installed-requirements.txt");
    let interpreter = folder.join("bin/python");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(interpreter);
    }
    run(command("python3").args(["-m", "venv", "--clear"]).arg(&folder))
        .map_err(|_| "Python 3 with its module venv is needed: install python3 and python3-venv".to_owned())?;
    let mut install = command(&interpreter);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&requirements);
    run(&mut install)?;
    write(&stamp, &wanted)?;
    Ok(interpreter)
}

/// Fails unless Chromium is there; installs it where that is allowed.
pub(crate) fn chromium() -> Outcome {
    if has("chromium") {
        return Ok(());
    }
    if !(has("apt-get") && is_root()) {
        return Err("Chromium is needed for the browser tests: install the package chromium".to_owned());
    }
    run(command("apt-get").args(["update", "-qq"]))?;
    let mut install = command("apt-get");
    install.args(["install", "-y", "-qq", "--no-install-recommends", "chromium"]);
    run(install.env("DEBIAN_FRONTEND", "noninteractive"))
}

/// The path of cargo-deny, installed if it is nowhere.
pub(crate) fn cargo_deny() -> Outcome<PathBuf> {
    cargo_tool("cargo-deny", CARGO_DENY)
}

/// The path of a tool of cargo's, installed under target/ if it is nowhere.
pub(crate) fn cargo_tool(name: &str, version: &str) -> Outcome<PathBuf> {
    if has(name) {
        return Ok(name.into());
    }
    let folder = target().join("tools");
    let program = folder.join("bin").join(name);
    if !program.exists() {
        println!("{name} is not there and is built once, which takes a few minutes");
        let mut install = cargo();
        install.args(["install", name, "--locked", "--quiet", "--version", version, "--root"]);
        run(install.arg(&folder))?;
    }
    Ok(program)
}

/// Whether a program of this name is in the path.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn is_root() -> bool {
    findings(command("id").arg("-u")).is_ok_and(|user| user.trim() == "0")
}

/// Reads a text file of the repository.
pub(crate) fn read(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// Writes a text file.
pub(crate) fn write(path: &Path, text: &str) -> Outcome {
    std::fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
