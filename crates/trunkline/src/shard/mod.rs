//! A shard: one thread, one current-thread runtime, and everything that its connections need, touched by that thread
//! alone. Its turn is in `turn`, a connection's reading side in `task`.

mod conn;
mod core;
mod frames;
mod ids;
mod moving;
mod outbound;
mod posts;
mod probe;
mod recover;
mod requests;
mod talk;
mod task;
mod turn;
mod writing;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use tokio::sync::oneshot;
use trunkline_delivery::{Position, Room, SocketId, Target};
use trunkline_engine::wheel::Millis;
use trunkline_log::{AppendError, Appended, BoxFuture, Keyed, NewEntry, Page, ReadError};
use trunkline_proto::Messages;
use trunkline_proto::heartbeat::Rhythm;
use trunkline_proto::ws::Inflater;

use self::conn::Order;
pub(crate) use self::conn::{ConnRef, Private, VolatileEvent};
pub(crate) use self::core::CastOut;
use self::core::Core;
use self::ids::Ids;
pub(crate) use self::moving::Moving;
use crate::commit::BatchCommit;
use crate::common::millis;
use crate::figures::Meter;
use crate::mailbox::{Mailbox, RoomChange};
use crate::server::{RoomEvent, ServerCore};
use crate::socket::Socket;
use crate::{Commit, DisconnectReason, limits};

/// Bytes that are read at a time, into a buffer that the thread lends.
const READ_BUFFER: usize = 64 * 1024;

pub(crate) type FetchReply = oneshot::Sender<Vec<(Socket, Vec<Room>)>>;
/// A socket whose rooms are asked for.
type Show = (ConnRef, Arc<str>, oneshot::Sender<Vec<Room>>);
type Appending = BoxFuture<Result<Appended, AppendError>>;
/// A page, and after what it was asked for.
type PageRead = (Position, Result<Page, ReadError>);
type Reading = (Position, BoxFuture<Result<Page, ReadError>>);

/// A shard, on its own thread.
pub(crate) struct Shard {
    index: usize,
    server: Arc<ServerCore>,
    core: RefCell<Core>,
    mailbox: Arc<Mailbox>,
    /// Appends under way, in the order of `core.in_flight`.
    appends: RefCell<VecDeque<Appending>>,
    /// The page for those behind that is being read, and one that has come.
    reading: RefCell<Option<Reading>>,
    page: RefCell<Option<PageRead>>,
    meter: RefCell<Meter>,
    buffer: RefCell<Vec<u8>>,
    inflater: RefCell<Inflater>,
    ids: RefCell<Ids>,
    started: Instant,
    turn_wanted: Cell<bool>,
    turn_waker: RefCell<Option<Waker>>,
    /// Questions about members that wait for the walk.
    fetches: RefCell<Vec<(Target, FetchReply)>>,
    shows: RefCell<Vec<Show>>,
    /// Told when the walk is done.
    walked: RefCell<Vec<(Position, oneshot::Sender<()>)>>,
    /// Dropped when everything has ended.
    shutdown: RefCell<Vec<oneshot::Sender<()>>>,
    /// Batches that were not appended.
    failures: Cell<u64>,
    /// The last one was not.
    failing: Cell<bool>,
    /// When it ends although handlers are running.
    ends_at: Cell<Option<Millis>>,
    tasks: Cell<usize>,
    /// The connection whose task is polled right now: what it says is written when it is done.
    active: Cell<Option<ConnRef>>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Shard>>> = const { RefCell::new(None) };
}

/// The shard of this server that the calling thread is, if it is one.
pub(crate) fn current(server: &Arc<ServerCore>) -> Option<Rc<Shard>> {
    CURRENT.with(|current| {
        let current = current.try_borrow().ok()?;
        current.as_ref().filter(|shard| Arc::ptr_eq(&shard.server, server)).cloned()
    })
}

