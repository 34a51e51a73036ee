//! What every client must have got: each member's own history, played through from the log and its own changes alone.
//! It shares nothing with the machine that it judges.

mod kept;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(crate) use self::kept::{Base, Kept, Writing};
use crate::steps::{Kind, Say};

pub(crate) type Verdict = Result<(), String>;

/// Whom an entry or cast is for.
#[derive(Clone, Debug)]
pub(crate) struct Aim {
    pub(crate) ns: usize,
    pub(crate) to: AimTo,
    pub(crate) except_rooms: u32,
    pub(crate) except: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) enum AimTo {
    Everyone,
    Rooms(u32, Option<usize>),
    Socket(usize),
}

/// What a member itself did to its membership.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Enter,
    Join(u32),
    Leave(u32),
    End,
}

/// A room of a namespace (`None`: the namespace) on a shard.
type Place = (usize, usize, Option<u32>);

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) shard: usize,
    pub(crate) ns: usize,
    /// Played through up to here.
    at: u64,
    pub(crate) in_ns: bool,
    pub(crate) rooms: u32,
    pub(crate) ended: bool,
    /// After which entry.
    ended_at: u64,
    /// Its own changes, each after the entry at its position.
    changes: VecDeque<(u64, Change)>,
    /// Positions of the entries that it is owed.
    owed: Vec<u64>,
    /// How many of them it has got.
    got: usize,
    casts_owed: VecDeque<usize>,
    last_cast: Option<usize>,
    /// Where it last left a room.
    out_at: BTreeMap<Option<u32>, u64>,
    pub(crate) lagging: bool,
    pub(crate) alive: bool,
    /// Its session, if it has one.
    pub(crate) kept: Option<Kept>,
}

struct Cast {
    aim: Aim,
    kind: Kind,
    after: u64,
    /// Who must be offered it, and who may be, for its membership changed while the cast was on its way.
    must: BTreeSet<usize>,
    may: BTreeSet<usize>,
    offered: BTreeSet<usize>,
    on_its_way: BTreeSet<usize>,
}

#[derive(Default)]
pub(crate) struct Model {
    /// How often the log has lost something that was committed.
    pub(crate) epoch: u64,
    log: Vec<(Aim, Say)>,
    pub(crate) members: Vec<Member>,
    casts: Vec<Cast>,
    /// Where an entry may wake a shard.
    awake: BTreeSet<Place>,
    promised: BTreeMap<Place, u64>,
}

impl Model {
    pub(crate) fn connect(&mut self, shard: usize, ns: usize, at: u64) -> usize {
        self.members.push(Member {
            shard,
            ns,
            at,
            in_ns: false,
            rooms: 0,
            ended: false,
            ended_at: 0,
            changes: VecDeque::new(),
            owed: Vec::new(),
            got: 0,
            casts_owed: VecDeque::new(),
            last_cast: None,
            out_at: BTreeMap::new(),
            lagging: false,
            alive: true,
            kept: None,
        });
        self.touch(self.members.len() - 1);
        self.members.len() - 1
    }

    pub(crate) fn change(&mut self, uid: usize, at: u64, change: Change) {
        let member = &mut self.members[uid];
        member.changes.push_back((at, change));
        let room = match change {
            Change::Enter => None,
            Change::Join(room) => Some(room),
            Change::Leave(_) | Change::End => return self.touch(uid),
        };
        self.awake.insert((member.shard, member.ns, room));
        self.touch(uid);
    }

    pub(crate) fn forget(&mut self, uid: usize) {
        self.members[uid].alive = false;
        self.touch(uid);
    }

    /// The member's membership changes while casts are on their way to it.
    pub(crate) fn touch(&mut self, uid: usize) {
        let shard = self.members[uid].shard;
        for cast in self.casts.iter_mut().filter(|cast| cast.on_its_way.contains(&shard)) {
            cast.must.remove(&uid);
            cast.may.insert(uid);
        }
    }

    pub(crate) fn append(&mut self, position: u64, aim: Aim, say: Say) {
        self.log.push((aim, say));
        assert_eq!(self.log.len() as u64, position, "positions of the ring are consecutive");
    }

