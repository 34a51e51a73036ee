//! The msgpack parser: one binary message a packet, as `socket.io-msgpack-parser` writes it.
//!
//! ```text
//! map { type: 0 to 4, data: array or map, nsp: str, id: uint }    data and id where the packet has them
//! ```
//!
//! Arguments are transcoded at this edge, so that inside there is one form: a `bin` is an attachment, a date the string that
//! JavaScript makes of it, `undefined` an absent member or `null`. As with JSON a packet has at most ten attachments: it may
//! be passed on to clients that take no more. Extensions that are neither a date nor `undefined` are refused, because there is
//! nothing that could be handed on in their place.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "the tokens of msgpack are a closed set; what is not named is refused"
)]

mod decode;
mod encode;
mod read;
mod time;
mod transcode;
mod write;

pub(super) use decode::decode;
pub(super) use encode::{ack, control, event};
