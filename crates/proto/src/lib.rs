//! Engine.IO, Socket.IO and WebSocket as values and state machines.
//!
//! Bytes become frames, frames packets, packets events with arguments, and back again:
//!
//! ```text
//!   TCP bytes ──► ws::Decoder ──► ws::Item ─┐                       ┌─► Packet ──► Event, Args ──► your types
//!                                           ├─► EnginePacket ──► Decoder
//!   HTTP body ──► payload::decode ──────────┘      Message    ◄── Codec ◄── Event, Args ◄──── your types
//! ```
//!
//! Both protocol versions ([`Version`]), both parsers ([`Parser`]), permessage-deflate and JSONP are in it. It leaves out
//! everything that needs a clock, a socket or chance: sessions, heartbeats, upgrades and namespaces live in the crates above.
//! Nothing here blocks, recurses on a peer's data or takes memory by an announced length alone; each limit is in [`limits`].
//!
//! ```
//! use trunkline_proto::{Args, Body, Codec, Decoder, Event, Message, Parser, Version};
//!
//! let codec = Codec { parser: Parser::Default, version: Version::V4 };
//!
//! // A client asks for an answer ...
//! let wire = Message::Text(r#"2/chat,7["say",{"room":"lobby"},"hello"]"#.into());
//! let packet = Decoder::default().decode(codec, wire)?.expect("a packet without attachments is one message");
//! let Body::Event { id: Some(id), event } = packet.body else { panic!("an event that asks") };
//! let (_room, text): (serde_json::Value, String) = event.args.get_all()?;
//!
//! // ... and gets it.
//! let answer = codec.ack(&packet.ns, id, &Args::serialize(&("ok", text.len()))?);
//! assert_eq!(answer[0], Message::Text(r#"3/chat,7["ok",5]"#.into()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(clippy::wildcard_enum_match_arm)]

mod args;
mod codec;
mod engine;
#[cfg(feature = "fuzz")]
pub mod fuzz;
pub mod heartbeat;
mod json;
pub mod limits;
mod message;
mod packet;
mod query;
pub mod ws;

pub use args::{Args, ArgsError};
pub use codec::{Codec, Decoder};
pub use engine::{EngineError, EnginePacket, Open, payload};
pub use message::{Message, Messages, Parser, Version};
pub use packet::{Body, DecodeError, Event, Packet, is_reserved};
