//! What a server tells the `metrics` facade about itself. Nothing is recorded unless the application installs a recorder
//! before it builds the server; what is exported, and where, is its choice.
//!
//! | name | kind | |
//! | --- | --- | --- |
//! | `trunkline_connections` | gauge | open connections |
//! | `trunkline_members` | gauge | sockets in a namespace, those away included |
//! | `trunkline_members_behind` | gauge | sockets that lag behind the log while they are connected |
//! | `trunkline_sessions_away` | gauge | sessions without a connection |
//! | `trunkline_entries_appended_total` | counter | entries of this process that the log has |
//! | `trunkline_appends_failed_total` | counter | batches that the log did not take |
//! | `trunkline_append_seconds` | histogram | from an append to its commit, where it was not at once |
//! | `trunkline_deliveries_total` | counter | events written for a client, one for each entry and socket |
//! | `trunkline_connections_cut_total` | counter | connections closed for being too slow for the log |
//! | `trunkline_returns_total` | counter | clients that came back, by `result`: `recovered`, or why not |
//! | `trunkline_log_*` | gauge | what the log says of itself |
//!
//! Gauges of shards are brought up to date at most once a second.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use trunkline_engine::wheel::Millis;

/// The figures that all shards of a server share.
pub(crate) struct Figures {
    pub(crate) connections: Gauge,
    pub(crate) appended: Counter,
    pub(crate) failed: Counter,
    pub(crate) append_seconds: Histogram,
    members: Gauge,
    behind: Gauge,
    away: Gauge,
    deliveries: Counter,
    cut: Counter,
}

impl Figures {
    pub(crate) fn new() -> Self {
        Self {
            connections: gauge!("trunkline_connections"),
            appended: counter!("trunkline_entries_appended_total"),
            failed: counter!("trunkline_appends_failed_total"),
            append_seconds: histogram!("trunkline_append_seconds"),
            members: gauge!("trunkline_members"),
            behind: gauge!("trunkline_members_behind"),
            away: gauge!("trunkline_sessions_away"),
            deliveries: counter!("trunkline_deliveries_total"),
            cut: counter!("trunkline_connections_cut_total"),
        }
    }

    /// A client came back, with this result.
    pub(crate) fn returned(result: &'static str) {
        counter!("trunkline_returns_total", "result" => result).increment(1);
    }
}

/// What one shard has told so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Told {
    pub(crate) members: usize,
    pub(crate) behind: usize,
    pub(crate) away: usize,
    pub(crate) deliveries: u64,
    pub(crate) cut: u64,
}

/// How often a shard tells its figures, in milliseconds.
const EVERY: Millis = 1000;

/// One shard's part: it tells what has changed.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    told: Told,
    /// When it told last, by the shard's clock.
    at: Millis,
}

impl Meter {
    /// Whether it is time to tell; the next time is counted from now then.
    pub(crate) fn take_turn(&mut self, now: Millis) -> bool {
        let due = now.saturating_sub(self.at) >= EVERY;
        if due {
            self.at = now;
        }
        due
    }

    /// Tells what is different now.
    pub(crate) fn tell(&mut self, figures: &Figures, now: Told) {
        let by = |gauge: &Gauge, before: usize, now: usize| {
            if before != now {
                // The numbers of things in a process are exact in a double.
                #[allow(clippy::cast_precision_loss, reason = "see above")]
                gauge.increment(now as f64 - before as f64);
            }
        };
        by(&figures.members, self.told.members, now.members);
        by(&figures.behind, self.told.behind, now.behind);
        by(&figures.away, self.told.away, now.away);
        figures.deliveries.increment(now.deliveries - self.told.deliveries);
        figures.cut.increment(now.cut - self.told.cut);
        self.told = now;
    }
}
