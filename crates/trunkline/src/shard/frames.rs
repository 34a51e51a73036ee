//! Frames of one turn: each entry is encoded once for each kind of receiver, and members that get the same list of
//! entries share one coalesced buffer. Lists are nodes of a tree, so that "the same list" is one number.

use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashMap;
use smallvec::SmallVec;
use trunkline_delivery::{Act, Cast, CastKind, Entry, Offset, Position};
use trunkline_engine::config::DeflateOptions;
use trunkline_proto::ws::{self, Deflater, WindowBits};
use trunkline_proto::{Codec, EnginePacket, Event, Message, Messages};

use crate::shard::conn::Private;

/// What a receiver's frames depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameKind {
    pub(crate) codec: Codec,
    /// How messages are deflated on this WebSocket, if it negotiated that.
    pub(crate) deflate: Option<Deflate>,
    /// What offsets say of the log, if its clients can come back: then events carry them.
    pub(crate) log: Option<u32>,
}

/// What deflated frames depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deflate {
    /// Bytes of the smallest message that is deflated.
    threshold: usize,
    window: WindowBits,
}

/// A list of entries: the last one and the list before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct List(u32);

impl List {
    pub(crate) const EMPTY: Self = Self(u32::MAX);
}

/// What a frame is made of.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Entry(Arc<Entry>),
    /// A cast, and up to where entries stand before it.
    Cast(Arc<Cast>, Position),
}

impl Deflate {
    /// What the options and the client's offer make together.
    pub(crate) fn agreed(options: Option<DeflateOptions>, window: Option<WindowBits>) -> Option<Self> {
        options.zip(window).map(|(options, window)| Self { threshold: options.threshold, window })
    }
}

impl FrameKind {
    /// The messages of an event that stands at (or behind) this position. One that asks for an answer carries no
    /// offset: its last argument is the client's own way to answer.
    pub(crate) fn event(self, ns: &str, id: Option<u64>, event: &Event, at: Position) -> Messages {
        let offset = self.log.filter(|_| id.is_none()).map(|log| Offset { log, position: at }.to_string());
        self.codec.event(ns, id, event, offset.as_deref())
    }
}

impl Source {
    fn event(&self) -> Option<(&str, Option<u64>, &Event, bool, Position)> {
        match self {
            Self::Entry(entry) => match &entry.act {
                Act::Emit { event, compress } => Some((&entry.target.ns, None, event, *compress, entry.position)),
                _ => None,
            },
            Self::Cast(cast, at) => {
                let id = if let CastKind::Ack(id) = cast.kind { Some(id) } else { None };
                Some((&cast.target.ns, id, &cast.event, cast.compress, *at))
            }
        }
    }

    /// The event that it brings, if it brings one.
    pub(crate) fn emitted(&self) -> Option<&Event> {
        self.event().map(|(_, _, event, ..)| event)
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Entry(a), Self::Entry(b)) => Arc::ptr_eq(a, b),
            (Self::Cast(a, _), Self::Cast(b, _)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    pub(crate) fn compress(&self) -> bool {
        self.event().is_none_or(|(.., compress, _)| compress)
    }

    /// It as something that one connection keeps for itself.
    pub(crate) fn into_private(self, kind: FrameKind) -> Private {
        Private::Event { messages: self.messages(kind), compress: self.compress(), volatile: false }
    }

    /// The messages of it, for a polling answer.
    pub(crate) fn messages(&self, kind: FrameKind) -> Messages {
        self.event().map_or_else(Messages::new, |(ns, id, event, _, at)| kind.event(ns, id, event, at))
    }
}

#[derive(Debug)]
struct Slot {
    source: Source,
    frames: SmallVec<[(FrameKind, Bytes); 1]>,
}

#[derive(Debug)]
struct Node {
    before: List,
    slot: u32,
    buffers: SmallVec<[(FrameKind, Bytes); 1]>,
}

/// The frames of one turn.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    slots: Vec<Slot>,
    nodes: Vec<Node>,
    /// Lists that were made, by what they extend; the newest one is asked first.
    made: HashMap<(u32, u32), List>,
    newest: Option<((u32, u32), List)>,
    deflater: Deflater,
}

impl Frames {
    /// Forgets everything; lists made before mean nothing any more.
    pub(crate) fn clear(&mut self) {
        self.slots.clear();
        self.nodes.clear();
        self.made.clear();
        self.newest = None;
    }

    /// The list with this source at its end.
    pub(crate) fn extend(&mut self, list: List, source: &Source) -> List {
        let slot = self.slot(source);
        let key = (list.0, slot);
        if let Some((made, list)) = self.newest
            && made == key
        {
            return list;
        }
        let next = List(index(self.nodes.len()));
        let list = *self.made.entry(key).or_insert(next);
        if list == next {
            self.nodes.push(Node { before: List(key.0), slot, buffers: SmallVec::new() });
        }
        self.newest = Some((key, list));
        list
    }

