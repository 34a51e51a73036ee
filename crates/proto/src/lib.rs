//! Engine.IO, Socket.IO and WebSocket as values and state machines, without I/O.

mod args;
mod codec;
mod engine;
#[cfg(feature = "fuzz")]
pub mod fuzz;
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
