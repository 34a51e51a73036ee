//! A wrong handler: not send.
//! What the compiler says of it is in the file beside.

fn register(io: &trunkline::Namespace) {
    io.on("event", || async {
        let count = std::rc::Rc::new(1);
        tokio::task::yield_now().await;
        *count
    });
}

fn main() {}
