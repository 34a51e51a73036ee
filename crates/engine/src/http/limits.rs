//! What a peer can make the HTTP half hold before a session exists. Limits that an operator may change are fields of
//! [`Config`](crate::config::Config).

use std::time::Duration;

/// Parameters of one query string that are looked at; the rest is ignored, as in Node.
pub const QUERY_PAIRS_MAX: usize = 1000;

/// Bytes of one request's head, request line included; one with more is answered 431 (414 for the line alone). This is
/// Node's default.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Bytes that are read ahead on one HTTP connection, pipelined requests included.
pub const READ_AHEAD_BYTES_MAX: usize = 64 * 1024;

/// How long a peer may take nothing of an answer before its HTTP connection is cut. Longer than a ping may take, so that
/// a session ends by its own rules first.
pub const WRITE_STALL_MAX: Duration = Duration::from_secs(30);

/// How long a connection that we close waits for the peer to close as well, so that our last answer is not lost.
pub const LINGER_MAX: Duration = Duration::from_secs(1);

/// Bytes that are thrown away meanwhile.
pub const LINGER_BYTES_MAX: usize = 16 * 1024 * 1024;
