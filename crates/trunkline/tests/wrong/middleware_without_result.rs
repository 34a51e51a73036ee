fn register(io: &trunkline::Namespace) {
    io.middleware(|_: trunkline::Socket| async {});
}

fn main() {}
