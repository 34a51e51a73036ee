//! The process is killed, or the machine loses power, before, within and after every change of the disk that a script of
//! appends makes; then the store is opened again. What was acknowledged is there, what was not is there whole or not at all.

use std::time::Duration;

use trunkline_delivery::Position;
use trunkline_log::{Adapter, Appended, Batch, Durable, DurableOptions, Keep};

use crate::disk::{Machine, When};
use crate::rng::Rng;
use crate::run::{append, events, finish, keyed, names, open};

/// Small segments that come and go while the script runs.
fn options(fsync: bool) -> DurableOptions {
    let keep = Keep { entries: Duration::ZERO, keys: Duration::from_secs(3600) };
    DurableOptions { fsync, keep, segment_bytes: 700, max_bytes: 2500, ring_bytes: 1, ..DurableOptions::default() }
}

/// What a batch of the script is: its names, and its key if it has one. The answer is the last name.
#[derive(Clone, Debug)]
struct Step {
    names: Vec<String>,
    key: Option<String>,
}

impl Step {
    fn batch(&self) -> Batch {
        let names: Vec<_> = self.names.iter().map(String::as_str).collect();
        match &self.key {
            Some(key) => keyed(key, self.answer(), &names),
            None => events(&names),
        }
    }

    fn answer(&self) -> &str {
        self.names.last().map_or("", String::as_str)
    }
}

/// Batches in groups that are appended at once.
fn script(seed: u64) -> Vec<Vec<Step>> {
    let mut rng = Rng::new(seed);
    let mut number = 0;
    let mut step = |rng: &mut Rng| {
        let names = (0..rng.below(4)).map(|_| {
            number += 1;
            format!("{number}{}", "x".repeat(if number % 7 == 0 { 300 } else { 0 }))
        });
        let names: Vec<_> = names.collect();
        // A batch of nothing is answered without the disk.
        let key = (names.is_empty() || rng.below(3) == 0)
            .then(|| format!("key {}", names.last().map_or("none", String::as_str)));
        Step { names, key }
    };
    (0..14).map(|_| (0..1 + rng.below(3)).map(|_| step(&mut rng)).collect()).collect()
}

/// What is known of a log that was killed.
#[derive(Debug, Default)]
struct Told {
    acknowledged: Vec<Step>,
    pending: Vec<Step>,
    epoch: u64,
}

/// Runs the script until it ends or the process does.
fn play(machine: &Machine, options: DurableOptions, script: &[Vec<Step>], kill: Option<(usize, When)>) -> Told {
    let mut told = Told::default();
    let storage = machine.process();
    if let Some((change, when)) = kill {
        machine.kill_at(change, when);
    }
    let Ok(log) = Durable::open_on(storage, options) else { return told };
    told.epoch = log.epoch();
    for group in script {
        let appends: Vec<_> = group.iter().map(|step| log.append(step.batch())).collect();
        for (step, append) in group.iter().zip(appends) {
            match finish(append) {
                Ok(Appended::Known(_)) => assert!(told.acknowledged.iter().any(|known| known.key == step.key)),
                Ok(_) if told.pending.is_empty() => told.acknowledged.push(step.clone()),
                Ok(_) => panic!("{step:?} is acknowledged, and {:?} before it is not", told.pending),
                Err(_) => told.pending.push(step.clone()),
            }
        }
        // The tail is what lets segments go.
        log.tail(log.committed());
        if !told.pending.is_empty() {
            break;
        }
    }
    told
}

