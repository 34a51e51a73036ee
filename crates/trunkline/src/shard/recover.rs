//! Sessions that outlive connections: how one begins, how a client comes back to it, what its pongs confirm, and how
//! sessions are rebuilt when a shard starts. Who is owed what is `delivery`'s part.

use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use serde::Deserialize;
use serde_json::Value;
use tokio::sync::oneshot;
use trunkline_delivery::{
    Act, Ask, Claim, ConnKey, Entry, MemberKey, Position, Refused, Session, SocketId, Target, Wanted,
};
use trunkline_engine::wheel::Millis;
use trunkline_log::{NewEntry, ReadError};
use trunkline_proto::Codec;

use super::conn::{Order, Seat};
use super::core::Core;
use super::{ConnRef, Private, Shard};
use crate::common::{lock, unix_millis};
use crate::figures::Figures;
use crate::socket::{Shared, Socket};
use crate::{DisconnectReason, limits};

/// What the shard keeps of a session beside its place.
#[derive(Debug)]
pub(crate) struct KeptSocket {
    pub(crate) shared: Arc<Shared>,
    /// Resolves when the handlers of the last connection are done.
    over: Option<oneshot::Receiver<()>>,
    /// When it was written last, by the shard's clock.
    written: u64,
}

/// What a returning client sent in `auth`.
#[derive(Debug, Clone)]
pub(crate) struct Return {
    pub(crate) private_id: String,
    offset: Option<String>,
}

impl Return {
    /// Reads it from the `auth` of a CONNECT.
    pub(crate) fn parse(auth: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Auth {
            pid: Option<Value>,
            offset: Option<Value>,
        }
        let Auth { pid, offset } = serde_json::from_str(auth).ok()?;
        let Some(Value::String(private_id)) = pid else { return None };
        // What is no string was never given by us: the application's own, like a string of another form.
        let offset = offset.map(|offset| offset.as_str().map_or_else(|| "?".to_owned(), str::to_owned));
        Some(Self { private_id, offset })
    }
}

/// A client that came back.
pub(crate) struct Resumed {
    /// Resolves when the handlers of the connection before are done.
    pub(crate) before: Option<oneshot::Receiver<()>>,
    /// To be dropped when the handlers of this one are.
    pub(crate) over: oneshot::Sender<()>,
}

impl Shard {
    /// Whether a connection's clients can come back.
    pub(crate) fn can_recover(&self, conn: ConnRef) -> bool {
        self.core.borrow().conn(conn).is_some_and(|found| found.kind.log.is_some())
    }

    /// Resolves when everything that is committed now has been walked; `None` if it has.
    pub(crate) fn until_walked(&self) -> Option<oneshot::Receiver<()>> {
        if self.core.borrow().delivery.position() >= self.server.hub().distributed() {
            return None;
        }
        let (walked, waiting) = oneshot::channel();
        self.walked.borrow_mut().push((self.server.hub().distributed(), walked));
        self.want_turn();
        Some(waiting)
    }

    /// What there is for a client that returns: its socket's id and what the sockets of the session share.
    pub(crate) fn claimed(&self, ns: &str, back: &Return) -> Option<(SocketId, Arc<Shared>)> {
        let claim = self.claim(ns, back).inspect_err(|refused| Figures::returned(refused.as_str())).ok()?;
        let core = self.core.borrow();
        let (_, id) = core.delivery.name_of(claim.member)?;
        Some((id, core.kept_sockets.get(&claim.member)?.shared.clone()))
    }

    fn claim(&self, ns: &str, back: &Return) -> Result<Claim, Refused> {
        let core = self.core.borrow();
        let ask = Ask { ns, private_id: &back.private_id, offset: back.offset.as_deref() };
        let claim = core.kept.claim(ask, self.server.log_name(), &core.delivery, unix_millis(SystemTime::now()));
        if let Err(refused) = claim {
            tracing::debug!(ns, ?refused, "a client that returned begins afresh");
        }
        claim
    }

    /// Gives a returning client its session on this connection: CONNECT, then everything it lacks, then what comes. The
    /// connection that had it, if it is not known to be gone yet, ends. `None` if it has to begin afresh.
    pub(crate) fn resume(&self, conn: ConnRef, socket: &Socket, back: &Return, codec: Codec) -> Option<Resumed> {
        let ns = socket.namespace_name();
        self.core.borrow().conn(conn).filter(|found| found.closed.is_none())?;
        let Claim { member, from } = self.claim(ns, back).ok()?;
        let pin = match self.server.hub().adapter().pin(from) {
            Ok(pin) => pin,
            Err(error) => {
                tracing::info!(ns = &**ns, %error, "a client comes back too late and begins afresh");
                Figures::returned("gone");
                self.end_session(member);
                return None;
            }
        };
        self.take_from_old(member);
        let mut core = self.core.borrow_mut();
        let core = &mut *core;
        let found = core.conn_mut(conn)?;
        let blocked = found.blocked;
        found.deadlines.join_by = None;
        let (ending, left) = (false, false);
        found.seats.push(Seat { member, socket: socket.clone(), ending, left, offset: from, told: from });
        let hello = codec.connect(ns, socket.id(), Some(&back.private_id));
        core.out.greet(conn.key, from, Private::Messages(hello), &core.delivery);
        core.delivery.attach(member, ConnKey(conn.key), from);
        core.kept.attached(member);
        core.out.pins.insert(member, pin);
        if !blocked {
            if core.delivery.writable(member) {
                core.out.pins.remove(&member);
            } else if let Some(found) = core.conn_mut(conn) {
                found.catching_up = true;
            }
        }
        Figures::returned("recovered");
        let (over, done) = oneshot::channel();
        let before = core.kept_sockets.get_mut(&member).and_then(|kept| kept.over.replace(done));
        socket.set_connected();
        self.want_turn();
        Some(Resumed { before, over })
    }