    /// The entry is handed to these shards.
    pub(crate) fn route(&mut self, position: u64, shards: &[usize], shard_of: impl Fn(usize) -> usize) -> Verdict {
        let (aim, say) = &self.log[position as usize - 1];
        for &shard in shards {
            let concerned = match aim.to {
                AimTo::Everyone => self.awake.contains(&(shard, aim.ns, None)),
                AimTo::Socket(uid) => shard == shard_of(uid),
                AimTo::Rooms(rooms, uid) => {
                    bits(rooms).any(|room| self.awake.contains(&(shard, aim.ns, Some(room))))
                        || uid.is_some_and(|uid| shard == shard_of(uid))
                }
            };
            if !concerned {
                return Err(format!("entry {position} woke shard {shard}, which has no member of {aim:?}"));
            }
        }
        let rooms: Vec<_> = match *say {
            Say::Join(rooms) => bits(rooms).map(Some).collect(),
            Say::Begin => vec![None],
            _ => Vec::new(),
        };
        for place in shards.iter().flat_map(|&shard| rooms.iter().map(move |&room| (shard, aim.ns, room))) {
            self.awake.insert(place);
            self.promised.insert(place, position);
        }
        Ok(())
    }

    /// The shard has walked everything up to `position`, written it, and given up the rooms that it has no use for.
    pub(crate) fn at_rest(&mut self, shard: usize, position: u64, distributed: u64) {
        for uid in 0..self.members.len() {
            self.play(uid, distributed);
        }
        let wanted = |&(at, ns, room): &Place| {
            at != shard
                || self.promised.get(&(at, ns, room)).is_some_and(|&promised| promised > position)
                || self.members.iter().any(|member| {
                    let needed = |&out: &u64| out > position || member.lagging || member.is_unconfirmed(out);
                    member.alive
                        && member.shard == shard
                        && member.ns == ns
                        && (member.is_in(room) || member.out_at.get(&room).is_some_and(needed))
                })
        };
        let awake: BTreeSet<_> = self.awake.iter().copied().filter(wanted).collect();
        self.awake = awake;
    }

    pub(crate) fn cast(&mut self, aim: Aim, kind: Kind, after: u64, shards: Vec<usize>) {
        let alive = (0..self.members.len()).filter(|&uid| self.members[uid].is_here()).collect::<Vec<_>>();
        let meant = alive.into_iter().filter(|&uid| {
            self.play(uid, after);
            self.members[uid].is_meant(uid, &aim)
        });
        let must = meant.collect();
        let on_its_way = shards.into_iter().collect();
        self.casts.push(Cast { aim, kind, after, must, may: BTreeSet::new(), offered: BTreeSet::new(), on_its_way });
    }

    pub(crate) fn casts(&self) -> usize {
        self.casts.len()
    }

    /// The machine gives the member a cast.
    pub(crate) fn offer_cast(&mut self, uid: usize, number: usize, behind: bool) -> Verdict {
        let (member, cast) = (&mut self.members[uid], &mut self.casts[number]);
        if !cast.must.contains(&uid) && !cast.may.contains(&uid) {
            return Err(format!("cast {number} for {:?} was given to member {uid}", cast.aim));
        }
        if !cast.offered.insert(uid) {
            return Err(format!("cast {number} was given to member {uid} twice"));
        }
        if member.lagging != behind || (behind && cast.kind == Kind::Volatile) {
            return Err(format!("cast {number} ({:?}) has a wrong idea of where member {uid} stands", cast.kind));
        }
        if cast.kind != Kind::Volatile {
            member.casts_owed.push_back(number);
        }
        Ok(())
    }

    pub(crate) fn cast_done(&mut self, shard: usize, number: usize) -> Verdict {
        let cast = &mut self.casts[number];
        if !cast.on_its_way.remove(&shard) {
            return Err(format!("cast {number} was done twice on shard {shard}"));
        }
        let here = |uid: &&usize| self.members[**uid].shard == shard;
        let missed = cast.must.difference(&cast.offered).find(here);
        match missed {
            Some(uid) if cast.kind != Kind::Volatile => Err(format!("cast {number} did not come to member {uid}")),
            _ => Ok(()),
        }
    }

    /// The client got the cast.
    pub(crate) fn got_cast(&mut self, uid: usize, number: usize) -> Verdict {
        let (after, kind) = (self.casts[number].after, self.casts[number].kind);
        self.play(uid, after);
        let member = &mut self.members[uid];
        if let Some(&owed) = member.owed.get(member.got)
            && owed <= after
        {
            return Err(format!("cast {number} came to member {uid} before entry {owed}"));
        }
        if member.last_cast.is_some_and(|last| last >= number) {
            return Err(format!("cast {number} came to member {uid} after a later one"));
        }
        member.last_cast = Some(number);
        if kind != Kind::Volatile && member.casts_owed.pop_front() != Some(number) {
            return Err(format!("cast {number} came to member {uid} out of order"));
        }
        Ok(())
    }

