//! Which shards an entry is handed to: those with members of its rooms, those that were promised some, and no others.

use std::sync::Arc;

use trunkline_delivery::{Act, Entry, Interest, Names, Position, Room, Target, To, id_with_place};

fn ns() -> Arc<str> {
    "/".into()
}

fn rooms(names: &[&str]) -> Target {
    Target { ns: ns(), to: To::Rooms(names.iter().map(|&name| name.into()).collect()), except: Names::new() }
}

fn shards(interest: &Interest, target: &Target) -> Vec<usize> {
    interest.route(target).iter().collect()
}

fn join_act(position: u64, target: Target, room: &Room) -> Entry {
    Entry { position: Position::new(position), target, act: Act::Join(Names::from_elem(room.clone(), 1)) }
}

#[test]
fn an_entry_goes_to_the_shards_with_members_of_its_rooms() {
    let id = id_with_place([1; 12], 2, 1);
    let mut interest = Interest::new(4, false);
    for (room, shard) in [(None, 0), (None, 1), (None, 2), (Some("r"), 0), (Some("r"), 1), (Some("s"), 3)] {
        interest.add(&ns(), room.map(Room::from).as_ref(), shard);
    }
    let socket = |id: &str| Target::socket(ns(), id.into());
    let table = [
        (Target::everyone(ns()), vec![0, 1, 2]),
        (Target::everyone("/other".into()), vec![]),
        (rooms(&["r"]), vec![0, 1]),
        (rooms(&["r", "s"]), vec![0, 1, 3]),
        (rooms(&["nowhere"]), vec![]),
        (rooms(&[&id]), vec![2]),
        (socket(&id), vec![2]),
        (socket(&id_with_place([1; 12], 3, 1)), vec![3]),
        (rooms(&[&id_with_place([1; 12], 3, 1)]), vec![]),
    ];
    for (target, expected) in table {
        assert_eq!(shards(&interest, &target), expected, "{target:?}");
    }
}

#[test]
fn the_first_shard_makes_a_room_and_the_last_one_ends_it() {
    let room = Room::from("r");
    let mut interest = Interest::new(2, false);
    assert!(interest.add(&ns(), Some(&room), 0));
    assert!(!interest.add(&ns(), Some(&room), 1));
    assert!(!interest.remove("/", Some("r"), 0, Position::ZERO));
    assert!(interest.remove("/", Some("r"), 1, Position::ZERO));
    assert!(!interest.remove("/", Some("r"), 1, Position::ZERO));
    assert!(interest.is_empty());
}

#[test]
fn a_shard_is_promised_a_room_from_the_act_on_until_it_has_walked_it() {
    let room = Room::from("r");
    let mut interest = Interest::new(2, false);
    interest.add(&ns(), None, 1);
    interest.route_entry(&join_act(5, Target::everyone(ns()), &room));
    assert_eq!(shards(&interest, &rooms(&["r"])), [1]);
    interest.remove("/", Some("r"), 1, Position::new(4));
    assert_eq!(shards(&interest, &rooms(&["r"])), [1]);
    interest.remove("/", Some("r"), 1, Position::new(5));
    assert_eq!(interest.len(), 1);
}

/// A row knew only the last promise of all shards: the earlier one of another shard was never taken back.
#[test]
fn a_promise_to_one_shard_does_not_prolong_that_to_another() {
    let room = Room::from("r");
    let one = |place| Target::socket(ns(), id_with_place([1; 12], place, 1).into());
    let mut interest = Interest::new(2, false);
    interest.route_entry(&join_act(5, one(0), &room));
    interest.route_entry(&join_act(9, one(1), &room));
    interest.remove("/", Some("r"), 0, Position::new(5));
    assert_eq!(shards(&interest, &rooms(&["r"])), [1]);
    interest.remove("/", Some("r"), 1, Position::new(9));
    assert!(interest.is_empty());
}
