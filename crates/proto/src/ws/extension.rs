//! The negotiation of permessage-deflate (RFC 7692, 5 and 7.1).
//! Whether compression is wanted at all is left to the caller.

use crate::limits::MAX_EXTENSION_OFFERS;

/// Answers the value of a `Sec-WebSocket-Extensions` request header: what the response's header says if there is an offer
/// that can be taken, `None` if not.
///
/// Taken is the first valid offer of permessage-deflate that does not bind the server to a smaller window. The answer asks
/// for no context takeover in both directions. A header that breaks the grammar is no offer. Linear time.
#[must_use]
pub fn negotiate_deflate(offer: &str) -> Option<String> {
    let mut cursor = Cursor { rest: offer };
    for _ in 0..MAX_EXTENSION_OFFERS {
        let (acceptable, more) = read_offer(&mut cursor)?;
        if acceptable {
            return Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover".to_owned());
        }
        if !more {
            break;
        }
    }
    None
}

/// Reads one offer: whether it can be taken, and whether another one follows. `None` if it breaks the grammar.
fn read_offer(cursor: &mut Cursor<'_>) -> Option<(bool, bool)> {
    let mut acceptable = cursor.token()? == "permessage-deflate";
    let mut seen = Seen::default();
    loop {
        if cursor.take(';') {
            let name = cursor.token()?;
            let value = if cursor.take('=') { Some(cursor.value()?) } else { None };
            acceptable &= seen.judge(name, value);
        } else if cursor.take(',') {
            return Some((acceptable, true));
        } else {
            return cursor.is_at_end().then_some((acceptable, false));
        }
    }
}

/// The parameters of one offer so far. "A server MUST decline an extension negotiation offer ... if the offer has a
/// parameter not defined for use in an offer, ... with an invalid value, ... multiple parameters with the same name" (7.1).
#[derive(Default)]
struct Seen([bool; 4]);

impl Seen {
    fn judge(&mut self, name: &str, value: Option<&str>) -> bool {
        let (slot, valid) = match name {
            "server_no_context_takeover" => (0, value.is_none()),
            "client_no_context_takeover" => (1, value.is_none()),
            // Valid from 8, but the shared context has a window of 15 bits, so a smaller one must be declined.
            "server_max_window_bits" => (2, value == Some("15")),
            // A hint about the client's own window, which an inflater of 15 bits can follow whatever it is.
            "client_max_window_bits" => (3, value.is_none_or(is_window_bits)),
            _ => return false,
        };
        valid && !std::mem::replace(&mut self.0[slot], true)
    }
}

/// "a decimal integer value without leading zeroes between 8 to 15, inclusive" (7.1.2).
fn is_window_bits(value: &str) -> bool {
    matches!(value, "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15")
}

/// Walks a header value. The grammar is that of RFC 6455, 9.1: tokens, and values as tokens or as quoted tokens.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn is_at_end(&mut self) -> bool {
        self.skip_blanks();
        self.rest.is_empty()
    }

    fn take(&mut self, separator: char) -> bool {
        self.skip_blanks();
        self.rest.strip_prefix(separator).map(|rest| self.rest = rest).is_some()
    }

    fn token(&mut self) -> Option<&'a str> {
        self.skip_blanks();
        let end = self.rest.find(|c| !is_token_char(c)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!token.is_empty()).then_some(token)
    }

    fn value(&mut self) -> Option<&'a str> {
        if !self.take('"') {
            return self.token();
        }
        let (value, rest) = self.rest.split_once('"')?;
        self.rest = rest;
        value.chars().all(is_token_char).then_some(value)
    }
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}
