//! Clients that come and go, and sessions that outlive their connections, by the protocol that the library follows. What
//! a client makes of what it gets is `client`; the death of the whole process is `crash`.

use std::sync::Arc;

use bytestring::ByteString;
use trunkline_delivery::{Act, Ask, ConnKey, MemberKey, Offset, Position, Session};
use trunkline_log::Adapter;

use super::{Phase, Shard, World};
use crate::client::{Client, Hello};
use crate::model::{Aim, AimTo, Verdict, Writing};
use crate::steps::{Recovery, Say, Sends};
use crate::wire::{Piece, Seat};

impl World {
    pub(super) fn recovery(&mut self, step: Recovery) -> Verdict {
        match step {
            Recovery::Turn { shard } => self.whole_turn(shard as usize)?,
            Recovery::Round => self.round()?,
            Recovery::Handle { conn, count } => self
                .with_conn(conn, |world, shard, key| (0..count).try_for_each(|_| world.handle(shard, key).map(drop)))?,
            Recovery::Break { conn } => self.with_conn(conn, |world, shard, key| {
                world.break_conn(shard, key);
                Ok(())
            })?,
            Recovery::Return { who, sends, conn, room } => self.come_back(who, sends, conn, room),
            Recovery::Serve { which, enter } => self.serve(which, enter)?,
            Recovery::Ping { conn } => self.with_conn(conn, |world, shard, key| {
                // Nothing of a turn is waiting to be written when one begins.
                if matches!(world.shards[shard].phase, Phase::Idle) { world.ping(shard, key) } else { Ok(()) }
            })?,
            Recovery::Pong { conn } => self.with_conn(conn, Self::pong)?,
            Recovery::Rewrite { who } => self.with(who, Self::rewrite),
            Recovery::Data { who, value } => self.with(who, |world, uid| world.set_data(uid, value)),
            Recovery::Valid { who, millis } => self.with(who, |world, uid| {
                if world.has_begun(uid) {
                    world.model.kept(uid).valid_until = millis.map(|millis| world.now + millis);
                    world.rewrite(uid);
                }
            }),
            Recovery::Pass { millis } => self.pass(millis)?,
            Recovery::Crash { loses } => self.crash(loses)?,
        }
        Ok(())
    }

    /// The client handles what came first. False if nothing is there.
    pub(super) fn handle(&mut self, index: usize, key: u32) -> Result<bool, String> {
        let Some(conn) = self.shards[index].wires.conns.get_mut(&key) else { return Ok(false) };
        let Some((client, uid, piece)) = conn.flight.pop_front() else { return Ok(false) };
        self.seen.casts += u64::from(matches!(piece, Piece::Cast(..)));
        match self.clients.get_mut(client) {
            Some(client) => client.handle(uid, piece, &mut self.model)?,
            None => conn.pongs += 1,
        }
        Ok(true)
    }

    fn break_conn(&mut self, index: usize, key: u32) {
        if let Some(conn) = self.shards[index].wires.conns.get_mut(&key) {
            conn.dead = true;
            conn.flight.clear();
        }
        self.clients.iter_mut().filter(|client| client.wire == Some((index, key))).for_each(Client::lose);
    }

    fn come_back(&mut self, who: u32, sends: Sends, conn: u32, room: u32) {
        let away: Vec<_> = (0..self.clients.len()).filter(|&client| self.clients[client].wire.is_none()).collect();
        if let Some(&client) = away.get(who as usize % away.len().max(1)) {
            self.say_hello(client, sends, conn, room);
        }
    }

    pub(super) fn say_hello(&mut self, client: usize, sends: Sends, conn: u32, room: u32) {
        let session = self.clients[client].session;
        let index = session.map_or(conn as usize % self.shards.len(), |uid| self.model.members[uid].shard);
        let key = self.wire(index, conn, self.clients[client].ns, room);
        let hello = self.clients[client].hello(client, sends, (index, key), self.distributed);
        self.hellos.push(hello);
    }

    /// Sees to one of the CONNECTs that wait.
    pub(super) fn serve(&mut self, which: u32, enter: bool) -> Verdict {
        let at = which as usize % self.hellos.len().max(1);
        let Some(&hello) = self.hellos.get(at) else { return Ok(()) };
        let (index, key) = hello.wire;
        if hello.session.is_some() && self.shards[index].delivery.position() < hello.behind {
            return Ok(());
        }
        self.hellos.remove(at);
        if let Some(uid) = hello.session
            && self.resume(hello, uid)?
        {
            return Ok(());
        }
        self.begin(index, key, hello.client, enter);
        Ok(())
    }

