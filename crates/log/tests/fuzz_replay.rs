//! Replays the corpus of every fuzz target and runs seeded mutations of it, in an ordinary test.
//! `TRUNKLINE_FUZZ_ROUNDS` is how many mutations each target gets (2,000), `TRUNKLINE_FUZZ_SEED` where they start; a failure
//! names target, seed and input.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use trunkline_log::fuzz::TARGETS;

#[test]
fn the_corpus_and_mutations_of_it_find_nothing() {
    let rounds = variable("TRUNKLINE_FUZZ_ROUNDS").unwrap_or(2000);
    let start = variable("TRUNKLINE_FUZZ_SEED").unwrap_or(1);
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        assert!(!corpus.is_empty(), "target {name} has no corpus");
        corpus.iter().for_each(|input| run(name, *target, input, "corpus"));
        for seed in (start..).take(usize::try_from(rounds).expect("a count")) {
            run(name, *target, &mutated(&corpus, &mut Random(seed)), &format!("seed {seed}"));
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
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a readable file")).collect()
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

/// An input of the corpus after some changes.
fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = random.pick(corpus).clone();
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() + 1);
        let end = (at + random.below(8)).min(input.len());
        match random.below(6) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = *random.pick(&[0, 1, 2, 0x7f, 0x80, 0xff, b'"', b',', b'{']),
            2 => drop(input.drain(at..end)),
            3 => input.truncate(at),
            4 => {
                let other = random.pick(corpus);
                let from = random.below(other.len() + 1);
                let len = random.below(other.len() - from + 1);
                input.splice(at..end, other[from..from + len].iter().copied());
            }
            _ => {
                let part = input[at..end].repeat(1 + random.below(60));
                input.splice(at..at, part);
            }
        }
    }
    input
}

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
