//! A wrong handler: borrows its surroundings.
//! What the compiler says of it is in the file beside.

fn register(io: &trunkline::Namespace) {
    let name = String::from("room");
    io.on("event", || async { name.len() });
}

fn main() {}
