//! Memberships as intervals of positions: what opens and closes them, for a member itself and for entries that are walked
//! later than they stand, and when a closed one is let go. Who and where the members are is `members`.

use super::{Members, RoomKey, Seat, SeatRef, index};
use crate::mutant::Mutant;
use crate::{MemberKey, Position, Room};

impl Members {
    /// Opens an interval after `at` in the room (`None`: the namespace). False if one is open already.
    ///
    /// With `late` there may be acts before `at` that are still to be walked. One of them may end the open interval, so
    /// a new one follows it from `at` on.
    pub(crate) fn sit(&mut self, key: MemberKey, room: Option<&Room>, at: Position, late: bool) -> bool {
        let Some(member) = self.get(key) else { return false };
        let ns = member.ns.clone();
        if member.until != Position::MAX {
            self.give_back(&ns, room);
            return false;
        }
        let room = self.room_or_new(&ns, room);
        let Some(open) = self.open_seat(key, room) else {
            self.push_seat(key, room, at, Position::MAX);
            return true;
        };
        if late && self.rooms[room.0 as usize].seats[open].since < at && !self.wrong.is(Mutant::JoinDoesNotSplit) {
            self.close(key, room, open, at);
            self.push_seat(key, room, at, Position::MAX);
        }
        false
    }

    /// Closes the open interval: what comes after `at` is not for this member. False if none was open.
    ///
    /// With `late` an act before `at` may still let the member join; an empty interval at `at` stands for its end.
    pub(crate) fn stand(&mut self, key: MemberKey, room: &Room, at: Position, late: bool) -> bool {
        let Some(member) = self.get(key).filter(|member| member.until == Position::MAX) else { return false };
        let ns = member.ns.clone();
        let found = self.room(&ns, Some(room));
        if let Some((found, open)) = found.and_then(|found| Some((found, self.open_seat(key, found)?))) {
            self.close(key, found, open, at);
            return true;
        }
        if late && !self.wrong.is(Mutant::LeaveLeavesNoMark) {
            let room = self.room_or_new(&ns, Some(room));
            self.push_seat(key, room, at, at);
        }
        false
    }

    /// Ends the member's time in its namespace, and every interval. False if it had ended.
    pub(crate) fn stand_all(&mut self, key: MemberKey, at: Position) -> bool {
        let Some(member) = self.list.get_mut(key.0 as usize) else { return false };
        let open = member.until == Position::MAX;
        member.until = member.until.min(at);
        for at_seat in &member.seats {
            let seat = &mut self.rooms[at_seat.room.0 as usize].seats[at_seat.seat as usize];
            seat.until = seat.until.min(at);
        }
        self.closing.push((at, key));
        open
    }

    /// An entry at `at` makes the member join: after it, until the next that happened to its membership since. True if
    /// it is in the room now and was not.
    pub(crate) fn act_join(&mut self, key: MemberKey, room: &Room, at: Position) -> bool {
        let Some(member) = self.get(key) else { return false };
        let (ns, mut until) = (member.ns.clone(), member.until);
        // Who was not in the namespace joins nothing.
        if !self.room(&ns, None).is_some_and(|all| self.covers(key, &[all], at)) {
            return false;
        }
        if let Some(room) = self.room(&ns, Some(room)) {
            if self.covers(key, &[room], at) {
                return false;
            }
            let later = self.seats_of(key, room).map(|(_, seat)| seat.since).filter(|&since| since >= at);
            until = later.min().map_or(until, |next| until.min(next));
        }
        if until > at {
            let room = self.room_or_new(&ns, Some(room));
            self.push_seat(key, room, at, until);
        }
        until == Position::MAX
    }

    /// An entry at `at` makes the member leave the room. True if it was in it until now.
    pub(crate) fn act_leave(&mut self, key: MemberKey, room: &str, at: Position) -> bool {
        let Some(member) = self.get(key) else { return false };
        let ended = member.until;
        let Some(room) = self.room(&member.ns, Some(room)) else { return false };
        let covering = self.seats_of(key, room).find(|(_, seat)| seat.covers(at));
        let Some((found, until)) = covering.map(|(found, seat)| (found, seat.until)) else { return false };
        self.close(key, room, found, at);
        if at < until && until < ended && !self.wrong.is(Mutant::LeaveLeavesNoMark) {
            // What the member did later still happens later.
            self.push_seat(key, room, until, until);
        }
        until == Position::MAX
    }

