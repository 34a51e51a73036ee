//! The ruler that the project's speed is judged by: a load generator that checks every delivery, the limit server it
//! measures against, and the alternating rounds that make a ratio of two noisy figures. It knows the servers only by
//! their wire and their process, so it can judge any of them; building servers is left to whoever calls it.
//!
//! What is compared is the CPU time of the server's process per delivered message, which hardly moves with what else
//! the machine does; rates and latencies are reported beside it.

pub mod ceiling;
pub mod client;
pub mod crowd;
pub mod faults;
pub mod histogram;
pub mod loads;
pub mod options;
pub mod payload;
pub mod poller;
pub mod process;
pub mod receipts;
pub mod rounds;
pub mod servers;
pub mod stretch;
pub mod table;
pub mod wire;
