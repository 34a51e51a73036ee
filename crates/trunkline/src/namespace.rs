//! A namespace: its handlers, its middleware, and the operators that start from it. Children of a dynamic namespace are
//! namespaces of their own that share their parent's handlers.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use arc_swap::{ArcSwap, Guard};
use serde::Serialize;
use serde::de::DeserializeOwned;
use trunkline_delivery::{Position, SocketId};
use trunkline_log::{HistoryQuery, Take};
use trunkline_proto::{Args, Event};

use crate::acks::Surveys;
use crate::common::lock;
use crate::dynamic::Matcher;
use crate::handler::{
    AnyListener, FromContext, Handler, KeyedHandler, Listener, ListenerId, Listeners, Middleware, Unhandled, erase,
    erase_keyed, erase_middleware,
};
use crate::operator::{Broadcast, IntoRooms};
use crate::server::ServerCore;
use crate::{AckError, Commit, Error, History, Key, RemoteSocket, Socket};

/// A namespace of a server. Cloning is cheap; all clones are the same namespace.
#[derive(Clone, Debug)]
pub struct Namespace {
    server: Arc<ServerCore>,
    core: Arc<NamespaceCore>,
}

/// A namespace as the server keeps it.
pub(crate) struct NamespaceCore {
    name: Arc<str>,
    listeners: Arc<Table>,
    ack_ids: AtomicU64,
    surveys: Arc<Surveys>,
    /// Sockets in it or on their way in.
    pub(crate) sockets: AtomicUsize,
    /// What makes it dynamic: never joined itself, only its children.
    pub(crate) matcher: Option<Matcher>,
    children: Mutex<Vec<Arc<Self>>>,
    /// It goes when its last socket has gone.
    pub(crate) is_child: bool,
}

/// The listeners of a namespace, replaced as a whole by each change.
#[derive(Debug, Default)]
pub(crate) struct Table {
    current: ArcSwap<Listeners>,
    changing: Mutex<()>,
}

impl Table {
    fn change<R>(&self, change: impl FnOnce(&mut Listeners) -> R) -> R {
        let _changing = lock(&self.changing);
        let mut next = Listeners::clone(&self.current.load());
        let result = change(&mut next);
        self.current.store(Arc::new(next));
        result
    }
}

/// Where acknowledgement ids begin: an answer that a client kept from before a restart must not fit a question of after it.
/// Ids have at most ten digits at the start and stay far below what a JavaScript number holds.
fn first_ack_id() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_secs() % 1_000_000 * 4096
}

impl NamespaceCore {
    pub(crate) fn new(name: &str, matcher: Option<Matcher>) -> Self {
        Self {
            name: name.into(),
            listeners: Arc::default(),
            ack_ids: AtomicU64::new(first_ack_id()),
            surveys: Arc::default(),
            sockets: AtomicUsize::new(0),
            matcher,
            children: Mutex::default(),
            is_child: false,
        }
    }

    /// A namespace of this name with the handlers of this one.
    pub(crate) fn child(&self, name: &str) -> Arc<Self> {
        let child = Self { listeners: self.listeners.clone(), is_child: true, ..Self::new(name, None) };
        let child = Arc::new(child);
        self.lock_children().push(child.clone());
        child
    }

    pub(crate) fn forget_child(&self, child: &Arc<Self>) {
        self.lock_children().retain(|other| !Arc::ptr_eq(other, child));
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn listeners(&self) -> Guard<Arc<Listeners>> {
        self.listeners.current.load()
    }

    /// Acknowledgement ids are numbered by namespace, for single sockets and broadcasts alike.
    pub(crate) fn next_ack_id(&self) -> u64 {
        self.ack_ids.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn surveys(&self) -> &Arc<Surveys> {
        &self.surveys
    }

    /// A broadcast was given to this socket, whose answer is waited for.
    pub(crate) fn expect_answer(&self, id: u64, socket: &SocketId) {
        if let Some(survey) = self.surveys.get(id) {
            survey.expect(socket);
        }
    }

    /// The namespaces that an emit on this one means: itself, or the children of a dynamic one.
    pub(crate) fn and_children(self: &Arc<Self>) -> Vec<Arc<Self>> {
        if self.matcher.is_some() { self.lock_children().clone() } else { vec![self.clone()] }
    }

    pub(crate) fn clear_listeners(&self) {
        self.listeners.change(|listeners| *listeners = Listeners::default());
    }

    fn lock_children(&self) -> MutexGuard<'_, Vec<Arc<Self>>> {
        lock(&self.children)
    }
}

impl Namespace {
    pub(crate) fn new(server: Arc<ServerCore>, core: Arc<NamespaceCore>) -> Self {
        Self { server, core }
    }