    /// The connection that has the member loses it, and ends.
    fn take_from_old(&self, member: MemberKey) {
        let old = {
            let core = self.core.borrow();
            let Some(ConnKey(key)) = core.delivery.conn_of(member) else { return };
            let Some(found) = core.out.conns.get(key as usize) else { return };
            let ns = found.seat_of(member).map(|seat| seat.socket.namespace_name().clone());
            ns.map(|ns| (ConnRef { key, generation: found.generation }, ns))
        };
        let Some((conn, ns)) = old else { return };
        self.take_seat(conn, &ns, DisconnectReason::TransportClose);
        if let Some(found) = self.core.borrow_mut().conn_mut(conn) {
            found.close(DisconnectReason::TransportClose);
        }
    }

    /// Writes the beginning of a session and sends CONNECT behind it.
    pub(crate) fn open_session(&self, conn: ConnRef, socket: &Socket, codec: Codec) -> Option<oneshot::Sender<()>> {
        let ns = socket.namespace_name();
        let shared = socket.shared().clone();
        let private_id = shared.private_id.clone()?;
        let (over, done) = oneshot::channel();
        {
            let mut core = self.core.borrow_mut();
            let member = core.member(conn, ns)?;
            core.delivery.keep(member, Position::ZERO);
            core.kept.open(private_id.clone(), member, ns.clone(), Position::ZERO);
            let kept = KeptSocket { shared, over: Some(done), written: self.now() };
            core.kept_sockets.insert(member, kept);
            if let Some(found) = core.conn_mut(conn) {
                found.deadlines.join_by = None;
            }
            core.write_session(member);
        }
        self.private(conn, Private::Messages(codec.connect(ns, socket.id(), Some(&private_id))));
        socket.set_connected();
        self.want_turn();
        Some(over)
    }

    /// The connection of a socket is gone; its session, if it still has one, is kept.
    pub(crate) fn detach_socket(&self, conn: ConnRef, ns: &Arc<str>, reason: DisconnectReason) {
        let Some(member) = self.take_seat(conn, ns, reason) else { return };
        let mut core = self.core.borrow_mut();
        if core.kept.id_of(member).is_none() {
            core.delivery.remove(member);
        }
        let over_limit = core.kept.detached(member, self.now());
        drop(core);
        if let Some(member) = over_limit {
            tracing::warn!("too many sessions wait for their clients; the one that waits longest is forgotten");
            self.end_session(member);
        }
        self.want_turn();
    }

    /// Takes a socket's member off its connection.
    fn take_seat(&self, conn: ConnRef, ns: &Arc<str>, reason: DisconnectReason) -> Option<MemberKey> {
        let mut core = self.core.borrow_mut();
        let member = core.member(conn, ns)?;
        let rooms = core.rooms_of(member);
        let found = core.conn_mut(conn)?;
        let at = found.seats.iter().position(|seat| seat.member == member)?;
        let socket = found.seats.remove(at).socket;
        let ended = socket.end(rooms);
        if ended {
            found.orders.push(Order::Ended { ns: ns.clone(), reason });
            found.waker.wake_by_ref();
        }
        core.delivery.detach(member);
        core.out.pins.remove(&member);
        drop(core);
        if ended {
            self.tell_left(ns, socket.id(), socket.last_rooms());
        }
        Some(member)
    }

    /// Nobody can come back to this session any more; a member that is away goes with it.
    pub(crate) fn end_session(&self, member: MemberKey) {
        let mut core = self.core.borrow_mut();
        let away = core.delivery.is_away(member);
        if core.forget_session(member) {
            self.want_turn();
        }
        if away {
            core.delivery.remove(member);
        }
    }

    /// Has the session of a socket written again.
    pub(super) fn record_session(&self, conn: ConnRef, ns: &str) {
        let mut core = self.core.borrow_mut();
        let Some(member) = core.member(conn, ns) else { return };
        core.rewrite_session(member, self.now());
        self.want_turn();
    }

