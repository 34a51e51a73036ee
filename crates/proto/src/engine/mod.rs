//! Engine.IO packets as values, alone and as WebSocket frames.
//! Several in one polling body are `payload`'s matter; sessions, heartbeats and upgrades are left to the crates above.

mod base64;
mod jsonp;
mod open;
mod packet;
pub mod payload;
mod payload_v3;

pub use open::Open;
pub use packet::{EngineError, EnginePacket};