    /// Gives a client its session back. False if it must begin afresh.
    fn resume(&mut self, hello: Hello, uid: usize) -> Result<bool, String> {
        let Hello { client, sends, offset, epoch, wire: (index, key), .. } = hello;
        let Shard { delivery, kept, .. } = &self.shards[index];
        let ns = self.clients[client].ns ^ usize::from(sends == Sends::Elsewhere);
        let text = match sends {
            Sends::Own | Sends::Elsewhere => {
                (offset > Position::ZERO).then(|| Offset { log: log_name(epoch), position: offset }.to_string())
            }
            Sends::OtherLog => Some(Offset { log: 1, position: offset.next() }.to_string()),
            Sends::Foreign => Some("the application's own".to_owned()),
        };
        let private_id = private_id(uid);
        let ask = Ask { ns: &self.namespaces[ns], private_id: &private_id, offset: text.as_deref() };
        let claim = kept.claim(ask, log_name(self.model.epoch), delivery, self.now);
        let walked = delivery.position().number();
        let of_log = if epoch == self.model.epoch { sends } else { sends.of_other_log() };
        let from = self.model.may_return(uid, of_log, offset.number(), walked, self.now);
        let (claim, from) = match (claim, from) {
            (Ok(claim), Some(from)) => (claim, Position::new(from)),
            (Err(_), None) => {
                self.seen.afresh += 1;
                return Ok(false);
            }
            (claim, _) => return Err(format!("the claim of member {uid} is judged {claim:?}, which is wrong")),
        };
        if claim.from != from {
            return Err(format!("member {uid} should go on from {from}, but goes on from {}", claim.from));
        }
        let Ok(pin) = self.log.pin(from) else {
            self.end_session(index, claim.member, uid);
            self.seen.afresh += 1;
            return Ok(false);
        };
        self.take_from_old(index, claim.member, uid)?;
        self.model.attached(uid, None);
        let Shard { delivery, kept, wires, pins, .. } = &mut self.shards[index];
        wires.sit(key, client, uid, claim.member, from);
        wires.greet(key, uid, claim.from, from, delivery);
        delivery.attach(claim.member, ConnKey(key), claim.from);
        kept.attached(claim.member);
        pins.insert(claim.member, pin);
        if !wires.conns[&key].blocked && delivery.writable(claim.member) {
            pins.remove(&claim.member);
            self.model.members[uid].lagging = false;
        }
        self.seen.returned += 1;
        Ok(true)
    }

    /// The connection that has the member loses it, and ends.
    fn take_from_old(&mut self, index: usize, member: MemberKey, uid: usize) -> Verdict {
        let Shard { delivery, wires, pins, .. } = &mut self.shards[index];
        let Some(ConnKey(old)) = delivery.conn_of(member) else { return Ok(()) };
        let conn = wires.conns.get_mut(&old).ok_or_else(|| format!("member {uid} is on a connection that is gone"))?;
        conn.seats.retain(|seat| seat.uid != uid);
        delivery.detach(member);
        pins.remove(&member);
        self.seen.taken_over += 1;
        self.lose_conn(index, old)
    }

    /// The server knows that a connection is gone.
    pub(super) fn lose_conn(&mut self, index: usize, key: u32) -> Verdict {
        self.break_conn(index, key);
        self.hellos.retain(|hello| hello.wire != (index, key));
        let Some(conn) = self.shards[index].wires.conns.remove(&key) else { return Ok(()) };
        conn.seats.into_iter().try_for_each(|seat| self.lose_seat(index, &seat))
    }

    fn lose_seat(&mut self, index: usize, seat: &Seat) -> Verdict {
        let uid = seat.uid;
        self.shards[index].pins.remove(&seat.key);
        if seat.farewell.is_some() || !self.model.is_kept(uid) {
            self.forget(index, seat.key, uid);
            return Ok(());
        }
        let Shard { delivery, kept, wires, .. } = &mut self.shards[index];
        delivery.detach(seat.key);
        let over = kept.detached(seat.key, self.now).and_then(|member| wires.uids.get(&member).copied());
        self.model.attached(uid, Some(self.now));
        let expected = self.model.waits_longest(index, private_id, self.config.sessions);
        if over != expected {
            return Err(format!("too many wait, and {over:?} is forgotten instead of {expected:?}"));
        }
        if let Some(uid) = over {
            self.seen.crowded_out += 1;
            let member = self.shards[index].wires.key_of(uid).expect("it was just named");
            self.end_session(index, member, uid);
        }
        Ok(())
    }

