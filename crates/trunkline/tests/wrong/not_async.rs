//! A wrong handler: not async.
//! What the compiler says of it is in the file beside.

fn register(io: &trunkline::Namespace) {
    io.on("event", |socket: trunkline::Socket| println!("{}", socket.id()));
}

fn main() {}
