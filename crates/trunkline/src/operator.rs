//! Emitting to many: the operator that `to`, `in`, `except` and the flags build up, and what can be done with those it
//! addresses.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use trunkline_delivery::{Act, Cast, CastKind, Names, Room, Target, To};
use trunkline_proto::{Args, Event};

use crate::emit::{event_of, refused};
use crate::mailbox::Command;
use crate::namespace::NamespaceCore;
use crate::server::ServerCore;
use crate::{AckError, Commit, EmitError, RemoteSocket};

/// One room name or several.
pub trait IntoRooms {
    #[doc(hidden)]
    fn into_rooms(self) -> Names;
}

impl IntoRooms for &str {
    fn into_rooms(self) -> Names {
        Names::from_iter([self.into()])
    }
}

impl IntoRooms for String {
    fn into_rooms(self) -> Names {
        Names::from_iter([self.into()])
    }
}

impl IntoRooms for &String {
    fn into_rooms(self) -> Names {
        self.as_str().into_rooms()
    }
}

impl IntoRooms for Room {
    fn into_rooms(self) -> Names {
        Names::from_iter([self])
    }
}

impl IntoRooms for &Room {
    fn into_rooms(self) -> Names {
        Names::from_iter([self.clone()])
    }
}

impl<T: IntoRooms> IntoRooms for Vec<T> {
    fn into_rooms(self) -> Names {
        self.into_iter().flat_map(IntoRooms::into_rooms).collect()
    }
}

impl<T: IntoRooms, const N: usize> IntoRooms for [T; N] {
    fn into_rooms(self) -> Names {
        self.into_iter().flat_map(IntoRooms::into_rooms).collect()
    }
}

impl<T: Clone + IntoRooms> IntoRooms for &[T] {
    fn into_rooms(self) -> Names {
        self.iter().cloned().flat_map(IntoRooms::into_rooms).collect()
    }
}

/// Emits to the sockets of a namespace that it addresses.
///
/// Every method that narrows it down returns a new value and leaves this one as it was, so that it can be kept and
/// used again. Without a room it means everybody.
#[derive(Clone, Debug)]
pub struct Broadcast {
    server: Arc<ServerCore>,
    ns: Arc<NamespaceCore>,
    rooms: Names,
    except: Names,
    local: bool,
    volatile: bool,
    compress: bool,
    timeout: Option<Duration>,
}

impl Broadcast {
    pub(crate) fn new(server: Arc<ServerCore>, ns: Arc<NamespaceCore>) -> Self {
        let (rooms, except) = (Names::new(), Names::new());
        Self { server, ns, rooms, except, local: false, volatile: false, compress: true, timeout: None }
    }

    /// Adds rooms (or socket ids) whose members are meant; each socket is meant once however many of them it is in.
    pub fn to(&self, rooms: impl IntoRooms) -> Self {
        let mut next = self.clone();
        next.rooms.extend(rooms.into_rooms());
        next
    }

    /// The same as [`Broadcast::to`].
    pub fn in_(&self, rooms: impl IntoRooms) -> Self {
        self.to(rooms)
    }

    /// Leaves the members of these rooms (or the sockets with these ids) out.
    pub fn except(&self, rooms: impl IntoRooms) -> Self {
        let mut next = self.clone();
        next.except.extend(rooms.into_rooms());
        next
    }

    /// Means sockets of this node alone. Local events are delivered in order but not kept in the log.
    #[must_use]
    pub fn local(&self) -> Self {
        Self { local: true, ..self.clone() }
    }

    /// Drops the event for clients that cannot take it at once. Volatile events are not kept in the log.
    #[must_use]
    pub fn volatile(&self) -> Self {
        Self { volatile: true, ..self.clone() }
    }

    /// Whether per-message deflate may be used, where it is negotiated.
    #[must_use]
    pub fn compress(&self, compress: bool) -> Self {
        Self { compress, ..self.clone() }
    }

    /// How long answers may take.
    #[must_use]
    pub fn timeout(&self, limit: Duration) -> Self {
        Self { timeout: Some(limit), ..self.clone() }
    }

    /// Emits an event to everybody addressed, in one order for all of them. `data` is one argument, or several if it
    /// is a tuple.
    ///
    /// The event takes its place now; the returned [`Commit`] may be awaited or dropped.
    pub fn emit<T: Serialize>(&self, event: &str, data: T) -> Commit {
        self.emit_result(event, Args::serialize(&data).map_err(|error| EmitError::Serialize(error.to_string())))
    }

    /// As [`Broadcast::emit`], with arguments as they are.
    pub fn emit_args(&self, event: &str, args: Args) -> Commit {
        self.emit_result(event, Ok(args))
    }

    /// Sends `message` events.
    pub fn send<T: Serialize>(&self, data: T) -> Commit {
        self.emit("message", data)
    }

