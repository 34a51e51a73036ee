//! Shards around one log and one table of interest, played in one thread by the protocol that the library follows, with
//! every pause that it may make.

mod rest;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use trunkline_delivery::{
    Act, Cast, CastKind, ConnKey, Delivery, Interest, Item, Names, Position, Room, ShardSet, SocketId, Target, To,
    id_with_place,
};
use trunkline_log::{Adapter, Appended, Batch, Memory, MemoryLimits, NewEntry, Page, PageLimit, ReadError};
use trunkline_proto::{Args, Event};

use crate::Mutation;
use crate::model::{Aim, AimTo, Change, Model, Verdict, bits};
use crate::steps::{Config, Draw, Kind, Say, Step};
use crate::wire::{Ear, Wires};

struct Shard {
    delivery: Delivery,
    wires: Wires,
    tray: Vec<Item>,
    phase: Phase,
}

/// Where in its turn a shard pauses.
enum Phase {
    Idle,
    /// It has read how far was distributed, and will take its mail.
    Mail(Position),
    Walk,
    Write,
    Sweep,
    /// It has a page after the position and will give it.
    Page(Position, Result<Page, ReadError>),
}

/// How often something happened, in a run or in all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Entries that reached a member by the walk, and by the sweep.
    pub(crate) walked: u64,
    pub(crate) swept: u64,
    /// Members that the ring had passed.
    pub(crate) cuts: u64,
    /// Wires that took only part.
    pub(crate) put_back: u64,
    /// Casts that reached a client.
    pub(crate) casts: u64,
}

impl Seen {
    pub(crate) fn add(&mut self, more: &Self) {
        self.walked += more.walked;
        self.swept += more.swept;
        self.cuts += more.cuts;
        self.put_back += more.put_back;
        self.casts += more.casts;
    }
}

pub(crate) struct World {
    log: Memory,
    interest: Interest,
    distributed: Position,
    shards: Vec<Shard>,
    model: Model,
    ids: Vec<SocketId>,
    namespaces: [Arc<str>; 2],
    rooms: Vec<Room>,
    waits: u32,
    seen: Seen,
}

impl World {
    pub(crate) fn new(config: &Config, mutation: Mutation) -> Self {
        let shard = || {
            let mut delivery = Delivery::new();
            mutation.of_delivery(&mut delivery);
            Shard { delivery, wires: Wires::default(), tray: Vec::new(), phase: Phase::Idle }
        };
        let mut interest = Interest::new(config.shards as usize, false);
        mutation.of_interest(&mut interest);
        Self {
            log: Memory::new(MemoryLimits { entries: config.ring, bytes: usize::MAX, keys: 0 }),
            interest,
            distributed: Position::ZERO,
            shards: (0..config.shards).map(|_| shard()).collect(),
            model: Model::default(),
            ids: Vec::new(),
            namespaces: ["/".into(), "/other".into()],
            rooms: (0..config.rooms).map(|room| format!("room {room}").into()).collect(),
            waits: config.waits,
            seen: Seen::default(),
        }
    }

    pub(crate) fn step(&mut self, step: Step) -> Verdict {
        match step {
            Step::Connect { shard, conn, ns, enter, room } => {
                self.connect(shard as usize, conn, ns as usize, enter, room);
            }
            Step::Enter { who } => self.with(who, Self::enter),
            Step::Join { who, room } => self.with(who, |world, uid| world.join(uid, room)),
            Step::Leave { who, room } => self.with(who, |world, uid| world.leave(uid, room)),
            Step::End { who } => self.with(who, Self::end),
            Step::Close { conn } => self.with_conn(conn, |shard, key, model| {
                shard.wires.close(key, &mut shard.delivery, model, conn.is_multiple_of(2));
                Ok(())
            })?,
            Step::Append { draw, say } => self.append(draw, say),
            Step::Cast { draw, kind } => self.cast(draw, kind),
            Step::Distribute => self.distribute()?,
            Step::Turn { shard, budget, choice } => self.turn(shard as usize, budget as usize, choice)?,
            Step::Open { conn, room } => self.with_conn(conn, |shard, key, model| {
                shard.wires.unblock(key, room, &mut shard.delivery, model);
                Ok(())
            })?,
            Step::Write { conn } => {
                self.with_conn(conn, |shard, key, model| shard.wires.write(key, &mut shard.delivery, model))?;
            }
        }
        Ok(())
    }

