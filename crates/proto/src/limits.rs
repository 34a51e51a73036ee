//! Every limit of this crate, each with its unit and its reason.
//! What needs a clock, a connection or an application to judge is limited by the crates above.

/// Levels of nesting in one packet, the packet's own array included, in JSON and in msgpack, in both directions.
///
/// serde_json reads 127 levels; an argument is one level inside the packet, so whatever passes here can be read.
pub const MAX_DEPTH: usize = 128;

/// Attachments of one packet. The official decoder closes the connection above ten, so more can neither be taken nor sent.
pub const MAX_ATTACHMENTS: usize = 10;

/// Bytes of a namespace's name, the query of protocol 3 included.
///
/// Decoding is linear and a longer name is no violation of the protocol; it is the namespace machine that refuses to open
/// one, because a name is kept as long as its namespace (dynamic ones are named by peers).
pub const MAX_NAMESPACE_LEN: usize = 4096;

/// Bytes of an event's name.
///
/// No decoder refuses a longer one, as the payload limit bounds it already: whoever keeps names (metrics, logs) cuts here.
pub const MAX_EVENT_NAME: usize = 1024;

/// Pairs taken from the query of a protocol 3 namespace or from a JSONP form; node's `querystring` stops there as well.
pub const MAX_QUERY_PAIRS: usize = 1000;

/// Bytes of a control frame's payload (RFC 6455, 5.5).
pub const MAX_CONTROL_LEN: usize = 125;

/// Decimal digits of a length in a protocol 3 payload; ten digits count more than any body that can come.
pub const MAX_LENGTH_DIGITS: usize = 10;

/// Offers read from one `Sec-WebSocket-Extensions` header; browsers send one or two.
pub const MAX_EXTENSION_OFFERS: usize = 16;

/// Bytes the inflater takes at first; its buffer doubles from there, never beyond the limit of the message.
pub const INFLATE_STEP: usize = 4096;
