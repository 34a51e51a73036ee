//! What one shard's machine promises, sentence by sentence. That the promises hold together under any interleaving is
//! the simulation's part, beside the log.

use std::sync::Arc;

use trunkline_delivery::{
    Act, Cast, CastKind, ConnKey, Delivery, Entry, Item, MemberKey, Names, Position, Room, Sink, Target, To,
};
use trunkline_proto::{Args, Event};

/// Writes down what the machine says, a word for each call.
#[derive(Default)]
struct Heard(Vec<String>);

impl Heard {
    fn take(&mut self) -> String {
        std::mem::take(&mut self.0).join(" ")
    }
}

impl Sink for Heard {
    fn deliver(&mut self, conn: ConnKey, _: MemberKey, entry: &Arc<Entry>) {
        self.0.push(format!("{}:{}", conn.0, entry.position));
    }

    fn cast(&mut self, conn: ConnKey, _: MemberKey, cast: &Arc<Cast>, behind: Option<Position>) {
        let behind = behind.map_or_else(String::new, |position| format!("after{position}"));
        self.0.push(format!("{}:{}{behind}", conn.0, cast.event.name));
    }

    fn cast_done(&mut self, cast: &Arc<Cast>) {
        self.0.push(format!("done:{}", cast.event.name));
    }

    fn caught_up(&mut self, conn: ConnKey, _: MemberKey) {
        self.0.push(format!("{}:caught_up", conn.0));
    }

    fn joined(&mut self, _: MemberKey, room: &Room) {
        self.0.push(format!("joined:{room}"));
    }

    fn left(&mut self, _: MemberKey, room: &Room) {
        self.0.push(format!("left:{room}"));
    }

    fn disconnect(&mut self, conn: ConnKey, _: MemberKey, position: Position, _: bool) {
        self.0.push(format!("{}:end{position}", conn.0));
    }
}

/// A shard whose members are named by letters and have the connections 1, 2, 3 and so on.
#[derive(Default)]
struct Shard {
    delivery: Delivery,
    heard: Heard,
    conns: u32,
}

impl Shard {
    fn member(&mut self, id: &str, rooms: &[&str]) -> MemberKey {
        self.member_at(id, rooms, 0)
    }

    fn member_at(&mut self, id: &str, rooms: &[&str], at: u64) -> MemberKey {
        self.conns += 1;
        let key = self.delivery.connect(&"/".into(), id.into(), ConnKey(self.conns), Position::new(at));
        self.delivery.join(key, None, Position::new(at));
        for &room in rooms {
            self.delivery.join(key, Some(&room.into()), Position::new(at));
        }
        key
    }

    fn hand(&mut self, entry: &Arc<Entry>) {
        self.delivery.hand_over(Item::Entry(entry.clone()));
        self.delivery.handed_up_to(entry.position);
    }

    /// Hands the entries over, walks to the end and gives what was said.
    fn walk(&mut self, entries: &[Arc<Entry>]) -> String {
        entries.iter().for_each(|entry| self.hand(entry));
        while !self.delivery.walk(100, &mut self.heard) {}
        self.heard.take()
    }

    fn sweep(&mut self, from: u64, page: &[Arc<Entry>], upto: u64) -> String {
        self.delivery.sweep(Position::new(from), page, Position::new(upto), &mut self.heard);
        self.heard.take()
    }

    fn vacated(&mut self) -> String {
        let vacated = self.delivery.take_vacated();
        let names: Vec<_> =
            vacated.into_iter().map(|(_, room)| room.map_or("/".into(), |room| room.to_string())).collect();
        names.join(" ")
    }
}

fn names(names: &[&str]) -> Names {
    names.iter().map(|&name| name.into()).collect()
}

/// Whom it is for: `*`, `#id`, or rooms with a comma between; behind a `!` who is left out.
fn target(to: &str) -> Target {
    let (to, except) = to.split_once('!').unwrap_or((to, ""));
    let to = match to.strip_prefix('#') {
        Some(id) => To::Socket(id.into()),
        None if to == "*" => To::Everyone,
        None => To::Rooms(to.split(',').map(Into::into).collect()),
    };
    let except = except.split(',').filter(|name| !name.is_empty()).map(Into::into).collect();
    Target { ns: "/".into(), to, except }
}

fn entry(position: u64, to: &str, act: Act) -> Arc<Entry> {
    Arc::new(Entry { position: Position::new(position), target: target(to), act })
}

