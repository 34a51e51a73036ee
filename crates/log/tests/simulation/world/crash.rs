//! The death of the process: everything but the log is lost, and built again from what the log holds. What must be left
//! is `model`.

use std::sync::Arc;

use bytestring::ByteString;
use trunkline_delivery::{Entry, Interest, Position, Restored, Wanted};
use trunkline_log::{Adapter, ReadError};

use super::sessions::{data, private_id};
use super::{Phase, Shard, World, now};
use crate::client::Client;
use crate::model::Verdict;

/// For how long a session that is not written again can be claimed after a crash, beside the window.
const SILENT: u64 = 50;

impl World {
    pub(super) fn crash(&mut self, loses: bool) -> Verdict {
        self.model.epoch += u64::from(loses);
        self.clients.iter_mut().for_each(Client::lose);
        self.hellos.clear();
        for shard in &self.shards {
            self.seen.add(&shard.wires.seen);
        }
        self.distributed = self.log.committed();
        self.interest = Interest::new(self.shards.len(), false);
        self.mutation.of_interest(&mut self.interest);
        let held_after = match self.log.pin(Position::ZERO) {
            Err(ReadError::Gone { oldest }) => oldest.before(),
            Ok(_) | Err(_) => Position::ZERO,
        };
        let written_since = self.now.saturating_sub(self.config.window + SILENT);
        let acts = now(self.log.acts()).map_err(|error| error.to_string())?;
        let upto = self.distributed.number();
        let mut expected = self.model.crash(upto, held_after.number(), written_since, self.now);
        self.seen.restored += expected.len() as u64;
        for index in 0..self.shards.len() {
            let wanted = Wanted {
                shard: index,
                shards: self.shards.len(),
                held_after,
                epoch: self.model.epoch,
                written_since,
                now: self.now,
            };
            let restored = self.restart(index, &acts, wanted)?;
            expected.retain(|uid| !restored.contains(uid));
        }
        if expected.is_empty() { Ok(()) } else { Err(format!("the sessions of members {expected:?} are lost")) }
    }

    fn restart(&mut self, index: usize, acts: &[Arc<Entry>], wanted: Wanted) -> Result<Vec<usize>, String> {
        self.shards[index] = Shard::new(&self.config, self.mutation);
        let Shard { delivery, kept, .. } = &mut self.shards[index];
        let restored = delivery.rebuild(kept, acts, wanted);
        let mut uids = Vec::new();
        for restored in restored {
            uids.push(self.recognise(index, &restored)?);
        }
        self.shards[index].delivery.handed_up_to(self.distributed);
        self.listen(index, |delivery, ear| {
            delivery.walk(usize::MAX, ear);
            Phase::Idle
        })?;
        let Self { interest, shards, .. } = self;
        shards[index].delivery.each_room(|ns, room| {
            interest.add(ns, room, index);
        });
        Ok(uids)
    }

    /// Whose session it is, and whether it is all there.
    fn recognise(&mut self, index: usize, restored: &Restored) -> Result<usize, String> {
        let Restored { member, session, data: changes } = restored;
        let (_, id) = self.shards[index].delivery.name_of(*member).ok_or("a session without a member")?;
        let uid = self.ids.iter().position(|other| *other == id).ok_or_else(|| format!("who is {id}?"))?;
        if !self.model.members[uid].alive || *session.private_id != private_id(uid) {
            return Err(format!("member {uid} is risen"));
        }
        let confirmed = self.shards[index].delivery.confirmed(*member).number();
        if confirmed != self.model.kept(uid).confirmed {
            return Err(format!("member {uid} has confirmed {confirmed} after a crash"));
        }
        let written = Some(session.data.clone()).filter(|data| !data.is_empty());
        let last: Option<ByteString> = changes.last().map_or(written, |(_, value)| value.clone());
        if last != data(self.model.kept(uid).data) {
            return Err(format!("the data of member {uid} is {last:?}"));
        }
        self.shards[index].wires.uids.insert(*member, uid);
        Ok(uid)
    }
}
