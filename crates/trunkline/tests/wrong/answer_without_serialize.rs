//! A wrong handler: answer without serialize.
//! What the compiler says of it is in the file beside.

struct Message;

fn register(io: &trunkline::Namespace) {
    io.on("event", || async { Message });
}

fn main() {}