fn emit(position: u64, to: &str) -> Arc<Entry> {
    entry(position, to, Act::Emit { event: Event::new("event", Args::new()), compress: false })
}

fn cast(name: &str, to: &str, kind: CastKind) -> Item {
    let event = Event::new(name, Args::new());
    Item::Cast(Arc::new(Cast { target: target(to), event, kind, compress: false }))
}

#[test]
fn an_entry_reaches_each_member_that_its_target_means_once() {
    let table = [
        ("*", "1:1 2:1 3:1"),
        ("r", "1:1 2:1"),
        ("r,s", "1:1 2:1 3:1"),
        ("nowhere", ""),
        ("#b", "2:1"),
        ("b", "2:1"),
        ("b,r", "2:1 1:1"),
        ("*!r", "3:1"),
        ("*!b", "1:1 3:1"),
        ("r!s,a", ""),
        ("#b!r", ""),
    ];
    for (to, given) in table {
        let mut shard = Shard::default();
        shard.member("a", &["r"]);
        shard.member("b", &["r", "s"]);
        shard.member("c", &["s"]);
        assert_eq!(shard.walk(&[emit(1, to)]), given, "{to}");
    }
}

#[test]
fn an_entry_is_for_who_was_in_the_room_at_its_position() {
    // Joined after, left after, the entries of the room that are given.
    let table = [
        (0, None, "1:5 1:6 1:7"),
        (5, None, "1:6 1:7"),
        (7, None, ""),
        (0, Some(5), "1:5"),
        (5, Some(6), "1:6"),
        (5, Some(5), ""),
    ];
    for (joined, left, given) in table {
        let mut shard = Shard::default();
        let member = shard.member("a", &[]);
        shard.delivery.join(member, Some(&"r".into()), Position::new(joined));
        if let Some(left) = left {
            shard.delivery.leave(member, &"r".into(), Position::new(left));
        }
        assert_eq!(shard.walk(&[emit(5, "r"), emit(6, "r"), emit(7, "r")]), given, "{joined} {left:?}");
    }
}

/// A leave in a handler can stand behind an act that its shard has yet to walk. Such a leave was lost: the member was in
/// the room for ever.
#[test]
fn changes_take_effect_in_the_order_of_the_log_whenever_they_are_walked() {
    let join = || Act::Join(names(&["r"]));
    let leave = || Act::Leave(names(&["r"]));
    let end = || Act::Disconnect { close: false };
    // Whether it is in the room at first, the act at 2, what it did itself after 3; what of 1, 3 and 4 it is given, and
    // whether it is in the room at last.
    let table = [
        (false, join(), "leave", "1:3", false),
        (false, join(), "join", "1:3 1:4", true),
        (true, leave(), "join", "1:1 1:4", true),
        (true, leave(), "leave", "1:1", false),
        (true, end(), "join", "1:1", false),
        (false, join(), "end", "1:3", false),
    ];
    for (at_first, act, own, given, at_last) in table {
        let mut shard = Shard::default();
        let member = shard.member("a", if at_first { &["r"] } else { &[] });
        let (room, at) = ("r".into(), Position::new(3));
        match own {
            "leave" => _ = shard.delivery.leave(member, &room, at),
            "join" => _ = shard.delivery.join(member, Some(&room), at),
            _ => shard.delivery.leave_all(member, at),
        }
        let said = shard.walk(&[emit(1, "r"), entry(2, "#a", act.clone()), emit(3, "r"), emit(4, "r")]);
        let delivered: Vec<_> = said.split(' ').filter(|word| word.len() == 3).collect();
        assert_eq!(delivered.join(" "), given, "{at_first} {act:?} {own}");
        assert_eq!(shard.delivery.is_in(member, Some("r")), at_last, "{at_first} {act:?} {own}");
    }
}

#[test]
fn acts_change_members_as_of_their_place_and_say_so() {
    let table = [
        ("*", Act::Join(names(&["r", "s"])), "joined:s joined:r joined:s"),
        ("r", Act::Leave(names(&["r", "s"])), "left:r"),
        ("#b", Act::Disconnect { close: true }, "2:end1"),
        ("*!r", Act::Disconnect { close: false }, "2:end1"),
    ];
    for (to, act, said) in table {
        let mut shard = Shard::default();
        shard.member("a", &["r"]);
        shard.member("b", &[]);
        assert_eq!(shard.walk(&[entry(1, to, act.clone())]), said, "{act:?}");
    }
}

