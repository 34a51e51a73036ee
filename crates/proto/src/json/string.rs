//! JSON strings: quoting, unquoting and the search for their end.
//! Where strings stand in a text is the scanner's matter.

use std::borrow::Cow;

/// Appends `text` as a JSON string, escaped as JavaScript does it.
pub(crate) fn quote(out: &mut String, text: &str) {
    out.reserve(text.len() + 2);
    out.push('"');
    let mut rest = text;
    loop {
        let (plain, tail) = rest.split_at(plain_end(rest.as_bytes(), 0));
        out.push_str(plain);
        let Some(special) = tail.bytes().next() else {
            break;
        };
        put_escaped(out, special);
        rest = &tail[1..];
    }
    out.push('"');
}

/// Returns what a valid JSON string, quotes included, says. Half a surrogate pair, which Rust's text cannot hold, becomes
/// U+FFFD.
pub(crate) fn unquote(raw: &str) -> Cow<'_, str> {
    let inner = &raw[1..raw.len() - 1];
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let (character, len) = unescape(&rest.as_bytes()[at + 1..]);
        out.push(character);
        rest = &rest[at + 1 + len..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Returns whether a valid JSON string, quotes included, says `text`.
pub(crate) fn string_is(raw: &[u8], text: &str) -> bool {
    let inner = &raw[1..raw.len() - 1];
    if inner == text.as_bytes() {
        return true;
    }
    memchr::memchr(b'\\', inner).is_some() && std::str::from_utf8(raw).is_ok_and(|raw| unquote(raw) == text)
}

/// Returns the place of the first byte from `at` on that a string cannot hold as it is: a quote, a backslash or a control
/// character; the length if there is none. Eight bytes a step.
pub(super) fn plain_end(text: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let hits = specials(u64::from_le_bytes(*chunk));
        if hits != 0 {
            return at + (hits.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while text.get(at).is_some_and(|byte| *byte >= b' ' && *byte != b'"' && *byte != b'\\') {
        at += 1;
    }
    at
}

/// Sets the high bit of bytes that are special. Borrows may set it of bytes above the lowest hit as well, never below.
fn specials(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    let below_blank = word.wrapping_sub(ONES * b' ' as u64) & !word;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let is_zero = |word: u64| word.wrapping_sub(ONES) & !word;
    (below_blank | is_zero(quote) | is_zero(backslash)) & HIGHS
}

fn put_escaped(out: &mut String, byte: u8) {
    match byte {
        b'"' => out.push_str("\\\""),
        b'\\' => out.push_str("\\\\"),
        b'\n' => out.push_str("\\n"),
        b'\r' => out.push_str("\\r"),
        b'\t' => out.push_str("\\t"),
        0x08 => out.push_str("\\b"),
        0x0c => out.push_str("\\f"),
        byte => {
            out.push_str("\\u00");
            for nibble in [byte >> 4, byte & 0xf] {
                out.extend(char::from_digit(u32::from(nibble), 16));
            }
        }
    }
}

/// Reads what follows a backslash: the character and the bytes that it took.
fn unescape(rest: &[u8]) -> (char, usize) {
    match rest {
        [b'n', ..] => ('\n', 1),
        [b'r', ..] => ('\r', 1),
        [b't', ..] => ('\t', 1),
        [b'b', ..] => ('\u{8}', 1),
        [b'f', ..] => ('\u{c}', 1),
        [b'u', unit @ ..] => {
            let first = code_unit(unit);
            if let ([b'\\', b'u', low @ ..], 0xd800..0xdc00) = (&unit[unit.len().min(4)..], first)
                && let second @ 0xdc00..0xe000 = code_unit(low)
            {
                let point = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return (char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER), 11);
            }
            (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 5)
        }
        [byte, ..] => (char::from(*byte), 1),
        [] => (char::REPLACEMENT_CHARACTER, 0),
    }
}

/// Reads four hexadecimal digits.
fn code_unit(digits: &[u8]) -> u32 {
    digits.iter().take(4).fold(0, |sum, digit| sum << 4 | char::from(*digit).to_digit(16).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{plain_end, quote, string_is, unquote};

    #[test]
    fn escapes_are_those_of_javascript() {
        let mut out = String::new();
        quote(&mut out, "a\"\\/\n\r\t\u{8}\u{c}\u{1}\u{1f}\u{7f}€\u{1f600}\u{2028}");
        assert_eq!(out, "\"a\\\"\\\\/\\n\\r\\t\\b\\f\\u0001\\u001f\u{7f}€\u{1f600}\u{2028}\"");
    }

    #[test]
    fn half_of_a_pair_is_replaced() {
        for (raw, text) in [
            (r#""\ud83d\ude00""#, "\u{1f600}"),
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""\ud83dx""#, "\u{fffd}x"),
            (r#""\ud83d\u0041""#, "\u{fffd}A"),
            (r#""\ude00\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\u0000\/\b\f\n\r\t\"\\""#, "\0/\u{8}\u{c}\n\r\t\"\\"),
        ] {
            assert_eq!(unquote(raw), text, "{raw}");
            assert!(string_is(raw.as_bytes(), text));
        }
    }

    proptest! {
        #[test]
        fn quoting_is_what_serde_json_does_and_is_undone(text in any::<String>()) {
            let mut out = String::new();
            quote(&mut out, &text);
            prop_assert_eq!(&out, &serde_json::to_string(&text).unwrap());
            prop_assert_eq!(unquote(&out), text);
        }

        #[test]
        fn the_search_stops_at_the_first_special_byte(text in prop::collection::vec(any::<u8>(), 0..40), from in 0..40_usize) {
            let special = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
            let from = from.min(text.len());
            let expected = text[from..].iter().position(special).map_or(text.len(), |at| from + at);
            prop_assert_eq!(plain_end(&text, from), expected);
        }
    }
}
