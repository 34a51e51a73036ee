//! The end of a run: everything comes to rest with open wires, and nothing may be missing or left over. How things get
//! there is `world`.

use std::collections::BTreeSet;

use super::{Phase, Shard, World};
use crate::model::{Verdict, bits};
use crate::steps::{Draw, Sends};

/// How often clients come back at the end: after one that was sent away comes one with a session of its own.
const ROUNDS_MAX: u32 = 4;
/// Slices after which a turn must have ended.
const SLICES_MAX: u32 = 20_000;

impl World {
    /// Lets everything come to rest with open wires: every client must have all that it is owed, and nothing is left over.
    pub(crate) fn finish(&mut self) -> Verdict {
        if self.config.recovery {
            self.bring_back()?;
        }
        self.come_to_rest()?;
        self.compare()?;
        for index in 0..self.shards.len() {
            while let Some((&key, _)) = self.shards[index].wires.conns.first_key_value() {
                self.close(index, key, false)?;
            }
        }
        self.pass(self.config.window)?;
        self.come_to_rest()?;
        for (index, Shard { delivery, kept, pins, .. }) in self.shards.iter().enumerate() {
            let rows = delivery.len() + delivery.rooms() + delivery.lagging() + kept.len() + kept.away() + pins.len();
            if rows > 0 {
                return Err(format!("shard {index} keeps something: {delivery:?} {kept:?} {pins:?}"));
            }
        }
        if self.interest.is_empty() { Ok(()) } else { Err(format!("rows are left: {:?}", self.interest)) }
    }

    /// Every client comes back, gets what it lacks and says so; sessions that nobody comes back to are forgotten.
    fn bring_back(&mut self) -> Verdict {
        for _ in 0..ROUNDS_MAX {
            self.close_dead()?;
            for client in 0..self.clients.len() {
                if self.clients[client].wire.is_none() {
                    self.say_hello(client, Sends::Own, 1, u32::MAX);
                }
            }
            self.come_to_rest()?;
            while !self.hellos.is_empty() {
                self.serve(0, true)?;
            }
            self.alive().into_iter().for_each(|uid| self.open_session(uid));
            self.come_to_rest()?;
            self.each_conn(|world, index, key| {
                while world.handle(index, key)? {}
                Ok(())
            })?;
        }
        self.pass(self.config.window)?;
        self.come_to_rest()?;
        self.each_conn(Self::exchange_ping)
    }

    /// Everything goes on, as far as the wires take it.
    pub(super) fn round(&mut self) -> Verdict {
        self.distribute()?;
        (0..self.shards.len()).try_for_each(|index| self.whole_turn(index))?;
        self.each_conn(|world, index, key| {
            while world.handle(index, key)? {}
            Ok(())
        })
    }

    fn each_conn(&mut self, act: impl Fn(&mut Self, usize, u32) -> Verdict) -> Verdict {
        for index in 0..self.shards.len() {
            for key in self.shards[index].wires.conns.keys().copied().collect::<Vec<_>>() {
                act(self, index, key)?;
            }
        }
        Ok(())
    }

    fn close_dead(&mut self) -> Verdict {
        self.each_conn(|world, index, key| {
            let dead = world.shards[index].wires.conns.get(&key).is_some_and(|conn| conn.dead);
            if dead { world.lose_conn(index, key) } else { Ok(()) }
        })
    }

    fn come_to_rest(&mut self) -> Verdict {
        for Shard { wires, delivery, .. } in &mut self.shards {
            for key in wires.conns.keys().copied().collect::<Vec<_>>() {
                wires.unblock(key, u32::MAX, delivery, &mut self.model);
            }
        }
        for round in 1..=5 {
            self.distribute()?;
            for index in 0..self.shards.len() {
                self.whole_turn(index)?;
            }
            let rests = |shard: &Shard| {
                let Shard { delivery, wires, tray, .. } = shard;
                tray.is_empty()
                    && !delivery.has_walk()
                    && wires.touched().is_none()
                    && delivery.sweep_from().is_none()
                    && delivery.position() == self.distributed
            };
            // One turn for what was there, one for what that left behind.
            if round > 1 && self.shards.iter().all(rests) {
                return Ok(());
            }
        }
        Err("the shards do not come to rest".into())
    }

    pub(super) fn whole_turn(&mut self, index: usize) -> Verdict {
        for slice in 0..SLICES_MAX {
            self.turn(index, 1 + slice as usize % 7, 2 * slice + 1)?;
            if matches!(self.shards[index].phase, Phase::Idle) {
                return Ok(());
            }
        }
        Err(format!("a turn of shard {index} does not end"))
    }

    /// Everything rests: what the machines say of themselves must be what the model says of them.
    fn compare(&mut self) -> Verdict {
        let distributed = self.distributed.number();
        let mut places = BTreeSet::new();
        for uid in self.alive() {
            self.model.complete(uid, distributed)?;
            let member = &self.model.members[uid];
            let shard = &self.shards[member.shard];
            let key = shard.wires.key_of(uid).expect("a member that lives has a key");
            let mut rooms = shard.delivery.rooms_of(key);
            rooms.sort_unstable();
            if rooms != self.names(member.rooms, None)
                || self.shards[member.shard].delivery.is_in(key, None) != member.in_ns
            {
                return Err(format!("member {uid} is in {rooms:?}, but should be in {:b}", member.rooms));
            }
            if member.lagging || self.shards[member.shard].delivery.is_lagging(key) {
                return Err(format!("member {uid} is still behind"));
            }
            places.extend(bits(member.rooms).map(|room| (member.ns, Some(room))));
            places.extend(member.in_ns.then_some((member.ns, None)));
        }
        if self.interest.len() != places.len() {
            return Err(format!("there are members in {places:?}, but there is {:?}", self.interest));
        }
        (0..4).try_for_each(|kind| self.compare_addressed(kind))
    }

    fn compare_addressed(&mut self, kind: u32) -> Verdict {
        let all_rooms = (1 << self.rooms.len()) - 1;
        let (rooms, except_rooms) = (3 & all_rooms, 4 & all_rooms);
        let draw = Draw { ns: kind % 2, kind, rooms, who: 1, except_rooms, except_who: Some(kind) };
        let Some(aim) = self.aim(draw) else { return Ok(()) };
        let target = self.target(&aim);
        for index in 0..self.shards.len() {
            let meant = self.model.meant(&aim, index, self.distributed.number());
            let Shard { delivery, wires, .. } = &self.shards[index];
            let uids = delivery.addressed(&target).into_iter().filter_map(|key| wires.uids.get(&key).copied());
            let addressed: BTreeSet<_> = uids.collect();
            if !addressed.iter().eq(&meant) {
                return Err(format!("{aim:?} means {meant:?} on shard {index}, but {addressed:?} is said"));
            }
        }
        Ok(())
    }
}
