//! A page of the past of a public room: read at once, or when something new is there.
//! What is asked is read in `query`; the page itself is the library's.

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::Instant;
use trunkline::{PastEvent, Position};

use super::Api;
use super::query::Asked;
use crate::json;

/// The answer.
#[derive(Debug, Serialize)]
struct Page {
    /// In order.
    events: Vec<Event>,
    /// What to give as `after` for what comes next.
    next: u64,
}

#[derive(Debug, Serialize)]
struct Event {
    position: u64,
    name: String,
    args: Box<RawValue>,
}

/// Why there is no page.
#[derive(Debug)]
enum Refusal {
    Parameter(String),
    NotPublic,
    Full,
    Unavailable(String),
}

/// Answers `GET /api/history`.
pub(super) async fn history(State(api): State<Api>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    match answer(&api, query.as_deref().unwrap_or_default(), &headers).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

async fn answer(api: &Api, query: &str, headers: &HeaderMap) -> Result<Response, Refusal> {
    let asked = Asked::read(query).map_err(Refusal::Parameter)?;
    if !api.public.iter().any(|public| public.covers(&asked.ns, &asked.room)) {
        return Err(Refusal::NotPublic);
    }
    let (events, upto) = read(api, &asked).await?;
    let tag = tag(api, &asked, &events);
    if headers.get_all(IF_NONE_MATCH).iter().any(|given| names(given.as_bytes(), &tag)) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, tag), (CACHE_CONTROL, "no-cache".to_owned())]).into_response());
    }
    let next = events.last().map_or(upto, |last| last.position).number();
    let events = events.iter().map(event).collect::<Result<_, _>>();
    let page = events.and_then(|events| serde_json::to_vec(&Page { events, next }));
    let page = page.map_err(|error| Refusal::Unavailable(format!("an event is no JSON: {error}")))?;
    let fields = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")];
    Ok((fields, [(ETAG, tag)], Body::from(page)).into_response())
}

/// The events, and up to where there are no others of this room.
async fn read(api: &Api, asked: &Asked) -> Result<(Vec<PastEvent>, Position), Refusal> {
    let ns = api.io.of(&asked.ns);
    let deadline = Instant::now() + asked.wait;
    let mut after = asked.after;
    let mut place = None;
    loop {
        let upto = api.io.committed().max(after.unwrap_or_default());
        let past = ns.history(&asked.room).limit(asked.limit);
        let past = if let Some(after) = after { past.after(after) } else { past };
        let events = past.await.map_err(|error| Refusal::Unavailable(error.to_string()))?;
        if !events.is_empty() || asked.wait.is_zero() {
            return Ok((events, upto));
        }
        if place.is_none() {
            place = Some(api.waiting.place().ok_or(Refusal::Full)?);
        }
        // What was looked through is not looked through again.
        after = Some(upto);
        if !api.waiting.something_after(upto, deadline).await {
            return Ok((events, upto));
        }
    }
}

fn event(past: &PastEvent) -> serde_json::Result<Event> {
    Ok(Event { position: past.position.number(), name: past.name.to_string(), args: json::args(&past.args)? })
}

/// The same for the same events: a position of a log never means another event.
fn tag(api: &Api, asked: &Asked, events: &[PastEvent]) -> String {
    let from = events.first().map_or(asked.after.unwrap_or_default(), |first| first.position);
    let to = events.last().map_or(Position::ZERO, |last| last.position);
    format!("\"{:x}-{from}-{to}\"", api.io.epoch())
}

/// Whether a field If-None-Match names the tag.
fn names(given: &[u8], tag: &str) -> bool {
    let mut tags = given.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    tags.any(|given| given == b"*" || given.strip_prefix(b"W/").unwrap_or(given) == tag.as_bytes())
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let line = |text: &str| format!("{text}\n");
        match self {
            Self::Parameter(sentence) => (StatusCode::BAD_REQUEST, line(&sentence)).into_response(),
            Self::NotPublic => {
                (StatusCode::FORBIDDEN, line("this room is not public (--public-room names those that are)"))
                    .into_response()
            }
            Self::Full => {
                let text = line("too many requests wait already, come again");
                (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], text).into_response()
            }
            Self::Unavailable(why) => (StatusCode::SERVICE_UNAVAILABLE, line(&why)).into_response(),
        }
    }
}
