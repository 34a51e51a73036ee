//! The past of a room, as far as the log holds it. What is kept and for how long is the log's to say.

use std::future::IntoFuture;
use std::sync::Arc;

use trunkline_delivery::{Entry, Position};
use trunkline_log::{HistoryQuery, ReadError, Take};
use trunkline_proto::Args;

use crate::server::ServerCore;

/// A request for the past of a room; await it for the events, oldest first.
#[derive(Clone, Debug)]
pub struct History {
    server: Arc<ServerCore>,
    query: HistoryQuery,
}

/// An event of the past.
#[derive(Clone, Debug)]
pub struct PastEvent {
    /// Its position in the log.
    pub position: Position,
    /// Its name.
    pub name: bytestring::ByteString,
    /// Its arguments.
    pub args: Args,
}

impl History {
    pub(crate) fn new(server: Arc<ServerCore>, query: HistoryQuery) -> Self {
        Self { server, query }
    }

    /// Only what came after this position, from the oldest on: the position of the last event of a page begins the next.
    #[must_use]
    pub fn after(mut self, position: Position) -> Self {
        self.query.after = position;
        let (Take::Newest(limit) | Take::Oldest(limit)) = self.query.take;
        self.query.take = Take::Oldest(limit);
        self
    }

    /// So many of them at most, the newest unless [`History::after`] says otherwise; [`crate::limits::HISTORY_PAGE`] by
    /// default.
    #[must_use]
    pub fn limit(mut self, events: usize) -> Self {
        self.query.take = match self.query.take {
            Take::Newest(_) => Take::Newest(events),
            Take::Oldest(_) => Take::Oldest(events),
        };
        self
    }
}

impl IntoFuture for History {
    type Output = Result<Vec<PastEvent>, ReadError>;
    type IntoFuture = std::pin::Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let entries = self.server.hub().adapter().history(self.query).await?;
            Ok(entries.iter().filter_map(|entry| past_event(entry)).collect())
        })
    }
}

fn past_event(entry: &Entry) -> Option<PastEvent> {
    match &entry.act {
        trunkline_delivery::Act::Emit { event, .. } => {
            Some(PastEvent { position: entry.position, name: event.name.clone(), args: event.args.clone() })
        }
        _ => None,
    }
}
