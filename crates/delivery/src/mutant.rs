//! Wrongs that a test can switch on, to show that the simulation in `trunkline-log` would find them. Without the feature `mutants` there
//! are none, and asking for one costs nothing.

/// A wrong that the feature `mutants` puts into the machine.
#[cfg_attr(not(feature = "mutants"), allow(unreachable_pub, reason = "public with the feature only"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// The walk gives entries from before a join.
    WalkIgnoresSince,
    /// The walk gives entries from after a leave.
    WalkIgnoresUntil,
    /// Nobody is left out.
    ExceptIsIgnored,
    /// A member of two rooms gets an entry for each.
    TwiceInTwoRooms,
    /// A member that is gone is still reached by its id.
    EndedIsStillNamed,
    /// A member that takes bytes again joins the walk though it lacks entries.
    RejoinsEarly,
    /// A member that waits for a page is not seen to stand at the head.
    HeadIsNotSeen,
    /// The sweep gives what the shard has not walked yet.
    SweepOvertakesWalk,
    /// A page is given to members that stand before its start.
    SweepTakesEarlier,
    /// What the wire did not take counts as given.
    LagPutsNothingBack,
    /// Closed seats of members behind are let go.
    SettlesWhileLagging,
    /// Closed seats are let go before what they brought is written.
    SettlesBeforeWritten,
    /// A member is taken out of the rooms under a paused walk.
    RemovesUnderWalk,
    /// A member that the log has passed is not named.
    PassedIsForgotten,
    /// A volatile cast reaches members that are behind.
    VolatileWhileLagging,
    /// A cast does not wait for what a member behind lacks.
    CastOvertakes,
    /// A leave before an act that joins is forgotten.
    LeaveLeavesNoMark,
    /// A join before an act that leaves is forgotten.
    JoinDoesNotSplit,
    /// An act that joins registers no interest.
    JoinIsNotPromised,
    /// A session that begins registers no interest in its namespace.
    BeginningIsNotPromised,
    /// A room's interest goes despite a later promise.
    RemovesDespitePromise,
    /// A promise stays though it was kept.
    PromiseOutlivesItsRoom,
    /// Nothing is given back where an act made nobody join.
    PromiseIsNotGivenBack,
    /// A room counts as vacated though somebody has joined it again.
    VacatesWhatIsTakenAgain,
    /// Closed seats are let go before the client has confirmed what they brought.
    SettlesBeforeConfirmed,
    /// Members without a connection are given casts.
    AwayAreReached,
    /// Acts do not reach members that are away.
    ActsPassAway,
    /// A member that an entry ended while it was away can come back.
    StaysAfterDisconnect,
    /// A session that begins is owed what was said before.
    BeginsBeforeItsEntry,
    /// Interest in a namespace stays though the session that began was gone.
    BeginningIsNotGivenBack,
    /// What was left before a session began stays.
    KeepSettlesNothing,
    /// A claim without an offset goes back to the start, whatever is confirmed.
    ClaimIgnoresConfirmed,
    /// An offset from before the session counts.
    ClaimTrustsOffset,
    /// An offset of another log counts.
    ClaimTakesOtherLog,
    /// The application's own offset counts as none.
    ClaimTakesForeign,
    /// A session that is not valid any more can be claimed.
    ClaimTakesNotValid,
    /// A session can be claimed from another namespace.
    ClaimTakesOtherNamespace,
    /// A session is not forgotten when its time is over.
    ExpiredStays,
    /// A session that has a connection again is still forgotten.
    AttachedExpires,
    /// Over the limit the session that has waited least is forgotten.
    CrowdsOutNewest,
    /// A member that comes back misses what was said meanwhile.
    AttachesAtHead,
    /// A member that comes back is still reached on its old connection.
    AttachKeepsOld,
    /// A member behind counts as given everything.
    GivenIgnoresLag,
    /// A pong confirms what was given to the connection before.
    PongOutlivesConnection,
    /// A session that was written later than it holds as of misses what came between.
    RestoreIgnoresAsOf,
    /// A restored session is in no room.
    RestoreForgetsRooms,
    /// A restored session is not owed what was said in rooms that it has left.
    RestoreForgetsLeft,
    /// What happened after a session was written is forgotten.
    RestoreForgetsActs,
    /// A restored session has confirmed nothing.
    RestoreForgetsConfirmed,
    /// What was set after a session was written is forgotten.
    RestoreForgetsData,
    /// A session that is over comes back.
    RestoreIgnoresEnd,
    /// A session is restored though the log lost what happened to it.
    RestoreTakesIncomplete,
    /// A session of another log is restored.
    RestoreTakesOtherLog,
    /// A session is restored however old it is.
    RestoreTakesStale,
}

