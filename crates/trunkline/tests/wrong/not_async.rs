fn register(io: &trunkline::Namespace) {
    io.on("event", |socket: trunkline::Socket| println!("{}", socket.id()));
}

fn main() {}
