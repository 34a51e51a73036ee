//! Plain HTTP beside Socket.IO: the past of public rooms, and whether the server can take what is emitted.
//! The pages and `/healthz` are in `pages`.

mod history;
mod query;
mod waiting;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::task::JoinSet;
use trunkline::Server;

use crate::options::Options;
use crate::public::PublicRoom;
use waiting::Waiting;

/// What the answers are made from; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    io: Server,
    public: Arc<[PublicRoom]>,
    waiting: Waiting,
}

impl Api {
    /// Begins to watch the log if there are public rooms; that ends with `background`.
    pub(crate) fn start(io: &Server, options: &Options, background: &mut JoinSet<()>) -> Self {
        let (waiting, watch) = Waiting::new(io);
        if !options.public_rooms.is_empty() {
            background.spawn(watch);
        }
        Self { io: io.clone(), public: options.public_rooms.clone().into(), waiting }
    }

    pub(crate) fn router(self) -> Router {
        Router::new().route("/ready", get(ready)).route("/api/history", get(history::history)).with_state(self)
    }
}

async fn ready(State(api): State<Api>) -> (StatusCode, String) {
    match api.io.trouble() {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}
