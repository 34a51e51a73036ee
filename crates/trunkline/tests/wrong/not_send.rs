fn register(io: &trunkline::Namespace) {
    io.on("event", || async {
        let count = std::rc::Rc::new(1);
        tokio::task::yield_now().await;
        *count
    });
}

fn main() {}
