//! The place of the ruler for speed: broadcast, echo and idle against a ceiling.
//! The load generator itself belongs to the folder `bench/`, not here.

use crate::Outcome;

/// Says that the load generator is not there yet.
pub(crate) fn run(_arguments: &[&str]) -> Outcome {
    Err("bench: the load generator is not part of this tree yet".to_owned())
}
