fn register(io: &trunkline::Namespace) {
    let name = String::from("room");
    io.on("event", move || async move { drop(name) });
}

fn main() {}