    /// Nobody can come back to this session any more; a member that is away goes with it.
    fn end_session(&mut self, index: usize, member: MemberKey, uid: usize) {
        let away = self.shards[index].delivery.is_away(member);
        self.forget_session(index, member, uid);
        if away {
            self.forget(index, member, uid);
        }
    }

    fn forget(&mut self, index: usize, member: MemberKey, uid: usize) {
        let Shard { delivery, wires, .. } = &mut self.shards[index];
        delivery.remove(member);
        wires.uids.remove(&member);
        self.model.forget(uid);
    }

    /// The session is over, and written as such.
    pub(super) fn forget_session(&mut self, index: usize, member: MemberKey, uid: usize) {
        self.shards[index].pins.remove(&member);
        if self.shards[index].kept.end(member).is_some() {
            self.model.kept(uid).over = true;
            self.tell(uid, Say::Note, Act::End);
        }
    }

    /// Sessions that began, and members that entries ended.
    pub(super) fn see_to_sessions(
        &mut self,
        index: usize,
        began: Vec<(MemberKey, Position)>,
        ended: Vec<MemberKey>,
    ) -> Verdict {
        for (member, position) in began {
            let Shard { delivery, kept, wires, .. } = &mut self.shards[index];
            if let Some((ns, _)) = delivery.name_of(member) {
                self.interest.add(&ns, None, index);
            }
            kept.set_start(member, position);
            if kept.id_of(member).is_some() {
                delivery.keep(member, position);
                let uid = wires.uids[&member];
                self.model.kept(uid).confirmed = position.number();
                if self.model.kept(uid).start != position.number() {
                    return Err(format!("the session of member {uid} begins at {position}"));
                }
            }
        }
        for member in ended {
            let Some(&uid) = self.shards[index].wires.uids.get(&member) else { continue };
            self.model.play(uid, self.distributed.number());
            if !self.model.members[uid].ended {
                return Err(format!("member {uid} is ended by nothing"));
            }
            self.end_session(index, member, uid);
        }
        Ok(())
    }

    /// Changes of this member are entries.
    pub(super) fn is_recorded(&self, uid: usize) -> bool {
        self.model.is_kept(uid)
    }

    /// Appends an act of one member.
    pub(super) fn tell(&mut self, uid: usize, say: Say, act: Act) {
        let aim = Aim { ns: self.model.members[uid].ns, to: AimTo::Socket(uid), except_rooms: 0, except: None };
        self.commit(aim, say, act);
    }

    /// The client is let in: its session is written, and CONNECT goes out behind it.
    pub(super) fn open_session(&mut self, uid: usize) {
        let member = &self.model.members[uid];
        let (index, ns) = (member.shard, self.namespaces[member.ns].clone());
        let Some((conn, seat)) = self.shards[index].wires.seat(uid) else { return };
        let (key, ended) = (seat.key, seat.farewell.is_some());
        if ended || self.model.members[uid].kept.is_some() {
            return;
        }
        self.model.open(uid);
        let Shard { delivery, kept, .. } = &mut self.shards[index];
        delivery.keep(key, Position::ZERO);
        kept.open(private_id(uid).into(), key, ns, Position::ZERO);
        let at = self.write_session(uid, key, true);
        self.model.kept(uid).start = at.number();
        let Shard { delivery, wires, .. } = &mut self.shards[index];
        wires.greet(conn, uid, at, at, delivery);
    }

    pub(super) fn has_begun(&mut self, uid: usize) -> bool {
        let shard = &mut self.shards[self.model.members[uid].shard];
        shard.wires.seat(uid).is_some_and(|(_, seat)| seat.farewell.is_none())
            && shard.kept.get(&private_id(uid)).is_some_and(|kept| kept.start > Position::ZERO)
    }

    fn rewrite(&mut self, uid: usize) {
        if self.has_begun(uid) {
            let shard = &self.shards[self.model.members[uid].shard];
            let key = shard.wires.key_of(uid).expect("it has a seat");
            self.write_session(uid, key, false);
        }
    }

