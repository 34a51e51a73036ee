//! The official browser client: a directory that was named, or one filled from its npm package at the first start, or
//! the public CDN. Serving its files is the library's part.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::options::Options;

/// The version of socket.io-client that the pages were made with.
const VERSION: &str = "4.8.4";
/// The file that the pages load.
const SCRIPT: &str = "socket.io.min.js";
/// Where browsers find it if this program does not have it.
pub(crate) const CDN: &str = "https://cdn.socket.io/4.8.4/socket.io.min.js";
/// How long npm may take: generous for a slow line, short for somebody who waits for the first start.
const NPM_DEADLINE: Duration = Duration::from_secs(60);

/// Where the client's files are, or will be.
#[derive(Debug)]
pub(crate) struct Client {
    dir: PathBuf,
    named: bool,
}

/// From where the pages take the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// This program.
    Served,
    /// The public CDN.
    Cdn,
}

impl Client {
    /// The place that the options say.
    ///
    /// # Errors
    ///
    /// A sentence, if a directory was named and the client is not in it.
    pub(crate) fn of(options: &Options) -> Result<Self, String> {
        let Some(dir) = &options.client_dir else {
            let dir = options.data_dir.join("client").join(format!("socket.io-client-{VERSION}"));
            return Ok(Self { dir, named: false });
        };
        if !dir.join(SCRIPT).is_file() {
            return Err(format!("there is no {SCRIPT} in {}, which --client-dir names", dir.display()));
        }
        Ok(Self { dir: dir.clone(), named: true })
    }

    /// The directory to serve, if it has the client.
    pub(crate) fn dir_of(&self, source: Source) -> Option<&Path> {
        (source == Source::Served).then_some(&*self.dir)
    }

    /// Sees to it that the client is there, and tells the operator in a line if anything was to be done.
    ///
    /// # Errors
    ///
    /// A sentence, if the data directory cannot be written.
    pub(crate) async fn provide(&self, tell: impl Fn(&str)) -> Result<Source, String> {
        if self.named || self.is_there() {
            return Ok(Source::Served);
        }
        let work = Work::new(self.dir.with_file_name(format!("partial-{}", std::process::id())))?;
        tell(&format!("taking socket.io-client {VERSION} from npm into {}", self.dir.display()));
        match self.take(OsStr::new("npm"), &work.0, NPM_DEADLINE).await {
            Ok(()) => Ok(Source::Served),
            Err(why) => {
                tell(&format!("{why}; the pages take the client from {CDN}"));
                Ok(Source::Cdn)
            }
        }
    }

    fn is_there(&self) -> bool {
        self.dir.join(SCRIPT).is_file()
    }

