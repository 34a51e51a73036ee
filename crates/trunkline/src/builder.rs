//! Options of a server, under the reference's names in snake case and with its defaults.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::request::Parts;
use tokio::runtime;
use tokio::task::LocalSet;
use trunkline_delivery::{Entry, MAX_SHARDS};
use trunkline_engine::config::{CompressionOptions, Config, DeflateOptions};
use trunkline_engine::http::{ConnectionError, Cookie, Cors};
use trunkline_log::{Adapter, Memory, MemoryLimits};
use trunkline_proto::{Message, Parser};

use crate::handler::States;
use crate::hub::Hub;
use crate::mailbox::Mailbox;
use crate::raw::{EngineEvent, EngineSocket};
use crate::server::{Options, Server, ServerCore};
use crate::shard::Shard;
use crate::{BuildError, Recovery};

/// Builds a [`Server`]. Every option has the reference's name and default.
#[derive(Clone)]
#[must_use]
pub struct ServerBuilder {
    config: Config,
    states: States,
    parser: Parser,
    shards: Option<usize>,
    memory: MemoryLimits,
    close_timeout: Duration,
    recovery: Option<Recovery>,
    cleanup_empty_child_namespaces: bool,
    raw: Option<crate::raw::RawHandler>,
    transports: Option<Result<(), String>>,
}

