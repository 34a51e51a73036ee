//! Runs of several shards around one log, drawn from seeds and judged by a model that keeps each member's history. What
//! the machine is told and says is in `world` and `wire`, who is at the other end in `client`, what would be right in
//! `model`.
//!
//! `TRUNKLINE_SIM_SEEDS` says how many seeds are run, `TRUNKLINE_SIM_SEED` with which one they start. A failure names its
//! seed and the fewest steps that were found to lead to it. It lies beside the log because here the machine and the ring
//! are both known. With the feature `mutants` it shows that it can fail.

mod client;
mod found;
mod model;
mod rng;
mod steps;
mod wire;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

#[cfg(feature = "mutants")]
use trunkline_delivery::Mutant;
use trunkline_delivery::{Delivery, Interest, Sessions};

use crate::steps::{Config, Step};
use crate::world::{Seen, World};

/// Seeds of an ordinary run.
const SEEDS: u64 = 3000;
/// Seeds after which a mutant counts as not found. Most are found by the first hundred.
#[cfg(feature = "mutants")]
const MUTANT_SEEDS: u64 = 20_000;

/// The wrong that is switched on, if the feature is there and one is.
#[derive(Clone, Copy, Default)]
pub(crate) struct Mutation {
    #[cfg(feature = "mutants")]
    mutant: Option<Mutant>,
}

impl Mutation {
    pub(crate) fn of_delivery(self, _delivery: &mut Delivery) {
        #[cfg(feature = "mutants")]
        self.mutant.into_iter().for_each(|mutant| _delivery.mutate(mutant));
    }

    pub(crate) fn of_sessions(self, _sessions: &mut Sessions) {
        #[cfg(feature = "mutants")]
        self.mutant.into_iter().for_each(|mutant| _sessions.mutate(mutant));
    }

    pub(crate) fn of_interest(self, _interest: &mut Interest) {
        #[cfg(feature = "mutants")]
        self.mutant.into_iter().for_each(|mutant| _interest.mutate(mutant));
    }
}

#[test]
fn every_member_gets_what_it_is_owed_once_and_in_order() {
    let (first, count) = (from_env("TRUNKLINE_SIM_SEED", 1), from_env("TRUNKLINE_SIM_SEEDS", SEEDS));
    let mut seen = Seen::default();
    for seed in first..first + count {
        let (config, steps) = steps::draw(seed);
        match run(&config, &steps, Mutation::default()) {
            Ok(more) => seen.add(&more),
            Err(said) => {
                let fewest = shrink(&config, steps);
                let then = run(&config, &fewest, Mutation::default()).err();
                panic!("seed {seed}: {said}\nin {config:?}; {then:?} by\n{}", list(&fewest));
            }
        }
    }
    // A simulation in which these do not happen proves nothing about them.
    let often = |&times: &u64| times > count / 20;
    assert!(count < SEEDS || seen.all().iter().all(often), "{seen:?}");
}

#[test]
fn what_was_found_once_stays_right() {
    for (story, config, steps) in found::all() {
        run(&config, &steps, Mutation::default()).unwrap_or_else(|said| panic!("{story}: {said}"));
    }
}

#[cfg(feature = "mutants")]
#[test]
fn every_mutant_is_found() {
    std::panic::set_hook(Box::new(|_| {}));
    let found = |mutant| {
        let mutation = Mutation { mutant: Some(mutant) };
        let wrong = |config: &Config, steps: &[Step]| run(config, steps, mutation).is_err();
        found::all().iter().any(|(_, config, steps)| wrong(config, steps))
            || (1..=MUTANT_SEEDS).map(steps::draw).any(|(config, steps)| wrong(&config, &steps))
    };
    let survivors: Vec<_> = Mutant::ALL.iter().filter(|&&mutant| !found(mutant)).collect();
    let _ = std::panic::take_hook();
    assert!(survivors.is_empty(), "{MUTANT_SEEDS} seeds find nothing wrong with {survivors:?}");
}

fn run(config: &Config, steps: &[Step], mutation: Mutation) -> Result<Seen, String> {
    let all = || {
        let mut world = World::new(config, mutation);
        steps.iter().try_for_each(|&step| world.step(step))?;
        world.finish()?;
        Ok(world.seen())
    };
    catch_unwind(AssertUnwindSafe(all)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        Err(said.or_else(|| panic.downcast_ref::<&str>().map(|&said| said.into())).unwrap_or_else(|| "a panic".into()))
    })
}

/// Leaves steps out, many at a time and then single ones, as long as the run still fails.
fn shrink(config: &Config, mut steps: Vec<Step>) -> Vec<Step> {
    let mut chunk = steps.len() / 2;
    while chunk > 0 {
        let mut at = 0;
        let before = steps.len();
        while at < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(at..steps.len().min(at + chunk));
            if run(config, &fewer, Mutation::default()).is_err() {
                steps = fewer;
            } else {
                at += chunk;
            }
        }
        if chunk > 1 || steps.len() == before {
            chunk /= 2;
        }
    }
    steps
}

fn list(steps: &[Step]) -> String {
    steps.iter().map(|step| format!("  {step:?}\n")).collect()
}

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}