    /// Installs the package in `work` and moves its files into place at once, so that half a package is never taken
    /// for a whole one.
    async fn take(&self, npm: &OsStr, work: &Path, deadline: Duration) -> Result<(), String> {
        let mut install = Command::new(npm);
        install.args(arguments(work)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        install.kill_on_drop(true);
        let ended = match tokio::time::timeout(deadline, install.status()).await {
            Err(_) => return Err(format!("npm took longer than {} s", deadline.as_secs())),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => return Err("npm is not there".to_owned()),
            Ok(Err(error)) => return Err(format!("npm could not be run: {error}")),
            Ok(Ok(status)) => status,
        };
        if !ended.success() {
            return Err(format!("npm failed ({ended})"));
        }
        let files = work.join("node_modules/socket.io-client/dist");
        match std::fs::rename(&files, &self.dir) {
            Ok(()) if self.is_there() => Ok(()),
            // Another process may have been faster.
            Err(_) if self.is_there() => Ok(()),
            Ok(()) => Err(format!("the npm package has no {SCRIPT}")),
            Err(error) => Err(format!("the npm package could not be moved: {error}")),
        }
    }
}

/// The folder that npm works in, gone when nobody waits for npm any more.
struct Work(PathBuf);

impl Work {
    fn new(dir: PathBuf) -> Result<Self, String> {
        match std::fs::create_dir_all(&dir) {
            Ok(()) => Ok(Self(dir)),
            Err(error) => Err(format!("cannot make the directory {}: {error}", dir.display())),
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // If it stays it is of no use, but harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn arguments(work: &Path) -> Vec<OsString> {
    let package = format!("socket.io-client@{VERSION}");
    let mut arguments: Vec<OsString> = vec!["install".into(), "--prefix".into(), work.into()];
    // Nothing of the package is run, and nobody is asked or told anything beside.
    let quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--no-package-lock", "--fetch-retries=1"];
    arguments.extend(quiet.map(OsString::from));
    arguments.push(package.into());
    arguments
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// A folder of its own for each test, gone at its end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("trunkline-client-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        /// A program that stands in for npm; its third argument is the folder to install in.
        fn npm(&self, script: &str) -> PathBuf {
            let path = self.0.join("npm");
            // Written by another process: a file that this one had open for writing could be busy when it is run, since
            // other tests fork meanwhile.
            let write = r#"printf '#!/bin/sh\n%s\n' "$1" >"$2" && chmod 755 "$2""#;
            let mut shell = std::process::Command::new("sh");
            assert!(shell.args(["-c", write, "sh", script]).arg(&path).status().unwrap().success());
            path
        }

        fn client(&self) -> Client {
            Client { dir: self.0.join("client/socket.io-client"), named: false }
        }

        fn work(&self) -> PathBuf {
            let work = self.0.join("client/work");
            std::fs::create_dir_all(&work).unwrap();
            work
        }

        async fn take(&self, npm: &Path) -> Result<(), String> {
            self.client().take(npm.as_os_str(), &self.work(), NPM_DEADLINE).await
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    const INSTALLS: &str =
        r#"dist="$3/node_modules/socket.io-client/dist"; mkdir -p "$dist"; echo 1 >"$dist/socket.io.min.js""#;

    fn options(client_dir: Option<&Path>, data_dir: &Path) -> Options {
        let mut args: Vec<&OsStr> = vec!["trunkline-server".as_ref(), "--data-dir".as_ref(), data_dir.as_ref()];
        args.extend(client_dir.iter().flat_map(|dir| [OsStr::new("--client-dir"), dir.as_os_str()]));
        match Options::read(args) {
            crate::options::Reading::Options(options) => *options,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn npm_fills_the_directory() {
        let folder = Folder::new("fills");
        assert_eq!(folder.take(&folder.npm(INSTALLS)).await, Ok(()));
        assert!(folder.client().is_there());
    }

    #[tokio::test]
    async fn npm_is_asked_for_the_version_of_the_pages_and_runs_no_scripts() {
        let folder = Folder::new("asked");
        let npm = folder.npm(&format!("echo \"$@\" >{}/asked; {INSTALLS}", folder.0.display()));
        folder.take(&npm).await.unwrap();
        let asked = std::fs::read_to_string(folder.0.join("asked")).unwrap();
        assert!(asked.contains("--ignore-scripts") && asked.contains("socket.io-client@4.8.4"), "{asked}");
        assert!(CDN.contains(VERSION));
    }

    #[tokio::test]
    async fn a_failing_npm_leaves_no_client() {
        let folder = Folder::new("fails");
        let why = folder.take(&folder.npm("exit 7")).await.unwrap_err();
        assert!(why.contains("npm failed") && why.contains('7'), "{why}");
        assert!(!folder.client().is_there());
    }

    #[tokio::test]
    async fn no_npm_is_said_as_such() {
        let folder = Folder::new("none");
        let why = folder.take(&folder.0.join("npm")).await.unwrap_err();
        assert_eq!(why, "npm is not there");
    }

    #[tokio::test]
    async fn an_npm_that_gives_something_else_is_a_failure() {
        let folder = Folder::new("other");
        let why = folder.take(&folder.npm("exit 0")).await.unwrap_err();
        assert!(why.contains("could not be moved"), "{why}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_npm_that_never_ends_is_ended_at_the_deadline() {
        let folder = Folder::new("hangs");
        let why = folder.take(&folder.npm("exec sleep 1000")).await.unwrap_err();
        assert_eq!(why, "npm took longer than 60 s");
    }

    #[tokio::test]
    async fn what_is_there_is_used_without_a_word() {
        let folder = Folder::new("there");
        let client = Client::of(&options(None, &folder.0)).unwrap();
        std::fs::create_dir_all(&client.dir).unwrap();
        std::fs::write(client.dir.join(SCRIPT), "1").unwrap();
        let told = RefCell::new(Vec::new());
        let source = client.provide(|line| told.borrow_mut().push(line.to_owned())).await;
        assert_eq!((source, told.into_inner()), (Ok(Source::Served), Vec::new()));
    }

    #[test]
    fn a_named_directory_without_the_client_is_refused() {
        let folder = Folder::new("named");
        let sentence = Client::of(&options(Some(&folder.0), &folder.0)).unwrap_err();
        assert!(sentence.contains("--client-dir") && sentence.contains(SCRIPT), "{sentence}");
        std::fs::write(folder.0.join(SCRIPT), "1").unwrap();
        assert_eq!(Client::of(&options(Some(&folder.0), &folder.0)).unwrap().dir, folder.0);
    }
}