impl ServerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            config: Config::default(),
            states: States::default(),
            parser: Parser::Default,
            shards: None,
            memory: MemoryLimits::default(),
            close_timeout: Duration::from_secs(10),
            recovery: None,
            cleanup_empty_child_namespaces: false,
            raw: None,
            transports: None,
        }
    }

    /// A value that handlers take as `State<T>`; one of each type.
    pub fn state<T: Send + Sync + 'static>(mut self, state: T) -> Self {
        self.states.insert(Arc::new(state));
        self
    }

    /// The path of all requests, `/socket.io` by default.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        let path: String = path.into();
        let path = path.strip_suffix('/').map(str::to_owned).unwrap_or(path);
        self.config.path = path;
        self
    }

    /// Whether requests must have a slash behind the path; true by default.
    pub fn add_trailing_slash(mut self, add: bool) -> Self {
        self.config.add_trailing_slash = add;
        self
    }

    /// From the opening, or a pong, to the next ping; 25 s by default.
    pub fn ping_interval(mut self, interval: Duration) -> Self {
        self.config.ping_interval = interval;
        self
    }

    /// How long a pong may take before the client counts as gone; 20 s by default.
    pub fn ping_timeout(mut self, timeout: Duration) -> Self {
        self.config.ping_timeout = timeout;
        self
    }

    /// How long an upgrade to WebSocket may take; 10 s by default.
    pub fn upgrade_timeout(mut self, timeout: Duration) -> Self {
        self.config.upgrade_timeout = timeout;
        self
    }

    /// How long a connection may stay without a namespace; 45 s by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = timeout;
        self
    }

    /// The most bytes of one message, whatever the transport; 1,000,000 by default.
    pub fn max_http_buffer_size(mut self, bytes: usize) -> Self {
        self.config.max_http_buffer_size = bytes;
        self
    }

    /// Which transports are served: `polling`, `websocket`, or both (the default).
    pub fn transports(mut self, names: &[&str]) -> Self {
        let set = self.config.transports(names).map(|_| ()).map_err(|error| error.to_string());
        self.transports = Some(set);
        self
    }

    /// Whether polling clients are offered to upgrade; true by default.
    pub fn allow_upgrades(mut self, allow: bool) -> Self {
        self.config.allow_upgrades = allow;
        self
    }

    /// Whether clients of Socket.IO 2 (Engine.IO protocol 3) are served; false by default.
    pub fn allow_eio3(mut self, allow: bool) -> Self {
        self.config.allow_eio3 = allow;
        self
    }

    /// Per-message deflate on WebSockets for messages of at least so many bytes; off by default. Contexts are not kept
    /// between messages, so that a broadcast is deflated once for all.
    pub fn per_message_deflate(mut self, threshold: usize) -> Self {
        let mut options = DeflateOptions::default();
        options.threshold = threshold;
        self.config.per_message_deflate = Some(options);
        self
    }

    /// Compresses polling answers of at least so many bytes, 1024 by default; `None` switches it off.
    pub fn http_compression(mut self, threshold: Option<usize>) -> Self {
        self.config.http_compression = threshold.map(|threshold| {
            let mut options = CompressionOptions::default();
            options.threshold = threshold;
            options
        });
        self
    }

    /// A message that is sent right after the open packet; none by default.
    pub fn initial_packet(mut self, message: Message) -> Self {
        self.config.initial_packet = Some(message);
        self
    }

    /// Sets a cookie with the session's id on the first polling answer, for balancers; none by default.
    pub fn cookie(mut self, cookie: Cookie) -> Self {
        self.config.cookie = Some(cookie);
        self
    }

    /// CORS headers for this server's answers; none by default. It does not guard WebSockets: see
    /// [`ServerBuilder::allowed_origins`].
    pub fn cors(mut self, cors: Cors) -> Self {
        self.config.cors = Some(cors);
        self
    }

    /// Origins that may open sessions, over polling and WebSocket alike; all by default. Requests without an `Origin`
    /// (which no browser sends across sites) pass.
    pub fn allowed_origins<S: Into<String>>(mut self, origins: impl IntoIterator<Item = S>) -> Self {
        self.config.allowed_origins = Some(origins.into_iter().map(Into::into).collect());
        self
    }

    /// Asked for each new session; an `Err` refuses it with this message (or `Forbidden`).
    pub fn allow_request<F, Fut>(mut self, allow: F) -> Self
    where
        F: Fn(&Parts) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Option<String>>> + Send + 'static,
    {
        self.config.hooks.allow_request = Some(Arc::new(move |parts| Box::pin(allow(parts))));
        self
    }

    /// Makes the ids of sessions. They must be unique in the whole deployment and hard to guess.
    pub fn generate_id<F, Fut>(mut self, generate: F) -> Self
    where
        F: Fn(&Parts) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String, String>> + Send + 'static,
    {
        self.config.hooks.generate_id = Some(Arc::new(move |parts| Box::pin(generate(parts))));
        self
    }

    /// Changes the headers of the first answer of each session.
    pub fn initial_headers(mut self, edit: impl Fn(&mut HeaderMap, &Parts) + Send + Sync + 'static) -> Self {
        self.config.hooks.initial_headers = Some(Arc::new(edit));
        self
    }

    /// Changes the headers of every answer.
    pub fn headers(mut self, edit: impl Fn(&mut HeaderMap, &Parts) + Send + Sync + 'static) -> Self {
        self.config.hooks.headers = Some(Arc::new(edit));
        self
    }

    /// Told of every request that is refused.
    pub fn on_connection_error(mut self, told: impl Fn(&ConnectionError<'_>) + Send + Sync + 'static) -> Self {
        self.config.hooks.connection_error = Some(Arc::new(told));
        self
    }

    /// Serves the client's files (`socket.io.js` and the other seven of the npm package) from this directory.
    pub fn client_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.config.client_dir = Some(dir.into());
        self
    }

    /// How long the head of a request, and its body, may take; 10 s each by default.
    pub fn request_timeouts(mut self, header: Duration, body: Duration) -> Self {
        self.config.header_timeout = header;
        self.config.body_timeout = body;
        self
    }

    /// The parser that clients use too; the default one unless they were built with msgpack.
    pub fn parser(mut self, parser: Parser) -> Self {
        self.parser = parser;
        self
    }

    /// Whether a child of a dynamic namespace goes with its last socket; false by default.
    pub fn cleanup_empty_child_namespaces(mut self, cleanup: bool) -> Self {
        self.cleanup_empty_child_namespaces = cleanup;
        self
    }

    /// Lets clients come back to where they were after a broken connection; off by default.
    pub fn recovery(mut self, recovery: Recovery) -> Self {
        self.recovery = Some(recovery);
        self
    }

    /// How long handlers that are running may go on when the server closes; 10 s by default. Then they are dropped where
    /// they wait.
    pub fn close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout = timeout;
        self
    }

    /// How many threads serve connections; one a core by default, at most 64.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// How much of the past the log in memory keeps, for members that are behind and for `history`.
    pub fn memory(mut self, limits: MemoryLimits) -> Self {
        self.memory = limits;
        self
    }

    /// Speaks Engine.IO alone: messages go to this function and there is no Socket.IO on top.
    pub fn engine(mut self, handler: impl Fn(&EngineSocket, EngineEvent) + Send + Sync + 'static) -> Self {
        self.raw = Some(Arc::new(handler));
        self
    }

    /// Starts the server's threads.
    ///
    /// # Errors
    ///
    /// If an option is out of its range, the system gives no thread, or the log cannot be opened.
    pub async fn build(self) -> Result<Server, BuildError> {
        if let Some(Err(why)) = self.transports {
            return Err(BuildError::Config(why));
        }
        self.config.validate().map_err(|error| BuildError::Config(error.to_string()))?;
        let shards = self.shards.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into));
        if shards == 0 || (self.shards.is_some() && shards > MAX_SHARDS) {
            return Err(BuildError::Config(format!("shards must be between 1 and {MAX_SHARDS}, not {shards}")));
        }
        let mailboxes = (0..shards.min(MAX_SHARDS)).map(|_| Arc::<Mailbox>::default()).collect();
        let adapter: Arc<dyn Adapter> = match &self.recovery {
            None => Arc::new(Memory::new(self.memory)),
            Some(recovery) => recovery.open(&self.config, self.memory).await?,
        };
        let own_ids = self.config.hooks.generate_id.is_some();
        let options = Options {
            parser: self.parser,
            cleanup_empty_child_namespaces: self.cleanup_empty_child_namespaces,
            close_timeout: self.close_timeout,
            recovery: self.recovery,
            raw: self.raw,
        };
        let hub = Hub::new(adapter, mailboxes, own_ids);
        let core = Arc::new(ServerCore::new(Arc::new(self.config), options, hub, self.states));
        let acts = core.sessions_kept().await.map_err(|error| BuildError::Config(error.to_string()))?;
        let threads = (0..core.shards()).map(|index| start_shard(index, core.clone(), acts.clone()));
        let threads = threads.collect::<std::io::Result<Vec<_>>>()?;
        Ok(Server::start(core, threads))
    }
}

fn start_shard(
    index: usize,
    core: Arc<ServerCore>,
    acts: Arc<[Arc<Entry>]>,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name(format!("trunkline-{index}")).spawn(move || {
        let local = LocalSet::new();
        let shard = Shard::new(index, core.clone());
        shard.restore(&acts);
        drop(acts);
        let run = std::panic::AssertUnwindSafe(|| local.block_on(&runtime, shard.run()));
        if std::panic::catch_unwind(run).is_err() {
            core.break_down(index);
        }
    })
}

impl std::fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}
