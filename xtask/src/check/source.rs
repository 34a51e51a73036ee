//! A light reading of Rust sources: comments and strings blanked out, code of tests cut off, functions found.
//! It is a scan that knows braces, not a parser, and judges nothing.

use std::ops::Range;

/// A function: its name, the line it begins on (from 1) and how many lines it has, signature included.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) lines: usize,
}

/// The source with comments, strings and characters replaced by blanks; every line break stays.
pub(super) fn mask(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut masked = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = opaque_end(bytes, at);
        if end > at {
            masked.extend(bytes[at..end].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
            at = end;
        } else {
            masked.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&masked).into_owned()
}

/// Where the comment, string or character that begins at `at` ends; `at` itself if none begins there.
fn opaque_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let in_word = at > 0 && is_word(bytes[at - 1]);
    match rest {
        [b'/', b'/', ..] => at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => at + block_comment(rest),
        [b'"', ..] => at + string(rest),
        [b'\'', ..] => at + character(rest),
        [b'r' | b'b' | b'c', ..] if !in_word => at + raw_string(rest),
        _ => at,
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != b'"' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    rest.len().min(at + 1)
}

/// The length of a character literal, 0 for a lifetime.
fn character(rest: &[u8]) -> usize {
    if rest.get(1) == Some(&b'\\') {
        return rest.iter().skip(3).position(|byte| *byte == b'\'').map_or(0, |at| at + 4);
    }
    // One character of UTF-8 has up to four bytes.
    let end = (2..=5).find(|at| rest.get(*at) == Some(&b'\''));
    let is_char = |end: usize| std::str::from_utf8(&rest[1..end]).is_ok_and(|text| text.chars().count() == 1);
    end.filter(|end| is_char(*end)).map_or(0, |end| end + 1)
}

/// The length of `r"…"`, `br#"…"#` and their like, 0 for anything else.
fn raw_string(rest: &[u8]) -> usize {
    let Some(marker) = rest.iter().take(2).position(|byte| *byte == b'r') else {
        return 0;
    };
    let hashes = rest[marker + 1..].iter().take_while(|byte| **byte == b'#').count();
    let open = marker + 1 + hashes;
    if rest.get(open) != Some(&b'"') {
        return 0;
    }
    let closing = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let body = &rest[open + 1..];
    let end = body.windows(closing.len()).position(|window| window == closing).unwrap_or(body.len());
    rest.len().min(open + 1 + end + closing.len())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Masked code with the items under `#[cfg(test)]` blanked out as well.
pub(super) fn without_tests(masked: &str) -> String {
    let mut code = masked.to_owned();
    while let Some(start) = code.find("#[cfg(test)]") {
        let end = item_end(&code, start + 1);
        let blank: String = code[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        code.replace_range(start..end, &blank);
    }
    code
}

/// Where the item that begins at `from` ends: behind its block, or its semicolon.
fn item_end(code: &str, from: usize) -> usize {
    match code[from..].find(['{', ';']) {
        Some(at) if code.as_bytes()[from + at] == b'{' => block(code, from + at).end,
        Some(at) => from + at + 1,
        None => code.len(),
    }
}

/// The range of the block that opens at `open`.
fn block(code: &str, open: usize) -> Range<usize> {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth <= 1 => return open..at + 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    open..code.len()
}

/// The functions with a body in masked code; one inside another is counted for itself and within it.
pub(super) fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let name: String =
            code[at + 3..].trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let begins_word = at == 0 || !is_word(code.as_bytes()[at - 1]);
        let Some(open) = body_start(code, at) else {
            continue;
        };
        if begins_word && !name.is_empty() {
            let line = 1 + code[..at].matches('\n').count();
            let lines = 1 + code[at..block(code, open).end].matches('\n').count();
            found.push(Function { name, line, lines });
        }
    }
    found
}

/// Where the body of the function at `at` opens; none for a declaration. Brackets of the signature are stepped over: a
/// semicolon in `[u8; 4]` ends nothing.
fn body_start(code: &str, at: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (offset, byte) in code.bytes().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(offset),
            b';' | b'}' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_comments_and_characters_are_blank_and_lifetimes_are_not() {
        let masked = mask("a \"}\\\"{\" b r#\"}\"# c // }\n'{' '\\'' 'é' &'a str /* { /* } */ */ d");
        assert!(!masked.contains(['{', '}']));
        assert_eq!(masked.split_whitespace().collect::<Vec<_>>(), ["a", "b", "c", "&'a", "str", "d"]);
    }

    #[test]
    fn functions_are_found_with_their_lengths() {
        let code = "fn one() {}\nfn two(a: [u8; 2])\nwhere\n{\n    if x { y }\n}\ntrait T { fn none(); }\n";
        let one = Function { name: "one".into(), line: 1, lines: 1 };
        let two = Function { name: "two".into(), line: 2, lines: 5 };
        assert_eq!(functions(code), [one, two]);
    }

    #[test]
    fn what_only_tests_use_is_cut_off() {
        let code = without_tests("fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n");
        let names: Vec<_> = functions(&code).into_iter().map(|function| function.name).collect();
        assert_eq!(names, ["a", "c"]);
    }
}