    /// The client got the entry.
    pub(crate) fn got(&mut self, uid: usize, position: u64) -> Verdict {
        self.play(uid, position);
        let member = &mut self.members[uid];
        match member.owed.get(member.got) {
            _ if !member.alive && member.kept.is_none() => {
                Err(format!("entry {position} came to member {uid}, which is gone"))
            }
            Some(&owed) if owed == position => {
                member.got += 1;
                Ok(())
            }
            Some(&owed) if owed < position => Err(format!("member {uid} got entry {position} without {owed}")),
            _ => Err(format!("entry {position} is not for member {uid}, or came to it again")),
        }
    }

    /// The client must have everything.
    pub(crate) fn complete(&mut self, uid: usize, upto: u64) -> Verdict {
        self.play(uid, upto);
        let member = &self.members[uid];
        if let Some(&owed) = member.owed.get(member.got).filter(|&&owed| owed <= upto) {
            return Err(format!("member {uid} did not get entry {owed}"));
        }
        match member.casts_owed.front() {
            Some(cast) => Err(format!("member {uid} did not get cast {cast}")),
            None => Ok(()),
        }
    }

    /// Who a target means after everything up to `at`.
    pub(crate) fn meant(&mut self, aim: &Aim, shard: usize, at: u64) -> Vec<usize> {
        (0..self.members.len()).for_each(|uid| self.play(uid, at));
        let here = |uid: &usize| {
            let member = &self.members[*uid];
            member.is_here() && member.shard == shard && member.is_meant(*uid, aim)
        };
        (0..self.members.len()).filter(here).collect()
    }

    /// Plays the member's history through, up to and including the entry at `upto` and its own changes there.
    pub(crate) fn play(&mut self, uid: usize, upto: u64) {
        let member = &mut self.members[uid];
        loop {
            while let Some(&(at, change)) = member.changes.front()
                && at <= member.at
            {
                member.changes.pop_front();
                member.apply(change);
            }
            if member.at >= upto {
                return;
            }
            member.at += 1;
            let (aim, say) = &self.log[member.at as usize - 1];
            if !member.is_meant(uid, aim) {
                continue;
            }
            match *say {
                Say::Emit => member.owed.push(member.at),
                Say::Join(rooms) if member.in_ns => member.rooms |= rooms,
                Say::Join(_) | Say::Note => {}
                Say::Begin => member.apply(Change::Enter),
                Say::Leave(rooms) => bits(rooms).for_each(|room| member.apply(Change::Leave(room))),
                Say::Disconnect => member.apply(Change::End),
            }
        }
    }
}

impl Member {
    fn is_in(&self, room: Option<u32>) -> bool {
        room.map_or(self.in_ns, |room| self.rooms >> room & 1 == 1)
    }

    fn is_meant(&self, uid: usize, aim: &Aim) -> bool {
        let named = match aim.to {
            AimTo::Everyone => self.in_ns,
            AimTo::Rooms(rooms, other) => self.rooms & rooms != 0 || other == Some(uid),
            AimTo::Socket(other) => other == uid,
        };
        self.ns == aim.ns && !self.ended && named && self.rooms & aim.except_rooms == 0 && aim.except != Some(uid)
    }

    fn apply(&mut self, change: Change) {
        match change {
            // The shard may not know yet that an entry ended it.
            Change::Join(room) | Change::Leave(room) if self.ended => {
                self.out_at.insert(Some(room), self.at);
            }
            Change::Enter | Change::End if self.ended => {
                self.out_at.insert(None, self.at);
            }
            Change::Enter => self.in_ns = true,
            Change::Join(room) => self.rooms |= 1 << room,
            Change::Leave(room) => {
                // Also of a room it is not in: the shard remembers the leave until it has walked what stands before.
                self.out_at.insert(Some(room), self.at);
                self.rooms &= !(1 << room);
            }
            Change::End => {
                bits(self.rooms).for_each(|room| self.apply(Change::Leave(room)));
                self.out_at.insert(None, self.at);
                (self.in_ns, self.ended, self.ended_at) = (false, true, self.at);
            }
        }
    }
}

/// The numbers of the bits that are set.
pub(crate) fn bits(set: u32) -> impl Iterator<Item = u32> {
    (0..32).filter(move |bit| set >> bit & 1 == 1)
}