    fn emit_result(&self, event: &str, args: Result<Args, EmitError>) -> Commit {
        let event = match event_of(event, args) {
            Ok(event) => event,
            Err(error) => return refused(error),
        };
        let mut last = None;
        for ns in self.ns.and_children() {
            last = Some(self.emit_in(&ns, event.clone()));
        }
        last.unwrap_or_else(|| Commit::known(Ok(self.server.hub().distributed())))
    }

    fn emit_in(&self, ns: &Arc<NamespaceCore>, event: Event) -> Commit {
        let target = self.target(ns);
        if !self.volatile && !self.local {
            return self.server.append(target, Act::Emit { event, compress: self.compress });
        }
        let kind = if self.volatile { CastKind::Volatile } else { CastKind::Local };
        self.server.cast(Cast { target, event, kind, compress: self.compress }, Box::new(|_| {}));
        Commit::known(Ok(self.server.hub().distributed()))
    }

    /// Emits an event and waits for the answers of all clients addressed, each read as `T` (of several arguments the
    /// first), in the order in which they come.
    ///
    /// # Errors
    ///
    /// [`AckError::Timeout`] with the answers that came within the [`Broadcast::timeout`]; without one it waits until
    /// all have answered or ended. [`AckError::Left`] with the answers of the others if some ended first.
    pub async fn emit_with_ack<T: DeserializeOwned>(
        &self,
        event: &str,
        data: impl Serialize,
    ) -> Result<Vec<T>, AckError> {
        let args = Args::serialize(&data).map_err(|error| AckError::Emit(EmitError::Serialize(error.to_string())))?;
        let answers = self.ask(event, args).await?;
        let read = |answer: Args| answer.get(0).map_err(|error| AckError::Decode(error.to_string()));
        answers.into_iter().map(read).collect()
    }

    /// As [`Broadcast::emit_with_ack`], with arguments and answers as they are.
    ///
    /// # Errors
    ///
    /// As [`Broadcast::emit_with_ack`].
    pub async fn ask(&self, event: &str, args: Args) -> Result<Vec<Args>, AckError> {
        let event = event_of(event, Ok(args)).map_err(AckError::Emit)?;
        let id = self.ns.next_ack_id();
        let (survey, mut guard) = self.ns.surveys().open(id);
        let cast = Cast { target: self.target(&self.ns), event, kind: CastKind::Ack(id), compress: self.compress };
        self.server.cast(cast, Box::new(move |shards| survey.routed(shards)));
        let Some(limit) = self.timeout else { return guard.await.map_err(AckError::Left) };
        match tokio::time::timeout(limit, &mut guard).await {
            Ok(answers) => answers.map_err(AckError::Left),
            Err(_) => Err(AckError::Timeout(guard.take())),
        }
    }

    /// The sockets addressed, as of now: everything emitted before by this thread has been obeyed.
    pub async fn fetch_sockets(&self) -> Vec<RemoteSocket> {
        let target = self.target(&self.ns);
        // What this thread has emitted may have moved members, so it comes first.
        if let Some(shard) = crate::shard::current(&self.server) {
            shard.append_batches();
        }
        let mut replies = Vec::new();
        for shard in self.server.hub().route(&target).iter() {
            let (reply, answer) = oneshot::channel();
            self.server.mailbox(shard).send(Command::Fetch { target: target.clone(), reply });
            replies.push(answer);
        }
        let mut sockets = Vec::new();
        for answer in replies {
            let found = answer.await.unwrap_or_default();
            sockets.extend(found.into_iter().map(|(socket, rooms)| RemoteSocket::new(socket, rooms)));
        }
        sockets
    }

    /// Makes the sockets addressed join rooms. It is an entry of the log: it takes its place among the events, and an
    /// event emitted after it to such a room reaches them.
    pub fn sockets_join(&self, rooms: impl IntoRooms) -> Commit {
        self.server.append(self.target(&self.ns), Act::Join(rooms.into_rooms()))
    }

    /// Makes the sockets addressed leave rooms, in order with the events.
    pub fn sockets_leave(&self, rooms: impl IntoRooms) -> Commit {
        self.server.append(self.target(&self.ns), Act::Leave(rooms.into_rooms()))
    }

    /// Makes the sockets addressed leave the namespace, in order with the events; with `close` their whole connections
    /// end.
    pub fn disconnect_sockets(&self, close: bool) -> Commit {
        self.server.append(self.target(&self.ns), Act::Disconnect { close })
    }

    fn target(&self, ns: &Arc<NamespaceCore>) -> Target {
        let to = if self.rooms.is_empty() { To::Everyone } else { To::Rooms(self.rooms.clone()) };
        Target { ns: ns.name().clone(), to, except: self.except.clone() }
    }
}