    pub(crate) fn seen(&self) -> Seen {
        let mut seen = self.seen.clone();
        self.shards.iter().for_each(|shard| seen.add(&shard.wires.seen));
        seen
    }

    fn alive(&self) -> Vec<usize> {
        (0..self.model.members.len()).filter(|&uid| self.model.members[uid].alive).collect()
    }

    fn with(&mut self, who: u32, act: impl FnOnce(&mut Self, usize)) {
        let alive = self.alive();
        if let Some(&uid) = alive.get(who as usize % alive.len().max(1)) {
            act(self, uid);
        }
    }

    fn with_conn(&mut self, conn: u32, act: impl FnOnce(&mut Shard, u32, &mut Model) -> Verdict) -> Verdict {
        let shards = self.shards.len();
        let shard = &mut self.shards[conn as usize % shards];
        let keys: Vec<_> = shard.wires.conns.keys().copied().collect();
        match keys.get(conn as usize / shards % keys.len().max(1)) {
            Some(&key) => act(shard, key, &mut self.model),
            None => Ok(()),
        }
    }

    fn connect(&mut self, index: usize, conn: u32, ns: usize, enter: bool, room: u32) {
        let uid = self.model.connect(index, ns, self.distributed.number());
        let number = u16::try_from(uid).expect("a run has few members");
        let id: SocketId = id_with_place([7; 12], u8::try_from(index).expect("few shards"), number).into();
        self.ids.push(id.clone());
        let shard = &mut self.shards[index];
        let free = shard
            .wires
            .conns
            .iter()
            .filter(|(_, conn)| conn.seats.iter().all(|seat| self.model.members[seat.uid].ns != ns));
        let free = free.map(|(&key, _)| key).next().filter(|_| conn.is_multiple_of(2));
        let key = free.unwrap_or_else(|| shard.wires.open(room));
        let member = shard.delivery.connect(&self.namespaces[ns], id, ConnKey(key), self.distributed);
        shard.wires.sit(key, uid, member);
        if shard.wires.conns[&key].blocked {
            shard.delivery.stall(member);
            self.model.members[uid].lagging = true;
        }
        if enter {
            self.enter(uid);
        }
    }

    fn enter(&mut self, uid: usize) {
        self.sit(uid, None);
    }

    fn join(&mut self, uid: usize, room: u32) {
        self.sit(uid, Some(room));
    }

    fn sit(&mut self, uid: usize, room: Option<u32>) {
        let (index, at) = (self.model.members[uid].shard, self.distributed);
        let name = room.map(|room| &self.rooms[room as usize]);
        self.interest.add(&self.namespaces[self.model.members[uid].ns], name, index);
        let shard = &mut self.shards[index];
        let key = shard.wires.seat(uid).expect("a member that lives has a seat").1.key;
        shard.delivery.join(key, name, at);
        self.model.change(uid, at.number(), room.map_or(Change::Enter, Change::Join));
    }

    fn leave(&mut self, uid: usize, room: u32) {
        let shard = &mut self.shards[self.model.members[uid].shard];
        let key = shard.wires.seat(uid).expect("a member that lives has a seat").1.key;
        shard.delivery.leave(key, &self.rooms[room as usize], self.distributed);
        self.model.change(uid, self.distributed.number(), Change::Leave(room));
    }

    fn end(&mut self, uid: usize) {
        let shard = &mut self.shards[self.model.members[uid].shard];
        let seat = shard.wires.seat(uid).expect("a member that lives has a seat").1;
        seat.farewell.get_or_insert(self.distributed);
        shard.delivery.leave_all(seat.key, self.distributed);
        self.model.change(uid, self.distributed.number(), Change::End);
    }

    /// Reads a draw against the members there are; `None` where it needs one and there is none.
    fn aim(&mut self, draw: Draw) -> Option<Aim> {
        let distributed = self.distributed.number();
        let mut named = |who: u32| {
            // Before it is in its namespace a socket's id is no room of it.
            (0..self.model.members.len()).for_each(|uid| self.model.play(uid, distributed));
            let here = |uid: &usize| self.model.members[*uid].ns == draw.ns as usize && self.model.members[*uid].in_ns;
            let all: Vec<_> = (0..self.model.members.len()).filter(here).collect();
            all.get(who as usize % all.len().max(1)).copied()
        };
        let to = match draw.kind {
            0 | 3 => AimTo::Everyone,
            1 => AimTo::Socket(named(draw.who)?),
            2 => AimTo::Rooms(draw.rooms, named(draw.who)),
            _ => AimTo::Rooms(draw.rooms, None),
        };
        let except = draw.except_who.and_then(named);
        Some(Aim { ns: draw.ns as usize, to, except_rooms: draw.except_rooms, except })
    }