    /// Takes away the seats of members at the head that ended at or before `passed`.
    pub(crate) fn settle_closed(&mut self, passed: Position) {
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.closing).into_iter().partition(|&(until, _)| until <= passed);
        self.closing = later;
        for (_, key) in due {
            // A member behind still needs its seats; they are settled when it has caught up. One that may come back
            // needs them until its client has confirmed what they brought.
            let Some(member) = self.get(key) else { continue };
            if !member.lagging || self.wrong.is(Mutant::SettlesWhileLagging) {
                let confirmed =
                    if self.wrong.is(Mutant::SettlesBeforeConfirmed) { Position::MAX } else { member.confirmed };
                self.settle(key, passed.min(confirmed));
            }
        }
    }

    /// A seat as it was written.
    pub(crate) fn seat(&mut self, key: MemberKey, room: Option<&Room>, since: Position, until: Position) {
        let Some(member) = self.get(key) else { return };
        let ns = member.ns.clone();
        let room = self.room_or_new(&ns, room);
        self.push_seat(key, room, since, until);
    }

    /// The member has `passed` this: its closed seats can go once what it was given is written.
    pub(crate) fn settle_later(&mut self, key: MemberKey, passed: Position) {
        let closed = |at: &SeatRef| self.rooms[at.room.0 as usize].seats[at.seat as usize].until != Position::MAX;
        if self.get(key).is_some_and(|member| member.seats.iter().any(closed)) {
            self.closing.push((passed, key));
        }
    }

    /// Takes away the member's seats whose interval ended at or before `passed`.
    pub(super) fn settle(&mut self, key: MemberKey, passed: Position) {
        let mut slot = 0;
        while let Some(at) = self.get(key).and_then(|member| member.seats.get(slot)).copied() {
            if self.rooms[at.room.0 as usize].seats[at.seat as usize].until <= passed {
                self.remove_seat(at);
            } else {
                slot += 1;
            }
        }
    }

    pub(super) fn seats_of(&self, key: MemberKey, room: RoomKey) -> impl Iterator<Item = (usize, &Seat)> {
        let seats = self.get(key).map(|member| &member.seats[..]).unwrap_or_default();
        let of_room = seats.iter().filter(move |at| at.room == room);
        of_room.map(move |at| (at.seat as usize, &self.rooms[room.0 as usize].seats[at.seat as usize]))
    }

    pub(super) fn open_seat(&self, key: MemberKey, room: RoomKey) -> Option<usize> {
        self.seats_of(key, room).find(|(_, seat)| seat.until == Position::MAX).map(|(at, _)| at)
    }

    fn push_seat(&mut self, key: MemberKey, room: RoomKey, since: Position, until: Position) {
        let member = &mut self.list[key.0 as usize];
        let room_members = &mut self.rooms[room.0 as usize];
        member.seats.push(SeatRef { room, seat: index(room_members.seats.len()) });
        let slot = index(member.seats.len() - 1);
        room_members.seats.push(Seat { member: key, slot, since, until });
        if until != Position::MAX {
            self.closing.push((until, key));
        }
    }

    fn close(&mut self, key: MemberKey, room: RoomKey, seat: usize, at: Position) {
        self.rooms[room.0 as usize].seats[seat].until = at;
        self.closing.push((at, key));
    }

    pub(super) fn remove_seat(&mut self, at: SeatRef) {
        let room = &mut self.rooms[at.room.0 as usize];
        let seat = room.seats.swap_remove(at.seat as usize);
        if let Some(moved) = room.seats.get(at.seat as usize) {
            self.list[moved.member.0 as usize].seats[moved.slot as usize].seat = at.seat;
        }
        let member = &mut self.list[seat.member.0 as usize];
        member.seats.swap_remove(seat.slot as usize);
        if let Some(moved) = member.seats.get(seat.slot as usize) {
            self.rooms[moved.room.0 as usize].seats[moved.seat as usize].slot = seat.slot;
        }
        if self.rooms[at.room.0 as usize].seats.is_empty() {
            self.vacate(at.room);
        }
    }
}
