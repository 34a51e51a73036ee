//! What runs of the simulation found wrong, as the fewest steps that led to it. They stay, for what a seed means changes
//! with what is drawn.

use crate::steps::{Config, Draw, Recovery, Say, Step};

/// A story, and the run that tells it.
pub(crate) type Found = (&'static str, Config, Vec<Step>);

pub(crate) fn all() -> Vec<Found> {
    vec![left_while_a_session_begins(), left_before_a_session_began()]
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
