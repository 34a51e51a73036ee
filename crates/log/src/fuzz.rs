//! The decoder of records as a plain function over bytes that asserts its invariants; a panic is a finding.
//! Where the bytes come from (a corpus, mutations, libFuzzer) is left to the caller.

/// A name and the function that takes an input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[("log_record", crate::durable::fuzz::record)];
