//! What other threads ask of a shard: sessions to open, polls and posts, upgrades, and questions about its sockets.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use tokio::sync::oneshot;
use trunkline_delivery::ConnKey;
use trunkline_engine::wire;
use trunkline_proto::heartbeat::Heartbeat;
use trunkline_proto::{Codec, EnginePacket, Open, Version};

use super::conn::{Conn, Deadlines, Order, Outlet, Seen};
use super::frames::{Deflate, FrameKind};
use super::outbound::{Eviction, RoomChanged};
use super::task::ConnTask;
use super::{ConnRef, FetchReply, Private, Shard};
use crate::DisconnectReason;
use crate::common::millis;
use crate::mailbox::{Command, NewSession, NewWire, Reply, RoomChange};
use crate::server::RoomEvent;
use crate::socket::Connection;

impl Shard {
    pub(super) fn obey(self: &Rc<Self>, command: Command) {
        if let Some(to) = command.sid().and_then(|sid| self.moved_to(sid)) {
            self.server.mailbox(to).send(command);
            return;
        }
        match command {
            Command::Open(session) => self.open(*session),
            Command::Poll { sid, version, tag, reply } => self.poll(&sid, version, tag, reply),
            Command::PostBegin { sid, version, tag, reply } => self.begin_post(&sid, version, tag, reply),
            Command::Post { sid, body, reply } => self.order(&sid, Order::Post(body, reply)),
            Command::PostFailed { sid, close } => self.fail_post(&sid, close),
            Command::Touch { sid, version, reply } => {
                let _ = reply.send(self.polling(&sid, version).map_or_else(|refused| refused, |_| Reply::Go));
            }
            Command::ProbeBegin { sid, version, reply } => self.begin_probe(&sid, version, reply),
            Command::Probe { sid, stream, leftover, deflate } => {
                self.order(&sid, Order::Probe { stream, leftover, deflate });
            }
            Command::Adopt(moving) => self.adopt(*moving),
            Command::Forget { sid } => self.forget_moved(&sid),
            Command::Private { conn, after, item } => {
                self.core.borrow_mut().private_after(conn, after, item);
                self.want_turn();
            }
            Command::Finish { conn, after } => {
                self.core.borrow_mut().finish(conn, after, self.now());
                self.want_turn();
            }
            // What was joined before is an entry, which is to be walked first.
            Command::Rooms { conn, ns, change: RoomChange::Show, done } if self.server.records() => {
                self.shows.borrow_mut().push((conn, ns, done));
                self.want_turn();
            }
            Command::Rooms { conn, ns, change, done } => {
                let _ = done.send(self.change_rooms(conn, &ns, change));
            }
            Command::Close { conn } => self.close_transport(conn),
            Command::Record { conn, ns } => self.record_session(conn, &ns),
            Command::Disconnect { conn, ns, close } => self.disconnect(conn, &ns, close),
            // Answered when what was committed before has been walked: it may have moved members.
            Command::Fetch { target, reply } => self.fetches.borrow_mut().push((target, reply)),
            Command::Serve(accepted) => accepted.serve(self),
            #[cfg(feature = "testing")]
            Command::Panic => panic!("a shard is broken on purpose"),
            Command::Shutdown { done } => self.shut_down(done),
            drive @ Command::Drive(_) => Self::drive(drive),
        }
    }

    /// Opens a session here and starts its task.
    pub(crate) fn open(self: &Rc<Self>, session: NewSession) {
        let config = &self.server.config;
        let NewSession { sid, version, handshake, b64, wire: new_wire } = session;
        if self.core.borrow().shutting_down {
            return;
        }
        let codec = Codec { parser: self.server.options.parser, version };
        let (mut deflate, mut reading, mut leftover) = (None, None, bytes::Bytes::new());
        let websocket = matches!(new_wire, NewWire::WebSocket { .. });
        let mut parked = None;
        let outlet = match new_wire {
            NewWire::Polling(reply) => {
                parked = Some(reply);
                Outlet::Polling { parked: None, b64, posting: false, seen: Seen::default() }
            }
            NewWire::WebSocket { stream, leftover: early, deflate: negotiated } => {
                let Ok((reader, writer)) = wire::open(stream) else { return };
                leftover = early;
                deflate = Deflate::agreed(config.per_message_deflate, negotiated);
                reading = Some(reader);
                Outlet::WebSocket { writer, unsent: Vec::new() }
            }
        };
        let connection = Arc::new(Connection {
            sid: sid.into(),
            version,
            handshake,
            websocket: AtomicBool::new(websocket),
            unsent: AtomicUsize::new(0),
        });
        let now = self.now();
        let mut core = self.core.borrow_mut();
        let join_within = millis(config.connect_timeout);
        let deadlines = Deadlines {
            heart: Heartbeat::new(version, core.rhythm(), now),
            join_by: self.server.options.raw.is_none().then_some(now + join_within),
            upgrade_by: None,
            close_by: None,
            scheduled: None,
        };
        let generation = core.next_generation();
        let log = self.server.log_for(version, &connection.handshake);
        let kind = FrameKind { codec, deflate, log };
        let conn = core.add_conn(Conn::new(generation, connection.sid.clone(), kind, outlet, deadlines));
        drop(core);
        self.tasks.set(self.tasks.get() + 1);
        // Before the client hears of its session: whoever knows that it is open finds it counted.
        self.server.count_connection(true);
        self.greet(conn, &connection, websocket, parked);
        tokio::task::spawn_local(ConnTask::new(
            self.clone(),
            conn,
            connection,
            codec,
            reading,
            &leftover,
            deflate.is_some(),
        ));
        self.want_turn();
    }