    fn names(&self, rooms: u32, uid: Option<usize>) -> Names {
        let rooms = bits(rooms).map(|room| self.rooms[room as usize].clone());
        rooms.chain(uid.map(|uid| self.ids[uid].clone())).collect()
    }

    fn target(&self, aim: &Aim) -> Target {
        let to = match aim.to {
            AimTo::Everyone => To::Everyone,
            AimTo::Rooms(rooms, uid) => To::Rooms(self.names(rooms, uid)),
            AimTo::Socket(uid) => To::Socket(self.ids[uid].clone()),
        };
        Target { ns: self.namespaces[aim.ns].clone(), to, except: self.names(aim.except_rooms, aim.except) }
    }

    fn append(&mut self, draw: Draw, say: Say) {
        let Some(aim) = self.aim(draw) else { return };
        let act = match say {
            Say::Emit => Act::Emit { event: Event::new("event", Args::new()), compress: false },
            Say::Join(rooms) => Act::Join(self.names(rooms, None)),
            Say::Leave(rooms) => Act::Leave(self.names(rooms, None)),
            Say::Disconnect => Act::Disconnect { close: false },
        };
        let entries = vec![NewEntry { target: self.target(&aim), act }];
        let Appended::New(positions) = now(self.log.append(Batch { entries, keyed: None })).expect("the ring takes it")
        else {
            panic!("a batch without a key is new")
        };
        self.model.append(positions[0].number(), aim, say);
    }

    fn distribute(&mut self) -> Verdict {
        let page = self.log.tail(self.distributed);
        for entry in page.entries {
            let concerned: Vec<_> = self.interest.route_entry(&entry).iter().collect();
            let (ids, shards) = (&self.ids, self.shards.len());
            let home = |uid: usize| trunkline_delivery::shard_of(&ids[uid], shards);
            self.model.route(entry.position.number(), &concerned, home)?;
            for shard in concerned {
                self.shards[shard].tray.push(Item::Entry(entry.clone()));
            }
        }
        self.distributed = self.distributed.max(page.upto);
        Ok(())
    }

    fn cast(&mut self, draw: Draw, kind: Kind) {
        let Some(aim) = self.aim(draw) else { return };
        let number = self.model.casts();
        let target = self.target(&aim);
        let concerned: ShardSet = self.interest.route(&target);
        self.model.cast(aim, kind, self.distributed.number(), concerned.iter().collect());
        let kind = match kind {
            Kind::Volatile => CastKind::Volatile,
            Kind::Local => CastKind::Local,
            Kind::Ack => CastKind::Ack(number as u64),
        };
        let event = Event::new(number.to_string(), Args::new());
        let cast = Arc::new(Cast { target, event, kind, compress: false });
        for shard in concerned.iter() {
            self.shards[shard].tray.push(Item::Cast(cast.clone()));
        }
    }

    /// One slice of the shard's turn.
    fn turn(&mut self, index: usize, budget: usize, choice: u32) -> Verdict {
        let shard = &mut self.shards[index];
        match std::mem::replace(&mut shard.phase, Phase::Idle) {
            Phase::Idle => shard.phase = Phase::Mail(self.distributed),
            Phase::Mail(read) => {
                shard.take_mail(if choice.is_multiple_of(4) { choice as usize / 4 % 3 } else { usize::MAX });
                if shard.tray.is_empty() {
                    shard.delivery.handed_up_to(read);
                }
                shard.phase = Phase::Walk;
            }
            Phase::Walk => {
                if choice.is_multiple_of(8) {
                    shard.take_mail(choice as usize / 8 % 3);
                }
                return self.walk(index, budget);
            }
            Phase::Write => {
                shard.phase = Phase::Write;
                match shard.wires.touched() {
                    Some(conn) => shard.wires.write(conn, &mut shard.delivery, &mut self.model)?,
                    None => shard.phase = Phase::Sweep,
                }
                return shard.wires.bury(&mut shard.delivery, &mut self.model);
            }
            Phase::Sweep => return self.sweep(index, budget, choice),
            Phase::Page(from, page) if choice % 10 < self.waits => shard.phase = Phase::Page(from, page),
            Phase::Page(from, page) => return self.give_page(index, from, page),
        }
        Ok(())
    }

