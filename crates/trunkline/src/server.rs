//! The server: its namespaces, its shards, and the way an entry takes to the log.

mod namespaces;

pub(crate) use self::namespaces::auth_value;

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;

use trunkline_delivery::{Act, Cast, Entry, Offset, Position, Room, Sessions, SocketId, Target};
use trunkline_engine::config::Config;
use trunkline_log::{AppendError, Appended, Batch, Keyed, NewEntry, ReadError};
use trunkline_proto::{Parser, Version};

use crate::commit::BatchCommit;
use crate::common::{lock, millis};
use crate::dynamic::{Asked, Matcher};
use crate::figures::Figures;
use crate::handler::States;
use crate::handler::dispatch::guarded_call;
use crate::hub::Hub;
use crate::keyed::Tries;
use crate::mailbox::{Command, Mailbox};
use crate::namespace::NamespaceCore;
use crate::raw::RawHandler;
use crate::shard::CastOut;
use crate::{Commit, ConnectError, Handshake, Namespace, Recovery, ServerBuilder, shard};

/// A Socket.IO server. Cloning is cheap; all clones are the same server.
///
/// It is its main namespace `/` as well: `io.emit(..)`, `io.on(..)` and everything else of [`Namespace`] can be called
/// on it.
#[derive(Clone)]
pub struct Server {
    main: Namespace,
}

/// What happened to a room on this node, for [`Server::on_room_event`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoomEvent {
    /// The room has its first member.
    Created {
        /// The namespace.
        ns: Arc<str>,
        /// The room.
        room: Room,
    },
    /// The room has lost its last member.
    Deleted {
        /// The namespace.
        ns: Arc<str>,
        /// The room.
        room: Room,
    },
    /// A socket has joined.
    Joined {
        /// The namespace.
        ns: Arc<str>,
        /// The room.
        room: Room,
        /// The socket.
        id: SocketId,
    },
    /// A socket has left.
    Left {
        /// The namespace.
        ns: Arc<str>,
        /// The room.
        room: Room,
        /// The socket.
        id: SocketId,
    },
}

type RoomListener = Box<dyn Fn(&RoomEvent) + Send + Sync>;
type NamespaceListener = Box<dyn Fn(&Namespace) + Send + Sync>;

/// What all handles of a server share.
pub(crate) struct ServerCore {
    pub(crate) config: Arc<Config>,
    pub(crate) options: Options,
    log: u32,
    started: std::time::Instant,
    hub: Hub,
    states: States,
    namespaces: RwLock<HashMap<Arc<str>, Arc<NamespaceCore>>>,
    dynamic: RwLock<Vec<Arc<NamespaceCore>>>,
    room_listeners: RwLock<Vec<RoomListener>>,
    namespace_listeners: RwLock<Vec<NamespaceListener>>,
    /// A listener for outgoing events was registered somewhere: looking for them costs something a delivery.
    outgoing_listeners: AtomicBool,
    next_shard: AtomicUsize,
    connections: AtomicUsize,
    closed: AtomicBool,
    /// A shard has ended by a fault of ours.
    broken: AtomicBool,
    closing: tokio::sync::Notify,
    /// Set when everything has ended.
    gone: tokio::sync::OnceCell<()>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    tries: Tries,
    figures: Figures,
}

/// Options of the server that are not the engine's.
pub(crate) struct Options {
    pub(crate) parser: Parser,
    pub(crate) cleanup_empty_child_namespaces: bool,
    /// How long running handlers may go on when the server closes.
    pub(crate) close_timeout: std::time::Duration,
    pub(crate) recovery: Option<Recovery>,
    /// Takes Engine.IO messages itself; there is no Socket.IO then.
    pub(crate) raw: Option<RawHandler>,
}

