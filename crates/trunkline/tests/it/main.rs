//! The library as its users see it, through the public API and a client that speaks the protocol. What official
//! clients see is tested with them.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod acts;
mod broadcast;
mod catch_all;
mod compress;
mod dispatch;
mod emit;
mod extract;
mod faults;
mod lifecycle;
mod listeners;
mod middleware;
mod namespaces;
mod one_order;
mod polling;
mod recovery;
mod rooms;
mod serving;
mod slow;
mod support;
mod volatile;
mod wire;
