//! The HTTP half of the wire: tables of requests, answers byte for byte, and real sockets for what only they show.
//! Sessions are played by a small server in `support`.

mod body;
mod client_files;
mod cors;
mod refusal;
mod response;
mod route;
mod serve;
mod support;
mod upgrade;
