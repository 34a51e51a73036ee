//! permessage-deflate: the negotiation and the examples of RFC 7692, limits against bombs, and what cannot be inflated.
//! Frames without compression are tested elsewhere.

use trunkline_proto::ws::{Config, Decoder, Deflater, Error, Inflater, Item, Opcode, WindowBits};
use trunkline_proto::ws::{DeflateAgreement, negotiate_deflate, put_masked_frame};

const ANSWER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const MASK: [u8; 4] = [1, 2, 3, 4];
const MAX: usize = 100_000;

#[test]
fn offers_are_answered_if_they_can_be_taken() {
    for offer in [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate;client_max_window_bits=10",
        "permessage-deflate ; client_max_window_bits=\"15\" ",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; server_max_window_bits=8, permessage-deflate",
        "permessage-deflate; server_max_window_bits=8; foo, permessage-deflate",
        "permessage-deflate; unknown, permessage-deflate; client_max_window_bits",
        "x-webkit-deflate-frame, permessage-deflate; client_max_window_bits",
        "foo; a=\"b\"; c, permessage-deflate",
        "\tpermessage-deflate",
    ] {
        check_answer(offer, ANSWER, WindowBits::MAX);
    }
}

fn check_answer(offer: &str, answer: &str, window: WindowBits) {
    let expected = DeflateAgreement { answer: answer.to_owned(), window };
    assert_eq!(negotiate_deflate(offer), Some(expected), "{offer}");
}

#[test]
fn a_window_that_the_client_asks_for_is_granted_and_answered() {
    for bits in 9..=15 {
        let (answer, window) = (format!("{ANSWER}; server_max_window_bits={bits}"), WindowBits::new(bits).unwrap());
        for offer in [
            format!("permessage-deflate; server_max_window_bits={bits}"),
            format!("permessage-deflate;client_max_window_bits;server_max_window_bits=\"{bits}\""),
            format!("permessage-deflate; server_max_window_bits={bits}; client_max_window_bits=9, permessage-deflate"),
            format!("permessage-deflate; server_max_window_bits=8, {answer}"),
        ] {
            check_answer(&offer, &answer, window);
        }
    }
    assert_eq!((WindowBits::new(8), WindowBits::new(16), WindowBits::new(0)), (None, None, None));
}

#[test]
fn offers_that_cannot_be_taken_are_not_answered() {
    for offer in [
        "",
        " ",
        "constructor",
        "__proto__",
        "permessage-deflate2",
        "PERMESSAGE-DEFLATE",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=09",
        "permessage-deflate; server_max_window_bits=+9",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=8",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=08",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=",
        "permessage-deflate; client_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; foo",
        "permessage-deflate;",
        "permessage-deflate; =",
        "permessage-deflate; client_max_window_bits=\"15",
        "permessage-deflate; client_max_window_bits=\"1 5\"",
        "permessage-deflate x",
        ", permessage-deflate",
        "\"permessage-deflate\"",
    ] {
        assert_eq!(negotiate_deflate(offer), None, "{offer}");
    }
    // Linear, and not many offers are read.
    assert_eq!(negotiate_deflate(&" ".repeat(1_000_000)), None);
    assert_eq!(negotiate_deflate(&"a;".repeat(500_000)), None);
    assert_eq!(negotiate_deflate(&format!("{}permessage-deflate", "a, ".repeat(17))), None);
}

/// Decodes frames of a client, whole and byte by byte.
#[track_caller]
#[allow(clippy::needless_pass_by_value, reason = "the rows read better")]
fn check(what: &str, frames: &[(u8, &[u8])], expected: Result<Item, Error>) {
    let wire: Vec<u8> = frames.iter().flat_map(|(first, payload)| frame(*first, payload)).collect();
    for step in [wire.len(), 1] {
        let mut decoder = Decoder::new(Config { role_server: true, max_message: MAX, deflate: true });
        let mut inflater = Inflater::new();
        let mut outcome = None;
        for chunk in wire.chunks(step) {
            if let Some(got) = decoder.decode(&mut chunk.to_vec(), &mut 0, &mut inflater).transpose() {
                outcome = Some(got);
                break;
            }
        }
        assert_eq!(outcome, Some(expected.clone()), "{what}, {step} bytes at a time");
    }
}

/// A masked frame with the given first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_masked_frame(&mut out, Opcode::Binary, false, MASK, payload);
    out[0] = first;
    out
}

fn text(text: &str) -> Result<Item, Error> {
    Ok(Item::Text(text.into()))
}

#[test]
fn the_examples_of_the_rfc_are_inflated() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    check("one block", &[(0xc1, &hello)], text("Hello"));
    check("in fragments", &[(0x41, &hello[..3]), (0x80, &hello[3..])], text("Hello"));
    check("in empty fragments", &[(0x41, &[]), (0x00, &hello), (0x80, &[])], text("Hello"));
    check("no compression", &[(0xc1, b"\x00\x05\x00\xfa\xffHello\x00")], text("Hello"));
    check("final block", &[(0xc1, &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00])], text("Hello"));
    check("final block alone", &[(0xc1, &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00])], text("Hello"));
    let two_blocks = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    check("two blocks", &[(0xc1, &two_blocks)], text("Hello"));
    check("empty", &[(0xc1, &[0x00])], text(""));
    check("not compressed", &[(0x81, b"Hello")], text("Hello"));
    check("binary", &[(0xc2, &hello)], Ok(Item::Binary("Hello".into())));
}

