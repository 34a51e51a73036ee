//! Socket.IO for Rust: a real-time server that plugs into axum.
//!
//! ```no_run
//! use trunkline::{Data, Server, Socket};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let io = Server::builder().build().await?;
//!     io.on_connect(|socket: Socket| async move { socket.join("lobby").await });
//!     io.on("chat", |socket: Socket, Data(text): Data<String>| async move {
//!         socket.to("lobby").emit("chat", text);
//!     });
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     io.serve(listener, trunkline::NotFound).await?;
//!     Ok(())
//! }
//! ```
//!
//! Every official Socket.IO client connects unchanged. Names are Socket.IO's own: who knows it knows this API, and who
//! knows axum recognises extractors and layers.
//!
//! # Where handlers run
//!
//! A handler runs on the thread of its connection's shard, without a hop to another thread. It may await whatever it
//! likes, `tokio::spawn` works (the task runs on that thread too), and so do pools that were made on another runtime.
//! What blocks belongs into `tokio::task::spawn_blocking`: a handler that blocks holds up every connection of its
//! shard.

mod acks;
mod builder;
mod commit;
mod common;
mod dynamic;
mod emit;
mod error;
mod failures;
pub mod figures;
mod handler;
mod handshake;
mod history;
mod hub;
mod keyed;
pub mod limits;
mod listen;
mod mailbox;
mod namespace;
mod operator;
mod raw;
mod reason;
mod receipt;
mod recovery;
mod remote;
mod server;
pub mod service;
mod shard;
mod socket;
#[cfg(feature = "testing")]
pub mod testing;

/// Looking into the directory of a durable log without being its server: what is in it, whether it is sound, its entries, a
/// copy of it. All of it may be done while a server writes there.
pub mod store {
    pub use trunkline_delivery::{Act, Entry, Session, Stay, Target, To};
    pub use trunkline_log::durable::Damage;
    pub use trunkline_log::durable::tools::{
        Backup, Entries, FileReport, Inspection, RoomReport, SegmentReport, Stored, backup, entries, inspect, verify,
    };
}

pub use builder::ServerBuilder;
pub use commit::Commit;
pub use dynamic::Asked;
pub use emit::SocketEmitter;
pub use error::{AckError, BuildError, ConnectError, EmitError, Error};
pub use failures::{RefuseFailures, RefuseFailuresLayer};
pub use handler::{
    Ack, Auth, Context, Data, EventName, FromContext, Handler, IntoAnswer, KeyedHandler, ListenerId, Middleware,
    Rejection, State, TryData, Unhandled,
};
pub use handshake::Handshake;
pub use history::{History, PastEvent};
pub use keyed::{Batch, Key};
pub use namespace::Namespace;
pub use operator::{Broadcast, IntoRooms};
pub use raw::{EngineEvent, EngineSocket};
pub use reason::DisconnectReason;
pub use receipt::{NotSent, Sent};
pub use recovery::Recovery;
pub use remote::RemoteSocket;
pub use server::{RoomEvent, Server};
pub use service::{NotFound, OverTls, PeerAddress, SocketIoLayer, SocketIoService};
pub use socket::Socket;

pub use bytes::Bytes;
pub use trunkline_delivery::{Position, Room, SocketId};
pub use trunkline_engine::http::{ConnectionError, Cookie, Cors, SameSite};
pub use trunkline_log::{self as log, DurableOptions, MemoryLimits, OpenError};
pub use trunkline_proto::{self as proto, Args, Event, Message, Parser};
