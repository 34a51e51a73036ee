//! The one task of a connection: reads its wire, decodes, and polls the handlers of its sockets. It ends when the wire
//! is gone and the last handler has returned.

mod intake;

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use smallvec::SmallVec;
use trunkline_engine::wire::Reader;
use trunkline_proto::ws;
use trunkline_proto::{Codec, Decoder, Version};

use super::conn::{Order, Outlet};
use super::{ConnRef, Shard};
use crate::raw::{EngineEvent, EngineSocket};
use crate::shard::moving::Connect;
use crate::shard::posts::Posts;
use crate::shard::probe::Probe;
use crate::shard::talk::Talk;
use crate::socket::Connection;
use crate::{DisconnectReason, limits};

/// Reads in a row after which others get their turn.
const READS_PER_TURN: usize = 4;

/// How long the handlers of a connection may hold their shard before a line says so.
const HELD: std::time::Duration = std::time::Duration::from_millis(100);

/// How long, and how much, a peer may still send after its connection was closed for a fault.
const LINGER: std::time::Duration = std::time::Duration::from_secs(1);
const LINGER_BYTES: usize = 1 << 20;

/// A connection's task.
pub(crate) struct ConnTask {
    pub(super) shard: Rc<Shard>,
    pub(super) conn: ConnRef,
    pub(super) connection: Arc<Connection>,
    pub(super) codec: Codec,
    reader: Option<Reader>,
    frames: ws::Decoder,
    packets: Decoder,
    pub(super) probe: Option<Box<Probe>>,
    pub(super) talks: SmallVec<[Talk; 1]>,
    pub(super) posts: Option<Box<Posts>>,
    /// Namespaces that the server made it leave: what the client still sends there is no violation.
    pub(super) evicted: Vec<Arc<str>>,
    closed: bool,
    /// How many batches the shard could not append when it was looked at last.
    failures: u64,
    /// A CONNECT that is answered on another shard, and what was read behind it.
    moving: Option<Box<(Connect, Vec<u8>)>>,
}

/// What a connection's task takes along when it moves.
pub(super) struct Parts {
    pub(super) reader: Option<Reader>,
    pub(super) frames: ws::Decoder,
    pub(super) packets: Decoder,
    pub(super) posts: Option<Box<Posts>>,
    pub(super) probe: Option<Box<Probe>>,
}

/// Why a connection has to end.
pub(super) struct End(pub(super) DisconnectReason);

impl ConnTask {
    pub(super) fn new(
        shard: Rc<Shard>,
        conn: ConnRef,
        connection: Arc<Connection>,
        codec: Codec,
        reader: Option<Reader>,
        leftover: &Bytes,
        deflate: bool,
    ) -> Self {
        let frames = ws::Decoder::new(shard.ws_config(deflate));
        let mut task = Self {
            shard,
            conn,
            connection,
            codec,
            reader,
            frames,
            packets: Decoder::default(),
            probe: None,
            talks: SmallVec::new(),
            posts: None,
            evicted: Vec::new(),
            closed: false,
            failures: 0,
            moving: None,
        };
        task.failures = task.shard.failures();
        task.begin();
        if !leftover.is_empty() {
            let mut early = leftover.to_vec();
            let outcome = task.take_bytes(&mut early);
            task.end_if(&outcome);
        }
        task
    }

    /// What a session does before its client has said anything.
    fn begin(&mut self) {
        if let Some(raw) = self.shard.server().options.raw.clone() {
            raw(&self.engine_socket(), EngineEvent::Open);
        } else if self.codec.version == Version::V3 {
            // Clients of that protocol are in the main namespace without asking.
            let outcome = self.connect("/", None);
            self.end_if(&outcome);
        }
    }

    fn engine_socket(&self) -> EngineSocket {
        EngineSocket {
            server: self.shard.server().clone(),
            shard: self.shard.index(),
            conn: self.conn,
            connection: self.connection.clone(),
            request: self.posts.as_ref().and_then(|posts| posts.headers.clone()),
        }
    }

    pub(super) fn end_if(&self, outcome: &Result<(), End>) {
        if let Err(End(reason)) = outcome
            && let Some(conn) = self.shard.core.borrow_mut().conn_mut(self.conn)
        {
            conn.close(*reason);
        }
    }

    /// Takes what others have left for this connection. True if there was something.
    pub(super) fn take_orders(&mut self) -> bool {
        let orders = {
            let mut core = self.shard.core.borrow_mut();
            let Some(conn) = core.conn_mut(self.conn) else { return false };
            if std::mem::take(&mut conn.upgrade_timed_out) {
                conn.probed = false;
                self.probe = None;
            }
            std::mem::take(&mut conn.orders)
        };
        let any = !orders.is_empty();
        for order in orders {
            match order {
                Order::Post(body, reply) => self.begin_post(body, reply),
                Order::Probe { stream, leftover, deflate } => self.begin_probe(stream, leftover, deflate),
                Order::Ended { ns, reason } => self.socket_ended(&ns, reason),
            }
        }
        any
    }

