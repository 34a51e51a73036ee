//! A wrong handler: error that is none.
//! What the compiler says of it is in the file beside.

struct Full;

fn register(io: &trunkline::Namespace) {
    io.on("event", || async { Err::<u8, Full>(Full) });
}

fn main() {}
