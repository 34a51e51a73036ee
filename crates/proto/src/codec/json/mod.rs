//! The default parser: one line of text a packet, attachments in messages behind it.
//!
//! ```text
//! <type>[<attachments>-][<namespace>,][<ack id>][<JSON>]      51-/chat,7["photo",{"_placeholder":true,"num":0}]
//! ```

mod decode;
mod encode;
mod namespace;

pub(super) use decode::decode;
pub(super) use encode::{ack, connect_payload, control, error_payload, event, quoted};
pub(super) use namespace::split_query;

pub(super) const CONNECT: char = '0';
pub(super) const DISCONNECT: char = '1';
const EVENT: char = '2';
const ACK: char = '3';
pub(super) const CONNECT_ERROR: char = '4';
const BINARY_EVENT: char = '5';
const BINARY_ACK: char = '6';
