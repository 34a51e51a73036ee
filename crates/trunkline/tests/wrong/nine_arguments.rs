use trunkline::Socket;

fn register(io: &trunkline::Namespace) {
    io.on(
        "event",
        |_: Socket, _: Socket, _: Socket, _: Socket, _: Socket, _: Socket, _: Socket, _: Socket, _: Socket| async {},
    );
}

fn main() {}
