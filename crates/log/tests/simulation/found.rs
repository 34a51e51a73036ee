//! What runs of the simulation found wrong, as the fewest steps that led to it, and stories that chance tells too rarely.
//! They stay, for what a seed means changes with what is drawn.

use crate::steps::{Config, Draw, Recovery, Say, Sends, Step};

/// A story, and the run that tells it.
pub(crate) type Found = (&'static str, Config, Vec<Step>);

pub(crate) fn all() -> Vec<Found> {
    vec![
        left_while_a_session_begins(),
        left_before_a_session_began(),
        pinged_on_the_connection_before(),
        left_unconfirmed_before_a_crash(),
    ]
}

const CONFIG: Config = Config {
    shards: 1,
    rooms: 3,
    ring: 1000,
    steps: 0,
    slow: 0,
    waits: 0,
    acts: 0,
    recovery: true,
    window: 4000,
    sessions: 1000,
};

/// Everybody in room 0.
const ROOM: Draw = Draw { ns: 0, kind: 5, rooms: 1, who: 0, except_rooms: 0, except_who: None };

const TURN: Step = Step::Recovery(Recovery::Turn { shard: 0 });
const ROUND: Step = Step::Recovery(Recovery::Round);

/// The session was written with the rooms as they were walked, but to hold as of its own entry: an act in between was
/// forgotten by a crash.
fn left_while_a_session_begins() -> Found {
    let steps = vec![
        Step::Connect { shard: 0, conn: 1, ns: 0, enter: false, room: u32::MAX },
        Step::Join { who: 0, room: 0 },
        Step::Append { draw: ROOM, say: Say::Leave(1) },
        Step::Enter { who: 0 },
        Step::Recovery(Recovery::Round),
        Step::Recovery(Recovery::Crash { loses: false }),
    ];
    ("a leave between the writing of a session and its entry", CONFIG, steps)
}

/// The room's interest stayed until the next receipt after an event.
fn left_before_a_session_began() -> Found {
    let steps = vec![
        Step::Append { draw: ROOM, say: Say::Leave(1) },
        Step::Connect { shard: 0, conn: 1, ns: 0, enter: false, room: 2 },
        Step::Join { who: 0, room: 0 },
        Step::Distribute,
        Step::Enter { who: 0 },
        Step::Recovery(Recovery::Turn { shard: 0 }),
    ];
    ("a room that was left before the session began", CONFIG, steps)
}

/// A client loses an event with its connection, and comes back on one whose pong is on its way.
fn pinged_on_the_connection_before() -> Found {
    let everyone = Draw { ns: 1, kind: 0, ..ROOM };
    let steps = vec![
        Step::Connect { shard: 0, conn: 1, ns: 0, enter: true, room: u32::MAX },
        Step::Connect { shard: 0, conn: 1, ns: 1, enter: true, room: u32::MAX },
        ROUND,
        Step::Append { draw: everyone, say: Say::Emit },
        Step::Distribute,
        TURN,
        Step::Recovery(Recovery::Ping { conn: 1 }),
        Step::Recovery(Recovery::Break { conn: 1 }),
        Step::Recovery(Recovery::Ping { conn: 0 }),
        TURN,
        Step::Recovery(Recovery::Handle { conn: 0, count: 9 }),
        Step::Recovery(Recovery::Return { who: 0, sends: Sends::Own, conn: 0, room: u32::MAX }),
        Step::Recovery(Recovery::Serve { which: 0, enter: true }),
        Step::Recovery(Recovery::Pong { conn: 0 }),
        Step::Recovery(Recovery::Break { conn: 0 }),
    ];
    ("a pong behind a ping to the connection before", CONFIG, steps)
}

/// A client is owed what was said in a room that it has left, and the process dies.
fn left_unconfirmed_before_a_crash() -> Found {
    let steps = vec![
        Step::Connect { shard: 0, conn: 1, ns: 0, enter: true, room: u32::MAX },
        Step::Join { who: 0, room: 0 },
        ROUND,
        Step::Append { draw: ROOM, say: Say::Emit },
        Step::Leave { who: 0, room: 0 },
        Step::Distribute,
        TURN,
        Step::Recovery(Recovery::Rewrite { who: 0 }),
        Step::Recovery(Recovery::Crash { loses: false }),
    ];
    ("a room that was left shortly before a crash", CONFIG, steps)
}
