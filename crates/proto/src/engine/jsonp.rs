//! The wrapping of payloads for pages that can only load scripts and post forms.
//! Content types and the HTML around are left to whoever speaks HTTP.

use crate::json::quote;
use crate::query;

/// Wraps a payload into the script that hands it to the page: `___eio[0]("...");`.
///
/// Of `index` only the ASCII digits are taken, so that no other script can be injected; U+2028 and U+2029 are escaped, as
/// scripts older than 2019 end a line there.
#[must_use]
pub fn jsonp(index: &str, payload: &str) -> String {
    let mut quoted = String::with_capacity(payload.len() + 16);
    quote(&mut quoted, payload);
    let mut out = String::with_capacity(quoted.len() + 16);
    out.push_str("___eio[");
    out.extend(index.chars().filter(char::is_ascii_digit));
    out.push_str("](");
    for character in quoted.chars() {
        match character {
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            character => out.push(character),
        }
    }
    out.push_str(");");
    out
}

/// Returns the payload in a posted form: its field `d`, newlines unescaped. `None` if there is no such field or more than
/// one, which the reference does not take either.
#[must_use]
pub fn jsonp_body(form: &[u8]) -> Option<String> {
    let mut fields = query::pairs(form).filter(|(name, _)| name == "d");
    let (_, payload) = fields.next()?;
    fields.next().is_none().then(|| unescape_newlines(&payload))
}

/// A backslash before `n` is a newline, two are one: the page doubles those that were there, as forms change newlines.
fn unescape_newlines(payload: &str) -> String {
    let mut out = String::with_capacity(payload.len());
    let mut rest = payload;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (with, len) = if rest.starts_with("\\\\n") {
            ("\\n", 3)
        } else if rest.starts_with("\\n") {
            ("\n", 2)
        } else {
            ("\\", 1)
        };
        out.push_str(with);
        rest = &rest[len..];
    }
    out.push_str(rest);
    out
}
