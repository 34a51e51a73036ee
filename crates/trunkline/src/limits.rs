//! What one peer may make the server hold, in one place. Limits of the wire formats are in [`trunkline_proto::limits`],
//! those of the engine in the options.

/// Events of one connection that wait for its handlers. Beyond it the connection is not read, until a handler is done.
pub const INBOX: usize = 64;

/// Events that may wait while a handler of the connection waits for the client's own answer, which lies behind them in
/// the stream. Beyond it the connection is closed.
pub const INBOX_WHILE_ASKING: usize = 4096;

/// Events of one socket that run beside each other, for events registered with `on_concurrent`. Beyond it the next one
/// waits as ordinary events do.
pub const CONCURRENT_EVENTS: usize = 64;

/// Namespaces that one connection may have joined or asked for. A further CONNECT is refused.
pub const NAMESPACES_PER_CONNECTION: usize = 64;

/// Dynamic namespaces that a server may have at a time. A CONNECT that would make one more is refused.
pub const DYNAMIC_NAMESPACES: usize = 100_000;

/// Bytes of a namespace's name in a CONNECT.
pub const NAMESPACE_NAME: usize = 1024;

/// Rooms that one socket may be in. Joining one more does nothing but log a line.
pub const ROOMS_PER_SOCKET: usize = 100_000;

/// How often the session of a connected socket is written again, in milliseconds, at a pong: its receipt, and what keeps it
/// within what the log holds.
pub const SESSION_REWRITE_MS: u64 = 60_000;

/// Bytes of the key of a publish. One that is longer is answered with an error.
pub const KEY_BYTES: usize = 1024;

/// Packets in the body of one POST.
pub const PACKETS_PER_POST: usize = 10_000;

/// Events that `history` gives if no limit is asked for.
pub const HISTORY_PAGE: usize = 100;

/// Milliseconds that a closing connection has to take what is still to be written.
pub const CLOSE_GRACE_MS: u64 = 30_000;
