//! WebSocket framing by tables: each row is what a client sends and what the server makes of it, whole and byte by byte.
//! The groups follow RFC 6455 as Autobahn's cases 1 to 7 do; compression is tested elsewhere.

use trunkline_proto::ws::{CloseFrame, Config, Decoder, Error, Inflater, Item, Opcode};
use trunkline_proto::ws::{accept_key, put_close, put_frame, put_masked_frame};

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const MAX: usize = 70_000;

/// What a row expects: these items, then perhaps an error.
type Outcome = (Vec<Item>, Option<Error>);

#[track_caller]
fn check(what: &str, wire: &[u8], items: &[Item], error: Option<Error>) {
    for step in [wire.len().max(1), 1, 3] {
        let got = decode(wire, step);
        assert_eq!(got, (items.to_vec(), error), "{what}, {step} bytes at a time");
    }
}

fn decode(wire: &[u8], step: usize) -> Outcome {
    let mut decoder = Decoder::new(Config { role_server: true, max_message: MAX, deflate: false });
    let mut inflater = Inflater::new();
    let mut items = Vec::new();
    for chunk in wire.chunks(step) {
        let mut chunk = chunk.to_vec();
        let mut at = 0;
        loop {
            match decoder.decode(&mut chunk, &mut at, &mut inflater) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(error) => return (items, Some(error)),
            }
        }
        assert_eq!(at, chunk.len(), "`None` says that all is taken");
    }
    (items, None)
}

fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_masked_frame(&mut out, opcode, false, MASK, payload);
    out
}

/// A frame that is not the last of its message.
fn part(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = frame(opcode, payload);
    out[0] &= 0x7f;
    out
}

/// A frame whose first byte is given.
fn first_byte(byte: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = frame(Opcode::Text, payload);
    out[0] = byte;
    out
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(Opcode::Close, &[&code.to_be_bytes(), reason].concat())
}

fn text(text: &str) -> Item {
    Item::Text(text.into())
}

#[track_caller]
fn refused(what: &str, wire: &[u8], before: &[Item], code: u16) {
    for step in [wire.len(), 1] {
        let (items, error) = decode(wire, step);
        assert_eq!(items, before, "{what}");
        assert_eq!(error.map(|error| error.close_code()), Some(code), "{what}: {error:?}");
    }
}

#[test]
fn messages_of_every_length_form_come_out() {
    for len in [0, 1, 125, 126, 127, 128, 65_535, 65_536, MAX] {
        let payload = vec![b'*'; len];
        let expected = String::from_utf8(payload.clone()).unwrap();
        check("text", &frame(Opcode::Text, &payload), &[text(&expected)], None);
        check("binary", &frame(Opcode::Binary, &payload), &[Item::Binary(payload.into())], None);
    }
}

