//! Where committed entries are spread to the shards they concern, in log order, and the table of rooms that says which
//! those are. One lock; what is done under it costs the batch, not the members.

use std::sync::{Arc, Mutex, MutexGuard};

use trunkline_delivery::{Cast, Interest, Item, Position, Room, ShardSet, Target};
use trunkline_log::Adapter;

use crate::common::lock;
use crate::mailbox::Mailbox;

/// The one place through which entries reach the shards.
#[derive(Debug)]
pub(crate) struct Hub {
    adapter: Arc<dyn Adapter>,
    shards: Vec<Arc<Mailbox>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    interest: Interest,
    /// Everything up to here has been handed to the shards it concerns.
    distributed: Position,
}

impl Hub {
    pub(crate) fn new(adapter: Arc<dyn Adapter>, shards: Vec<Arc<Mailbox>>, own_ids: bool) -> Self {
        let interest = Interest::new(shards.len(), own_ids);
        let distributed = adapter.committed();
        Self { adapter, shards, state: Mutex::new(State { interest, distributed }) }
    }

    pub(crate) fn adapter(&self) -> &Arc<dyn Adapter> {
        &self.adapter
    }

    pub(crate) fn shards(&self) -> &[Arc<Mailbox>] {
        &self.shards
    }

    /// Hands what was committed since the last call to the shards it concerns, and wakes those; `own` is awake.
    pub(crate) fn distribute(&self, own: Option<usize>) {
        let mut state = self.state();
        let page = self.adapter.tail(state.distributed);
        let mut wake = ShardSet::default();
        for entry in page.entries {
            let concerned = state.interest.route_entry(&entry);
            wake = wake.union(concerned);
            for shard in concerned.iter() {
                self.shards[shard].push_item(Item::Entry(entry.clone()));
            }
        }
        state.distributed = state.distributed.max(page.upto);
        drop(state);
        self.wake(wake, own);
    }

    /// Hands a cast to the shards it concerns, behind everything that was distributed before. Returns how many.
    pub(crate) fn cast(&self, cast: &Arc<Cast>, own: Option<usize>, on_route: impl FnOnce(usize)) {
        let state = self.state();
        let concerned = state.interest.route(&cast.target);
        // Told before any shard can report back.
        on_route(concerned.iter().count());
        for shard in concerned.iter() {
            self.shards[shard].push_item(Item::Cast(cast.clone()));
        }
        drop(state);
        self.wake(concerned, own);
    }

    /// The shard has a member of the room (`None`: the namespace) from the returned position on: every later entry for
    /// it will be handed over. The flag says that no shard had one before.
    pub(crate) fn join(&self, ns: &Arc<str>, room: Option<&Room>, shard: usize) -> (Position, bool) {
        let mut state = self.state();
        let created = state.interest.add(ns, room, shard);
        (state.distributed, created)
    }

    /// The position up to which entries have been handed over.
    pub(crate) fn distributed(&self) -> Position {
        self.state().distributed
    }

    /// Takes rooms that the shard has no members of any more out of the table; returns those that nobody has.
    pub(crate) fn vacate(
        &self,
        rooms: Vec<(Arc<str>, Option<Room>)>,
        shard: usize,
        as_of: Position,
    ) -> Vec<(Arc<str>, Option<Room>)> {
        let mut state = self.state();
        let mut deleted = rooms;
        deleted.retain(|(ns, room)| state.interest.remove(ns, room.as_deref(), shard, as_of));
        deleted
    }

    /// Which shards a target concerns at the moment.
    pub(crate) fn route(&self, target: &Target) -> ShardSet {
        self.state().interest.route(target)
    }

    fn wake(&self, shards: ShardSet, own: Option<usize>) {
        for shard in shards.iter().filter(|&shard| Some(shard) != own) {
            self.shards[shard].wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}
