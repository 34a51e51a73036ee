//! The HTTP half of the wire: which requests are ours, what they are refused with, how answers and bodies look, and
//! how the stream under a WebSocket is taken out. Sessions, and when to answer, are left to the caller.
//!
//! ```text
//! request ─► route ─┬─ NotOurs ───────────► the application
//!                   ├─ ClientFile ────────► ClientFiles::respond
//!                   ├─ Refused ───────────► refuse
//!                   ├─ Handshake ─► admit ─► new_sid ─┬─ polling ──► ReplyContext::prepare, poll_response
//!                   │                                 └─ upgrade ──► switching_protocols, take_stream
//!                   └─ Session ── the caller looks the id up: UNKNOWN_SID or TRANSPORT_MISMATCH, or
//!                        GET: ReplyContext::prepare, later poll_response
//!                        POST: read_body, then post_ok
//!                        other: method_not_served
//! ```

mod admit;
mod body;
mod bounded;
mod client_files;
pub(crate) mod cookie;
mod cors;
mod encoding;
mod hooks;
mod id;
pub mod limits;
pub(crate) mod origin;
mod query;
mod refusal;
mod response;
mod route;
mod serve;
mod upgrade;

pub use admit::admit;
pub use body::{BodyError, read_body};
pub use client_files::ClientFiles;
pub use cookie::{Cookie, SameSite, set_cookie};
pub use cors::Cors;
pub use hooks::{AllowRequest, BoxFuture, ConnectionError, EditHeaders, GenerateId, Hooks, OnConnectionError};
pub use id::{new_sid, random_id};
pub use query::Query;
pub use refusal::{Refusal, refuse};
pub use response::{Body, ReplyContext, bad_request_empty, method_not_served, poll_response, post_ok, too_large};
pub use route::{Route, SessionMethod, Transport, is_octet_stream, is_ours, route};
pub use serve::{serve_connection, serve_connection_until};
pub use upgrade::{Io, Negotiated, Taken, is_upgrade, switching_protocols, take_stream};
