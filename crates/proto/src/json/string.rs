//! JSON strings: quoting and unquoting.
//! Where strings stand in a text is the scanner's matter.

/// Appends `text` as a JSON string, escaped as JavaScript does it.
pub(crate) fn quote(out: &mut String, text: &str) {
    out.reserve(text.len() + 2);
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest
        .bytes()
        .position(|byte| byte < b' ' || byte == b'"' || byte == b'\\')
    {
        let (plain, tail) = rest.split_at(at);
        out.push_str(plain);
        put_escaped(out, tail.as_bytes()[0]);
        rest = &tail[1..];
    }
    out.push_str(rest);
    out.push('"');
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
