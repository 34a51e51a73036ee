//! Shards around one log and one table of interest, played in one thread by the protocol that the library follows, with
//! every pause that it may make.

mod crash;
mod rest;
mod sessions;
mod turns;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use trunkline_delivery::{
    Act, Cast, CastKind, ConnKey, Delivery, Interest, Item, MemberKey, Names, Position, Room, Sessions, ShardSet,
    SocketId, Target, To, id_with_place,
};
use trunkline_log::{Adapter, Appended, Batch, Memory, MemoryLimits, NewEntry, Page, Pin, ReadError};
use trunkline_proto::{Args, Event};

use crate::Mutation;
use crate::client::{Client, Hello};
use crate::model::{Aim, AimTo, Change, Model, Verdict, bits};
use crate::steps::{Config, Draw, Kind, Say, Step};
use crate::wire::Wires;

struct Shard {
    delivery: Delivery,
    wires: Wires,
    kept: Sessions,
    /// What keeps the log readable for members that came back.
    pins: BTreeMap<MemberKey, Pin>,
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
    /// Clients that got their sessions back, from living connections too, and that did not.
    pub(crate) returned: u64,
    pub(crate) taken_over: u64,
    pub(crate) afresh: u64,
    /// Sessions that survived the process.
    pub(crate) restored: u64,
    /// Sessions that too many others ended, and those whose time was over.
    pub(crate) crowded_out: u64,
    pub(crate) expired: u64,
}

impl Seen {
    pub(crate) fn add(&mut self, more: &Self) {
        self.walked += more.walked;
        self.swept += more.swept;
        self.cuts += more.cuts;
        self.put_back += more.put_back;
        self.casts += more.casts;
        self.returned += more.returned;
        self.taken_over += more.taken_over;
        self.afresh += more.afresh;
        self.restored += more.restored;
        self.crowded_out += more.crowded_out;
        self.expired += more.expired;
    }