impl Server {
    /// Begins a server with default options.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    pub(crate) fn start(core: Arc<ServerCore>, threads: Vec<JoinHandle<()>>) -> Self {
        *lock(&core.threads) = threads;
        let main = core.namespace("/");
        Self { main: Namespace::new(core, main) }
    }

    pub(crate) fn core(&self) -> &Arc<ServerCore> {
        self.main.server_core()
    }

    /// The namespace of this name, which clients may join from now on. A missing leading slash is added; `""` is `/`.
    ///
    /// A name that a dynamic namespace's pattern matches becomes a child of it, with its handlers.
    #[must_use]
    pub fn of(&self, name: &str) -> Namespace {
        let name = with_slash(name);
        Namespace::new(self.core().clone(), self.core().namespace(&name))
    }

    /// A dynamic namespace: clients may join every name that the pattern (a regular expression) matches, and each such
    /// name becomes a namespace of its own with the handlers and middlewares of this one. Emitting on it reaches all
    /// of its children.
    ///
    /// Anybody who can connect can make namespaces this way; see [`crate::limits::DYNAMIC_NAMESPACES`].
    ///
    /// # Errors
    ///
    /// If the pattern is no regular expression.
    pub fn of_pattern(&self, pattern: &str) -> Result<Namespace, ConnectError> {
        let regex = regex_lite::Regex::new(pattern).map_err(|error| ConnectError::new(error.to_string()))?;
        Ok(self.add_dynamic(pattern, Matcher::Pattern(Arc::new(regex))))
    }

    /// As [`Server::of_pattern`], with an async function that decides. The first dynamic namespace that takes a name
    /// gets it, in the order they were added.
    pub fn of_fn<F, Fut>(&self, matches: F) -> Namespace
    where
        F: Fn(Asked) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        self.add_dynamic("<dynamic>", Matcher::Function(Arc::new(move |asked| Box::pin(matches(asked)))))
    }

    fn add_dynamic(&self, name: &str, matcher: Matcher) -> Namespace {
        let core = Arc::new(NamespaceCore::new(name, Some(matcher)));
        self.core().dynamic.write().unwrap_or_else(PoisonError::into_inner).push(core.clone());
        Namespace::new(self.core().clone(), core)
    }

    /// Calls this for every namespace that comes into being after this call, children of dynamic ones too.
    pub fn on_new_namespace(&self, call: impl Fn(&Namespace) + Send + Sync + 'static) {
        self.core().namespace_listeners.write().unwrap_or_else(PoisonError::into_inner).push(Box::new(call));
    }

    /// Calls this when rooms of this node come, go, are joined and left. It runs on the shard's thread, after the fact.
    pub fn on_room_event(&self, call: impl Fn(&RoomEvent) + Send + Sync + 'static) {
        self.core().room_listeners.write().unwrap_or_else(PoisonError::into_inner).push(Box::new(call));
    }

    /// Open connections, of all transports.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.core().connections.load(Ordering::Relaxed)
    }

    /// Why the log refuses what is emitted at the moment, if it does: a disk that is full, or gone. For a health check.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.core().hub.adapter().trouble()
    }

    /// What the log is called. Positions of a log of another name mean nothing in this one.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.core().hub.adapter().epoch()
    }

    /// The newest position of the log.
    #[must_use]
    pub fn committed(&self) -> Position {
        self.core().hub.adapter().committed()
    }

    /// Waits until the log has something after this position, of whatever namespace, and gives its newest position; `None`
    /// when it was closed.
    pub async fn changed(&self, after: Position) -> Option<Position> {
        let adapter = self.core().hub.adapter();
        adapter.changed(after).await;
        Some(adapter.committed()).filter(|committed| *committed > after)
    }

    /// Ends every connection (their sockets see `server shutting down`), the log and the shards, and waits until all of
    /// it is gone. Clients see their transport close and come back when a server is there again. Handlers that are
    /// running may finish within [`ServerBuilder::close_timeout`]. Calling it twice is no error: every call waits for the
    /// same end.
    pub async fn close(&self) {
        let core = self.core();
        core.closed.store(true, Ordering::Release);
        core.closing.notify_waiters();
        core.gone.get_or_init(|| self.end()).await;
    }

    async fn end(&self) {
        let core = self.core();
        for shard in core.hub.shards() {
            let (done, gone) = tokio::sync::oneshot::channel();
            shard.send(Command::Shutdown { done });
            // An error says that the shard dropped the sender, which is how it answers.
            let _ = gone.await;
        }
        core.hub.adapter().close().await;
        let threads = std::mem::take(&mut *lock(&core.threads));
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| drop(thread.join())));
        let _ = joined.await;
        core.forget_handlers();
    }
}