    /// A pong: the client has everything that was written before the ping, if it answers the last one.
    pub(crate) fn confirm(&self, conn: ConnRef) {
        let now = self.now();
        let mut core = self.core.borrow_mut();
        let core = &mut *core;
        let Some(found) = core.conn_mut(conn) else { return };
        found.pings_open = found.pings_open.saturating_sub(1);
        if found.pings_open > 0 || found.kind.log.is_none() {
            return;
        }
        let members: smallvec::SmallVec<[MemberKey; 2]> = found.seats.iter().map(|seat| seat.member).collect();
        for member in members {
            core.delivery.ponged(member);
            let due = |kept: &KeptSocket| now.saturating_sub(kept.written) >= limits::SESSION_REWRITE_MS;
            if core.kept_sockets.get(&member).is_some_and(due) {
                core.rewrite_session(member, now);
                self.want_turn();
            }
        }
    }

    /// Forgets sessions whose clients have been away for too long.
    pub(super) fn expire_sessions(&self, now: Millis) {
        loop {
            let Some(member) = self.core.borrow().kept.expired(now) else { return };
            self.end_session(member);
        }
    }

    /// Sessions that began, and members without a connection that an entry ended.
    pub(super) fn see_to_sessions(&self) {
        let mut core = self.core.borrow_mut();
        let core = &mut *core;
        for (member, position) in std::mem::take(&mut core.out.began) {
            if let Some((ns, _)) = core.delivery.name_of(member) {
                self.server.hub().join(&ns, None, self.index);
            }
            core.kept.set_start(member, position);
            if core.kept.id_of(member).is_some() {
                core.delivery.keep(member, position);
            }
        }
        for member in std::mem::take(&mut core.out.ended_away) {
            core.forget_session(member);
            core.delivery.remove(member);
        }
    }

    /// Rebuilds the sessions of this shard from what the log holds: the last writing of each, and the acts after it.
    pub(crate) fn restore(self: &Rc<Self>, acts: &[Arc<Entry>]) {
        if !self.server.records() {
            return;
        }
        let hub = self.server.hub();
        let wanted = Wanted {
            shard: self.index,
            shards: hub.shards().len(),
            held_after: match hub.adapter().pin(Position::ZERO) {
                Err(ReadError::Gone { oldest }) => oldest.before(),
                Ok(_) | Err(_) => Position::ZERO,
            },
            epoch: hub.adapter().epoch(),
            written_since: unix_millis(SystemTime::now()).saturating_sub(self.server.session_life_ms()),
            now: self.now(),
        };
        let mut core = self.core.borrow_mut();
        let core = &mut *core;
        for restored in core.delivery.rebuild(&mut core.kept, acts, wanted) {
            let shared = Shared::restored(&restored.session);
            for (key, value) in &restored.data {
                shared.set_data_text(key, value.as_deref());
            }
            let kept = KeptSocket { shared: Arc::new(shared), over: None, written: wanted.now };
            core.kept_sockets.insert(restored.member, kept);
        }
        core.delivery.handed_up_to(hub.distributed());
        core.delivery.walk(usize::MAX, &mut core.out);
        core.delivery.each_room(|ns, room| {
            hub.join(ns, room, self.index);
        });
    }
}

impl Core {
    /// Writes a session into the log, as far as it is walked: its beginning, or how it is by now.
    fn write_session(&mut self, member: MemberKey) {
        let Some((ns, id)) = self.delivery.name_of(member) else { return };
        let Some(kept) = self.kept_sockets.get(&member) else { return };
        let Some(private_id) = kept.shared.private_id.clone() else { return };
        let valid_until = *lock(&kept.shared.valid_until);
        let session = Session {
            user: lock(&kept.shared.user).clone(),
            valid_until,
            data: kept.shared.data_text(),
            start: self.kept.get(&private_id).map_or(Position::ZERO, |kept| kept.start),
            confirmed: self.delivery.confirmed(member),
            epoch: self.epoch,
            written: unix_millis(SystemTime::now()),
            as_of: self.delivery.position(),
            rooms: self.delivery.stays(member),
            private_id: private_id.clone(),
        };
        self.kept.set_valid_until(&private_id, valid_until);
        self.emit(NewEntry { target: Target::socket(ns, id), act: Act::Session(Arc::new(session)) });
    }

    /// Writes a session again that has begun.
    fn rewrite_session(&mut self, member: MemberKey, now: u64) {
        let begun =
            self.kept.id_of(member).and_then(|id| self.kept.get(id)).is_some_and(|kept| kept.start > Position::ZERO);
        if begun {
            self.write_session(member);
            if let Some(kept) = self.kept_sockets.get_mut(&member) {
                kept.written = now;
            }
        }
    }

    /// The session is over, and written as such. False if the member had none.
    pub(crate) fn forget_session(&mut self, member: MemberKey) -> bool {
        self.kept_sockets.remove(&member);
        self.out.pins.remove(&member);
        if self.kept.end(member).is_none() {
            return false;
        }
        if let Some((ns, id)) = self.delivery.name_of(member) {
            self.emit(NewEntry { target: Target::socket(ns, id), act: Act::End });
        }
        true
    }
}
