//! Query strings as node's `querystring` reads them: leniently, with a bound on the pairs.
//! What the names mean is left to the caller.

use std::borrow::Cow;

use crate::limits::MAX_QUERY_PAIRS;

/// Returns the pairs of a query or a form in their order, decoded; empty parts are skipped.
pub(crate) fn pairs(query: &[u8]) -> impl Iterator<Item = (String, String)> {
    query.split(|byte| *byte == b'&').filter(|part| !part.is_empty()).take(MAX_QUERY_PAIRS).map(|part| {
        let (name, value) = match memchr::memchr(b'=', part) {
            Some(at) => (&part[..at], &part[at + 1..]),
            None => (part, &[][..]),
        };
        (decode(name), decode(value))
    })
}

/// Replaces `+` and percent sequences; a broken sequence stands for itself, and invalid UTF-8 is replaced.
fn decode(part: &[u8]) -> String {
    let mut out = Vec::with_capacity(part.len());
    let mut rest = part;
    while let Some((first, tail)) = rest.split_first() {
        let (byte, tail) = match (first, tail) {
            (b'+', _) => (b' ', tail),
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                _ => (b'%', tail),
            },
            (byte, _) => (*byte, tail),
        };
        out.push(byte);
        rest = tail;
    }
    match String::from_utf8_lossy(&out) {
        Cow::Owned(text) => text,
        Cow::Borrowed(text) => text.to_owned(),
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::pairs;

    #[test]
    fn queries_are_read_as_node_reads_them() {
        for (query, expected) in [
            ("a=b&c=d", &[("a", "b"), ("c", "d")][..]),
            ("a=%20+%zz%4", &[("a", "  %zz%4")]),
            ("&&a&=x&a=b=c", &[("a", ""), ("", "x"), ("a", "b=c")]),
            ("%C3%A4=%ff", &[("ä", "\u{fffd}")]),
            ("", &[]),
        ] {
            let got: Vec<_> = pairs(query.as_bytes()).collect();
            let expected: Vec<_> = expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
            assert_eq!(got, expected, "{query}");
        }
    }
}
