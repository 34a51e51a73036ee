//! A client's place in one namespace, as handlers hold it. The handle can be kept and used from any task; what it does
//! is done by the shard that its connection lives on.

mod listeners;
mod rooms;
mod session;

pub(crate) use self::session::Shared;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytestring::ByteString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use trunkline_delivery::{Act, Room, SocketId, Target};
use trunkline_proto::{Args, Codec, Event, Version};

use crate::acks::OpenAcks;
use crate::common::lock;
use crate::emit::{event_of, refused};
use crate::handler::{Listeners, States};
use crate::mailbox::Command;
use crate::namespace::NamespaceCore;
use crate::operator::{Broadcast, IntoRooms};
use crate::server::ServerCore;
use crate::shard::{ConnRef, Private, VolatileEvent};
use crate::{AckError, Commit, EmitError, Handshake, Namespace};

/// A client in one namespace.
///
/// Cloning is cheap, and a clone that is kept does not keep the connection: once the client is gone,
/// [`Socket::is_connected`] says so, emits go nowhere and joins do nothing.
#[derive(Clone)]
pub struct Socket(Arc<Inner>);

struct Inner {
    id: SocketId,
    server: Arc<ServerCore>,
    ns: Arc<NamespaceCore>,
    shard: usize,
    conn: ConnRef,
    codec: Codec,
    connection: Arc<Connection>,
    auth: ByteString,
    connected: AtomicBool,
    recovered: bool,
    shared: Arc<Shared>,
    acks: OpenAcks,
    /// The rooms it was in when it ended.
    last_rooms: OnceLock<Vec<Room>>,
    /// Its `disconnecting` handlers have run.
    rooms_gone: AtomicBool,
    listeners: OnceLock<Box<Mutex<Arc<Listeners>>>>,
}

/// What all sockets of a connection share.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) sid: Arc<str>,
    pub(crate) version: Version,
    pub(crate) handshake: Arc<Handshake>,
    pub(crate) websocket: AtomicBool,
    /// Engine.IO messages that its wire has not taken yet.
    pub(crate) unsent: AtomicUsize,
}

/// Where a new socket belongs.
pub(crate) struct Place {
    pub(crate) server: Arc<ServerCore>,
    pub(crate) ns: Arc<NamespaceCore>,
    pub(crate) shard: usize,
    pub(crate) conn: ConnRef,
    pub(crate) codec: Codec,
    pub(crate) connection: Arc<Connection>,
}

impl Socket {
    pub(crate) fn new(
        place: Place,
        id: SocketId,
        auth: Option<ByteString>,
        shared: Arc<Shared>,
        recovered: bool,
    ) -> Self {
        let Place { server, ns, shard, conn, codec, connection } = place;
        Self(Arc::new(Inner {
            id,
            server,
            ns,
            shard,
            conn,
            codec,
            connection,
            auth: auth.unwrap_or_else(|| ByteString::from_static("{}")),
            connected: AtomicBool::new(false),
            recovered,
            shared,
            acks: OpenAcks::default(),
            last_rooms: OnceLock::new(),
            rooms_gone: AtomicBool::new(false),
            listeners: OnceLock::new(),
        }))
    }

    /// The public id: 20 characters, new for each connection to a namespace, and the name of a room of its own.
    #[must_use]
    pub fn id(&self) -> &SocketId {
        &self.0.id
    }

    /// The namespace it is in.
    #[must_use]
    pub fn namespace(&self) -> Namespace {
        Namespace::new(self.0.server.clone(), self.0.ns.clone())
    }

    /// The name of its namespace.
    #[must_use]
    pub fn namespace_name(&self) -> &Arc<str> {
        self.0.ns.name()
    }

    pub(crate) fn namespace_core(&self) -> &Arc<NamespaceCore> {
        &self.0.ns
    }

    pub(crate) fn server(&self) -> &Arc<ServerCore> {
        &self.0.server
    }

    pub(crate) fn states(&self) -> &States {
        self.0.server.states()
    }

