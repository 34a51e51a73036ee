//! The durable store: the conformance kit, crashes at every write, damage, full and failing disks, retention, tools.
//! Disk and clock are simulated where a test needs them to misbehave.

mod conformance;
mod crash;
mod damage;
mod disk;
mod retention;
mod rng;
mod run;
mod tools;
mod trouble;
