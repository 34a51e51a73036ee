//! WebSocket: framing (RFC 6455) and permessage-deflate without context takeover (RFC 7692), as values.
//! The HTTP request around the handshake, timeouts and the answer to an error are left to whoever owns the connection.

mod assembly;
mod decoder;
mod deflate;
mod extension;
mod frame;
mod handshake;
mod item;
mod mask;
mod text;
mod window;

pub use decoder::{Config, Decoder};
pub use deflate::{Deflater, Inflater};
pub use extension::{DeflateAgreement, negotiate_deflate};
pub use frame::{Opcode, put_close, put_frame, put_header, put_masked_frame};
pub use handshake::accept_key;
pub use item::{CloseFrame, Error, Item};
pub use window::WindowBits;
