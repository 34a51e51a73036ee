//! What an application says about recovery: where the log is, for how long clients may come back, and which of them are
//! given offsets. The mechanism is the shards' (`shard/recover`).

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use trunkline_engine::config::Config;
use trunkline_log::{Adapter, Durable, DurableOptions, Keep, Memory, MemoryLimits};

use crate::{BuildError, Handshake, limits};

/// How clients that lost their connection come back to where they were.
///
/// With recovery on, every event of a room reaches every member exactly once and in order, through broken connections;
/// or the client is told that it was not recovered. Events carry one more argument for that, which the official client
/// keeps and does not show to handlers that do not ask for it.
///
/// ```no_run
/// # async fn f() -> Result<(), trunkline::BuildError> {
/// use trunkline::{Recovery, Server};
///
/// let io = Server::builder().recovery(Recovery::memory()).build().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Recovery {
    pub(crate) window: Duration,
    pub(crate) skip_middlewares: bool,
    pub(crate) clients: Clients,
    pub(crate) sessions: usize,
    pub(crate) key_window: Duration,
    pub(crate) log: Log,
}

/// Where the log is.
#[derive(Clone)]
pub(crate) enum Log {
    Memory,
    Durable(PathBuf, DurableOptions),
    Given(Arc<dyn Adapter>),
}

/// Which clients can come back, decided when a connection opens.
#[derive(Clone)]
pub(crate) enum Clients {
    Always,
    Auto,
    If(Arc<dyn Fn(&Handshake) -> bool + Send + Sync>),
}

impl Recovery {
    /// The log in memory: recovery survives broken connections, but not the process. How much it holds is
    /// [`crate::ServerBuilder::memory`]'s to say.
    #[must_use]
    pub fn memory() -> Self {
        Self::with(Log::Memory)
    }

    /// The log in a directory of this machine, which is made if it is not there: recovery survives the process, and with
    /// [`Recovery::fsync`] the loss of power. One process at a time may have it open.
    #[must_use]
    pub fn durable(dir: impl Into<PathBuf>) -> Self {
        Self::with(Log::Durable(dir.into(), DurableOptions::default()))
    }

    /// How the durable log works: sizes, retention, synchronisation. Nothing for other logs.
    #[must_use]
    pub fn options(mut self, change: impl FnOnce(&mut DurableOptions)) -> Self {
        if let Log::Durable(_, options) = &mut self.log {
            change(options);
        }
        self
    }

    /// Whether a commit waits until the disk itself has it; false by default. See [`DurableOptions::fsync`].
    #[must_use]
    pub fn fsync(self, fsync: bool) -> Self {
        self.options(|options| options.fsync = fsync)
    }

    /// A log of your own making.
    #[must_use]
    pub fn adapter(log: Arc<dyn Adapter>) -> Self {
        Self::with(Log::Given(log))
    }

    fn with(log: Log) -> Self {
        Self {
            window: Duration::from_secs(600),
            skip_middlewares: true,
            clients: Clients::Always,
            sessions: 1_000_000,
            key_window: Duration::from_secs(3600),
            log,
        }
    }

    /// For how long a client may be away; 10 minutes by default. Longer than that, it begins afresh.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Whether the middlewares are left out for a client that comes back; true by default, as in Socket.IO.
    #[must_use]
    pub fn skip_middlewares(mut self, skip: bool) -> Self {
        self.skip_middlewares = skip;
        self
    }

    /// Gives offsets to those clients alone that show by their handshake that they can take one more argument: browsers
    /// and Node, but not the Python client, whose handlers with fixed signatures fail on it. The default is all clients
    /// of protocol 4.
    #[must_use]
    pub fn clients_auto(mut self) -> Self {
        self.clients = Clients::Auto;
        self
    }

    /// Gives offsets to those clients alone for which this says so. The others are served as if recovery were off: they
    /// are never recovered, and are promised nothing beyond their connection.
    #[must_use]
    pub fn clients_if(mut self, can_recover: impl Fn(&Handshake) -> bool + Send + Sync + 'static) -> Self {
        self.clients = Clients::If(Arc::new(can_recover));
        self
    }

    /// How many sessions without a connection are kept, over all shards; 1,000,000 by default. Over it, those that would be
    /// forgotten first are.
    #[must_use]
    pub fn sessions(mut self, sessions: usize) -> Self {
        self.sessions = sessions;
        self
    }

    /// For how long the key of a publish is remembered with its answer; one hour by default.
    #[must_use]
    pub fn key_window(mut self, window: Duration) -> Self {
        self.key_window = window;
        self
    }

    /// For how long a session that is not written again can be claimed, and what it is built from has to be kept.
    pub(crate) fn session_life(&self, config: &Config) -> Duration {
        let rewrite = Duration::from_millis(limits::SESSION_REWRITE_MS);
        self.window.saturating_add(config.ping_interval).saturating_add(config.ping_timeout).saturating_add(rewrite)
    }

    pub(crate) fn keep(&self, config: &Config) -> Keep {
        Keep { entries: self.session_life(config), keys: self.key_window }
    }

    /// Opens the log, on a thread of its own since that may take seconds.
    pub(crate) async fn open(&self, config: &Config, memory: MemoryLimits) -> Result<Arc<dyn Adapter>, BuildError> {
        let (dir, mut options) = match &self.log {
            Log::Memory => return Ok(Arc::new(Memory::new(memory))),
            Log::Given(log) => return Ok(log.clone()),
            Log::Durable(dir, options) => (dir.clone(), options.clone()),
        };
        options.keep = self.keep(config);
        let (opened, answer) = oneshot::channel();
        let open = move || drop(opened.send(Durable::open(&dir, options)));
        std::thread::Builder::new().name("trunkline-open".to_owned()).spawn(open)?;
        let panicked = || BuildError::Config("opening the log failed".to_owned());
        Ok(Arc::new(answer.await.map_err(|_| panicked())?.map_err(BuildError::Log)?))
    }

    /// Whether a client can come back.
    pub(crate) fn covers(&self, handshake: &Handshake) -> bool {
        match &self.clients {
            Clients::Always => true,
            Clients::Auto => {
                !handshake.header("user-agent").is_some_and(|agent| agent.to_ascii_lowercase().contains("python"))
            }
            Clients::If(can_recover) => can_recover(handshake),
        }
    }
}

impl fmt::Debug for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recovery")
            .field("window", &self.window)
            .field("skip_middlewares", &self.skip_middlewares)
            .finish_non_exhaustive()
    }
}