    fn socket_ended(&mut self, ns: &Arc<str>, reason: DisconnectReason) {
        if reason == DisconnectReason::ServerNamespaceDisconnect && !self.evicted.contains(ns) {
            self.evicted.push(ns.clone());
        }
        if let Some(talk) = self.talks.iter_mut().find(|talk| talk.ns == *ns && !talk.ending) {
            talk.end(reason);
        }
    }

    /// Whether what comes now is for another shard.
    pub(super) fn is_moving(&self) -> bool {
        self.moving.is_some()
    }

    /// A batch was not appended: if a handler runs, its answer must not leave, for what it emitted may be in it.
    fn look_at_failures(&mut self) {
        let failures = self.shard.failures();
        if std::mem::replace(&mut self.failures, failures) != failures && self.talks.iter().any(Talk::is_handling) {
            self.end_if(&Err(End(DisconnectReason::TransportError)));
        }
    }

    /// Events that wait for handlers, of all sockets.
    fn waiting(&self) -> usize {
        self.talks.iter().map(|talk| talk.inbox.len()).sum()
    }

    /// Whether another packet may be taken in.
    pub(super) fn has_room(&self) -> bool {
        let waiting = self.waiting();
        waiting < limits::INBOX || (waiting < limits::INBOX_WHILE_ASKING && self.talks.iter().any(Talk::is_asking))
    }

    /// Reads the wire once, if there is room. True if something was read.
    fn poll_read(&mut self, cx: &mut Context<'_>, reads_left: &mut usize) -> bool {
        if self.closed || self.moving.is_some() || self.reader.is_none() || !self.pause_or_resume() {
            return false;
        }
        if *reads_left == 0 {
            cx.waker().wake_by_ref();
            return false;
        }
        *reads_left -= 1;
        let shard = self.shard.clone();
        let mut buffer = shard.buffer.borrow_mut();
        let Some(reader) = &mut self.reader else { return false };
        let outcome = match reader.poll_read(cx, &mut buffer) {
            Poll::Pending => return false,
            Poll::Ready(Ok(0)) => Err(End(DisconnectReason::TransportClose)),
            Poll::Ready(Err(_)) => Err(End(DisconnectReason::TransportError)),
            Poll::Ready(Ok(read)) => self.take_bytes(&mut buffer[..read]),
        };
        self.end_if(&outcome);
        true
    }

    /// Not reading is how a client is slowed down; its pong is not due meanwhile.
    fn pause_or_resume(&mut self) -> bool {
        let room = self.has_room();
        let mut core = self.shard.core.borrow_mut();
        let (now, rhythm) = (self.shard.now(), core.rhythm());
        let Some(conn) = core.conn_mut(self.conn).filter(|conn| conn.closed.is_none()) else { return false };
        let overflow = !room && self.waiting() >= limits::INBOX_WHILE_ASKING;
        if overflow {
            tracing::warn!(sid = %conn.sid, limit = limits::INBOX_WHILE_ASKING, "too many events wait; connection closed");
            conn.close(DisconnectReason::ForcedServerClose);
        }
        if conn.paused && room {
            conn.deadlines.heart.resume(rhythm, now);
        }
        conn.paused = !room;
        room
    }

    /// Sees to the wire after everything that could be done was done.
    fn flush(&mut self, cx: &mut Context<'_>) {
        let mut core = self.shard.core.borrow_mut();
        let core = &mut *core;
        if core.conn(self.conn).is_none() {
            return;
        }
        core.write(self.conn.key);
        let Some(conn) = core.conn_mut(self.conn).filter(|conn| conn.blocked) else { return };
        match &mut conn.outlet {
            Outlet::WebSocket { .. } => {
                if conn.poll_unsent(cx) {
                    core.unblock(self.conn.key);
                    core.write(self.conn.key);
                    self.shard.want_turn();
                }
            }
            Outlet::Polling { .. } | Outlet::Gone => {}
        }
    }

    /// Tells a program that speaks Engine.IO alone what the wire has taken. True if there was something to tell.
    fn tell_flushed(&self) -> bool {
        let Some(raw) = &self.shard.server().options.raw else { return false };
        let flushed = self.shard.core.borrow_mut().conn_mut(self.conn).map(|conn| std::mem::take(&mut conn.flushed));
        let Some(flushed @ 1..) = flushed else { return false };
        let socket = self.engine_socket();
        raw(&socket, EngineEvent::Flush(flushed));
        if socket.unsent() == 0 {
            raw(&socket, EngineEvent::Drain);
        }
        true
    }

    /// A client that cuts its waiting GET ends its session.
    fn poll_parked(&self, cx: &mut Context<'_>) {
        let mut core = self.shard.core.borrow_mut();
        let Some(conn) = core.conn_mut(self.conn) else { return };
        if let Outlet::Polling { parked: Some(parked), .. } = &mut conn.outlet
            && parked.poll_closed(cx).is_ready()
        {
            conn.close(DisconnectReason::TransportError);
        }
    }

