//! What the pages talk to: one namespace for each demo.
//! The pages themselves are elsewhere.

mod board;
mod chat;
mod people;
mod words;

use tokio::task::JoinSet;
use trunkline::{Server, ServerBuilder};

/// The demos of a server.
#[derive(Debug, Default)]
pub(crate) struct Demos {
    chat: chat::Chat,
}

impl Demos {
    /// Gives the builder what the handlers ask for.
    pub(crate) fn prepare(&self, builder: ServerBuilder) -> ServerBuilder {
        builder.state(self.chat.clone())
    }

    /// Registers the handlers. What runs beside them ends when the returned value is dropped.
    pub(crate) fn start(self, io: &Server) -> JoinSet<()> {
        let chat = io.of("/chat");
        chat::register(&chat);
        board::register(&io.of("/board"));
        let mut background = JoinSet::new();
        background.spawn(chat::tell_rooms(chat, self.chat));
        background
    }
}
