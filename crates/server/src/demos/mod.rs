//! What the pages talk to: one namespace for each demo.
//! The pages themselves are elsewhere.

mod board;
mod chat;
mod people;
mod words;

use tokio::task::JoinSet;
use trunkline::{EmitError, Server, ServerBuilder};

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

    /// Registers the handlers and tells those who come back of the start. What runs beside them ends when the returned
    /// value is dropped.
    ///
    /// # Errors
    ///
    /// If the log takes nothing.
    pub(crate) async fn start(self, io: &Server) -> Result<JoinSet<()>, EmitError> {
        let (chat, board) = (io.of("/chat"), io.of("/board"));
        chat::register(&chat);
        board::register(&board);
        people::tell_start(&chat).await?;
        people::tell_start(&board).await?;
        let mut background = JoinSet::new();
        background.spawn(chat::tell_rooms(chat, self.chat));
        Ok(background)
    }
}