    /// Whether it is connected: false in a middleware and after it has ended.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.0.connected.load(Ordering::Acquire)
    }

    /// The first request of the connection.
    #[must_use]
    pub fn handshake(&self) -> &Handshake {
        &self.0.connection.handshake
    }

    /// What the client sent as `auth`, read as `T`.
    ///
    /// # Errors
    ///
    /// If it is of another shape.
    pub fn auth<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0.auth)
    }

    pub(crate) fn auth_json(&self) -> &str {
        &self.0.auth
    }

    /// The id of the Engine.IO session under it, which all sockets of the connection share.
    #[must_use]
    pub fn session_id(&self) -> &str {
        &self.0.connection.sid
    }

    /// The transport that is used at the moment: `"polling"` or `"websocket"`.
    #[must_use]
    pub fn transport(&self) -> &'static str {
        if self.0.connection.websocket.load(Ordering::Relaxed) { "websocket" } else { "polling" }
    }

    /// The Engine.IO protocol of the client: 4, or 3 for the clients of Socket.IO 2.
    #[must_use]
    pub fn protocol(&self) -> u8 {
        match self.0.connection.version {
            Version::V3 => 3,
            Version::V4 => 4,
        }
    }

    /// Sends an event to this client, in order with everything else that is emitted.
    ///
    /// `data` is one argument, or several if it is a tuple; `()` is none. `Bytes` at any depth become attachments. The
    /// event takes its place now; the returned [`Commit`] may be awaited or dropped. Nobody waits for a slow client:
    /// it reads from the log at its own pace.
    pub fn emit<T: Serialize>(&self, event: &str, data: T) -> Commit {
        self.emit_args_result(event, Args::serialize(&data).map_err(|error| EmitError::Serialize(error.to_string())))
    }

    /// As [`Socket::emit`], with arguments as they are.
    pub fn emit_args(&self, event: &str, args: Args) -> Commit {
        self.emit_args_result(event, Ok(args))
    }

    fn emit_args_result(&self, event: &str, args: Result<Args, EmitError>) -> Commit {
        match event_of(event, args) {
            Ok(event) => self.emit_event(event, true),
            Err(error) => refused(error),
        }
    }

    pub(crate) fn emit_event(&self, event: Event, compress: bool) -> Commit {
        self.told_outgoing(&event);
        let target = Target::socket(self.0.ns.name().clone(), self.0.id.clone());
        self.0.server.append(target, Act::Emit { event, compress })
    }

    /// Sends `message` events, as `send` of Socket.IO does.
    pub fn send<T: Serialize>(&self, data: T) -> Commit {
        self.emit("message", data)
    }

    /// Sends an event and waits for the client's answer, read as `T`: a tuple takes all arguments of the answer, any
    /// other type the first.
    ///
    /// Without a limit it waits until the client answers or is gone. See [`Socket::timeout`].
    ///
    /// # Errors
    ///
    /// [`AckError::Disconnected`] when the socket ends first; the question is then possibly handled all the same.
    pub async fn emit_with_ack<T: DeserializeOwned>(&self, event: &str, data: impl Serialize) -> Result<T, AckError> {
        let args = Args::serialize(&data).map_err(|error| AckError::Emit(EmitError::Serialize(error.to_string())))?;
        let answer = self.ask(event, args, None).await?;
        answer.extract().map_err(|error| AckError::Decode(error.to_string()))
    }

    /// Sends an event with these arguments and waits for the answer as it is, for at most `timeout` if one is given.
    ///
    /// # Errors
    ///
    /// As [`Socket::emit_with_ack`].
    pub async fn ask(&self, event: &str, args: Args, timeout: Option<Duration>) -> Result<Args, AckError> {
        self.ask_flagged(event, args, timeout, true).await
    }

    pub(crate) async fn ask_flagged(
        &self,
        event: &str,
        args: Args,
        timeout: Option<Duration>,
        compress: bool,
    ) -> Result<Args, AckError> {
        let answer = self.question(event, args, compress)?;
        let answer = match timeout {
            None => answer.await,
            Some(limit) => tokio::time::timeout(limit, answer).await.map_err(|_| AckError::Timeout(Vec::new()))?,
        };
        answer.map_err(|_| AckError::Disconnected)
    }

    fn question(&self, event: &str, args: Args, compress: bool) -> Result<oneshot::Receiver<Args>, AckError> {
        let event = event_of(event, Ok(args)).map_err(AckError::Emit)?;
        if !self.is_connected() {
            return Err(AckError::Disconnected);
        }
        self.told_outgoing(&event);
        let id = self.0.ns.next_ack_id();
        let answer = self.0.acks.open(id);
        self.send_question(id, &event, compress);
        Ok(answer)
    }

    /// Emits to this client with a limit on how long an answer may take.
    #[must_use]
    pub fn timeout(&self, limit: Duration) -> crate::SocketEmitter {
        crate::SocketEmitter::new(self.clone()).timeout(limit)
    }

    /// Emits to this client only if it can take the event at once; otherwise the event is dropped.
    #[must_use]
    pub fn volatile(&self) -> crate::SocketEmitter {
        crate::SocketEmitter::new(self.clone()).volatile()
    }

    /// Emits to this client with or without per-message deflate, where it is negotiated.
    #[must_use]
    pub fn compress(&self, compress: bool) -> crate::SocketEmitter {
        crate::SocketEmitter::new(self.clone()).compress(compress)
    }

    /// Emits to the members of these rooms, this socket left out.
    pub fn to(&self, rooms: impl IntoRooms) -> Broadcast {
        self.broadcast().to(rooms)
    }

    /// The same as [`Socket::to`].
    pub fn in_(&self, rooms: impl IntoRooms) -> Broadcast {
        self.to(rooms)
    }

    /// Emits to everybody but the members of these rooms and this socket.
    pub fn except(&self, rooms: impl IntoRooms) -> Broadcast {
        self.broadcast().except(rooms)
    }

    /// Emits to everybody in the namespace but this socket.
    #[must_use]
    pub fn broadcast(&self) -> Broadcast {
        Broadcast::new(self.0.server.clone(), self.0.ns.clone()).except(self.0.id.clone())
    }

    /// As [`Socket::broadcast`], on this node alone.
    #[must_use]
    pub fn local(&self) -> Broadcast {
        self.broadcast().local()
    }

    /// Sends the answer to an event, behind everything emitted before.
    pub(crate) fn send_ack(&self, id: u64, args: &Args) {
        self.send_private(Private::Messages(self.0.codec.ack(self.namespace_name(), id, args)));
    }

    pub(crate) fn send_volatile(&self, event: Event, compress: bool) {
        let volatile = VolatileEvent { ns: self.namespace_name().clone(), event, compress };
        self.send_private(Private::Volatile(Box::new(volatile)));
    }

    /// Sends an event that asks for an answer, behind everything emitted before.
    fn send_question(&self, id: u64, event: &Event, compress: bool) {
        let messages = self.0.codec.event(self.namespace_name(), Some(id), event, None);
        self.send_private(Private::Event { messages, compress, volatile: false });
    }

    fn send_private(&self, item: Private) {
        let conn = self.0.conn;
        match self.own_shard() {
            Some(shard) => shard.private(conn, item),
            None => {
                let after = self.server().hub().distributed();
                self.mail(Command::Private { conn, after, item });
            }
        }
    }

    /// Ends the connection under it without a word, as a broken wire would: its client comes back.
    pub(crate) fn close_transport(&self) {
        match self.own_shard() {
            Some(shard) => shard.close_transport(self.0.conn),
            None => self.mail(Command::Close { conn: self.0.conn }),
        }
    }

    fn mail(&self, command: Command) {
        self.0.server.mailbox(self.0.shard).send(command);
    }

    fn own_shard(&self) -> Option<std::rc::Rc<crate::shard::Shard>> {
        crate::shard::current(&self.0.server).filter(|shard| shard.index() == self.0.shard)
    }

    pub(crate) fn told_outgoing(&self, event: &Event) {
        let listeners = self.0.ns.listeners();
        listeners.any_outgoing.iter().for_each(|listener| (listener.call)(self, event));
        if let Some(own) = self.own_listeners() {
            own.any_outgoing.iter().for_each(|listener| (listener.call)(self, event));
        }
    }

    pub(crate) fn own_listeners(&self) -> Option<Arc<Listeners>> {
        let own = self.0.listeners.get()?;
        Some(lock(own).clone())
    }

    pub(crate) fn change_listeners<R>(&self, change: impl FnOnce(&mut Listeners) -> R) -> R {
        let own = self.0.listeners.get_or_init(Box::default);
        let mut table = lock(own);
        change(Arc::make_mut(&mut table))
    }

    pub(crate) fn acks(&self) -> &OpenAcks {
        &self.0.acks
    }

    pub(crate) fn set_connected(&self) {
        self.0.connected.store(true, Ordering::Release);
    }

    /// The rooms in which the socket ends, unless they are known.
    pub(crate) fn keep_last_rooms(&self, rooms: Vec<Room>) {
        let _ = self.0.last_rooms.set(rooms);
    }

    /// The rooms in which it ended.
    pub(crate) fn last_rooms(&self) -> &[Room] {
        self.0.last_rooms.get().map_or(&[], Vec::as_slice)
    }

    /// The socket has ended, being in these rooms. False if it had before.
    pub(crate) fn end(&self, rooms: Vec<Room>) -> bool {
        self.keep_last_rooms(rooms);
        self.0.acks.clear();
        self.0.ns.surveys().left(&self.0.id);
        self.0.connected.swap(false, Ordering::AcqRel)
    }

    /// After `disconnecting`: its rooms are gone.
    pub(crate) fn forget_rooms(&self) {
        self.0.rooms_gone.store(true, Ordering::Release);
    }
}

impl PartialEq for Socket {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Socket {}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("id", &self.0.id).field("ns", &self.0.ns.name()).finish_non_exhaustive()
    }
}