    /// Walks go entry by entry: only the newest is looked at. An older one met again is encoded again, nothing worse.
    fn slot(&mut self, source: &Source) -> u32 {
        if !self.slots.last().is_some_and(|slot| slot.source.is(source)) {
            self.slots.push(Slot { source: source.clone(), frames: SmallVec::new() });
        }
        index(self.slots.len() - 1)
    }

    /// The parts of a list, in order: what each is made of and its frames.
    pub(crate) fn parts(&mut self, list: List, kind: FrameKind) -> Vec<(Source, Bytes)> {
        let path = self.path(list);
        path.into_iter().map(|slot| (self.slots[slot as usize].source.clone(), self.frame(slot, kind))).collect()
    }

    /// The sources of a list, in order.
    pub(crate) fn sources(&self, list: List) -> Vec<Source> {
        self.path(list).into_iter().map(|slot| self.slots[slot as usize].source.clone()).collect()
    }

    /// All WebSocket frames of the list, one behind the other.
    pub(crate) fn buffer(&mut self, list: List, kind: FrameKind) -> Bytes {
        let node = &self.nodes[list.0 as usize];
        if let Some((_, buffer)) = node.buffers.iter().find(|(of, _)| *of == kind) {
            return buffer.clone();
        }
        let buffer = if node.before == List::EMPTY {
            self.frame(node.slot, kind)
        } else {
            let frames: Vec<_> = self.path(list).into_iter().map(|slot| self.frame(slot, kind)).collect();
            frames.concat().into()
        };
        self.nodes[list.0 as usize].buffers.push((kind, buffer.clone()));
        buffer
    }

    fn frame(&mut self, slot: u32, kind: FrameKind) -> Bytes {
        let slot = &mut self.slots[slot as usize];
        if let Some((_, frame)) = slot.frames.iter().find(|(of, _)| *of == kind) {
            return frame.clone();
        }
        let mut out = Vec::new();
        if let Some((ns, id, event, compress, at)) = slot.source.event() {
            for message in kind.event(ns, id, event, at) {
                put_message(message, kind, compress, &mut self.deflater, &mut out);
            }
        }
        let frame = Bytes::from(out);
        slot.frames.push((kind, frame.clone()));
        frame
    }

    /// Appends one message as a WebSocket frame.
    pub(crate) fn put(&mut self, message: Message, kind: FrameKind, compress: bool, out: &mut Vec<u8>) {
        put_message(message, kind, compress, &mut self.deflater, out);
    }

    fn path(&self, list: List) -> SmallVec<[u32; 8]> {
        let mut path = SmallVec::new();
        let mut at = list;
        while at != List::EMPTY {
            let node = &self.nodes[at.0 as usize];
            path.push(node.slot);
            at = node.before;
        }
        path.reverse();
        path
    }
}

fn put_message(message: Message, kind: FrameKind, compress: bool, deflater: &mut Deflater, out: &mut Vec<u8>) {
    let len = match &message {
        Message::Text(text) => text.len(),
        Message::Binary(data) => data.len(),
    };
    let packet = EnginePacket::Message(message);
    let Some(deflate) = kind.deflate.filter(|deflate| compress && len >= deflate.threshold) else {
        packet.put_ws(kind.codec.version, out);
        return;
    };
    let (mut payload, mut deflated) = (Vec::with_capacity(len + 1), Vec::new());
    let opcode = packet.put_ws_payload(kind.codec.version, &mut payload);
    deflater.deflate(deflate.window, &payload, &mut deflated);
    ws::put_frame(out, opcode, true, &deflated);
}

fn index(number: usize) -> u32 {
    u32::try_from(number).expect("a turn holds fewer than 2^32 entries and lists")
}

#[cfg(test)]
mod tests {
    use trunkline_delivery::Target;
    use trunkline_proto::{Args, Parser, Version};

    use super::*;

    #[test]
    fn a_broadcast_is_encoded_once_for_each_kind_of_receiver() {
        let args = Args::serialize(&"a".repeat(100)).expect("an argument");
        let act = Act::Emit { event: Event::new("event", args), compress: true };
        let entry = Entry { position: Position::new(31), target: Target::everyone("/".into()), act };
        let mut frames = Frames::default();
        let list = frames.extend(List::EMPTY, &Source::Entry(Arc::new(entry)));
        let plain =
            FrameKind { codec: Codec { parser: Parser::Default, version: Version::V4 }, deflate: None, log: None };
        let deflated = FrameKind { deflate: Some(Deflate { threshold: 50, window: WindowBits::MAX }), ..plain };
        let kinds = [plain, deflated, FrameKind { log: Some(7), ..plain }];
        let buffers = kinds.map(|kind| frames.buffer(list, kind));
        for (kind, buffer) in kinds.into_iter().zip(&buffers) {
            let again = frames.buffer(list, kind);
            assert!(std::ptr::eq(again.as_ptr(), buffer.as_ptr()), "another receiver shares the bytes");
        }
        let [first, second, third] = &buffers;
        assert_eq!((first[0], second[0], third[0]), (0x81, 0xc1, 0x81), "only the second is deflated");
        assert!(second.len() < first.len() / 2 && third.ends_with(b",\"00000007-1f\"]"));
    }
}