    /// Sends the open packet, and the application's first one.
    fn greet(&self, conn: ConnRef, connection: &Connection, websocket: bool, reply: Option<oneshot::Sender<Reply>>) {
        let config = &self.server.config;
        let from = if websocket {
            trunkline_engine::http::Transport::WebSocket
        } else {
            trunkline_engine::http::Transport::Polling
        };
        let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let open = Open {
            sid: &connection.sid,
            upgrades: config.upgrades(from),
            ping_interval_ms: millis(config.ping_interval),
            ping_timeout_ms: millis(config.ping_timeout),
            max_payload: config.max_http_buffer_size as u64,
        };
        let mut packets = vec![EnginePacket::Open(open.to_json())];
        packets.extend(config.initial_packet.clone().map(EnginePacket::Message));
        match reply {
            Some(reply) => {
                // Who has cut its first request knows no session.
                if reply.send(Reply::Packets { packets, b64: true, compress: true }).is_err()
                    && let Some(found) = self.core.borrow_mut().conn_mut(conn)
                {
                    found.close(DisconnectReason::TransportError);
                }
            }
            None => {
                let mut core = self.core.borrow_mut();
                let after = core.last_own;
                for packet in packets {
                    core.private_after(conn, after, Private::Engine(packet));
                }
                core.write(conn.key);
            }
        }
    }

    /// The session that polls under this id.
    fn polling(&self, sid: &str, version: Version) -> Result<ConnRef, Reply> {
        let core = self.core.borrow();
        let conn = core.conn_by_sid(sid).ok_or(Reply::UnknownSid)?;
        let found = core.conn(conn).ok_or(Reply::UnknownSid)?;
        match found.outlet {
            _ if found.closed.is_some() => Err(Reply::UnknownSid),
            _ if found.version != version => Err(Reply::ProtocolMismatch),
            Outlet::Polling { .. } => Ok(conn),
            Outlet::WebSocket { .. } | Outlet::Gone => Err(Reply::TransportMismatch),
        }
    }

    fn poll(&self, sid: &str, version: Version, tag: u64, reply: oneshot::Sender<Reply>) {
        let conn = match self.polling(sid, version) {
            Ok(conn) => conn,
            Err(refused) => {
                let _ = reply.send(refused);
                return;
            }
        };
        let mut core = self.core.borrow_mut();
        let Some(found) = core.conn_mut(conn) else { return };
        let probing = found.deadlines.upgrade_by.is_some() && found.probed;
        let comes_back = found.kind.log.is_some();
        let Outlet::Polling { parked, b64, seen, .. } = &mut found.outlet else { return };
        if comes_back && tag != 0 && std::mem::replace(&mut seen.get, tag) == tag {
            // The answer to it went into a broken connection: the client recovers what was in it.
            let _ = reply.send(Reply::Overlap);
            found.close(DisconnectReason::TransportError);
            return;
        }
        if parked.as_ref().is_some_and(|parked| !parked.is_closed()) {
            // "second 400; first 200 with `1`; session gone"
            let _ = reply.send(Reply::Overlap);
            if let Some(first) = parked.take() {
                let _ = first.send(Reply::Packets { packets: vec![EnginePacket::Close], b64: *b64, compress: false });
            }
            found.close(DisconnectReason::TransportError);
            return;
        }
        *parked = Some(reply);
        found.waker.wake_by_ref();
        core.unblock(conn.key);
        core.write(conn.key);
        if probing {
            core.release_poll(conn, EnginePacket::Noop);
        }
        drop(core);
        self.want_turn();
    }

    fn begin_post(&self, sid: &str, version: Version, tag: u64, reply: oneshot::Sender<Reply>) {
        let answer = self.polling(sid, version).map_or_else(
            |refused| refused,
            |conn| {
                let mut core = self.core.borrow_mut();
                let Some(found) = core.conn_mut(conn) else { return Reply::UnknownSid };
                let Outlet::Polling { posting, seen, .. } = &mut found.outlet else { return Reply::TransportMismatch };
                if !*posting && tag != 0 && seen.post == tag {
                    return Reply::Taken;
                }
                if std::mem::replace(posting, true) {
                    found.close(DisconnectReason::TransportError);
                    return Reply::Overlap;
                }
                seen.post = tag;
                Reply::Go
            },
        );
        let _ = reply.send(answer);
    }