    pub(crate) fn all(&self) -> [u64; 11] {
        let Self { walked, swept, cuts, put_back, casts, returned, taken_over, afresh, restored, .. } = *self;
        [walked, swept, cuts, put_back, casts, returned, taken_over, afresh, restored, self.crowded_out, self.expired]
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
    clients: Vec<Client>,
    /// CONNECTs that wait to be seen to.
    hellos: Vec<Hello>,
    now: u64,
    config: Config,
    mutation: Mutation,
    seen: Seen,
}

impl World {
    pub(crate) fn new(config: &Config, mutation: Mutation) -> Self {
        let mut interest = Interest::new(config.shards as usize, false);
        mutation.of_interest(&mut interest);
        Self {
            log: Memory::new(MemoryLimits { entries: config.ring, bytes: usize::MAX, keys: 0 }),
            interest,
            distributed: Position::ZERO,
            shards: (0..config.shards).map(|_| Shard::new(config, mutation)).collect(),
            model: Model::default(),
            ids: Vec::new(),
            namespaces: ["/".into(), "/other".into()],
            rooms: (0..config.rooms).map(|room| format!("room {room}").into()).collect(),
            clients: Vec::new(),
            hellos: Vec::new(),
            now: 1,
            config: config.clone(),
            mutation,
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
            Step::Close { conn } => {
                self.with_conn(conn, |world, shard, key| world.close(shard, key, conn.is_multiple_of(2)))?;
            }
            Step::Append { draw, say } => self.append(draw, say),
            Step::Cast { draw, kind } => self.cast(draw, kind),
            Step::Distribute => self.distribute()?,
            Step::Turn { shard, budget, choice } => self.turn(shard as usize, budget as usize, choice)?,
            Step::Open { conn, room } => self.with_conn(conn, |world, shard, key| {
                let Shard { wires, delivery, .. } = &mut world.shards[shard];
                wires.unblock(key, room, delivery, &mut world.model);
                Ok(())
            })?,
            Step::Write { conn } => self.with_conn(conn, |world, shard, key| {
                let Shard { wires, delivery, .. } = &mut world.shards[shard];
                wires.write(key, delivery, &mut world.model)
            })?,
            Step::Recovery(step) => self.recovery(step)?,
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

    fn with_conn(&mut self, conn: u32, act: impl FnOnce(&mut Self, usize, u32) -> Verdict) -> Verdict {
        let shards = self.shards.len();
        let index = conn as usize % shards;
        let conns = &self.shards[index].wires.conns;
        let nth = conn as usize / shards % conns.len().max(1);
        match conns.keys().nth(nth).copied() {
            Some(key) => act(self, index, key),
            None => Ok(()),
        }
    }

    /// The connection is gone.
    fn close(&mut self, index: usize, key: u32, twice: bool) -> Verdict {
        if self.config.recovery {
            return self.lose_conn(index, key);
        }
        let Shard { wires, delivery, .. } = &mut self.shards[index];
        wires.close(key, delivery, &mut self.model, twice);
        Ok(())
    }

    fn connect(&mut self, index: usize, conn: u32, ns: usize, enter: bool, room: u32) {
        let key = self.wire(index, conn, ns, room);
        self.clients.push(Client::new(ns, (index, key)));
        self.begin(index, key, self.clients.len() - 1, enter);
    }

    /// A connection of the shard that has no socket of the namespace (`conn` even) or a new one.
    fn wire(&mut self, index: usize, conn: u32, ns: usize, room: u32) -> u32 {
        let Shard { wires, .. } = &mut self.shards[index];
        let taken = |key: u32| self.clients.iter().any(|client| client.ns == ns && client.wire == Some((index, key)));
        let mut free = wires.conns.iter().filter(|&(&key, conn)| {
            let seated = conn.seats.iter().any(|seat| self.model.members[seat.uid].ns == ns);
            !conn.dead && !seated && (!self.config.recovery || !taken(key))
        });
        let free = free.next().map(|(&key, _)| key).filter(|_| conn.is_multiple_of(2));
        free.unwrap_or_else(|| wires.open(room))
    }

    /// A socket of its own for a client.
    fn begin(&mut self, index: usize, key: u32, client: usize, enter: bool) {
        let ns = self.clients[client].ns;
        let uid = self.model.connect(index, ns, self.distributed.number());
        let number = u16::try_from(uid).expect("a run has few members");
        let id: SocketId = id_with_place([7; 12], u8::try_from(index).expect("few shards"), number).into();
        self.ids.push(id.clone());
        let shard = &mut self.shards[index];
        let member = shard.delivery.connect(&self.namespaces[ns], id, ConnKey(key), self.distributed);
        shard.wires.sit(key, client, uid, member, self.distributed);
        if shard.wires.conns[&key].blocked {
            shard.delivery.stall(member);
            self.model.members[uid].lagging = true;
        }
        if enter {
            self.enter(uid);
        }
    }

    fn enter(&mut self, uid: usize) {
        if self.config.recovery {
            self.open_session(uid);
        } else {
            self.sit(uid, None);
        }
    }

    fn join(&mut self, uid: usize, room: u32) {
        if self.is_recorded(uid) {
            self.tell(uid, Say::Join(1 << room), Act::Join(self.names(1 << room, None)));
        } else {
            self.sit(uid, Some(room));
        }
    }

    fn sit(&mut self, uid: usize, room: Option<u32>) {
        let (index, at) = (self.model.members[uid].shard, self.distributed);
        let name = room.map(|room| &self.rooms[room as usize]);
        self.interest.add(&self.namespaces[self.model.members[uid].ns], name, index);
        let shard = &mut self.shards[index];
        let key = shard.wires.key_of(uid).expect("a member that lives has a key");
        shard.delivery.join(key, name, at);
        self.model.change(uid, at.number(), room.map_or(Change::Enter, Change::Join));
    }

    fn leave(&mut self, uid: usize, room: u32) {
        if self.is_recorded(uid) {
            return self.tell(uid, Say::Leave(1 << room), Act::Leave(self.names(1 << room, None)));
        }
        let shard = &mut self.shards[self.model.members[uid].shard];
        let key = shard.wires.key_of(uid).expect("a member that lives has a key");
        shard.delivery.leave(key, &self.rooms[room as usize], self.distributed);
        self.model.change(uid, self.distributed.number(), Change::Leave(room));
    }

    fn end(&mut self, uid: usize) {
        // A client does not leave what it was not let into.
        if self.is_recorded(uid) && !self.has_begun(uid) {
            return;
        }
        let index = self.model.members[uid].shard;
        let shard = &mut self.shards[index];
        let Some((_, seat)) = shard.wires.seat(uid) else { return };
        let key = seat.key;
        seat.farewell.get_or_insert(self.distributed);
        shard.delivery.leave_all(key, self.distributed);
        self.model.change(uid, self.distributed.number(), Change::End);
        self.forget_session(index, key, uid);
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
            Say::Begin | Say::Note => return,
        };
        self.commit(aim, say, act);
    }

    /// Appends an entry.
    fn commit(&mut self, aim: Aim, say: Say, act: Act) -> Position {
        let entries = vec![NewEntry { target: self.target(&aim), act }];
        let Appended::New(positions) = now(self.log.append(Batch { entries, keyed: None })).expect("the ring takes it")
        else {
            panic!("a batch without a key is new")
        };
        self.model.append(positions[0].number(), aim, say);
        positions[0]
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
}

impl Shard {
    fn new(config: &Config, mutation: Mutation) -> Self {
        let mut delivery = Delivery::new();
        mutation.of_delivery(&mut delivery);
        let mut kept = Sessions::new(config.window, config.sessions);
        mutation.of_sessions(&mut kept);
        let wires = Wires::new(config.recovery);
        Self { delivery, wires, kept, pins: BTreeMap::new(), tray: Vec::new(), phase: Phase::Idle }
    }

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
