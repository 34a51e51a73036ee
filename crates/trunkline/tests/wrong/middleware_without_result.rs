//! A wrong handler: middleware without result.
//! What the compiler says of it is in the file beside.

fn register(io: &trunkline::Namespace) {
    io.middleware(|_: trunkline::Socket| async {});
}

fn main() {}