impl Shard {
    pub(crate) fn new(index: usize, server: Arc<ServerCore>) -> Rc<Self> {
        let config = &server.config;
        let rhythm = Rhythm { interval_ms: millis(config.ping_interval), timeout_ms: millis(config.ping_timeout) };
        Rc::new(Self {
            index,
            mailbox: server.hub().shards()[index].clone(),
            core: RefCell::new(Core::new(rhythm, server.new_sessions(), server.hub().adapter().epoch())),
            appends: RefCell::default(),
            reading: RefCell::default(),
            page: RefCell::default(),
            meter: RefCell::default(),
            buffer: RefCell::new(vec![0; READ_BUFFER]),
            inflater: RefCell::default(),
            ids: RefCell::new(Ids::new(u8::try_from(index).unwrap_or(u8::MAX))),
            started: server.started(),
            turn_wanted: Cell::new(false),
            turn_waker: RefCell::default(),
            fetches: RefCell::default(),
            shows: RefCell::default(),
            walked: RefCell::default(),
            shutdown: RefCell::default(),
            failures: Cell::new(0),
            failing: Cell::new(false),
            ends_at: Cell::new(None),
            tasks: Cell::new(0),
            active: Cell::new(None),
            server,
        })
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    pub(crate) fn server(&self) -> &Arc<ServerCore> {
        &self.server
    }

    /// Milliseconds since the shard's start.
    fn now(&self) -> Millis {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// How many batches could not be appended so far.
    fn failures(&self) -> u64 {
        self.failures.get()
    }

    /// Asks for a turn after the tasks that are ready now.
    pub(crate) fn want_turn(&self) {
        if !self.turn_wanted.replace(true)
            && let Some(waker) = self.turn_waker.borrow_mut().take()
        {
            waker.wake();
        }
    }

    /// Lets an entry take its place in the batch of this turn.
    pub(crate) fn emit(&self, entry: NewEntry) -> Commit {
        self.want_turn();
        self.core.borrow_mut().emit(entry)
    }

    /// Lets a batch with a key take its place.
    pub(crate) fn append_keyed(&self, entries: Vec<NewEntry>, keyed: Keyed) -> Arc<BatchCommit> {
        self.want_turn();
        self.core.borrow_mut().append_keyed(entries, keyed)
    }

    pub(crate) fn cast(&self, cast: CastOut) {
        self.want_turn();
        self.core.borrow_mut().cast(cast);
    }

    /// Sends something to a connection, behind everything emitted on this thread before.
    pub(crate) fn private(&self, conn: ConnRef, item: Private) {
        let mut core = self.core.borrow_mut();
        core.private(conn, item);
        let written_anyway = self.active.get() == Some(conn) && core.batches.is_empty() && core.out.waiting.is_empty();
        drop(core);
        if !written_anyway {
            self.want_turn();
        }
    }

    /// Ends a connection when everything that was sent to it on this thread before is written.
    pub(crate) fn finish(&self, conn: ConnRef) {
        let at = self.fence();
        self.core.borrow_mut().finish(conn, at, self.now());
        self.want_turn();
    }

    pub(crate) fn new_id(&self) -> String {
        self.ids.borrow_mut().next()
    }

    /// How WebSockets of clients are read.
    fn ws_config(&self, deflate: bool) -> trunkline_proto::ws::Config {
        let max_message = self.server.config.max_http_buffer_size;
        trunkline_proto::ws::Config { role_server: true, max_message, deflate }
    }

    /// Puts what was emitted so far on this thread before what comes now, and gives the position that stands between.
    fn fence(&self) -> Position {
        self.append_batches();
        self.server.hub().distributed()
    }

    /// Changes the rooms of a socket and gives those it is in afterwards (for [`RoomChange::Show`] only).
    pub(crate) fn change_rooms(&self, conn: ConnRef, ns: &Arc<str>, change: RoomChange) -> Vec<Room> {
        let Some(member) = self.core.borrow().member(conn, ns) else { return Vec::new() };
        match change {
            RoomChange::Show => return self.core.borrow().rooms_of(member),
            RoomChange::Join(rooms) => {
                let id = self.id_of(conn, ns);
                for room in rooms.iter().filter(|room| id.as_ref() != Some(room)) {
                    self.join(conn, ns, room);
                }
            }
            RoomChange::Leave(rooms) => {
                let at = self.fence();
                for room in &rooms {
                    if self.core.borrow_mut().delivery.leave(member, room, at) {
                        self.tell_room(conn, ns, room, false);
                    }
                }
            }
        }
        self.want_turn();
        Vec::new()
    }

    fn join(&self, conn: ConnRef, ns: &Arc<str>, room: &Room) {
        self.fence();
        let Some(member) = self.core.borrow().member(conn, ns) else { return };
        if self.core.borrow().delivery.rooms_count(member) >= limits::ROOMS_PER_SOCKET {
            tracing::warn!(%ns, %room, limit = limits::ROOMS_PER_SOCKET, "a socket is in too many rooms to join one more");
            return;
        }
        let (at, created) = self.server.hub().join(ns, Some(room), self.index);
        let joined = self.core.borrow_mut().delivery.join(member, Some(room), at);
        if created {
            self.server.tell_room_event(&RoomEvent::Created { ns: ns.clone(), room: room.clone() });
        }
        if joined {
            self.tell_room(conn, ns, room, true);
        }
    }

    fn id_of(&self, conn: ConnRef, ns: &str) -> Option<Room> {
        Some(self.core.borrow().conn(conn)?.seat_in(ns)?.socket.id().clone())
    }

    fn tell_room(&self, conn: ConnRef, ns: &Arc<str>, room: &Room, joined: bool) {
        if !self.server.has_room_listeners() {
            return;
        }
        let Some(id) = self.id_of(conn, ns) else { return };
        let (ns, room) = (ns.clone(), room.clone());
        let event = if joined { RoomEvent::Joined { ns, room, id } } else { RoomEvent::Left { ns, room, id } };
        self.server.tell_room_event(&event);
    }

    /// The application makes a socket leave; with `close` the whole connection.
    pub(crate) fn disconnect(&self, conn: ConnRef, ns: &Arc<str>, close: bool) {
        let at = self.fence();
        self.end_by_server(conn, ns, at, close);
        self.want_turn();
    }

    /// Ends a socket (with `close`: all of its connection) after `at`: what stands before is still written, then
    /// DISCONNECT.
    fn end_by_server(&self, conn: ConnRef, ns: &Arc<str>, at: Position, close: bool) {
        let mut names = vec![ns.clone()];
        if close {
            let core = self.core.borrow();
            let seats = core.conn(conn).map(|found| &found.seats[..]).unwrap_or_default();
            names.extend(seats.iter().map(|seat| seat.socket.namespace_name()).filter(|&name| name != ns).cloned());
        }
        for name in names {
            let codec = self.core.borrow().conn(conn).map(|found| found.kind.codec);
            let messages = codec.map_or_else(Messages::new, |codec| codec.disconnect(&name));
            self.end_socket(conn, &name, at, DisconnectReason::ServerNamespaceDisconnect, messages);
        }
        if close {
            self.core.borrow_mut().finish(conn, at, self.now());
        }
    }

    /// Ends a socket: it is a member up to `at`, its last packet is `messages`, and its task runs the handlers.
    fn end_socket(&self, conn: ConnRef, ns: &Arc<str>, at: Position, reason: DisconnectReason, messages: Messages) {
        let mut core = self.core.borrow_mut();
        let Some(member) = core.member(conn, ns) else { return };
        let rooms = core.rooms_of(member);
        core.delivery.leave_all(member, at);
        let Some(found) = core.conn_mut(conn) else { return };
        let Some(socket) = found.seat_of(member).map(|seat| seat.socket.clone()) else { return };
        found.end_seat(member);
        let ended = socket.end(rooms);
        if ended {
            found.orders.push(Order::Ended { ns: ns.clone(), reason });
            found.waker.wake_by_ref();
        }
        core.forget_session(member);
        core.private_after(conn, at, Private::Farewell { member, messages });
        drop(core);
        if ended {
            self.tell_left(ns, socket.id(), socket.last_rooms());
        }
    }

    /// A socket is gone from all of its rooms at once.
    fn tell_left(&self, ns: &Arc<str>, id: &SocketId, rooms: &[Room]) {
        if rooms.is_empty() || !self.server.has_room_listeners() {
            return;
        }
        for room in rooms {
            self.server.tell_room_event(&RoomEvent::Left { ns: ns.clone(), room: room.clone(), id: id.clone() });
        }
    }

    fn socket_of(&self, conn: u32, member: trunkline_delivery::MemberKey) -> Option<Socket> {
        let core = self.core.borrow();
        let found = core.out.conns.get(conn as usize)?;
        found.seat_of(member).map(|seat| seat.socket.clone())
    }
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shard").field("index", &self.index).finish_non_exhaustive()
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    /// An idle connection is these and what they point to.
    #[test]
    fn what_a_connection_keeps_stays_small() {
        let sizes =
            [size_of::<conn::Conn>(), size_of::<task::ConnTask>(), size_of::<talk::Talk>(), size_of::<Private>()];
        let limits = [400, 344, 200, 64];
        assert!(sizes.iter().zip(limits).all(|(&size, limit)| size <= limit), "{sizes:?}");
    }
}
