//! What a peer can make the HTTP half hold before a session exists. Limits that an operator may change are fields of
//! [`Config`](crate::config::Config).

/// Parameters of one query string that are looked at; the rest is ignored, as in Node.
pub const QUERY_PAIRS_MAX: usize = 1000;

/// Bytes of one request's head, request line included; one with more is answered 431 (414 for the line alone). This is
/// Node's default.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Bytes that are read ahead on one HTTP connection, pipelined requests included.
pub const READ_AHEAD_BYTES_MAX: usize = 64 * 1024;
