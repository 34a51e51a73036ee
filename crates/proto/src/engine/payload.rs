//! Polling payloads: several packets in one body.

use bytes::Bytes;

use super::{EngineError, EnginePacket};
use crate::Version;

/// Decoded packets up to the first invalid one, and the error if there was one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Decoded {
    pub packets: Vec<EnginePacket>,
    pub error: Option<EngineError>,
}

/// A body to send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Encoded {
    pub body: Bytes,
    pub binary: bool,
}

#[allow(missing_docs, unused_variables, clippy::needless_pass_by_value)]
#[must_use]
pub fn decode(version: Version, binary: bool, body: Bytes, max_packets: usize) -> Decoded {
    unimplemented!()
}
#[allow(missing_docs, unused_variables)]
#[must_use]
pub fn encode(version: Version, b64: bool, packets: &[EnginePacket]) -> Encoded {
    unimplemented!()
}
#[allow(missing_docs, unused_variables)]
#[must_use]
pub fn jsonp(index: &str, payload: &str) -> String {
    unimplemented!()
}
#[allow(missing_docs, unused_variables)]
#[must_use]
pub fn jsonp_body(form: &[u8]) -> Option<String> {
    unimplemented!()
}
