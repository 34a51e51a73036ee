//! What may happen in a run, drawn from a seed. Steps name things by number and are read against what exists when they
//! are taken, so that a failing run stays meaningful when some are left out.

use crate::rng::Rng;

/// Of ten slices, in worlds where much happens while a page is read.
const WAITS_LONG: u32 = 7;

/// The size of a world.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) shards: u32,
    pub(crate) rooms: u32,
    /// Entries that the ring keeps.
    pub(crate) ring: usize,
    pub(crate) steps: u32,
    /// Of ten wires, so many take only a few items.
    pub(crate) slow: u32,
    /// Of ten slices in which a shard waits for a page, so many pass before it comes.
    pub(crate) waits: u32,
    /// Of ten entries, so many are acts.
    pub(crate) acts: u32,
    /// Clients can come back.
    pub(crate) recovery: bool,
    /// For how long they can, in milliseconds.
    pub(crate) window: u64,
    /// How many sessions of a shard may wait for their clients.
    pub(crate) sessions: usize,
}

/// Whom an entry or cast is for, as drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    pub(crate) ns: u32,
    /// 0 and 3: everyone, 1: one socket, 2: rooms and sockets by id, other: rooms.
    pub(crate) kind: u32,
    /// A set of rooms, one bit each.
    pub(crate) rooms: u32,
    pub(crate) who: u32,
    pub(crate) except_rooms: u32,
    pub(crate) except_who: Option<u32>,
}

/// What an entry says, as drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Say {
    Emit,
    /// A set of rooms, one bit each.
    Join(u32),
    Leave(u32),
    Disconnect,
    /// A session begins. Never drawn.
    Begin,
    /// What changes nobody's rooms. Never drawn.
    Note,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Volatile,
    Local,
    Ack,
}

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// A socket on an existing connection of the shard (`conn` even) or a new one, which takes `room` items.
    Connect {
        shard: u32,
        conn: u32,
        ns: u32,
        enter: bool,
        room: u32,
    },
    Enter {
        who: u32,
    },
    Join {
        who: u32,
        room: u32,
    },
    Leave {
        who: u32,
        room: u32,
    },
    /// The socket leaves its namespace; what it is owed is still written.
    End {
        who: u32,
    },
    /// The connection is gone at once.
    Close {
        conn: u32,
    },
    Append {
        draw: Draw,
        say: Say,
    },
    Cast {
        draw: Draw,
        kind: Kind,
    },
    Distribute,
    /// The shard's turn goes on by one slice of at most so many seats.
    Turn {
        shard: u32,
        budget: u32,
        choice: u32,
    },
    /// The wire takes so many items from now on.
    Open {
        conn: u32,
        room: u32,
    },
    /// What is pending is written now.
    Write {
        conn: u32,
    },
    /// Something that only clients that come back do, and servers for them.
    Recovery(Recovery),
}

/// What happens to sessions.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Recovery {
    /// The shard's turn goes on to its end, or as a whole.
    Turn { shard: u32 },
    /// Everything is distributed, walked, written and handled, as far as the wires take it.
    Round,
    /// The client handles so many items of what its wire holds.
    Handle { conn: u32, count: u32 },
    /// The client loses the connection, with everything on its way. `Close` is when the server learns of it.
    Break { conn: u32 },
    /// A client without a connection sends CONNECT, on a new wire that takes `room` items or on one that it has (`conn`
    /// even).
    Return { who: u32, sends: Sends, conn: u32, room: u32 },
    /// The server sees to a CONNECT of those that wait for it.
    Serve { which: u32, enter: bool },
    /// A ping leaves.
    Ping { conn: u32 },
    /// The pongs on their way arrive.
    Pong { conn: u32 },
    /// The session is written again.
    Rewrite { who: u32 },
    /// The application sets a value of the socket's data, and writes it.
    Data { who: u32, value: Option<u32> },
    /// The application says until when the session is valid, from now on.
    Valid { who: u32, millis: Option<u64> },
    /// Time passes.
    Pass { millis: u64 },
    /// The process dies and starts again; only the log is left, under a new name if it may have lost something.
    Crash { loses: bool },
}

/// The offset that a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sends {
    /// What it was given.
    Own,
    /// One of another log.
    OtherLog,
    /// One that the application made.
    Foreign,
    /// Its own, to another namespace.
    Elsewhere,
}

pub(crate) fn draw(seed: u64) -> (Config, Vec<Step>) {
    let mut rng = Rng::new(seed);
    let recovery = !rng.one_in(3);
    let config = Config {
        shards: 1 + rng.below(5) / 2,
        rooms: 1 + rng.below(4),
        ring: if rng.one_in(3) { 2 + rng.below(8) as usize } else { 1000 },
        steps: 40 + rng.below(220),
        slow: if recovery { 1 + rng.below(4) } else { 2 + rng.below(9) },
        waits: if rng.one_in(3) { WAITS_LONG } else { rng.below(5) },
        acts: rng.below(6),
        recovery,
        window: if rng.one_in(3) { 400 } else { 4000 },
        sessions: if rng.one_in(6) { rng.below(3) as usize } else { 1000 },
    };
    let steps = (0..config.steps).map(|_| step(&mut rng, &config)).collect();
    (config, steps)
}