    fn walk(&mut self, index: usize, budget: usize) -> Verdict {
        self.listen(index, |delivery, ear| {
            let done = delivery.walk(budget, ear);
            if done { Phase::Write } else { Phase::Walk }
        })
    }

    fn sweep(&mut self, index: usize, budget: usize, choice: u32) -> Verdict {
        let shard = &mut self.shards[index];
        if choice.is_multiple_of(16) {
            shard.take_mail(1);
        }
        if shard.delivery.has_walk() {
            shard.phase = Phase::Walk;
            return Ok(());
        }
        let Some(from) = shard.delivery.sweep_from() else { return self.end_turn(index) };
        let page = now(self.log.read(from, PageLimit { entries: 1 + budget % 8, bytes: usize::MAX }));
        if choice % 10 < self.waits {
            shard.phase = Phase::Page(from, page);
            return Ok(());
        }
        self.give_page(index, from, page)
    }

    fn give_page(&mut self, index: usize, from: Position, page: Result<Page, ReadError>) -> Verdict {
        let shard = &mut self.shards[index];
        match page {
            _ if shard.delivery.has_walk() => {
                shard.phase = Phase::Walk;
                Ok(())
            }
            Ok(page) => self.listen(index, |delivery, ear| {
                ear.swept = true;
                delivery.sweep(from, &page.entries, page.upto, ear);
                Phase::Write
            }),
            Err(ReadError::Gone { oldest }) => self.cut(index, oldest),
            Err(error) => Err(error.to_string()),
        }
    }

    fn cut(&mut self, index: usize, oldest: Position) -> Verdict {
        let shard = &mut self.shards[index];
        shard.phase = Phase::Sweep;
        for member in shard.delivery.take_passed(oldest) {
            let Some(&uid) = shard.wires.uids.get(&member) else { continue };
            if !self.model.members[uid].lagging {
                return Err(format!("member {uid} was cut, though it is not behind"));
            }
            let (conn, _) = shard.wires.seat(uid).expect("a member that lives has a seat");
            shard.wires.close(conn, &mut shard.delivery, &mut self.model, false);
            self.seen.cuts += 1;
        }
        Ok(())
    }

    fn end_turn(&mut self, index: usize) -> Verdict {
        let shard = &mut self.shards[index];
        if shard.wires.touched().is_some() {
            shard.phase = Phase::Write;
            return Ok(());
        }
        shard.wires.bury(&mut shard.delivery, &mut self.model)?;
        let position = shard.delivery.position();
        for (ns, room) in shard.delivery.take_vacated() {
            self.interest.remove(&ns, room.as_deref(), index, position);
        }
        self.model.at_rest(index, position.number(), self.distributed.number());
        Ok(())
    }

    /// Runs the machine with an ear at it, and does what the library does with what it hears.
    fn listen(&mut self, index: usize, run: impl FnOnce(&mut Delivery, &mut Ear<'_>) -> Phase) -> Verdict {
        let Shard { delivery, wires, phase, .. } = &mut self.shards[index];
        let mut ear = Ear {
            shard: index,
            wires,
            model: &mut self.model,
            joined: Vec::new(),
            delivered: 0,
            swept: false,
            verdict: Ok(()),
        };
        *phase = run(delivery, &mut ear);
        let Ear { joined, verdict, delivered, swept, .. } = ear;
        *(if swept { &mut self.seen.swept } else { &mut self.seen.walked }) += delivered;
        for (uid, room) in joined {
            self.interest.add(&self.namespaces[self.model.members[uid].ns], Some(&room), index);
        }
        verdict
    }
}

impl Shard {
    fn take_mail(&mut self, upto: usize) {
        for item in self.tray.drain(..upto.min(self.tray.len())) {
            self.delivery.hand_over(item);
        }
    }
}

/// The value of a future that is ready, as all of the ring's are.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the ring never waits"),
    }
}
