//! The msgpack parser.

use crate::{Args, DecodeError, Event, Messages, Packet, Version};

pub(super) fn event(
    _ns: &str,
    _id: Option<u64>,
    _event: &Event,
    _offset: Option<&str>,
) -> Messages {
    unimplemented!()
}
pub(super) fn ack(_ns: &str, _id: u64, _args: &Args) -> Messages {
    unimplemented!()
}
pub(super) fn control(_kind: char, _ns: &str, _payload: Option<&str>) -> Messages {
    unimplemented!()
}
pub(super) fn decode(_data: &[u8], _version: Version) -> Result<Packet, DecodeError> {
    unimplemented!()
}
