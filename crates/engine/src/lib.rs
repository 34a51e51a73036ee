//! The wire of one thread: HTTP handshakes, polling, WebSocket upgrades, timers.
//! What a room, a namespace or a session is, is left to the crates above.

pub mod config;
pub mod http;
pub mod wheel;
pub mod wire;
