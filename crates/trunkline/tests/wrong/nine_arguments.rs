//! A wrong handler: nine arguments.
//! What the compiler says of it is in the file beside.

use trunkline::Socket;

fn register(io: &trunkline::Namespace) {
    io.on(
        "event",
        |_: Socket, _: Socket, _: Socket, _: Socket, _: Socket, _: Socket, _: Socket, _: Socket, _: Socket| async {},
    );
}

fn main() {}