/// Opens what is left and compares it with what was told. `may_lose`: a new epoch excuses everything.
fn judge(machine: &Machine, options: DurableOptions, told: &Told, may_lose: bool, context: &str) {
    let log = open(machine, options).unwrap_or_else(|error| panic!("{context}: {error}"));
    let kept = names(&log).unwrap_or_else(|error| panic!("{context}: {error}"));
    let of = |steps: &[Step]| steps.iter().flat_map(|step| step.names.clone()).collect::<Vec<_>>();
    let mut whole = of(&told.acknowledged);
    let mut fits = kept.is_empty() || whole.ends_with(&kept);
    for step in &told.pending {
        // Of what was not acknowledged some is there, in order and each batch whole.
        whole.extend(step.names.clone());
        fits |= whole.ends_with(&kept);
    }
    let lost = may_lose && told.epoch != 0 && log.epoch() != told.epoch;
    if lost {
        assert!(of(&told.acknowledged).windows(kept.len().max(1)).any(|part| part == kept) || kept.is_empty() || fits);
        return;
    }
    assert!(fits, "{context}: {kept:?} is not the end of {whole:?}");
    assert!(told.acknowledged.is_empty() || log.epoch() == told.epoch, "{context}: the epoch changed");
    let committed = usize::try_from(log.committed().number()).expect("a small number");
    assert!(committed >= of(&told.acknowledged).len(), "{context}: {committed} positions");
    for step in told.acknowledged.iter().filter(|step| step.key.is_some()) {
        let again = append(&log, step.batch()).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(again, Appended::Known(step.answer().to_owned().into()), "{context}: {step:?}");
    }
    let next = append(&log, events(&["after"])).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_eq!(next, Appended::New(vec![Position::new(committed as u64 + 1)]), "{context}: positions go on");
}

fn each_crash(seed: u64, options: &DurableOptions, mut check: impl FnMut(&Machine, &Told, &str)) {
    let script = script(seed);
    let whole = Machine::new(seed);
    let told = play(&whole, options.clone(), &script, None);
    assert!(told.pending.is_empty());
    check(&whole, &told, &format!("seed {seed}, no crash"));
    let changes = whole.changes();
    for change in 0..changes + 4 {
        for when in [When::Before, When::Within, When::After] {
            let context = format!("seed {seed}, change {change} of {changes}, {when:?}");
            let machine = Machine::new(seed ^ (change as u64) << 8);
            let told = play(&machine, options.clone(), &script, Some((change, when)));
            check(&machine, &told, &context);
        }
    }
}

#[test]
fn what_was_acknowledged_survives_the_death_of_the_process_at_every_change() {
    for seed in 1..=3 {
        for fsync in [false, true] {
            let options = options(fsync);
            each_crash(seed, &options, |machine, told, context| judge(machine, options.clone(), told, false, context));
        }
    }
}

#[test]
fn with_fsync_it_survives_the_loss_of_power() {
    let options = options(true);
    for seed in 1..=3 {
        each_crash(seed, &options, |machine, told, context| {
            for again in 0..3 {
                let machine = machine.copy(seed + again);
                machine.lose_power();
                judge(&machine, options.clone(), told, false, &format!("{context}, power {again}"));
            }
        });
    }
}

#[test]
fn without_fsync_the_loss_of_power_is_told_by_a_new_epoch() {
    let options = options(false);
    for seed in 1..=3 {
        each_crash(seed, &options, |machine, told, context| {
            for again in 0..3 {
                let machine = machine.copy(seed + again);
                machine.lose_power();
                judge(&machine, options.clone(), told, true, &format!("{context}, power {again}"));
            }
        });
    }
}

#[test]
fn a_log_that_was_closed_keeps_its_epoch_over_a_restart_of_the_machine() {
    let machine = Machine::new(1);
    let log = open(&machine, options(false)).expect("an empty disk");
    append(&log, events(&["a"])).expect("the disk takes it");
    finish(log.close());
    let epoch = log.epoch();
    drop(log);
    machine.lose_power();
    let log = open(&machine, options(false)).expect("it was closed");
    assert_eq!((log.epoch(), names(&log)), (epoch, Ok(vec!["a".to_owned()])));
    drop(log);
    let machine = machine.copy(1);
    let log = open(&machine, options(false)).expect("it was dropped, which closes");
    append(&log, events(&["b"])).expect("the disk takes it");
    // Its process is killed here: nothing that it does later reaches the disk.
    let storage = machine.process();
    drop(log);
    machine.reboot();
    let log = Durable::open_on(storage, options(false)).expect("it can be read");
    assert_ne!(log.epoch(), epoch, "nobody knows what the machine had written when it went");
}
