//! Packets that came by POST. A POST is answered when its packets were taken in, so that a client whose handlers are
//! behind is slowed down on this transport too.

use std::collections::VecDeque;

use tokio::sync::oneshot;
use trunkline_proto::{EngineError, EnginePacket, payload};

use super::conn::Outlet;
use super::task::{ConnTask, End};
use crate::mailbox::{PostBody, Reply};
use crate::{DisconnectReason, limits};

/// The POST under way.
pub(super) struct Posts {
    packets: VecDeque<EnginePacket>,
    /// What is wrong behind those packets.
    error: Option<EngineError>,
    pub(super) headers: Option<std::sync::Arc<str>>,
    reply: oneshot::Sender<Reply>,
}

impl Posts {
    /// The session is over: the request is answered all the same, its packets are not handled.
    pub(super) fn end(self) {
        let _ = self.reply.send(Reply::Taken);
    }
}

impl ConnTask {
    pub(super) fn begin_post(&mut self, body: PostBody, reply: oneshot::Sender<Reply>) {
        let decoded = payload::decode(self.codec.version, body.binary, body.body, limits::PACKETS_PER_POST);
        let (packets, error, headers) = (decoded.packets.into(), decoded.error, body.headers);
        self.posts = Some(Box::new(Posts { packets, error, headers, reply }));
    }

    /// Takes packets of the POST as long as there is room. True if one was taken.
    pub(super) fn poll_posts(&mut self) -> bool {
        let mut progress = false;
        while self.posts.is_some() && self.has_room() && !self.is_moving() {
            let closed = self.shard.core.borrow().conn(self.conn).is_none_or(|conn| conn.closed.is_some());
            // "server close inside a payload: later packets of the payload are not handled"
            let packet = self.posts.as_mut().and_then(|posts| posts.packets.pop_front()).filter(|_| !closed);
            let outcome = match packet {
                Some(packet) => self.take_engine(Ok(packet)),
                None => self.end_post(),
            };
            if let Err(End(reason)) = outcome
                && let Some(conn) = self.shard.core.borrow_mut().conn_mut(self.conn)
            {
                conn.close(reason);
            }
            progress = true;
        }
        progress
    }

    fn end_post(&mut self) -> Result<(), End> {
        let Some(posts) = self.posts.take() else { return Ok(()) };
        if let Some(conn) = self.shard.core.borrow_mut().conn_mut(self.conn)
            && let Outlet::Polling { posting, .. } = &mut conn.outlet
        {
            *posting = false;
        }
        let _ = posts.reply.send(Reply::Taken);
        match posts.error {
            Some(_) => Err(End(DisconnectReason::ParseError)),
            None => Ok(()),
        }
    }
}