/// The wrong that is switched on, if any.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wrong(#[cfg(feature = "mutants")] Option<Mutant>);

impl Wrong {
    #[cfg(not(feature = "mutants"))]
    pub(crate) const fn is(self, _: Mutant) -> bool {
        false
    }
}

#[cfg(feature = "mutants")]
mod switch {
    use super::{Mutant, Wrong};
    use crate::{Delivery, Interest, Sessions};

    impl Wrong {
        pub(crate) fn is(self, mutant: Mutant) -> bool {
            self.0 == Some(mutant)
        }
    }

    impl Delivery {
        /// Switches a wrong on.
        pub fn mutate(&mut self, mutant: Mutant) {
            self.members.wrong = Wrong(Some(mutant));
        }
    }

    impl Interest {
        /// Switches a wrong on.
        pub fn mutate(&mut self, mutant: Mutant) {
            self.wrong = Wrong(Some(mutant));
        }
    }

    impl Sessions {
        /// Switches a wrong on.
        pub fn mutate(&mut self, mutant: Mutant) {
            self.wrong = Wrong(Some(mutant));
        }
    }

    impl Mutant {
        /// All of them.
        pub const ALL: &[Self] = &[
            Self::WalkIgnoresSince,
            Self::WalkIgnoresUntil,
            Self::ExceptIsIgnored,
            Self::TwiceInTwoRooms,
            Self::EndedIsStillNamed,
            Self::RejoinsEarly,
            Self::HeadIsNotSeen,
            Self::SweepOvertakesWalk,
            Self::SweepTakesEarlier,
            Self::LagPutsNothingBack,
            Self::SettlesWhileLagging,
            Self::SettlesBeforeWritten,
            Self::RemovesUnderWalk,
            Self::PassedIsForgotten,
            Self::VolatileWhileLagging,
            Self::CastOvertakes,
            Self::LeaveLeavesNoMark,
            Self::JoinDoesNotSplit,
            Self::JoinIsNotPromised,
            Self::BeginningIsNotPromised,
            Self::RemovesDespitePromise,
            Self::PromiseOutlivesItsRoom,
            Self::PromiseIsNotGivenBack,
            Self::VacatesWhatIsTakenAgain,
            Self::SettlesBeforeConfirmed,
            Self::AwayAreReached,
            Self::ActsPassAway,
            Self::StaysAfterDisconnect,
            Self::BeginsBeforeItsEntry,
            Self::BeginningIsNotGivenBack,
            Self::KeepSettlesNothing,
            Self::ClaimIgnoresConfirmed,
            Self::ClaimTrustsOffset,
            Self::ClaimTakesOtherLog,
            Self::ClaimTakesForeign,
            Self::ClaimTakesNotValid,
            Self::ClaimTakesOtherNamespace,
            Self::ExpiredStays,
            Self::AttachedExpires,
            Self::CrowdsOutNewest,
            Self::AttachesAtHead,
            Self::AttachKeepsOld,
            Self::GivenIgnoresLag,
            Self::PongOutlivesConnection,
            Self::RestoreIgnoresAsOf,
            Self::RestoreForgetsRooms,
            Self::RestoreForgetsLeft,
            Self::RestoreForgetsActs,
            Self::RestoreForgetsConfirmed,
            Self::RestoreForgetsData,
            Self::RestoreIgnoresEnd,
            Self::RestoreTakesIncomplete,
            Self::RestoreTakesOtherLog,
            Self::RestoreTakesStale,
        ];
    }
}
