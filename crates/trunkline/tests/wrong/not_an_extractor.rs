//! A wrong handler: not an extractor.
//! What the compiler says of it is in the file beside.

fn register(io: &trunkline::Namespace) {
    io.on("event", |text: String| async move { text.len() });
}

fn main() {}