    fn write_session(&mut self, uid: usize, key: MemberKey, first: bool) -> Position {
        let Shard { delivery, kept, .. } = &mut self.shards[self.model.members[uid].shard];
        let private_id = private_id(uid);
        let valid_until = self.model.kept(uid).valid_until;
        kept.set_valid_until(&private_id, valid_until);
        let session = Session {
            user: None,
            valid_until,
            data: data(self.model.kept(uid).data).unwrap_or_default(),
            start: kept.get(&private_id).map_or(Position::ZERO, |kept| kept.start),
            confirmed: delivery.confirmed(key),
            epoch: self.model.epoch,
            written: self.now,
            as_of: delivery.position(),
            rooms: delivery.stays(key),
            private_id: private_id.into(),
        };
        let (confirmed, as_of) = (session.confirmed.number(), session.as_of.number());
        let aim = Aim { ns: self.model.members[uid].ns, to: AimTo::Socket(uid), except_rooms: 0, except: None };
        let at = self.commit(aim, if first { Say::Begin } else { Say::Note }, Act::Session(Arc::new(session)));
        self.model.wrote(
            uid,
            Writing { epoch: self.model.epoch, entry: at.number(), as_of, confirmed, valid_until, at: self.now },
        );
        at
    }

    fn set_data(&mut self, uid: usize, value: Option<u32>) {
        if self.has_begun(uid) {
            self.model.kept(uid).data = value;
            self.tell(uid, Say::Note, Act::Data { key: "value".into(), value: data(value) });
        }
    }

    /// A ping is due, which will confirm what was written so far.
    fn ping(&mut self, index: usize, key: u32) -> Verdict {
        let Shard { delivery, wires, .. } = &mut self.shards[index];
        wires.ping(key, delivery);
        let Some(conn) = wires.conns.get_mut(&key) else { return Ok(()) };
        conn.seats.iter_mut().try_for_each(|seat| {
            let given = delivery.given(seat.key);
            seat.pinged = Some(given);
            match self.model.owed_between(seat.uid, seat.written.number(), given.number()) {
                Some(owed) => Err(format!("member {} counts as given entry {owed}, which was not written", seat.uid)),
                None => Ok(()),
            }
        })
    }

    fn pong(&mut self, index: usize, key: u32) -> Verdict {
        let Shard { delivery, kept, wires, .. } = &mut self.shards[index];
        let conn = wires.conns.get_mut(&key).filter(|conn| conn.pongs > 0);
        let Some(conn) = conn else { return Ok(()) };
        conn.pongs -= 1;
        conn.pings -= 1;
        if conn.pings > 0 {
            return Ok(());
        }
        for seat in &mut conn.seats {
            let before = delivery.confirmed(seat.key);
            delivery.ponged(seat.key);
            let pinged = seat.pinged.take().unwrap_or_default();
            if delivery.confirmed(seat.key) != before.max(pinged) {
                return Err(format!("the pong of member {} confirms what no ping followed", seat.uid));
            }
            // Until it has had CONNECT the client cannot come back to this.
            let knows = self.clients[seat.client].session == Some(seat.uid);
            if knows && kept.id_of(seat.key).is_some() {
                self.model.confirm(seat.uid, delivery.confirmed(seat.key).number())?;
            } else if kept.get(&private_id(seat.uid)).is_some_and(|kept| kept.start > Position::ZERO) {
                self.model.kept(seat.uid).confirmed = delivery.confirmed(seat.key).number();
            }
        }
        Ok(())
    }

    /// A ping and its answer, with everything that is before them.
    pub(super) fn exchange_ping(&mut self, index: usize, key: u32) -> Verdict {
        self.ping(index, key)?;
        let Shard { delivery, wires, .. } = &mut self.shards[index];
        wires.write(key, delivery, &mut self.model)?;
        while self.handle(index, key)? {}
        while self.shards[index].wires.conns.get(&key).is_some_and(|conn| conn.pongs > 0) {
            self.pong(index, key)?;
        }
        Ok(())
    }

    /// Time passes; sessions that have waited for too long are forgotten.
    pub(super) fn pass(&mut self, millis: u64) -> Verdict {
        self.now += millis;
        for index in 0..self.shards.len() {
            while let Some(member) = self.shards[index].kept.expired(self.now) {
                let uid = self.shards[index].wires.uids[&member];
                if !self.model.waits_too_long(uid, self.now, self.config.window) {
                    return Err(format!("the session of member {uid} is forgotten early"));
                }
                self.seen.expired += 1;
                self.end_session(index, member, uid);
            }
        }
        match self.alive().iter().find(|&&uid| self.model.waits_too_long(uid, self.now, self.config.window)) {
            Some(uid) => Err(format!("the session of member {uid} is not forgotten")),
            None => Ok(()),
        }
    }
}

/// What offsets of the log say of it.
fn log_name(epoch: u64) -> u32 {
    Offset::log_of(0x1234_5678 + epoch)
}

/// The secret of a session.
pub(super) fn private_id(uid: usize) -> String {
    format!("private {uid}")
}

/// A session's data as it is written.
pub(super) fn data(value: Option<u32>) -> Option<ByteString> {
    value.map(|value| value.to_string().into())
}