impl Deref for Server {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.main
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("connections", &self.connections()).finish_non_exhaustive()
    }
}

fn with_slash(name: &str) -> String {
    if name.starts_with('/') { name.to_owned() } else { format!("/{name}") }
}

impl ServerCore {
    pub(crate) fn new(config: Arc<Config>, options: Options, hub: Hub, states: States) -> Self {
        Self {
            config,
            options,
            log: Offset::log_of(hub.adapter().epoch()),
            started: std::time::Instant::now(),
            hub,
            states,
            namespaces: RwLock::default(),
            dynamic: RwLock::default(),
            room_listeners: RwLock::default(),
            namespace_listeners: RwLock::default(),
            outgoing_listeners: AtomicBool::new(false),
            next_shard: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            closing: tokio::sync::Notify::new(),
            gone: tokio::sync::OnceCell::new(),
            threads: Mutex::default(),
            tries: Tries::default(),
            figures: Figures::new(),
        }
    }

    /// When the server started; the shards' clocks count from here.
    pub(crate) fn started(&self) -> std::time::Instant {
        self.started
    }

    /// Whether clients can come back: then memberships are written into the log.
    pub(crate) fn records(&self) -> bool {
        self.options.recovery.is_some()
    }

    /// What offsets say of the log.
    pub(crate) fn log_name(&self) -> u32 {
        self.log
    }

    /// What offsets say of the log, for a connection whose client can come back.
    pub(crate) fn log_for(&self, version: Version, handshake: &Handshake) -> Option<u32> {
        let recovery = self.options.recovery.as_ref()?;
        (version == Version::V4 && recovery.covers(handshake)).then_some(self.log)
    }

    /// The table of sessions of one shard.
    pub(crate) fn new_sessions(&self) -> Sessions {
        let Some(recovery) = &self.options.recovery else { return Sessions::new(0, 0) };
        Sessions::new(millis(recovery.window), recovery.sessions.div_ceil(self.shards()))
    }

    /// What sessions are rebuilt from, if clients can come back; and tells the log for how long it has to keep that.
    pub(crate) async fn sessions_kept(&self) -> Result<Arc<[Arc<Entry>]>, ReadError> {
        let Some(recovery) = &self.options.recovery else { return Ok(Arc::default()) };
        self.hub.adapter().keep(recovery.keep(&self.config));
        Ok(self.hub.adapter().acts().await?.into())
    }

