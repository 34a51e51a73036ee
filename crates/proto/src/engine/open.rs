//! The content of the open packet.
//! Which upgrades are offered and how long the intervals are is left to the caller.

use std::fmt::Write as _;

use bytestring::ByteString;

use crate::json::quote;

/// The content of the open packet: exactly the five keys of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open<'a> {
    /// The id of the session.
    pub sid: &'a str,
    /// The transports that the client may go over to.
    pub upgrades: &'a [&'a str],
    /// Milliseconds between two pings.
    pub ping_interval_ms: u64,
    /// Milliseconds that a pong may take.
    pub ping_timeout_ms: u64,
    /// Bytes of the longest body or message that is taken.
    pub max_payload: u64,
}

impl Open<'_> {
    /// Writes the content as JSON, the keys in the order of the reference.
    #[must_use]
    pub fn to_json(&self) -> ByteString {
        let mut out = String::with_capacity(128);
        out.push_str("{\"sid\":");
        quote(&mut out, self.sid);
        out.push_str(",\"upgrades\":[");
        for (i, upgrade) in self.upgrades.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            quote(&mut out, upgrade);
        }
        let Self { ping_interval_ms, ping_timeout_ms, max_payload, .. } = self;
        let _infallible = write!(
            out,
            "],\"pingInterval\":{ping_interval_ms},\"pingTimeout\":{ping_timeout_ms},\"maxPayload\":{max_payload}}}"
        );
        out.into()
    }
}
