struct Full;

fn register(io: &trunkline::Namespace) {
    io.on("event", || async { Err::<u8, Full>(Full) });
}

fn main() {}
