//! A wrong handler: data without deserialize.
//! What the compiler says of it is in the file beside.

use trunkline::Data;

struct Message;

fn register(io: &trunkline::Namespace) {
    io.on("event", |_: Data<Message>| async {});
}

fn main() {}
