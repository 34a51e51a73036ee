struct Message;

fn register(io: &trunkline::Namespace) {
    io.on("event", || async { Message });
}

fn main() {}