#[test]
fn the_examples_of_the_rfc_are_read_and_written() {
    check("masked hello", &[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58], &[text("Hello")], None);
    let mut out = Vec::new();
    put_frame(&mut out, Opcode::Text, false, b"Hello");
    assert_eq!(out, [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
    assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn headers_to_send_use_the_shortest_length() {
    for (len, header) in [
        (125, vec![0x82, 125]),
        (126, vec![0x82, 126, 0, 126]),
        (65_535, vec![0x82, 126, 0xff, 0xff]),
        (65_536, vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let mut out = Vec::new();
        put_frame(&mut out, Opcode::Binary, false, &vec![0; len]);
        assert_eq!(out[..header.len()], header);
        assert_eq!(out.len(), header.len() + len);
    }
}

#[test]
fn pings_and_pongs_come_out_at_any_place() {
    check("ping", &frame(Opcode::Ping, b"x"), &[Item::Ping("x".into())], None);
    check("empty ping", &frame(Opcode::Ping, b""), &[Item::Ping("".into())], None);
    check("longest pong", &frame(Opcode::Pong, &[7; 125]), &[Item::Pong(vec![7; 125].into())], None);
    let wire = [
        part(Opcode::Text, b"one "),
        frame(Opcode::Ping, b"p"),
        part(Opcode::Continuation, b""),
        frame(Opcode::Pong, b""),
        frame(Opcode::Continuation, b"two"),
        frame(Opcode::Binary, b"three"),
    ];
    let items = [Item::Ping("p".into()), Item::Pong("".into()), text("one two"), Item::Binary("three".into())];
    check("between fragments", &wire.concat(), &items, None);
}

#[test]
fn control_frames_are_short_and_whole() {
    refused("ping of 126 bytes", &frame_of(0x89, &[0; 126]), &[], 1002);
    refused("close of 126 bytes", &frame_of(0x88, &[0; 126]), &[], 1002);
    refused("fragmented ping", &part(Opcode::Ping, b"x"), &[], 1002);
    refused("fragmented pong", &part(Opcode::Pong, b"x"), &[], 1002);
    refused("fragmented close", &part(Opcode::Close, b""), &[], 1002);
}

/// A masked frame of any first byte, longer than a control frame may be.
fn frame_of(byte: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = frame(Opcode::Binary, payload);
    out[0] = byte;
    out
}

#[test]
fn reserved_bits_and_opcodes_are_refused() {
    for bits in [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70] {
        for opcode in [0x1, 0x2, 0x8, 0x9, 0xa] {
            let wire = [frame(Opcode::Text, b"before"), first_byte(0x80 | bits | opcode, b"")].concat();
            refused("reserved bit", &wire, &[text("before")], 1002);
        }
    }
    for opcode in (0x3..=0x7).chain(0xb..=0xf) {
        refused("reserved opcode", &first_byte(0x80 | opcode, b"x"), &[], 1002);
        refused("reserved opcode in fragments", &first_byte(opcode, b"x"), &[], 1002);
    }
}

#[test]
fn the_mask_belongs_to_the_client() {
    let mut unmasked = Vec::new();
    put_frame(&mut unmasked, Opcode::Text, false, b"x");
    refused("no mask", &unmasked, &[], 1002);
    let config = Config { role_server: false, max_message: MAX, deflate: false };
    let mut masked = frame(Opcode::Text, b"x");
    let error = Decoder::new(config).decode(&mut masked, &mut 0, &mut Inflater::new());
    assert!(matches!(error, Err(Error::Protocol(_))));
    let item = Decoder::new(config).decode(&mut unmasked, &mut 0, &mut Inflater::new());
    assert_eq!(item, Ok(Some(text("x"))));
}

#[test]
fn fragments_come_in_order_or_not_at_all() {
    let (one, two) = (part(Opcode::Text, b"one"), frame(Opcode::Continuation, b"two"));
    check("two", &[&one[..], &two].concat(), &[text("onetwo")], None);
    refused("continuation at rest", &two, &[], 1002);
    refused("open continuation at rest", &part(Opcode::Continuation, b""), &[], 1002);
    refused("continuation after a message", &[&one[..], &two, &two].concat(), &[text("onetwo")], 1002);
    refused("text inside a message", &[&one[..], &frame(Opcode::Text, b"x")].concat(), &[], 1002);
    refused("binary inside a message", &[&one[..], &part(Opcode::Binary, b"x")].concat(), &[], 1002);
}

#[test]
fn a_million_empty_fragments_hold_no_memory() {
    // CVE-2026-48779: what is kept is bytes, not fragments.
    let mut decoder = Decoder::new(Config { role_server: true, max_message: MAX, deflate: false });
    let mut inflater = Inflater::new();
    let empty = part(Opcode::Continuation, b"").repeat(1000);
    assert_eq!(decoder.decode(&mut part(Opcode::Binary, b"x"), &mut 0, &mut inflater), Ok(None));
    for _ in 0..1000 {
        assert_eq!(decoder.decode(&mut empty.clone(), &mut 0, &mut inflater), Ok(None));
        assert_eq!(decoder.buffered(), 1);
    }
}

#[test]
fn the_limit_counts_all_fragments_and_needs_no_payload() {
    let over = |len: u64| [&[0x82, 0xff][..], &len.to_be_bytes(), &MASK].concat();
    refused("one byte more", &frame(Opcode::Binary, &vec![0; MAX + 1]), &[], 1009);
    refused("announced", &over(MAX as u64 + 1), &[], 1009);
    refused("announced 63 bits", &over(u64::MAX >> 1), &[], 1009);
    refused("64 bits", &over(u64::MAX), &[], 1002);
    let fragments = [part(Opcode::Text, &vec![b'x'; MAX]), part(Opcode::Continuation, b"x")];
    refused("sum of fragments", &fragments.concat(), &[], 1009);
    let exact = [part(Opcode::Binary, &vec![1; MAX - 1]), frame(Opcode::Continuation, &[1])];
    check("exactly the limit", &exact.concat(), &[Item::Binary(vec![1; MAX].into())], None);
}

#[test]
fn an_announced_length_takes_no_memory() {
    let mut decoder = Decoder::new(Config { role_server: true, max_message: usize::MAX, deflate: false });
    let mut head = [&[0x82, 0xff][..], &(1_u64 << 62).to_be_bytes(), &MASK, b"abc"].concat();
    assert_eq!(decoder.decode(&mut head, &mut 0, &mut Inflater::new()), Ok(None));
    assert_eq!(decoder.buffered(), 3);
}

#[test]
fn text_is_utf8_across_fragments_and_fails_at_once() {
    let word = "Hello-µ@ßöäüàá-UTF-8!! \u{1f600}";
    for cut in 0..=word.len() {
        let (a, b) = word.as_bytes().split_at(cut);
        let wire = [part(Opcode::Text, a), frame(Opcode::Continuation, b)].concat();
        check("cut anywhere", &wire, &[text(word)], None);
    }
    for bad in [
        &b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"[..],
        b"\xf4\x90\x80\x80",
        b"\x80",
        b"\xc0\xaf",
        b"\xff",
    ] {
        refused("bad text", &frame(Opcode::Text, bad), &[], 1007);
        refused("bad text in an open fragment", &part(Opcode::Text, bad), &[], 1007);
    }
    refused("cut by the end", &frame(Opcode::Text, b"\xf0\x9f\x98"), &[], 1007);
    refused(
        "cut by the last fragment",
        &[part(Opcode::Text, b"\xf0\x9f"), frame(Opcode::Continuation, b"")].concat(),
        &[],
        1007,
    );
    // Fails inside the frame: the bytes behind the bad one need not come.
    let mut frame = frame(Opcode::Text, b"ab\xffcdefgh");
    frame.truncate(6 + 3);
    refused("fails fast", &frame, &[], 1007);
}

#[test]
fn close_frames_say_something_legal() {
    let item = |code, reason: &str| Item::Close(Some(CloseFrame { code, reason: reason.into() }));
    check("empty", &frame(Opcode::Close, b""), &[Item::Close(None)], None);
    check("with a reason", &close(1000, "Hällo".as_bytes()), &[item(1000, "Hällo")], None);
    check("longest reason", &close(1000, &[b'*'; 123]), &[item(1000, &"*".repeat(123))], None);
    refused("half a code", &frame(Opcode::Close, &[3]), &[], 1002);
    refused("bad reason", &close(1000, b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80"), &[], 1007);
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
        check("legal code", &close(code, b""), &[item(code, "")], None);
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        refused("illegal code", &close(code, b""), &[], 1002);
    }
}

#[test]
fn close_frames_to_send_fit_into_a_control_frame() {
    let written = |code, reason: &str| {
        let mut out = Vec::new();
        put_close(&mut out, code, reason);
        out
    };
    assert_eq!(written(None, "ignored"), [0x88, 0]);
    assert_eq!(written(Some(1001), "bye"), [0x88, 5, 0x03, 0xe9, b'b', b'y', b'e']);
    assert_eq!(written(Some(1000), &"ä".repeat(100)).len(), 2 + 2 + 122);
}

#[test]
fn a_decoder_is_small_and_keeps_nothing_between_messages() {
    assert!(size_of::<Decoder>() <= 48);
    let mut decoder = Decoder::new(Config { role_server: true, max_message: MAX, deflate: false });
    let wire = frame(Opcode::Text, b"hello");
    for byte in wire {
        let _ = decoder.decode(&mut [byte], &mut 0, &mut Inflater::new());
    }
    assert_eq!(decoder.buffered(), 0);
}
