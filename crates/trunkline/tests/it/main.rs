//! The library as its users see it, through the public API and a client that speaks the protocol. What official
//! clients see is tested with them.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod acts;
mod answers;
mod broadcast;
mod catch_all;
mod closing;
mod compress;
mod dispatch;
mod emit;
mod engine_only;
mod extract;
mod faults;
mod handshake;
mod layers;
mod lifecycle;
mod listeners;
mod middleware;
mod namespaces;
mod one_order;
mod peer;
mod recovery;
mod rooms;
mod serving;
mod slow;
mod slow_log;
mod support;
mod tls;
mod volatile;
mod wire;