    pub(crate) fn server_core(&self) -> &Arc<ServerCore> {
        &self.server
    }

    /// Its name, with the leading slash.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.core.name
    }

    fn change<R>(&self, change: impl FnOnce(&mut Listeners) -> R) -> R {
        self.core.listeners.change(change)
    }

    /// Lets every socket through this middleware before it is connected (Socket.IO's `use`). Middlewares run one after
    /// another in the order they were added; the first error refuses the socket with its message and data.
    ///
    /// Rooms joined in a middleware are left again if the socket is refused.
    pub fn middleware<M: 'static, H: Middleware<M>>(&self, middleware: H) -> &Self {
        H::check(self.server.states());
        let middleware = erase_middleware(middleware);
        self.change(|listeners| listeners.middleware.push(middleware));
        self
    }

    /// Lets every event of a client through this middleware before its handlers (`socket.use`). It gives the event
    /// back, changed or not; an error drops it, answers it if an acknowledgement was asked for, and is told to
    /// [`Namespace::on_error`].
    pub fn packet_middleware<F, Fut>(&self, middleware: F) -> &Self
    where
        F: Fn(Socket, Event) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Event, Error>> + Send + 'static,
    {
        self.change(|listeners| {
            listeners.packet_middleware.push(Arc::new(move |socket, event| Box::pin(middleware(socket, event))));
        });
        self
    }

    /// Calls the handler for each socket that has connected. The socket's events wait until it has returned; what is to
    /// run as long as the connection belongs into a task of its own.
    pub fn on_connect<M: 'static, H: Handler<M>>(&self, handler: H) -> &Self {
        H::check(self.server.states());
        let handler = erase(handler);
        self.change(|listeners| listeners.connect.push(handler));
        self
    }

    /// Calls the handler for each event of this name. Events of one socket are handled one after another; several
    /// handlers of one event are called in the order they were added.
    pub fn on<M: 'static, H: Handler<M>>(&self, event: &str, handler: H) -> ListenerId {
        self.add::<M, H>(event, handler, false, false)
    }

    /// As [`Namespace::on`], but events of this name run beside the socket's other events: use it for slow handlers
    /// whose order does not matter. At most [`crate::limits::CONCURRENT_EVENTS`] run at a time for one socket.
    pub fn on_concurrent<M: 'static, H: Handler<M>>(&self, event: &str, handler: H) -> ListenerId {
        self.add::<M, H>(event, handler, true, false)
    }

    /// Calls the handler for the next event of this name, of whichever socket, and never again.
    pub fn once<M: 'static, H: Handler<M>>(&self, event: &str, handler: H) -> ListenerId {
        self.add::<M, H>(event, handler, false, true)
    }

    fn add<M: 'static, H: Handler<M>>(&self, event: &str, handler: H, concurrent: bool, once: bool) -> ListenerId {
        H::check(self.server.states());
        let listener = listener::<M, H>(handler, concurrent, once);
        let id = listener.id;
        self.change(|listeners| listeners.add(event, listener));
        id
    }

    /// Takes a handler or catch-all listener off. False if it is not there.
    pub fn off(&self, id: ListenerId) -> bool {
        self.change(|listeners| listeners.remove(id))
    }

    /// Calls this for every event that a client sends, before packet middlewares and handlers.
    pub fn on_any(&self, call: impl Fn(&Socket, &Event) + Send + Sync + 'static) -> ListenerId {
        let id = ListenerId::next();
        self.change(|listeners| listeners.any.push(AnyListener { id, call: Arc::new(call) }));
        id
    }

    /// As [`Namespace::on_any`], before the listeners that are there.
    pub fn prepend_any(&self, call: impl Fn(&Socket, &Event) + Send + Sync + 'static) -> ListenerId {
        let id = ListenerId::next();
        self.change(|listeners| listeners.any.insert(0, AnyListener { id, call: Arc::new(call) }));
        id
    }

    /// Calls this for every event that goes out to a socket, once for each socket it goes to.
    ///
    /// What is emitted to a single socket with `socket.emit` and its kin is told by that call. A broadcast is told when
    /// it is on its way to the socket, on the shard's thread: the listener should not block.
    pub fn on_any_outgoing(&self, call: impl Fn(&Socket, &Event) + Send + Sync + 'static) -> ListenerId {
        self.server.expect_outgoing_listeners();
        let id = ListenerId::next();
        self.change(|listeners| listeners.any_outgoing.push(AnyListener { id, call: Arc::new(call) }));
        id
    }

    /// As [`Namespace::on_any_outgoing`], before the listeners that are there.
    pub fn prepend_any_outgoing(&self, call: impl Fn(&Socket, &Event) + Send + Sync + 'static) -> ListenerId {
        self.server.expect_outgoing_listeners();
        let id = ListenerId::next();
        self.change(|listeners| listeners.any_outgoing.insert(0, AnyListener { id, call: Arc::new(call) }));
        id
    }

    /// Calls this for every event that a packet middleware refused.
    pub fn on_error(&self, call: impl Fn(&Socket, &Error) + Send + Sync + 'static) -> &Self {
        self.change(|listeners| listeners.error.push(Arc::new(call)));
        self
    }

    /// Calls the handler for each socket that is about to end; its rooms are still there.
    pub fn on_disconnecting<M: 'static, H: Handler<M>>(&self, handler: H) -> &Self {
        H::check(self.server.states());
        let handler = erase(handler);
        self.change(|listeners| listeners.disconnecting.push(handler));
        self
    }

    /// Calls the handler for each socket that has ended, with the [`crate::DisconnectReason`]; its rooms are gone.
    pub fn on_disconnect<M: 'static, H: Handler<M>>(&self, handler: H) -> &Self {
        H::check(self.server.states());
        let handler = erase(handler);
        self.change(|listeners| listeners.disconnect.push(handler));
        self
    }

    /// What happens to events that nobody listens to.
    pub fn unhandled(&self, unhandled: Unhandled) -> &Self {
        self.change(|listeners| listeners.unhandled = unhandled);
        self
    }

    /// An operator that addresses everybody.
    #[must_use]
    pub fn everyone(&self) -> Broadcast {
        Broadcast::new(self.server.clone(), self.core.clone())
    }

    /// An operator that addresses the members of these rooms, or the sockets with these ids.
    pub fn to(&self, rooms: impl IntoRooms) -> Broadcast {
        self.everyone().to(rooms)
    }

    /// The same as [`Namespace::to`].
    pub fn in_(&self, rooms: impl IntoRooms) -> Broadcast {
        self.everyone().to(rooms)
    }

    /// An operator that addresses everybody but the members of these rooms.
    pub fn except(&self, rooms: impl IntoRooms) -> Broadcast {
        self.everyone().except(rooms)
    }

    /// An operator for this node alone.
    #[must_use]
    pub fn local(&self) -> Broadcast {
        self.everyone().local()
    }

    /// An operator whose events are dropped where they cannot be taken at once.
    #[must_use]
    pub fn volatile(&self) -> Broadcast {
        self.everyone().volatile()
    }

    /// An operator with or without per-message deflate.
    #[must_use]
    pub fn compress(&self, compress: bool) -> Broadcast {
        self.everyone().compress(compress)
    }

    /// An operator with a limit on how long answers may take.
    #[must_use]
    pub fn timeout(&self, limit: std::time::Duration) -> Broadcast {
        self.everyone().timeout(limit)
    }

    /// Emits to everybody; see [`Broadcast::emit`].
    pub fn emit<T: Serialize>(&self, event: &str, data: T) -> Commit {
        self.everyone().emit(event, data)
    }

    /// Emits to everybody, with arguments as they are.
    pub fn emit_args(&self, event: &str, args: Args) -> Commit {
        self.everyone().emit_args(event, args)
    }

    /// Sends a `message` event to everybody.
    pub fn send<T: Serialize>(&self, data: T) -> Commit {
        self.everyone().send(data)
    }

    /// Asks everybody; see [`Broadcast::emit_with_ack`].
    ///
    /// # Errors
    ///
    /// As [`Broadcast::emit_with_ack`].
    pub async fn emit_with_ack<T: DeserializeOwned>(
        &self,
        event: &str,
        data: impl Serialize,
    ) -> Result<Vec<T>, AckError> {
        self.everyone().emit_with_ack(event, data).await
    }

    /// All sockets of the namespace.
    pub async fn fetch_sockets(&self) -> Vec<RemoteSocket> {
        self.everyone().fetch_sockets().await
    }

    /// Makes everybody join rooms; see [`Broadcast::sockets_join`].
    pub fn sockets_join(&self, rooms: impl IntoRooms) -> Commit {
        self.everyone().sockets_join(rooms)
    }

    /// Makes everybody leave rooms.
    pub fn sockets_leave(&self, rooms: impl IntoRooms) -> Commit {
        self.everyone().sockets_leave(rooms)
    }

    /// Makes everybody leave the namespace.
    pub fn disconnect_sockets(&self, close: bool) -> Commit {
        self.everyone().disconnect_sockets(close)
    }

    /// Handles an event that must not happen twice: `key` finds in its arguments what names it, the handler fills a
    /// [`crate::Batch`], and the events, the memberships and the handler's answer are appended as one record.
    ///
    /// A client that does not see its acknowledgement sends the event again; every such try, also one that races the
    /// first, comes on a new connection or after a crash, gets the answer that was kept and emits nothing. The log's
    /// effects happen at most once for a key within [`crate::Recovery::key_window`]; the handler's body may run again
    /// (after a crash, or if it failed), so what it does elsewhere must bear that: hand [`crate::Batch::key`] on to a database in
    /// the same transaction. An event sent by mail cannot be taken back by anybody.
    ///
    /// ```no_run
    /// # use serde::{Deserialize, Serialize};
    /// # use trunkline::{Batch, Data, Key, Server};
    /// # #[derive(Deserialize, Serialize)] struct Chat { id: String, text: String }
    /// # async fn f(io: Server) {
    /// io.on_keyed("chat", |chat: &Chat| Key::from(&chat.id), |tx: Batch, Data(chat): Data<Chat>| async move {
    ///     tx.to("lobby").emit("chat", &chat);
    ///     Ok("sent")
    /// });
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If the handler asks for a state that was not given.
    pub fn on_keyed<T, K, M, H>(&self, event: &str, key: K, handler: H) -> ListenerId
    where
        T: DeserializeOwned + 'static,
        K: Fn(&T) -> Key + Send + Sync + 'static,
        M: 'static,
        H: KeyedHandler<M>,
    {
        H::check(self.server.states());
        let id = ListenerId::next();
        let handler = erase_keyed::<H, K, T, M>(key, handler);
        let listener = Listener { id, handler, takes_ack: true, concurrent: false, once: None };
        self.change(|listeners| listeners.add(event, listener));
        id
    }

    /// The newest events of a room, as far as the log holds them.
    ///
    /// ```no_run
    /// # async fn f(chat: trunkline::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// for event in chat.history("lobby").limit(50).await? {
    ///     println!("{} {}", event.position, event.name);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn history(&self, room: &str) -> History {
        let query = HistoryQuery {
            ns: self.core.name.clone(),
            room: room.into(),
            after: Position::ZERO,
            take: Take::Newest(crate::limits::HISTORY_PAGE),
        };
        History::new(self.server.clone(), query)
    }
}

pub(crate) fn listener<M: 'static, H: Handler<M>>(handler: H, concurrent: bool, once: bool) -> Listener {
    let once = once.then(Arc::default);
    let takes_ack = H::takes_ack();
    Listener { id: ListenerId::next(), handler: erase(handler), takes_ack, concurrent, once }
}

impl FromContext for Namespace {
    fn from_context(context: &mut crate::Context) -> Result<Self, crate::Rejection> {
        Ok(context.socket.namespace())
    }
}

impl PartialEq for Namespace {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.core, &other.core)
    }
}

impl fmt::Debug for NamespaceCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamespaceCore").field("name", &self.name).finish_non_exhaustive()
    }
}