fn step(rng: &mut Rng, config: &Config) -> Step {
    if config.recovery {
        return session_step(rng, config);
    }
    match rng.below(100) {
        0..8 => Step::Connect {
            shard: rng.below(config.shards),
            conn: rng.below(16),
            ns: u32::from(rng.one_in(4)),
            enter: !rng.one_in(8),
            room: wire(rng, config),
        },
        8..10 => Step::Enter { who: rng.below(16) },
        10..18 => Step::Join { who: rng.below(16), room: rng.below(config.rooms) },
        18..23 => Step::Leave { who: rng.below(16), room: rng.below(config.rooms) },
        23..25 => Step::End { who: rng.below(16) },
        25..27 => Step::Close { conn: rng.below(16) },
        27..42 => Step::Append { draw: target(rng, config), say: say(rng, config) },
        42..47 => Step::Cast { draw: target(rng, config), kind: kind(rng) },
        47..54 => Step::Distribute,
        54..61 => Step::Open { conn: rng.below(16), room: wire(rng, config) },
        61..63 => Step::Write { conn: rng.below(16) },
        63..70 if config.waits == WAITS_LONG => Step::Open { conn: rng.below(16), room: wire(rng, config) },
        _ => {
            let budget = if rng.one_in(2) { 1 + rng.below(3) } else { 1 + rng.below(100) };
            Step::Turn { shard: rng.below(config.shards), budget, choice: rng.below(1 << 16) }
        }
    }
}

impl Sends {
    /// What its own offset counts as when the log has another name.
    pub(crate) fn of_other_log(self) -> Self {
        if self == Self::Own { Self::OtherLog } else { self }
    }
}

/// Runs in which clients come back have few of them, and more time.
fn session_step(rng: &mut Rng, config: &Config) -> Step {
    let who = rng.below(16);
    match rng.below(100) {
        0..4 => Step::Connect {
            shard: rng.below(config.shards),
            conn: rng.below(16),
            ns: u32::from(rng.one_in(3)),
            enter: !rng.one_in(4),
            room: wire(rng, config),
        },
        4..7 => Step::Enter { who },
        7..13 => Step::Join { who, room: rng.below(config.rooms) },
        13..18 => Step::Leave { who, room: rng.below(config.rooms) },
        18 if rng.one_in(3) => Step::End { who },
        19..22 => Step::Close { conn: who },
        22..36 => Step::Append { draw: target(rng, config), say: say(rng, config) },
        36..39 => Step::Cast { draw: target(rng, config), kind: kind(rng) },
        39..44 => Step::Distribute,
        44..49 => Step::Open { conn: who, room: wire(rng, config) },
        49 => Step::Write { conn: who },
        50..58 => {
            let budget = if rng.one_in(2) { 1 + rng.below(3) } else { 1 + rng.below(100) };
            Step::Turn { shard: rng.below(config.shards), budget, choice: rng.below(1 << 16) }
        }
        _ => Step::Recovery(recovery(rng, config)),
    }
}

fn recovery(rng: &mut Rng, config: &Config) -> Recovery {
    let conn = rng.below(16);
    match rng.below(100) {
        0..16 => Recovery::Turn { shard: rng.below(config.shards) },
        16..24 => Recovery::Round,
        24..40 => Recovery::Handle { conn, count: 1 + rng.below(12) },
        40..50 => Recovery::Break { conn },
        50..66 => Recovery::Return { who: conn, sends: sends(rng), conn: rng.below(16), room: wire(rng, config) },
        66..80 => Recovery::Serve { which: rng.below(8), enter: !rng.one_in(8) },
        80..86 => Recovery::Ping { conn },
        86..91 => Recovery::Pong { conn },
        91..94 => Recovery::Rewrite { who: conn },
        94 => Recovery::Data { who: conn, value: (!rng.one_in(3)).then(|| rng.below(9)) },
        95 if rng.one_in(3) => Recovery::Valid { who: conn, millis: rng.one_in(2).then(|| u64::from(rng.below(500))) },
        96..98 => Recovery::Pass { millis: u64::from(rng.below(400)) },
        98 => Recovery::Crash { loses: rng.one_in(8) },
        _ => Recovery::Turn { shard: rng.below(config.shards) },
    }
}

fn sends(rng: &mut Rng) -> Sends {
    match rng.below(20) {
        0..3 => Sends::OtherLog,
        3 => Sends::Foreign,
        4 => Sends::Elsewhere,
        _ => Sends::Own,
    }
}

fn wire(rng: &mut Rng, config: &Config) -> u32 {
    if rng.below(10) < config.slow { rng.below(6) } else { u32::MAX }
}

fn say(rng: &mut Rng, config: &Config) -> Say {
    if rng.below(10) >= config.acts {
        return Say::Emit;
    }
    match rng.below(20) {
        0 => Say::Disconnect,
        1..12 => Say::Join(rooms(rng, config)),
        _ => Say::Leave(rooms(rng, config)),
    }
}

fn kind(rng: &mut Rng) -> Kind {
    match rng.below(3) {
        0 => Kind::Volatile,
        1 => Kind::Local,
        _ => Kind::Ack,
    }
}

fn rooms(rng: &mut Rng, config: &Config) -> u32 {
    let one = 1 << rng.below(config.rooms);
    if rng.one_in(3) { one | 1 << rng.below(config.rooms) } else { one }
}

fn target(rng: &mut Rng, config: &Config) -> Draw {
    let except = rng.one_in(4);
    Draw {
        ns: u32::from(rng.one_in(4)),
        kind: rng.below(7),
        rooms: rooms(rng, config),
        who: rng.below(16),
        except_rooms: if except { rooms(rng, config) } else { 0 },
        except_who: rng.one_in(6).then(|| rng.below(16)),
    }
}
