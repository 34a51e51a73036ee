fn register(io: &trunkline::Namespace) {
    let name = String::from("room");
    io.on("event", || async { name.len() });
}

fn main() {}