    /// For how long a session that is not written again can be claimed.
    pub(crate) fn session_life_ms(&self) -> u64 {
        self.options.recovery.as_ref().map_or(0, |recovery| millis(recovery.session_life(&self.config)))
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    pub(crate) fn figures(&self) -> &Figures {
        &self.figures
    }

    pub(crate) fn tries(&self) -> &Tries {
        &self.tries
    }

    /// Appends a batch that has a key, behind what this thread has emitted before.
    pub(crate) fn append_keyed(
        self: &Arc<Self>,
        entries: Vec<NewEntry>,
        keyed: Keyed,
    ) -> impl Future<Output = Result<Appended, AppendError>> + Send + use<> {
        let commit = match shard::current(self) {
            Some(shard) => shard.append_keyed(entries, keyed),
            None => self.append_from_outside(Batch { entries, keyed: Some(keyed) }),
        };
        commit.outcome()
    }

    pub(crate) fn states(&self) -> &States {
        &self.states
    }

    pub(crate) fn mailbox(&self, shard: usize) -> &Mailbox {
        &self.hub.shards()[shard]
    }

    pub(crate) fn shards(&self) -> usize {
        self.hub.shards().len()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// A shard has panicked. Its members would miss events without knowing, so the whole server ends: the log takes
    /// nothing more, every connection is closed, and [`Server::serve`] returns an error.
    pub(crate) fn break_down(&self, shard: usize) {
        tracing::error!(shard, "a shard panicked; the server ends, its clients come back to the next one");
        self.broken.store(true, Ordering::Release);
        self.closed.store(true, Ordering::Release);
        self.closing.notify_waiters();
        let mut closing = self.hub.adapter().close();
        // A log that takes its time goes on closing by itself.
        let _ = closing.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        self.hub.shards()[shard].close();
        for other in self.hub.shards() {
            let (done, _) = tokio::sync::oneshot::channel();
            other.send(Command::Shutdown { done });
        }
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Resolves when the server is closed. Ask [`ServerCore::is_closed`] as well: what was before is not told.
    pub(crate) async fn wait_closed(&self) {
        let closing = self.closing.notified();
        if !self.is_closed() {
            closing.await;
        }
    }

    /// The shard for a connection that comes from outside the shards, each in turn.
    pub(crate) fn pick_shard(&self) -> usize {
        self.next_shard.fetch_add(1, Ordering::Relaxed) % self.shards()
    }

    pub(crate) fn count_connection(&self, opened: bool) {
        if opened {
            self.connections.fetch_add(1, Ordering::Relaxed);
            self.figures.connections.increment(1.0);
        } else {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            self.figures.connections.decrement(1.0);
        }
    }

    /// Lets an entry take its place: in the batch of the shard that this thread is, or straight in the log.
    pub(crate) fn append(self: &Arc<Self>, target: Target, act: Act) -> Commit {
        let entry = NewEntry { target, act };
        if let Some(shard) = shard::current(self) {
            return shard.emit(entry);
        }
        Commit::in_batch(self.append_from_outside(Batch { entries: vec![entry], keyed: None }), 0)
    }

    /// Appends from a thread that is no shard of this server.
    fn append_from_outside(self: &Arc<Self>, batch: Batch) -> Arc<BatchCommit> {
        let mut append = self.hub.adapter().append(batch);
        let ready = append.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let commit = Arc::new(BatchCommit::default());
        match ready {
            Poll::Ready(result) => self.appended_from_outside(&commit, result),
            Poll::Pending => {
                let (server, commit) = (self.clone(), commit.clone());
                self.mailbox(0).send(Command::Drive(Box::pin(async move {
                    let result = append.await;
                    server.appended_from_outside(&commit, result);
                })));
            }
        }
        commit
    }

    fn appended_from_outside(&self, commit: &BatchCommit, result: Result<Appended, AppendError>) {
        match &result {
            Ok(Appended::New(positions)) => self.figures.appended.increment(positions.len() as u64),
            Ok(Appended::Known(_)) => {}
            Err(_) => self.figures.failed.increment(1),
        }
        self.hub.distribute(None);
        commit.resolve(result);
    }

    /// Sends a cast behind what this thread has emitted before.
    pub(crate) fn cast(self: &Arc<Self>, cast: Cast, on_route: Box<dyn FnOnce(usize) + Send>) {
        let cast = Arc::new(cast);
        match shard::current(self) {
            Some(shard) => shard.cast(CastOut { cast, on_route }),
            None => self.hub.cast(&cast, None, on_route),
        }
    }

    pub(crate) fn tell_room_event(&self, event: &RoomEvent) {
        let listeners = self.room_listeners.read().unwrap_or_else(PoisonError::into_inner);
        listeners.iter().for_each(|call| guarded_call("a listener of room events", || call(event)));
    }

    pub(crate) fn expect_outgoing_listeners(&self) {
        self.outgoing_listeners.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_outgoing_listeners(&self) -> bool {
        self.outgoing_listeners.load(Ordering::Relaxed)
    }

    pub(crate) fn has_room_listeners(&self) -> bool {
        !self.room_listeners.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

impl fmt::Debug for ServerCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerCore").field("shards", &self.shards()).finish_non_exhaustive()
    }
}