#[test]
fn nothing_reaches_a_member_that_has_ended_not_even_by_its_id() {
    let mut shard = Shard::default();
    let member = shard.member("a", &["r"]);
    shard.delivery.leave_all(member, Position::new(1));
    assert_eq!(shard.walk(&[emit(1, "#a"), emit(2, "#a"), emit(3, "a,r"), emit(4, "*")]), "1:1");
    assert!(!shard.delivery.join(member, Some(&"r".into()), Position::new(4)));
}

#[test]
fn a_walk_looks_at_no_more_seats_than_it_may_and_goes_on_where_it_stopped() {
    let mut shard = Shard::default();
    for id in 0..10 {
        shard.member(&id.to_string(), &[]);
    }
    shard.hand(&entry(1, "*", Act::Join(names(&["r"]))));
    shard.hand(&emit(2, "r"));
    let mut slices = Vec::new();
    while !shard.delivery.walk(4, &mut shard.heard) {
        slices.push(shard.heard.0.len());
        shard.heard.0.clear();
    }
    assert!(slices.iter().all(|&calls| calls <= 4), "{slices:?}");
    assert_eq!(slices.iter().sum::<usize>() + shard.heard.0.len(), 20);
}

/// The member was found when the walk of the item began, and reached by its key afterwards.
#[test]
fn who_is_removed_under_a_paused_walk_gets_nothing_more() {
    let mut shard = Shard::default();
    shard.member("a", &[]);
    let b = shard.member("b", &["r"]);
    shard.hand(&emit(1, "a,b,r"));
    assert!(!shard.delivery.walk(1, &mut shard.heard));
    shard.delivery.remove(b);
    assert_eq!(shard.walk(&[]), "1:1");
}

#[test]
fn a_member_behind_is_passed_over_and_served_by_pages_up_to_the_shard_and_no_further() {
    let log: Vec<_> = (1..=5).map(|position| emit(position, "r")).collect();
    let mut shard = Shard::default();
    let member = shard.member("a", &["r"]);
    shard.walk(&log[..2]);
    shard.delivery.lag(member, Position::new(1));
    assert_eq!(shard.walk(&log[2..3]), "");
    assert!(!shard.delivery.writable(member));
    assert_eq!(shard.delivery.sweep_from(), Some(Position::new(1)));
    assert_eq!(shard.sweep(1, &log[1..5], 5), "1:2 1:3 1:caught_up");
    assert_eq!(shard.walk(&log[3..]), "1:4 1:5");
}

/// What was given in a turn may not be taken by the wire at its end. The seats that it was owed by were gone by then.
#[test]
fn a_member_that_is_put_back_is_still_owed_by_the_room_it_has_left() {
    let log = [emit(1, "r"), emit(2, "r"), emit(3, "r")];
    let mut shard = Shard::default();
    let member = shard.member("a", &["r"]);
    shard.delivery.leave(member, &"r".into(), Position::new(2));
    assert_eq!(shard.walk(&log), "1:1 1:2");
    shard.delivery.lag(member, Position::ZERO);
    assert_eq!(shard.vacated(), "");
    shard.delivery.writable(member);
    assert_eq!(shard.sweep(0, &log, 3), "1:1 1:2 1:caught_up");
    shard.delivery.lag(member, Position::new(1));
    assert_eq!(shard.vacated(), "");
    shard.delivery.writable(member);
    assert_eq!(shard.sweep(1, &log[1..], 3), "1:2 1:caught_up");
    assert_eq!(shard.vacated(), "r");
}

/// Between asking for a page and giving it, a member further behind may become writable.
#[test]
fn a_page_is_not_for_a_member_that_stands_before_its_start() {
    let log: Vec<_> = (1..=4).map(|position| emit(position, "r")).collect();
    let mut shard = Shard::default();
    let (a, b) = (shard.member("a", &["r"]), shard.member("b", &["r"]));
    shard.walk(&log);
    shard.delivery.lag(a, Position::new(3));
    shard.delivery.lag(b, Position::new(1));
    shard.delivery.writable(a);
    assert_eq!(shard.delivery.sweep_from(), Some(Position::new(3)));
    shard.delivery.writable(b);
    assert_eq!(shard.sweep(3, &log[3..], 4), "1:4 1:caught_up");
    assert_eq!(shard.sweep(1, &log[1..], 4), "2:2 2:3 2:4 2:caught_up");
}