    fn fail_post(&self, sid: &str, close: bool) {
        let mut core = self.core.borrow_mut();
        let Some(conn) = core.conn_by_sid(sid) else { return };
        let Some(found) = core.conn_mut(conn) else { return };
        if let Outlet::Polling { posting, seen, .. } = &mut found.outlet {
            *posting = false;
            seen.post = 0;
        }
        if close {
            found.close(DisconnectReason::TransportError);
        }
    }

    fn begin_probe(&self, sid: &str, version: Version, reply: oneshot::Sender<Reply>) {
        let upgradable = |conn: ConnRef| {
            let core = self.core.borrow();
            core.conn(conn).is_some_and(|found| found.deadlines.upgrade_by.is_none())
        };
        let answer = match self.polling(sid, version) {
            Ok(conn) if upgradable(conn) => {
                let by = self.now() + millis(self.server.config.upgrade_timeout);
                let mut core = self.core.borrow_mut();
                if let Some(found) = core.conn_mut(conn) {
                    found.deadlines.upgrade_by = Some(by);
                    found.probed = false;
                }
                core.schedule(conn.key);
                Reply::Go
            }
            // "second upgrade socket; one for an upgraded sid: closed, session untouched"
            Ok(_) | Err(Reply::TransportMismatch) => Reply::NoUpgrade,
            Err(refused) => refused,
        };
        let _ = reply.send(answer);
    }

    /// Ends a connection without a word.
    pub(crate) fn close_transport(&self, conn: ConnRef) {
        if let Some(found) = self.core.borrow_mut().conn_mut(conn) {
            found.close(DisconnectReason::TransportError);
        }
    }

    fn order(&self, sid: &str, order: Order) {
        let mut core = self.core.borrow_mut();
        let Some(conn) = core.conn_by_sid(sid) else { return };
        if let Some(found) = core.conn_mut(conn) {
            found.orders.push(order);
            found.waker.wake_by_ref();
        }
    }

    pub(super) fn answer_fetches(&self) {
        for (target, reply) in self.fetches.take() {
            self.fetch(&target, reply);
        }
        // What was distributed during this turn may be for the next.
        let position = self.core.borrow().delivery.position();
        for (_, walked) in self.walked.borrow_mut().extract_if(.., |(at, _)| *at <= position) {
            let _ = walked.send(());
        }
        for (conn, ns, done) in self.shows.take() {
            let _ = done.send(self.change_rooms(conn, &ns, RoomChange::Show));
        }
    }

    fn fetch(&self, target: &trunkline_delivery::Target, reply: FetchReply) {
        let members = self.core.borrow().delivery.addressed(target);
        let found = members.into_iter().filter_map(|member| {
            let ConnKey(conn) = self.core.borrow().delivery.conn_of(member)?;
            let socket = self.socket_of(conn, member).filter(crate::Socket::is_connected)?;
            Some((socket, self.core.borrow().rooms_of(member)))
        });
        let _ = reply.send(found.collect());
    }

    /// Entries acted on members: tells who listens, and ends those that were disconnected.
    pub(super) fn acted(
        &self,
        evictions: Vec<Eviction>,
        changes: Vec<RoomChanged>,
        casts: &[Arc<trunkline_delivery::Cast>],
    ) {
        for cast in casts {
            if let trunkline_delivery::CastKind::Ack(id) = cast.kind
                && let Some(ns) = self.server.find_namespace(&cast.target.ns)
                && let Some(survey) = ns.surveys().get(id)
            {
                survey.shard_done();
            }
        }
        for RoomChanged { member, room, joined } in changes {
            let Some((ns, id)) = self.core.borrow().delivery.name_of(member) else { continue };
            if joined && self.server.hub().join(&ns, Some(&room), self.index).1 {
                self.server.tell_room_event(&RoomEvent::Created { ns: ns.clone(), room: room.clone() });
            }
            let event = if joined { RoomEvent::Joined { ns, room, id } } else { RoomEvent::Left { ns, room, id } };
            self.server.tell_room_event(&event);
        }
        for Eviction { conn, member, position, close, rooms } in evictions {
            let Some(socket) = self.socket_of(conn, member) else { continue };
            socket.keep_last_rooms(rooms.to_vec());
            let generation = self.core.borrow().out.conns.get(conn as usize).map(|found| found.generation);
            if let Some(generation) = generation {
                let conn = ConnRef { key: conn, generation };
                self.end_by_server(conn, socket.namespace_name(), position, close);
            }
        }
    }
}