#[test]
fn the_bit_belongs_to_the_first_frame_of_a_message() {
    let protocol = Err(Error::Protocol("reserved bit set"));
    check("on a continuation", &[(0x41, b""), (0xc0, b"")], protocol.clone());
    check("on a ping", &[(0xc9, b"")], protocol.clone());
    check("other bits", &[(0xa1, b"")], protocol.clone());
    check("all bits", &[(0xf1, b"")], protocol);
}

#[test]
fn what_cannot_be_inflated_is_refused() {
    check("bad block type", &[(0xc1, &[0x07, 0x00])], Err(Error::Deflate));
    check("bad stored length", &[(0xc1, &[0x00, 0x05, 0x00, 0x00, 0x00])], Err(Error::Deflate));
    check("distance too far back", &[(0xc1, &[0x02, 0x82, 0x08, 0x00])], Err(Error::Deflate));
    let after_final = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x01, 0x02];
    check("more behind a final block", &[(0xc1, &after_final)], Err(Error::Deflate));
    check("bad text", &[(0xc1, &deflated(b"\xff\xfe"))], Err(Error::Utf8));
}

fn deflated(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Deflater::new().deflate(WindowBits::MAX, data, &mut out);
    out
}

#[test]
fn bombs_stop_at_the_limit() {
    let most = vec![b'x'; MAX];
    check("just enough", &[(0xc2, &deflated(&most))], Ok(Item::Binary(most.into())));
    check("one more", &[(0xc2, &deflated(&vec![b'x'; MAX + 1]))], Err(Error::TooBig));
    let bomb = deflated(&vec![0; 50_000_000]);
    assert!(bomb.len() < MAX, "{}", bomb.len());
    check("a bomb", &[(0xc2, &bomb)], Err(Error::TooBig));

    let mut out = Vec::new();
    assert_eq!(Inflater::new().inflate(&bomb, MAX, &mut out), Err(Error::TooBig));
    assert!(out.capacity() <= 2 * MAX + 8192, "memory follows the limit, not the content: {}", out.capacity());
    assert_eq!(Inflater::new().inflate(&deflated(b"x"), 0, &mut Vec::new()), Err(Error::TooBig));
    assert_eq!(Inflater::new().inflate(&deflated(b""), 0, &mut Vec::new()), Ok(()));
}

#[test]
fn contexts_are_shared_by_messages_that_know_nothing_of_each_other() {
    let (mut deflater, mut inflater) = (Deflater::new(), Inflater::new());
    let mut first = Vec::new();
    deflater.deflate(WindowBits::MAX, b"the same words, the same words", &mut first);
    let _ = inflater.inflate(&[0x07], MAX, &mut Vec::new());
    for message in [&b""[..], b"x", b"the same words, the same words", &[0; 70_000], &[0xff; 3]] {
        let mut wire = b"kept".to_vec();
        deflater.deflate(WindowBits::MAX, message, &mut wire);
        let mut again = Vec::new();
        deflater.deflate(WindowBits::MAX, message, &mut again);
        assert_eq!(wire[4..], again, "the same data gives the same bytes");
        let mut out = b"kept".to_vec();
        inflater.inflate(&wire[4..], MAX, &mut out).unwrap();
        assert_eq!(out, [b"kept", message].concat());
    }
    let mut later = Vec::new();
    deflater.deflate(WindowBits::MAX, b"the same words, the same words", &mut later);
    assert_eq!(first, later);
}

/// Noise that stands twice is found again only if the window reaches back over one of it: the length of what comes out
/// shows how far it reaches.
#[test]
fn what_is_deflated_refers_no_further_back_than_its_window() {
    let mut deflater = Deflater::new();
    for bits in 9..=15 {
        let window = WindowBits::new(bits).unwrap();
        let size = 1_usize << bits;
        for (len, is_found) in [(size * 3 / 8, true), (size + 1, false)] {
            let block = noise(len);
            let twice = [&block[..], &block].concat();
            let (mut wire, mut out) = (Vec::new(), Vec::new());
            deflater.deflate(window, &twice, &mut wire);
            assert_eq!(wire.len() < len * 3 / 2, is_found, "{bits} bits, {len} bytes twice: {}", wire.len());
            Inflater::new().inflate(&wire, MAX, &mut out).unwrap();
            assert_eq!(out, twice);
        }
    }
}

/// Bytes without a pattern, always the same ones.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn each_window_has_a_context_of_its_own() {
    let data = [noise(2000), noise(2000)].concat();
    let mut deflater = Deflater::new();
    let mut alone = |bits| {
        let (window, mut wire) = (WindowBits::new(bits).unwrap(), Vec::new());
        deflater.deflate(window, &data, &mut wire);
        wire
    };
    let (small, large) = (alone(9), alone(15));
    assert!(large.len() < small.len());
    assert_eq!((alone(9), alone(15)), (small, large));
}
