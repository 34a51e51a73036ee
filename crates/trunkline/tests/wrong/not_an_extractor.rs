fn register(io: &trunkline::Namespace) {
    io.on("event", |text: String| async move { text.len() });
}

fn main() {}