    /// Ends the wire, once: what is waiting is answered, the sockets are told.
    fn close(&mut self, reason: DisconnectReason) {
        self.closed = true;
        self.probe = None;
        let shard = self.shard.clone();
        if let Some(reader) = self.reader.take()
            && !matches!(reason, DisconnectReason::TransportClose | DisconnectReason::ServerShuttingDown)
        {
            tokio::task::spawn_local(linger(reader));
        }
        if let Some(posts) = self.posts.take() {
            posts.end();
        }
        {
            let mut core = shard.core.borrow_mut();
            if let Some(conn) = core.conn_mut(self.conn) {
                conn.end_wire(reason);
            }
        }
        let at = shard.server().hub().distributed();
        for talk in &mut self.talks {
            let namespace = talk.ns.clone();
            if talk.is_joining() {
                talk.abandon(&shard);
            } else if !talk.ending && reason.is_recoverable() && talk.has_session() {
                shard.detach_socket(self.conn, &namespace, reason);
            } else if !talk.ending {
                shard.end_socket(self.conn, &namespace, at, reason, Default::default());
            }
        }
        self.take_orders();
        shard.tell_home(&self.connection.sid);
        shard.core.borrow_mut().remove_conn(self.conn);
        shard.server().count_connection(false);
        shard.want_turn();
        if let Some(raw) = shard.server().options.raw.clone() {
            raw(&self.engine_socket(), EngineEvent::Close(reason));
        }
    }

    /// Takes out what goes on elsewhere; this task is over.
    pub(super) fn take_parts(&mut self) -> Parts {
        self.closed = true;
        Parts {
            reader: self.reader.take(),
            frames: std::mem::replace(&mut self.frames, ws::Decoder::new(self.shard.ws_config(false))),
            packets: std::mem::take(&mut self.packets),
            posts: self.posts.take(),
            probe: self.probe.take(),
        }
    }

    /// Goes on where another task was: with its parts, the CONNECT for which it moved, and what was read behind that.
    pub(super) fn go_on(&mut self, parts: Parts, ns: &str, auth: Option<bytestring::ByteString>, mut rest: Vec<u8>) {
        let Parts { reader, frames, packets, posts, probe } = parts;
        (self.reader, self.frames, self.packets, self.posts, self.probe) = (reader, frames, packets, posts, probe);
        let outcome = self.connect(ns, auth);
        let outcome = if rest.is_empty() { outcome } else { outcome.and_then(|()| self.take_bytes(&mut rest)) };
        self.end_if(&outcome);
    }

    pub(super) fn adopt(&mut self, reader: Reader, frames: ws::Decoder) {
        self.reader = Some(reader);
        self.frames = frames;
    }
}

impl Future for ConnTask {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if let Some(conn) = this.shard.core.borrow_mut().conn_mut(this.conn)
            && !conn.waker.will_wake(cx.waker())
        {
            conn.waker = cx.waker().clone();
        }
        this.look_at_failures();
        let started = std::time::Instant::now();
        this.shard.active.set(Some(this.conn));
        let mut reads_left = READS_PER_TURN;
        loop {
            let mut progress = this.take_orders();
            progress |= this.poll_talks(cx);
            progress |= this.poll_posts();
            progress |= this.poll_probe(cx);
            progress |= this.poll_read(cx, &mut reads_left);
            progress |= this.tell_flushed();
            if !progress || this.moving.is_some() {
                break;
            }
        }
        this.shard.active.set(None);
        if let Some(moving) = this.moving.take()
            && this.move_away(*moving)
        {
            return Poll::Ready(());
        }
        if started.elapsed() > HELD {
            let handled: Vec<_> = this.talks.iter().map(|talk| (&*talk.ns, &*talk.latest)).collect();
            tracing::warn!(elapsed = ?started.elapsed(), ?handled, "a handler held up its shard; is it blocking?");
        }
        // A name is a part of the message that it came in, which is not to be kept for it.
        this.talks.iter_mut().for_each(Talk::forget_latest);
        if this.closed {
            return if this.talks.is_empty() { Poll::Ready(()) } else { Poll::Pending };
        }
        this.flush(cx);
        this.poll_parked(cx);
        let reason = this.shard.core.borrow().conn(this.conn).and_then(|conn| conn.closed);
        if let Some(reason) = reason {
            this.tell_flushed();
            this.close(reason);
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// Reads what a peer still sends after we have closed, for a moment: a socket that is closed with something unread is
/// reset, and the peer would never see our last frame.
async fn linger(mut reader: Reader) {
    let mut sink = vec![0; 4096];
    let drain = async {
        let mut left = LINGER_BYTES;
        while let Ok(read) = std::future::poll_fn(|cx| reader.poll_read(cx, &mut sink)).await {
            left = left.saturating_sub(read);
            if read == 0 || left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, drain).await;
}

impl Drop for ConnTask {
    fn drop(&mut self) {
        self.shard.tasks.set(self.shard.tasks.get().saturating_sub(1));
        self.shard.want_turn();
        // Dropped on the way: by a panic of ours, or by a server that does not wait for its handlers any longer.
        if !self.closed {
            self.shard.active.set(None);
            if let Ok(mut core) = self.shard.core.try_borrow_mut() {
                core.remove_conn(self.conn);
            }
            self.shard.server().count_connection(false);
        }
    }
}
