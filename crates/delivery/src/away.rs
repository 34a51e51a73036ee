//! Members that outlive their connections: what they have confirmed, while they are away, when they come back, and how
//! they are rebuilt from what was written. Who may come back is `sessions`.

use std::sync::Arc;

use crate::mutant::Mutant;
use crate::{ConnKey, Delivery, MemberKey, Position, SocketId, Stay};

impl Delivery {
    /// The member may come back after its connection: what it has left is remembered until it has confirmed everything
    /// before.
    pub fn keep(&mut self, member: MemberKey, confirmed: Position) {
        if let Some(found) = self.members.get_live(member) {
            found.confirmed = confirmed;
            // What it left before it began is not needed any more.
            if !self.wrong().is(Mutant::KeepSettlesNothing) {
                self.members.settle_later(member, confirmed);
            }
        }
    }

    /// Up to where the member's client has confirmed everything; [`Position::MAX`] if nobody asks.
    #[must_use]
    pub fn confirmed(&self, member: MemberKey) -> Position {
        self.members.get(member).map_or(Position::ZERO, |member| member.confirmed)
    }

    /// A ping leaves for the member's connection, with everything written that it was given: the pong that answers it
    /// confirms that.
    pub fn pinged(&mut self, member: MemberKey) {
        let given = self.given(member);
        if let Some(found) = self.members.get_live(member) {
            found.pinged = given;
        }
    }

    /// The member's client has answered the last ping of its connection, and with that every one before. One that has its connection since a later
    /// moment confirms nothing by that.
    pub fn ponged(&mut self, member: MemberKey) {
        let Some(found) = self.members.get_live(member) else { return };
        let position = std::mem::take(&mut found.pinged);
        if position > found.confirmed {
            found.confirmed = position;
            self.members.settle_later(member, position);
        }
    }

    /// Up to where the member was given everything: where it stands if it is behind, else where the shard does, a walk
    /// under way included.
    #[must_use]
    pub fn given(&self, member: MemberKey) -> Position {
        let Some(found) = self.members.get(member) else { return Position::ZERO };
        let lagging = found.lagging && !self.wrong().is(Mutant::GivenIgnoresLag);
        if lagging { found.cursor } else { found.cursor.max(self.position) }
    }

    /// The member's connection is gone. Nothing is given to it; entries that act on members act on it.
    pub fn detach(&mut self, member: MemberKey) {
        self.stall(member);
        if let Some(found) = self.members.get_live(member) {
            found.away = true;
        }
    }

    /// Whether the member has no connection.
    #[must_use]
    pub fn is_away(&self, member: MemberKey) -> bool {
        self.members.get(member).is_some_and(|member| member.away)
    }

    /// The member has a new connection and is owed everything after `from`, by the intervals of its rooms. It lags until
    /// the sweep has served it, or [`Delivery::writable`] finds that there is nothing.
    pub fn attach(&mut self, member: MemberKey, conn: ConnKey, from: Position) {
        let wrong = self.wrong();
        let from = if wrong.is(Mutant::AttachesAtHead) { self.position } else { from.min(self.position) };
        self.stall(member);
        let Some(found) = self.members.get_live(member) else { return };
        found.away = false;
        if !wrong.is(Mutant::AttachKeepsOld) {
            found.conn = conn;
        }
        if !wrong.is(Mutant::PongOutlivesConnection) {
            found.pinged = Position::ZERO;
        }
        // It was stalled: nobody has it in a list by its cursor.
        found.cursor = from;
    }

    /// The rooms that the member is in or was in since what it has confirmed, as they are walked so far.
    #[must_use]
    pub fn stays(&self, member: MemberKey) -> Vec<Stay> {
        self.members.stays(member)
    }

    /// Adds a member that is away, as it was written to be after `as_of`. Its time in the namespace begins after `start`.
    pub(crate) fn restore(
        &mut self,
        ns: &Arc<str>,
        id: SocketId,
        as_of: Position,
        (start, confirmed): (Position, Position),
        stays: &[Stay],
    ) -> MemberKey {
        let member = self.members.insert(ns, id, ConnKey(u32::MAX), as_of);
        self.members.seat(member, None, start, Position::MAX);
        let wrong = self.wrong();
        let forgotten = |stay: &&Stay| {
            wrong.is(Mutant::RestoreForgetsRooms)
                || (stay.until != Position::MAX && wrong.is(Mutant::RestoreForgetsLeft))
        };
        for stay in stays.iter().filter(|stay| !forgotten(stay)) {
            self.members.seat(member, Some(&stay.room), stay.since, stay.until);
        }
        self.detach(member);
        self.keep(member, confirmed);
        member
    }

    /// Calls this with every room (`None`: a namespace) that has members here.
    pub fn each_room(&self, call: impl FnMut(&Arc<str>, Option<&crate::Room>)) {
        self.members.each_room(call);
    }

    /// The namespace and id of a member.
    #[must_use]
    pub fn name_of(&self, member: MemberKey) -> Option<(Arc<str>, SocketId)> {
        self.members.get(member).map(|member| (member.ns.clone(), member.id.clone()))
    }
}
