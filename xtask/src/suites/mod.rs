//! `cargo xtask suites`: the Socket.IO project's own five suites against the testbed, from a checkout outside the repository.
//! Which suites there are and how each is laid out is here; how one runs and what it said is `mocha`.

use std::path::{Path, PathBuf};

use crate::run::{run as run_command, step, target};
use crate::server::Subject;
use crate::tools::{npm_install, write};
use crate::{Outcome, option};

mod mocha;

/// One suite of the Socket.IO project.
struct Suite {
    name: &'static str,
    /// Its folder in the checkout.
    folder: &'static str,
    layout: Layout,
    /// The MODE of the testbed that it wants, and the port it expects that on.
    mode: &'static str,
    port: u16,
    packages: &'static [&'static str],
    /// Passed and skipped by the reference.
    reference: (u32, u32),
}

/// How a suite finds what it tests.
enum Layout {
    /// It speaks the protocol itself.
    Protocol,
    /// Its tests import the client beside them: the release of this name takes that place.
    Client { package: &'static str, arguments: &'static [&'static str] },
}

const MOCHA: &str = "mocha@9.2.2";
const CHAI: &str = "chai@4.5.0";
const CHAI_STRING: &str = "chai-string@1.6.0";
const FETCH: &str = "node-fetch@3.3.2";

const SUITES: &[Suite] = &[
    Suite {
        name: "engine.io-v4",
        folder: "docs/engine.io-protocol/v4-test-suite",
        layout: Layout::Protocol,
        mode: "eio4-suite",
        port: 3000,
        packages: &[MOCHA, CHAI, CHAI_STRING, FETCH, "ws@8.21.0"],
        reference: (25, 0),
    },
    Suite {
        name: "engine.io-v3",
        folder: "docs/engine.io-protocol/v3-test-suite",
        layout: Layout::Protocol,
        mode: "eio3-suite",
        port: 3000,
        // Later releases of ws deliver the handshake in the turn of `open`, before this suite listens.
        packages: &[MOCHA, CHAI, CHAI_STRING, FETCH, "ws@8.5.0"],
        reference: (23, 1),
    },
    Suite {
        name: "socket.io-v5",
        folder: "docs/socket.io-protocol/v5-test-suite",
        layout: Layout::Protocol,
        mode: "sio5-suite",
        port: 3000,
        packages: &[MOCHA, CHAI, CHAI_STRING, FETCH, "ws@8.21.0"],
        reference: (32, 0),
    },
    Suite {
        name: "socket.io-client",
        folder: "packages/socket.io-client/test",
        layout: Layout::Client { package: "socket.io-client", arguments: &["--import=tsx", "--exit", "test/index.ts"] },
        mode: "sio-client-suite",
        port: 3210,
        packages: &[
            "socket.io-client@4.8.4",
            "mocha@10.8.2",
            "tsx@4.20.6",
            "expect.js@0.3.1",
            "has-cors@1.1.0",
            "@sinonjs/fake-timers@11.3.1",
            "base64-arraybuffer@1.0.2",
            "text-blob-builder@0.0.1",
            "socket.io-msgpack-parser@3.0.2",
        ],
        reference: (111, 0),
    },
    Suite {
        name: "engine.io-client",
        folder: "packages/engine.io-client/test",
        layout: Layout::Client { package: "engine.io-client", arguments: &["--exit", "test/index.js"] },
        mode: "eio-client-suite",
        port: 3000,
        packages: &[
            "engine.io-client@6.6.8",
            "mocha@10.8.2",
            "expect.js@0.3.1",
            "@sinonjs/fake-timers@11.3.1",
            "blob@0.1.0",
        ],
        reference: (83, 1),
    },
];

/// Runs the suites and prints a table; fails if a test did.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let checkout = option(arguments, "--checkout").map(PathBuf::from);
    let checkout = checkout.ok_or("suites: --checkout names a checkout of the repository socketio/socket.io")?;
    let only = option(arguments, "--only");
    let subject = if arguments.contains(&"--reference") { Subject::Reference } else { Subject::Testbed };
    subject.prepare()?;
    let mut table = Vec::new();
    for suite in SUITES.iter().filter(|suite| only.is_none_or(|name| name == suite.name)) {
        step(suite.name, || {
            let folder = prepare(suite, &checkout)?;
            let _server = subject.start(suite.port, &[("MODE", suite.mode)])?;
            let arguments = match suite.layout {
                Layout::Protocol => &["--exit", "test-suite.js"],
                Layout::Client { arguments, .. } => arguments,
            };
            table.push((suite, mocha::run(&folder, arguments)?));
            Ok(())
        })?;
    }
    print(&table)
}

fn print(table: &[(&Suite, mocha::Counts)]) -> Outcome {
    println!("{:<18}{:>8}{:>8}{:>9}   reference", "suite", "passed", "failed", "skipped");
    for (suite, counts) in table {
        let (passed, skipped) = suite.reference;
        let mocha::Counts { passed: ours, failed, skipped: ours_skipped } = counts;
        println!("{:<18}{ours:>8}{failed:>8}{ours_skipped:>9}   {passed} passed, {skipped} skipped", suite.name);
    }
    if table.is_empty() {
        let names: Vec<_> = SUITES.iter().map(|suite| suite.name).collect();
        return Err(format!("suites: --only takes one of {}", names.join(", ")));
    }
    let failed: u32 = table.iter().map(|(_, counts)| counts.failed).sum();
    if failed == 0 { Ok(()) } else { Err(format!("{failed} test(s) of the suites failed")) }
}

/// Lays a suite out under target/, with what it needs, and gives its folder.
fn prepare(suite: &Suite, checkout: &Path) -> Outcome<PathBuf> {
    let source = checkout.join(suite.folder);
    if !source.is_dir() {
        return Err(format!("{} is not in the checkout", suite.folder));
    }
    let folder = target().join("suites").join(suite.name);
    let manifest = match suite.layout {
        Layout::Protocol => {
            copy(&source, &folder)?;
            "{ \"private\": true, \"type\": \"module\" }\n"
        }
        Layout::Client { .. } => {
            copy(&source, &folder.join("test"))?;
            "{ \"private\": true, \"main\": \"./build/cjs/index.js\" }\n"
        }
    };
    // The suite's own lock names other versions than those that its results are known for.
    let _ = std::fs::remove_file(folder.join("package-lock.json"));
    write(&folder.join("package.json"), manifest)?;
    npm_install(&folder, suite.packages)?;
    if let Layout::Client { package, .. } = suite.layout {
        link(&folder.join("node_modules").join(package).join("build"), &folder.join("build"))?;
    }
    Ok(folder)
}

fn copy(from: &Path, to: &Path) -> Outcome {
    std::fs::create_dir_all(to).map_err(|error| format!("cannot make {}: {error}", to.display()))?;
    let mut source = from.as_os_str().to_owned();
    source.push("/.");
    run_command(crate::run::command("cp").arg("-R").arg(source).arg(to))
}

fn link(to: &Path, at: &Path) -> Outcome {
    run_command(crate::run::command("ln").arg("-sfn").arg(to).arg(at))
}
