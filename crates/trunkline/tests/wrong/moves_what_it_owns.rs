//! A wrong handler: moves what it owns.
//! What the compiler says of it is in the file beside.

fn register(io: &trunkline::Namespace) {
    let name = String::from("room");
    io.on("event", move || async move { drop(name) });
}

fn main() {}
