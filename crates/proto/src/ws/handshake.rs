//! The one computation of the opening handshake (RFC 6455, 4.2.2).
//! The HTTP request and response around it are left to the caller.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// Returns the value of `Sec-WebSocket-Accept` for the client's `Sec-WebSocket-Key`.
#[must_use]
pub fn accept_key(sec_websocket_key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(sec_websocket_key.as_bytes());
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(hash.finalize())
}
