//! The scanner against serde_json, and what it tells.
//! Strings are tested beside their code.

use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::{Children, Invalid, Span, Visitor, is_blank_from, scan};

/// Whether the whole text is one value.
fn is_valid(text: &str, max_depth: usize) -> Result<bool, Invalid> {
    match scan(text.as_bytes(), 0, max_depth, &mut ()) {
        Ok(end) => Ok(is_blank_from(text.as_bytes(), end)),
        Err(Invalid::Syntax) => Ok(false),
        Err(Invalid::TooDeep) => Err(Invalid::TooDeep),
    }
}

#[track_caller]
fn agrees(text: &str) {
    let expected = serde_json::from_str::<IgnoredAny>(text).is_ok();
    assert_eq!(is_valid(text, 128), Ok(expected), "{text}");
}

#[test]
fn the_grammar_is_that_of_serde_json() {
    for text in [
        "",
        " ",
        "0",
        "-0",
        "-",
        "01",
        "1.",
        "1.0",
        ".1",
        "1e",
        "1e+",
        "1E-5",
        "1e5.",
        "-1.5e+10x",
        "1 ",
        " 1",
        "1 1",
        "true",
        "tru",
        "truex",
        "false",
        "null",
        "nul",
        "True",
        "\"\"",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\u12\"",
        "\"\\u1234\"",
        "\"\\ud800\"",
        "\"\\x\"",
        "\"\t\"",
        "\"\u{7f}\u{80}\"",
        "[]",
        "[",
        "]",
        "[]]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1,2",
        "{}",
        "{",
        "}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":1 \"b\":2}",
        "{a:1}",
        "{\"a\":1]",
        "[1}",
        "{,}",
        "[{}]",
        "{\"a\":[]}",
        "\u{feff}1",
        "\u{a0}1",
        "[\u{c}]",
        "/**/1",
        "NaN",
        "1\u{0}",
        "\"\u{0}\"",
        "'a'",
    ] {
        agrees(text);
    }
}

#[test]
fn depth_is_counted_to_the_level() {
    let nested = |levels: usize| format!("{}{}", "[{\"a\":".repeat(levels / 2), "[".repeat(levels % 2));
    for levels in [1, 2, 63, 64, 127, 128] {
        let open = nested(levels);
        let close: String = open
            .chars()
            .rev()
            .filter_map(|c| match c {
                '[' => Some(']'),
                '{' => Some('}'),
                _ => None,
            })
            .collect();
        let inner = if levels % 2 == 0 { "1" } else { "" };
        let text = format!("{open}{inner}{close}");
        assert_eq!(is_valid(&text, levels), Ok(true), "{levels}");
        assert_eq!(is_valid(&text, levels - 1), Err(Invalid::TooDeep), "{levels}");
    }
    assert_eq!(is_valid(&nested(129), 500), Err(Invalid::TooDeep), "the word has 128 bits");
}

#[test]
fn children_are_told_with_their_keys() {
    let told = |text: &str| {
        let mut children = Vec::new();
        scan(
            text.as_bytes(),
            0,
            128,
            &mut Children::new(|key, span| {
                children.push((key.map(|key| text[key].to_owned()), text[span].to_owned()));
            }),
        )
        .unwrap();
        children
    };
    let (some, none) = (|key: &str| Some(key.to_owned()), None);
    assert_eq!(
        told("[1, [2,[3]] ,{\"a\":4}]"),
        [(none.clone(), "1".into()), (none.clone(), "[2,[3]]".into()), (none, "{\"a\":4}".into())]
    );
    assert_eq!(told("{\"a\" : 1,\"b\":{\"c\":2}}"), [(some("\"a\""), "1".into()), (some("\"b\""), "{\"c\":2}".into())]);
    assert_eq!(told("1"), []);
}

/// Checks that what is told is balanced and inside the text.
struct Balance(Vec<usize>, usize);

impl Visitor for Balance {
    fn open(&mut self, at: usize, _is_object: bool) {
        assert!(at < self.1);
        self.0.push(at);
    }
    fn close(&mut self, end: usize) {
        assert!(self.0.pop().is_some_and(|start| start < end && end <= self.1));
    }
    fn scalar(&mut self, span: Span) {
        assert!(span.start < span.end && span.end <= self.1);
    }
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_serde_json_writes_is_valid(value in value(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
        let mut balance = Balance(Vec::new(), text.len());
        prop_assert_eq!(scan(text.as_bytes(), 0, 128, &mut balance), Ok(text.len()));
        prop_assert!(balance.0.is_empty());
    }

    #[test]
    fn mutated_texts_are_judged_as_serde_json_does(
        value in value(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), "[\\[\\]{}\",:0-9eE+.\\\\ntfu \\x00a-]{0,2}", any::<bool>()), 1..4),
    ) {
        let mut text: Vec<char> = value.to_string().chars().collect();
        for (at, with, remove) in cuts {
            let at = at.index(text.len() + 1);
            let end = if remove { (at + 1).min(text.len()) } else { at };
            text.splice(at..end, with.chars());
        }
        let text: String = text.into_iter().collect();
        agrees(&text);
    }

    #[test]
    fn soup_of_tokens_is_judged_as_serde_json_does(text in "([\\[\\]{}\",: ]|\"a\":|1|true|\\\\u00e9|-0\\.5e3){0,12}") {
        agrees(&text);
    }
}
