//! The sessions of one shard: who may come back to which member, until when, and from where. Members and what they are
//! owed are `delivery`; secrets, clocks and connections are the caller's.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::mutant::{Mutant, Wrong};
use crate::{Delivery, MemberKey, Offset, Position};

/// Sessions by their private id. Times are milliseconds of the caller's clocks.
#[derive(Debug)]
pub struct Sessions {
    kept: HashMap<Arc<str>, Kept>,
    /// Those without a connection, by when they are forgotten.
    away: BTreeSet<(u64, Arc<str>)>,
    by_member: HashMap<MemberKey, Arc<str>>,
    window: u64,
    limit: usize,
    pub(crate) wrong: Wrong,
}

/// A session as its shard knows it.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The member that it is.
    pub member: MemberKey,
    /// Its namespace.
    pub ns: Arc<str>,
    /// Where it began: nothing up to here is owed.
    pub start: Position,
    /// When it must not be claimed any more, in milliseconds since 1970.
    pub valid_until: Option<u64>,
    /// When it is forgotten, while nobody is connected.
    expires: Option<u64>,
}

/// What a returning client says.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The namespace it asks for.
    pub ns: &'a str,
    /// The private id that it was given.
    pub private_id: &'a str,
    /// What it sent as offset, `None` if nothing.
    pub offset: Option<&'a str>,
}

/// A claim that is good, as far as the shard can tell; whether the log still holds the place is for the log to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who it is.
    pub member: MemberKey,
    /// What is after this is owed.
    pub from: Position,
}

/// Why a client begins afresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// There is no such session (any more).
    Unknown,
    /// It is the session of another namespace.
    OtherNamespace,
    /// The application said that it is not valid any more.
    NotValid,
    /// The offset is the application's own.
    ForeignOffset,
    /// The offset is from a future that this log has lost.
    Ahead,
}

impl Refused {
    /// A word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::OtherNamespace => "other_namespace",
            Self::NotValid => "not_valid",
            Self::ForeignOffset => "foreign_offset",
            Self::Ahead => "ahead",
        }
    }
}

impl Sessions {
    /// No sessions yet. Those without a connection are kept for `window` milliseconds, and at most `limit` of them: over
    /// it the ones that would be forgotten first are.
    #[must_use]
    pub fn new(window: u64, limit: usize) -> Self {
        Self {
            kept: HashMap::new(),
            away: BTreeSet::new(),
            by_member: HashMap::new(),
            window,
            limit,
            wrong: Wrong::default(),
        }
    }

    /// A session begins, with a connection.
    pub fn open(&mut self, private_id: Arc<str>, member: MemberKey, ns: Arc<str>, start: Position) {
        self.by_member.insert(member, private_id.clone());
        self.kept.insert(private_id, Kept { member, ns, start, valid_until: None, expires: None });
    }

    /// When the session must not be claimed any more.
    pub fn set_valid_until(&mut self, private_id: &str, valid_until: Option<u64>) {
        if let Some(kept) = self.kept.get_mut(private_id) {
            kept.valid_until = valid_until;
        }
    }

    /// The session's member has its place: where it starts.
    pub fn set_start(&mut self, member: MemberKey, start: Position) {
        if let Some(kept) = self.by_member.get(&member).and_then(|id| self.kept.get_mut(id)) {
            kept.start = start;
        }
    }

    /// The private id of a member's session.
    #[must_use]
    pub fn id_of(&self, member: MemberKey) -> Option<&Arc<str>> {
        self.by_member.get(&member)
    }

    /// The session with this private id.
    #[must_use]
    pub fn get(&self, private_id: &str) -> Option<&Kept> {
        self.kept.get(private_id)
    }

    /// Judges a returning client, at `unix` milliseconds since 1970. `log` is what offsets of this log say of it.
    ///
    /// An offset of another log, or from before the session, counts as none; without one the client is owed everything
    /// from the session's start, or from what it has confirmed.
    ///
    /// # Errors
    ///
    /// Why there is nothing to come back to.
    pub fn claim(&self, ask: Ask<'_>, log: u32, delivery: &Delivery, unix: u64) -> Result<Claim, Refused> {
        let kept = self.kept.get(ask.private_id).ok_or(Refused::Unknown)?;
        if *kept.ns != *ask.ns && !self.wrong.is(Mutant::ClaimTakesOtherNamespace) {
            return Err(Refused::OtherNamespace);
        }
        let late = |until| until <= unix && !self.wrong.is(Mutant::ClaimTakesNotValid);
        if kept.valid_until.is_some_and(late) {
            return Err(Refused::NotValid);
        }
        let confirmed = delivery.confirmed(kept.member);
        let known = if self.wrong.is(Mutant::ClaimIgnoresConfirmed) { kept.start } else { kept.start.max(confirmed) };
        let from = match ask.offset {
            None => known,
            Some(text) => {
                let offset = match Offset::parse(text) {
                    None if self.wrong.is(Mutant::ClaimTakesForeign) => Offset { log, position: known },
                    offset => offset.ok_or(Refused::ForeignOffset)?,
                };
                match offset.log == log || self.wrong.is(Mutant::ClaimTakesOtherLog) {
                    true if self.wrong.is(Mutant::ClaimTrustsOffset) => offset.position,
                    true => offset.position.max(known),
                    false => known,
                }
            }
        };
        if from > delivery.position() {
            return Err(Refused::Ahead);
        }
        Ok(Claim { member: kept.member, from })
    }

    /// The session has a connection (again).
    pub fn attached(&mut self, member: MemberKey) {
        let Some(id) = self.by_member.get(&member) else { return };
        if let Some(expires) = self.kept.get_mut(id).and_then(|kept| kept.expires.take())
            && !self.wrong.is(Mutant::AttachedExpires)
        {
            self.away.remove(&(expires, id.clone()));
        }
    }

    /// The session's connection is gone. Returns who is over the limit now, to be ended.
    pub fn detached(&mut self, member: MemberKey, now: u64) -> Option<MemberKey> {
        let id = self.by_member.get(&member)?.clone();
        let kept = self.kept.get_mut(&id)?;
        if kept.expires.is_none() {
            let expires = now.saturating_add(self.window);
            kept.expires = Some(expires);
            self.away.insert((expires, id));
        }
        if self.away.len() <= self.limit {
            return None;
        }
        let newest = self.wrong.is(Mutant::CrowdsOutNewest);
        let (_, first) = if newest { self.away.last()? } else { self.away.first()? };
        self.kept.get(first).map(|kept| kept.member)
    }

    /// The session is over.
    pub fn end(&mut self, member: MemberKey) -> Option<Arc<str>> {
        let id = self.by_member.remove(&member)?;
        let kept = self.kept.remove(&id)?;
        if let Some(expires) = kept.expires {
            self.away.remove(&(expires, id.clone()));
        }
        Some(id)
    }

    /// A member whose time without a connection is over at `now`, to be ended.
    #[must_use]
    pub fn expired(&self, now: u64) -> Option<MemberKey> {
        let (expires, id) = self.away.first()?;
        if *expires > now || self.wrong.is(Mutant::ExpiredStays) {
            None
        } else {
            self.kept.get(id).map(|kept| kept.member)
        }
    }

    /// When the next session is forgotten.
    #[must_use]
    pub fn next_expiry(&self) -> Option<u64> {
        self.away.first().map(|(expires, _)| *expires)
    }

    /// Sessions, with and without a connection.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Sessions without a connection.
    #[must_use]
    pub fn away(&self) -> usize {
        self.away.len()
    }
}
