//! Replays the corpus of every fuzz target and runs seeded mutations of it, in an ordinary test.
//! `TRUNKLINE_FUZZ_ROUNDS` is how many mutations each target gets (2,000), `TRUNKLINE_FUZZ_SEED` where they start; a failure
//! names target, seed and input.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use trunkline_proto::fuzz::TARGETS;

#[test]
fn the_corpus_finds_nothing() {
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        assert!(!corpus.is_empty(), "target {name} has no corpus");
        for input in corpus {
            run(name, *target, &input, "corpus");
        }
    }
}

#[test]
fn mutations_of_the_corpus_find_nothing() {
    let rounds = variable("TRUNKLINE_FUZZ_ROUNDS").unwrap_or(2000);
    let start = variable("TRUNKLINE_FUZZ_SEED").unwrap_or(1);
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        for seed in (start..).take(usize::try_from(rounds).expect("a count")) {
            let input = mutated(&corpus, &mut Random(seed));
            run(name, *target, &input, &format!("seed {seed}"));
        }
    }
}

fn run(name: &str, target: fn(&[u8]), input: &[u8], origin: &str) {
    assert!(
        catch_unwind(|| target(input)).is_ok(),
        "target {name}, {origin}, input {:?}",
        input.escape_ascii().to_string()
    );
}

/// The files of a target in the order of their names.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a readable file")).collect()
}

#[allow(clippy::disallowed_methods, reason = "the test is told how long to run")]
fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

/// An input of the corpus after some changes.
fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = random.pick(corpus).clone();
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() + 1);
        let end = (at + random.below(8)).min(input.len());
        match random.below(8) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => {
                let bytes = [0, 1, 0x7f, 0x80, 0xff, b'"', b'\\', b'[', b'{', b'0', b'-'];
                input[at] = *random.pick(&bytes);
            }
            2 => drop(input.drain(at..end)),
            3 => input.truncate(at),
            4 => {
                let other = random.pick(corpus);
                let from = random.below(other.len() + 1);
                let len = random.below(other.len() - from + 1);
                input.splice(at..end, other[from..from + len].iter().copied());
            }
            5 => {
                let part = input[at..end].repeat(1 + random.below(60));
                input.splice(at..at, part);
            }
            6 => {
                let part: Vec<u8> = (0..random.below(6)).map(|_| random.below(256) as u8).collect();
                input.splice(at..at, part);
            }
            _ => {
                let word = *random.pick(WORDS);
                input.splice(at..end, word.iter().copied());
            }
        }
    }
    input
}

/// What parsers look for.
const WORDS: &[&[u8]] = &[
    b"{\"_placeholder\":true,\"num\":0}",
    b"\"_placeholder\":true",
    b"\xac_placeholder\xc3\xa3num\x00",
    b"\\ud83d\\ude00",
    b"\\ud800",
    b"52-",
    b"/ns?a=b,",
    b"\x1e",
    b"1e309",
    b"-0.0",
    b"18446744073709551616",
    b"\xf0\x9f\x98\x80",
    b"\xed\xa0\x80",
    b"\xd4\x00\x00",
    b"\xd7\xff",
    b"\xc7\x0c\xff",
    b"\xc4\x01x",
    b"\x00\x00\xff\xff",
    b"99999999999",
    b"b4AQID",
];

/// A small generator (splitmix64), so that a seed is all that a run needs.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