/// Such a member asked for a page after the head, got an empty one, and asked again, for ever.
#[test]
fn who_waits_for_a_page_and_stands_at_the_head_joins_the_walk() {
    let mut shard = Shard::default();
    shard.member("a", &["r"]);
    let b = shard.member_at("b", &["r"], 9);
    shard.delivery.stall(b);
    shard.hand(&emit(1, "r"));
    assert!(!shard.delivery.walk(1, &mut shard.heard));
    assert!(!shard.delivery.writable(b));
    assert_eq!(shard.walk(&[]), "1:1 2:caught_up");
    assert_eq!(shard.delivery.sweep_from(), None);
}

/// One wire carries several members, of which one may be behind already; it lost what lay between.
#[test]
fn a_full_wire_never_moves_a_cursor_on() {
    let log: Vec<_> = (1..=4).map(|position| emit(position, "r")).collect();
    let mut shard = Shard::default();
    let member = shard.member("a", &["r"]);
    shard.walk(&log);
    shard.delivery.lag(member, Position::new(1));
    shard.delivery.lag(member, Position::new(3));
    shard.delivery.stall(member);
    shard.delivery.writable(member);
    assert_eq!(shard.delivery.sweep_from(), Some(Position::new(1)));
}

#[test]
fn a_passed_cursor_is_taken_out_and_one_at_the_edge_is_not() {
    let log: Vec<_> = (1..=4).map(|position| emit(position, "r")).collect();
    let mut shard = Shard::default();
    let (a, b) = (shard.member("a", &["r"]), shard.member("b", &["r"]));
    shard.walk(&log);
    shard.delivery.lag(a, Position::new(1));
    shard.delivery.lag(b, Position::new(2));
    shard.delivery.writable(a);
    shard.delivery.writable(b);
    assert_eq!(shard.delivery.take_passed(Position::new(3)), [a]);
    assert_eq!(shard.delivery.sweep_from(), Some(Position::new(2)));
}

#[test]
fn a_cast_comes_after_what_was_before_it_and_a_volatile_one_not_to_who_is_behind() {
    let mut shard = Shard::default();
    let (a, _) = (shard.member("a", &["r"]), shard.member("b", &["r", "s"]));
    shard.hand(&emit(1, "r"));
    shard.delivery.hand_over(cast("x", "r,s", CastKind::Local));
    shard.delivery.hand_over(cast("y", "r", CastKind::Volatile));
    shard.delivery.hand_over(cast("z", "r!s", CastKind::Ack(1)));
    shard.delivery.lag(a, Position::ZERO);
    assert_eq!(shard.walk(&[emit(2, "r")]), "2:1 1:xafter1 2:x done:x 2:y done:y 1:zafter1 done:z 2:2");
}

#[test]
fn a_room_is_vacated_when_its_last_member_goes_unless_it_is_joined_again() {
    let room = Room::from("r");
    let mut shard = Shard::default();
    let (a, b) = (shard.member("a", &["r"]), shard.member("b", &[]));
    shard.delivery.remove(a);
    shard.delivery.join(b, Some(&room), Position::ZERO);
    assert_eq!(shard.vacated(), "");
    shard.delivery.leave(b, &room, Position::ZERO);
    assert_eq!(shard.vacated(), "r");
    shard.delivery.remove(b);
    assert_eq!(shard.vacated(), "/");
    assert!(shard.delivery.is_empty() && shard.delivery.rooms() == 0);
}

#[test]
fn a_promised_room_that_nobody_joins_is_given_back() {
    let mut shard = Shard::default();
    shard.member("a", &[]);
    shard.walk(&[entry(1, "#nobody", Act::Join(names(&["r", "s"]))), entry(2, "#a", Act::Join(names(&["s"])))]);
    assert_eq!(shard.vacated(), "r");
}

#[test]
fn removing_twice_removes_once() {
    let mut shard = Shard::default();
    let (a, b) = (shard.member("a", &["r"]), shard.member("b", &["r"]));
    shard.delivery.lag(a, Position::ZERO);
    shard.delivery.lag(b, Position::ZERO);
    shard.hand(&emit(1, "r"));
    assert!(!shard.delivery.walk(1, &mut shard.heard));
    shard.delivery.remove(a);
    shard.delivery.remove(a);
    shard.delivery.lag(a, Position::ZERO);
    assert_eq!(shard.delivery.lagging(), 1);
    shard.walk(&[]);
    shard.vacated();
    assert_eq!(shard.delivery.len(), 1);
}
