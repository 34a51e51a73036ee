//! Our framing against that of tungstenite: both are fed the same frames of a client, legal and illegal, and have to see the
//! same. Where the two differ on purpose, `normal` says how and why.

use std::io::{self, Read, Write};

use proptest::collection::vec;
use proptest::prelude::*;
use trunkline_proto::ws::{self, Config, Decoder, Inflater, Item, Opcode, put_masked_frame};
use tungstenite::protocol::{CloseFrame, Role, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message};

const MAX: usize = 1000;

/// What one of the two sees of the stream.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    /// The code with which the connection is closed.
    Refused(u16),
}

fn ours(wire: &[u8], step: usize) -> Vec<Seen> {
    let mut decoder = Decoder::new(Config { role_server: true, max_message: MAX, deflate: false });
    let mut seen = Vec::new();
    for chunk in wire.chunks(step) {
        let (mut chunk, mut at) = (chunk.to_vec(), 0);
        loop {
            seen.push(match decoder.decode(&mut chunk, &mut at, &mut Inflater::new()) {
                Ok(Some(Item::Text(text))) => Seen::Text(text.to_string()),
                Ok(Some(Item::Binary(data))) => Seen::Binary(data.to_vec()),
                Ok(Some(Item::Ping(data))) => Seen::Ping(data.to_vec()),
                Ok(Some(Item::Pong(data))) => Seen::Pong(data.to_vec()),
                Ok(Some(Item::Close(frame))) => Seen::Close(frame.map(|frame| (frame.code, frame.reason.to_string()))),
                Ok(None) => break,
                Err(error) => Seen::Refused(ws::Error::close_code(&error)),
            });
            if let Some(Seen::Close(_) | Seen::Refused(_)) = seen.last() {
                return seen;
            }
        }
    }
    seen
}

fn theirs(wire: &[u8]) -> Vec<Seen> {
    let config = WebSocketConfig::default().max_message_size(Some(MAX)).max_frame_size(Some(MAX));
    let mut socket = WebSocket::from_raw_socket(Wire(wire), Role::Server, Some(config));
    let mut seen = Vec::new();
    loop {
        seen.push(match socket.read() {
            Ok(Message::Text(text)) => Seen::Text(text.to_string()),
            Ok(Message::Binary(data)) => Seen::Binary(data.to_vec()),
            Ok(Message::Ping(data)) => Seen::Ping(data.to_vec()),
            Ok(Message::Pong(data)) => Seen::Pong(data.to_vec()),
            Ok(Message::Close(frame)) => {
                Seen::Close(frame.map(|frame: CloseFrame| (frame.code.into(), frame.reason.to_string())))
            }
            Ok(Message::Frame(frame)) => panic!("reading gives no raw frame: {frame:?}"),
            Err(Error::Io(_)) => return seen,
            Err(Error::Utf8(_)) => Seen::Refused(1007),
            Err(Error::Capacity(_)) => Seen::Refused(1009),
            Err(_) => Seen::Refused(1002),
        });
        if let Some(Seen::Close(_) | Seen::Refused(_)) = seen.last() {
            return seen;
        }
    }
}

/// What both agree on.
fn normal(mut seen: Vec<Seen>) -> Vec<Seen> {
    match seen.last() {
        // A code that may not travel: they hand out a close of their own, we refuse the frame. 1014 is among those for
        // them, although it is registered.
        Some(Seen::Close(Some((1002, reason)))) if reason == "Protocol violation" => {
            replace_last(&mut seen, Seen::Refused(1002));
        }
        Some(Seen::Close(Some((1014, _)))) => replace_last(&mut seen, Seen::Refused(1002)),
        _ => {}
    }
    seen
}

fn replace_last(seen: &mut [Seen], with: Seen) {
    if let Some(last) = seen.last_mut() {
        *last = with;
    }
}

/// A stream that ends with the bytes and swallows what is written.
struct Wire<'a>(&'a [u8]);

impl Read for Wire<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.read(out)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => ".{0,30}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..30),
        1 => (100..600_usize).prop_map(|len| vec![b'x'; len]),
        1 => (990..1020_u16, ".{0,5}").prop_map(|(code, reason)| [&code.to_be_bytes(), reason.as_bytes()].concat()),
        1 => (2990..5010_u16).prop_map(|code| code.to_be_bytes().to_vec()),
    ]
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        12 => prop::sample::select(vec![0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x00, 0x80, 0x89, 0x8a]),
        1 => Just(0x88),
        1 => any::<u8>(),
    ];
    (first, any::<[u8; 4]>(), payload(), prop::bool::weighted(0.97)).prop_map(|(first, mask, payload, masked)| {
        let mut out = Vec::new();
        if masked {
            put_masked_frame(&mut out, Opcode::Binary, false, mask, &payload);
        } else {
            ws::put_frame(&mut out, Opcode::Binary, false, &payload);
        }
        out[0] = first;
        out
    })
}

/// A character cut by fragments, at any place.
fn cut_text() -> impl Strategy<Value = Vec<u8>> {
    (".{1,12}", any::<prop::sample::Index>(), prop::option::of(any::<u8>())).prop_map(|(text, cut, spoil)| {
        let mut bytes = text.into_bytes();
        let cut = cut.index(bytes.len());
        if let Some(spoil) = spoil {
            bytes[cut] = spoil;
        }
        let mut out = Vec::new();
        put_masked_frame(&mut out, Opcode::Text, false, [9, 8, 7, 6], &bytes[..cut]);
        let second = out.len();
        put_masked_frame(&mut out, Opcode::Continuation, false, [5, 4, 3, 2], &bytes[cut..]);
        out[0] &= 0x7f;
        debug_assert_eq!(out[second], 0x80);
        out
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn both_see_the_same(frames in vec(prop_oneof![4 => frame(), 1 => cut_text()], 1..10), step in 1..60_usize) {
        let wire = frames.concat();
        let expected = normal(theirs(&wire));
        prop_assert_eq!(&normal(ours(&wire, wire.len())), &expected);
        prop_assert_eq!(&normal(ours(&wire, step)), &expected);
    }

    #[test]
    fn what_we_write_they_read(messages in vec((any::<bool>(), ".{0,200}"), 0..8)) {
        let (mut wire, mut expected) = (Vec::new(), Vec::new());
        for (is_text, content) in messages {
            let opcode = if is_text { Opcode::Text } else { Opcode::Binary };
            ws::put_frame(&mut wire, opcode, false, content.as_bytes());
            expected.push(if is_text { Message::text(content) } else { Message::binary(content.into_bytes()) });
        }
        ws::put_close(&mut wire, Some(1001), "bye");
        let mut socket = WebSocket::from_raw_socket(Wire(&wire), Role::Client, None);
        for message in expected {
            prop_assert_eq!(socket.read().expect("a message"), message);
        }
        let close = CloseFrame { code: 1001.into(), reason: "bye".into() };
        prop_assert_eq!(socket.read().expect("a close frame"), Message::Close(Some(close)));
    }
}
