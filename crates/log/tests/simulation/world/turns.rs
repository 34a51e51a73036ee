//! A shard's turn in slices, with every pause that it may make, and what the library does with what the machine says in
//! it. What comes of it for sessions is `sessions`.

use trunkline_delivery::{Delivery, Position};
use trunkline_log::{Adapter, Page, PageLimit, ReadError};

use super::{Phase, Shard, World, now};
use crate::model::Verdict;
use crate::wire::Ear;

impl World {
    /// One slice of the shard's turn.
    pub(super) fn turn(&mut self, index: usize, budget: usize, choice: u32) -> Verdict {
        let shard = &mut self.shards[index];
        match std::mem::replace(&mut shard.phase, Phase::Idle) {
            Phase::Idle => shard.phase = Phase::Mail(self.distributed),
            Phase::Mail(read) => {
                shard.take_mail(if choice.is_multiple_of(4) { choice as usize / 4 % 3 } else { usize::MAX });
                if shard.tray.is_empty() {
                    shard.delivery.handed_up_to(read);
                }
                shard.phase = Phase::Walk;
            }
            Phase::Walk => {
                if choice.is_multiple_of(8) {
                    shard.take_mail(choice as usize / 8 % 3);
                }
                return self.walk(index, budget);
            }
            Phase::Write => {
                shard.phase = Phase::Write;
                match shard.wires.touched() {
                    Some(conn) => shard.wires.write(conn, &mut shard.delivery, &mut self.model)?,
                    None => shard.phase = Phase::Sweep,
                }
                return shard.wires.bury(&mut shard.delivery, &mut self.model);
            }
            Phase::Sweep => return self.sweep(index, budget, choice),
            Phase::Page(from, page) if choice % 10 < self.config.waits => shard.phase = Phase::Page(from, page),
            Phase::Page(from, page) => return self.give_page(index, from, page),
        }
        Ok(())
    }

    fn walk(&mut self, index: usize, budget: usize) -> Verdict {
        self.listen(index, |delivery, ear| {
            let done = delivery.walk(budget, ear);
            if done { Phase::Write } else { Phase::Walk }
        })
    }

    fn sweep(&mut self, index: usize, budget: usize, choice: u32) -> Verdict {
        let shard = &mut self.shards[index];
        if choice.is_multiple_of(16) {
            shard.take_mail(1);
        }
        if shard.delivery.has_walk() {
            shard.phase = Phase::Walk;
            return Ok(());
        }
        let Some(from) = shard.delivery.sweep_from() else { return self.end_turn(index) };
        let page = now(self.log.read(from, PageLimit { entries: 1 + budget % 8, bytes: usize::MAX }));
        if choice % 10 < self.config.waits {
            shard.phase = Phase::Page(from, page);
            return Ok(());
        }
        self.give_page(index, from, page)
    }

    fn give_page(&mut self, index: usize, from: Position, page: Result<Page, ReadError>) -> Verdict {
        let shard = &mut self.shards[index];
        match page {
            _ if shard.delivery.has_walk() => {
                shard.phase = Phase::Walk;
                Ok(())
            }
            Ok(page) => self.listen(index, |delivery, ear| {
                ear.swept = true;
                delivery.sweep(from, &page.entries, page.upto, ear);
                Phase::Write
            }),
            Err(ReadError::Gone { oldest }) => self.cut(index, oldest),
            Err(error) => Err(error.to_string()),
        }
    }

    fn cut(&mut self, index: usize, oldest: Position) -> Verdict {
        let shard = &mut self.shards[index];
        shard.phase = Phase::Sweep;
        for member in shard.delivery.take_passed(oldest) {
            let Some(&uid) = self.shards[index].wires.uids.get(&member) else { continue };
            if !self.model.members[uid].lagging {
                return Err(format!("member {uid} was cut, though it is not behind"));
            }
            let Some((conn, _)) = self.shards[index].wires.seat(uid) else { continue };
            self.close(index, conn, false)?;
            self.seen.cuts += 1;
        }
        Ok(())
    }

    fn end_turn(&mut self, index: usize) -> Verdict {
        let shard = &mut self.shards[index];
        if shard.wires.touched().is_some() {
            shard.phase = Phase::Write;
            return Ok(());
        }
        shard.wires.bury(&mut shard.delivery, &mut self.model)?;
        let position = shard.delivery.position();
        for (ns, room) in shard.delivery.take_vacated() {
            self.interest.remove(&ns, room.as_deref(), index, position);
        }
        self.model.at_rest(index, position.number(), self.distributed.number());
        Ok(())
    }

    /// Runs the machine with an ear at it, and does what the library does with what it hears.
    pub(super) fn listen(&mut self, index: usize, run: impl FnOnce(&mut Delivery, &mut Ear<'_>) -> Phase) -> Verdict {
        let Shard { delivery, wires, phase, pins, .. } = &mut self.shards[index];
        let mut ear = Ear {
            shard: index,
            wires,
            model: &mut self.model,
            joined: Vec::new(),
            began: Vec::new(),
            ended: Vec::new(),
            caught_up: Vec::new(),
            delivered: 0,
            swept: false,
            verdict: Ok(()),
        };
        *phase = run(delivery, &mut ear);
        let Ear { joined, began, ended, caught_up, verdict, delivered, swept, .. } = ear;
        wires.release_passed(delivery);
        caught_up.iter().for_each(|member| drop(pins.remove(member)));
        *(if swept { &mut self.seen.swept } else { &mut self.seen.walked }) += delivered;
        for (uid, room) in joined {
            self.interest.add(&self.namespaces[self.model.members[uid].ns], Some(&room), index);
        }
        verdict?;
        self.see_to_sessions(index, began, ended)
    }
}
