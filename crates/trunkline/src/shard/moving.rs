//! A connection that moves to another shard: the one where the session lives that its client comes back to. Members never
//! move; what moves is a wire, before anything has been joined on it.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use trunkline_delivery::{Position, shard_of};
use trunkline_engine::http::Taken;
use trunkline_engine::wire::{self, Reader};
use trunkline_proto::ws;
use trunkline_proto::{Codec, Decoder};

use super::Shard;
use super::conn::{Conn, Outlet, Segment};
use super::posts::Posts;
use super::probe::MovingProbe;
use super::recover::Return;
use super::task::{ConnTask, Parts};
use crate::DisconnectReason;
use crate::mailbox::Command;
use crate::socket::Connection;

/// A connection between two shards.
pub(crate) struct Moving {
    conn: Conn,
    connection: Arc<Connection>,
    codec: Codec,
    /// The WebSocket, and what of a frame was not taken yet.
    wire: Option<(Taken, Vec<u8>)>,
    frames: ws::Decoder,
    packets: Decoder,
    posts: Option<Box<Posts>>,
    probe: Option<MovingProbe>,
    connect: Connect,
    /// What was read behind the CONNECT.
    rest: Vec<u8>,
}

/// The CONNECT for which a connection moves.
#[derive(Debug)]
pub(super) struct Connect {
    to: usize,
    ns: String,
    auth: Option<ByteString>,
}

impl ConnTask {
    /// Whether a CONNECT makes the connection move: its session lives on another shard and nothing holds it here.
    ///
    /// It moves once, for the shard that its id names has to know where it is.
    pub(super) fn moves_for(&self, ns: &str, auth: Option<&ByteString>) -> Option<Connect> {
        let shards = self.shard.server().shards();
        let at_home = shard_of(&self.connection.sid, shards) == self.shard.index();
        if shards == 1 || !at_home || !self.talks.is_empty() || !self.shard.can_recover(self.conn) {
            return None;
        }
        let back = Return::parse(auth?)?;
        let to = shard_of(&back.private_id, shards);
        (to != self.shard.index()).then(|| Connect { to, ns: ns.to_owned(), auth: auth.cloned() })
    }

    /// Goes on on another shard. True if this task is over.
    pub(super) fn move_away(&mut self, (connect, rest): (Connect, Vec<u8>)) -> bool {
        let shard = self.shard.clone();
        let taken = {
            let mut core = shard.core.borrow_mut();
            let open = core.conn(self.conn).is_some_and(|found| found.closed.is_none());
            if open { core.take_conn(self.conn) } else { None }
        };
        // Closing already: the CONNECT comes to nothing here as it would there.
        let Some(mut conn) = taken else { return false };
        let Parts { reader, frames, packets, posts, probe } = self.take_parts();
        let Some(wire) = take_wire(&mut conn, reader) else {
            shard.server().count_connection(false);
            return true;
        };
        conn.pending.drain(..).for_each(|segment| {
            if let Segment::Private(_, item) = segment {
                conn.passing.push_back((Position::ZERO, item));
            }
        });
        conn.passing.iter_mut().for_each(|(after, _)| *after = Position::ZERO);
        let (sid, to) = (conn.sid.clone(), connect.to);
        let (connection, codec) = (self.connection.clone(), self.codec);
        let probe = probe.and_then(|probe| probe.pack());
        let moving = Moving { conn, connection, codec, wire, frames, packets, posts, probe, connect, rest };
        shard.core.borrow_mut().moved.insert(sid, to);
        shard.server().mailbox(to).send(Command::Adopt(Box::new(moving)));
        true
    }
}

/// Takes the WebSocket off this thread, if the connection speaks over one; `None` if it is lost by that.
fn take_wire(conn: &mut Conn, reader: Option<Reader>) -> Option<Option<(Taken, Vec<u8>)>> {
    let Outlet::WebSocket { .. } = conn.outlet else { return Some(None) };
    let Outlet::WebSocket { writer, unsent } = std::mem::replace(&mut conn.outlet, Outlet::Gone) else { return None };
    let taken = wire::rejoin(reader?, writer).ok()?;
    Some(Some((taken, unsent)))
}

impl Shard {
    /// Where a connection that was opened here has gone.
    pub(super) fn moved_to(&self, sid: &str) -> Option<usize> {
        let core = self.core.borrow();
        if core.moved.is_empty() { None } else { core.moved.get(sid).copied() }
    }

    pub(super) fn forget_moved(&self, sid: &str) {
        self.core.borrow_mut().moved.remove(sid);
    }

    /// The connection ends; the shard where it was opened no longer has to know where it is.
    pub(super) fn tell_home(&self, sid: &Arc<str>) {
        let home = shard_of(sid, self.server.shards());
        if home != self.index && self.server.records() {
            self.server.mailbox(home).send(Command::Forget { sid: sid.clone() });
        }
    }

    /// Takes a connection over from another shard, and its CONNECT with it.
    pub(super) fn adopt(self: &Rc<Self>, moving: Moving) {
        let Moving { mut conn, connection, codec, wire, frames, packets, posts, probe, connect, rest } = moving;
        let mut reader = None;
        if let Some((taken, unsent)) = wire {
            let Ok((read, writer)) = wire::open(taken) else {
                self.server.count_connection(false);
                self.tell_home(&conn.sid);
                return;
            };
            reader = Some(read);
            conn.blocked |= !unsent.is_empty();
            conn.outlet = Outlet::WebSocket { writer, unsent };
        }
        let deflate = conn.kind.deflate.is_some();
        let key = {
            let mut core = self.core.borrow_mut();
            conn.generation = core.next_generation();
            conn.deadlines.scheduled = None;
            conn.touched = false;
            if core.shutting_down {
                conn.close(DisconnectReason::ServerShuttingDown);
            }
            let key = core.add_conn(conn);
            // What it brought waits for nothing here.
            core.out.waiting.push(key.key);
            key
        };
        self.tasks.set(self.tasks.get() + 1);
        let mut task = ConnTask::new(self.clone(), key, connection, codec, None, &Bytes::new(), deflate);
        let parts = Parts { reader, frames, packets, posts, probe: probe.and_then(MovingProbe::unpack) };
        task.go_on(parts, &connect.ns, connect.auth, rest);
        tokio::task::spawn_local(task);
        self.want_turn();
    }
}
