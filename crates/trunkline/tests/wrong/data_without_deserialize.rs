use trunkline::Data;

struct Message;

fn register(io: &trunkline::Namespace) {
    io.on("event", |_: Data<Message>| async {});
}

fn main() {}
