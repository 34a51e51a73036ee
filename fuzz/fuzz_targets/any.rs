//! libFuzzer on the target that `TRUNKLINE_FUZZ_TARGET` names.
//! What a target does with its bytes is the business of the crates that list them.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

fn chosen() -> fn(&[u8]) {
    let name = std::env::var("TRUNKLINE_FUZZ_TARGET").expect("TRUNKLINE_FUZZ_TARGET names a target");
    let all = || trunkline_proto::fuzz::TARGETS.iter().chain(trunkline_log::fuzz::TARGETS);
    let known = all().find(|(known, _)| *known == name);
    known.expect("TRUNKLINE_FUZZ_TARGET names one of the targets listed").1
}

fuzz_target!(|data: &[u8]| TARGET.get_or_init(chosen)(data));
