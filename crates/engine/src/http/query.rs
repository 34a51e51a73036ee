//! The query string of a request, decoded leniently. What its parameters mean together is left to `route`.

use trunkline_proto::Version;

use super::limits::QUERY_PAIRS_MAX;

/// The parameters of a request. Of a name that occurs twice the last one counts; an empty value counts as a value only
/// in `all`, `eio` and `j`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// `EIO`: the protocol version as it was sent.
    pub eio: Option<String>,
    /// `transport`.
    pub transport: Option<String>,
    /// `sid`: the session's id, after the handshake.
    pub sid: Option<String>,
    /// `t`: different in every request so that no cache answers it.
    pub t: Option<String>,
    /// `b64`: the client cannot take binary answers.
    pub b64: bool,
    /// `j`: the answer is to be a script (JSONP) with this index.
    pub j: Option<String>,
    /// Every parameter in the order of the query string, those above included.
    pub all: Vec<(String, String)>,
}

impl Query {
    /// Decodes a query string: `+` is a blank, what is no valid escape stays as it is, what is no valid UTF-8 becomes
    /// U+FFFD. At most [`QUERY_PAIRS_MAX`] parameters; takes time linear in the length.
    #[must_use]
    pub fn parse(raw: Option<&str>) -> Self {
        let pairs = raw.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let mut query = Self::default();
        for pair in pairs.take(QUERY_PAIRS_MAX) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            query.push(decode(name), decode(value));
        }
        query
    }

    /// The last parameter of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The protocol version: only the literal `4` is version 4, anything else and nothing at all is version 3.
    #[must_use]
    pub fn version(&self) -> Version {
        if self.eio.as_deref() == Some("4") { Version::V4 } else { Version::V3 }
    }

    fn push(&mut self, name: String, value: String) {
        let filled = || Some(value.clone()).filter(|value| !value.is_empty());
        match name.as_str() {
            "EIO" => self.eio = Some(value.clone()),
            "transport" => self.transport = filled(),
            "sid" => self.sid = filled(),
            "t" => self.t = filled(),
            "b64" => self.b64 = !value.is_empty(),
            "j" => self.j = Some(value.clone()),
            _ => {}
        }
        self.all.push((name, value));
    }
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        let (byte, tail) = match (first, tail) {
            (b'+', tail) => (b' ', tail),
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                _ => (b'%', tail),
            },
            (byte, tail) => (byte, tail),
        };
        out.push(byte);
        rest = tail;
    }
    match String::from_utf8(out) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_and_what_is_none_stays() {
        let vectors = [
            ("a", "a"),
            ("a+b", "a b"),
            ("%41%62", "Ab"),
            ("%", "%"),
            ("%4", "%4"),
            ("%4g", "%4g"),
            ("%+1", "% 1"),
            ("%%41", "%A"),
            ("%ff", "\u{fffd}"),
            ("%E2%82%AC", "€"),
            ("%E2%82", "\u{fffd}"),
        ];
        for (raw, decoded) in vectors {
            assert_eq!(decode(raw), decoded, "{raw}");
        }
    }

    #[test]
    fn the_last_of_two_counts_and_all_are_kept() {
        let query = Query::parse(Some("EIO=3&EIO=4&&sid=&transport=polling&b64=1&x&y=1=2&j=&t=abc"));
        assert_eq!(query.version(), Version::V4);
        assert_eq!(query.sid, None);
        assert_eq!(query.transport.as_deref(), Some("polling"));
        assert!(query.b64);
        assert_eq!(query.j.as_deref(), Some(""));
        assert_eq!(query.t.as_deref(), Some("abc"));
        assert_eq!(query.get("EIO"), Some("4"));
        assert_eq!(query.get("x"), Some(""));
        assert_eq!(query.get("y"), Some("1=2"));
        assert_eq!(query.get("toString"), None);
        assert_eq!(query.all.len(), 9);
    }

    #[test]
    fn only_the_literal_4_is_version_4() {
        for raw in [None, Some("EIO=04"), Some("EIO=4.0"), Some("EIO=5"), Some("eio=4"), Some("EIO")] {
            assert_eq!(Query::parse(raw).version(), Version::V3, "{raw:?}");
        }
    }

    #[test]
    fn parameters_beyond_the_limit_are_ignored() {
        let raw = format!("{}sid=late", "a=1&".repeat(QUERY_PAIRS_MAX));
        let query = Query::parse(Some(&raw));
        assert_eq!(query.all.len(), QUERY_PAIRS_MAX);
        assert_eq!(query.sid, None);
    }
}
