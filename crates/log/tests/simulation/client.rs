//! A client that behaves like the official one: it keeps the offset of the last event it handled and the private id of
//! its last CONNECT, and handles what came before CONNECT right behind it. What it must have got is `model`.

use trunkline_delivery::Position;

use crate::model::{Base, Model, Verdict};
use crate::steps::Sends;
use crate::wire::Piece;

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) ns: usize,
    /// Whose private id it has.
    pub(crate) session: Option<usize>,
    /// The offset of the last event that it handled.
    offset: Position,
    /// What the log was called then.
    epoch: u64,
    /// The same, of this session.
    floor: Position,
    /// What it sends instead, until it handles another event.
    damaged: Option<Sends>,
    /// The connection that it has, by shard and number.
    pub(crate) wire: Option<(usize, u32)>,
    /// It has had CONNECT.
    connected: bool,
    /// What came before CONNECT.
    buffered: Vec<(usize, Piece)>,
}

/// A CONNECT on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hello {
    pub(crate) client: usize,
    pub(crate) session: Option<usize>,
    pub(crate) sends: Sends,
    pub(crate) offset: Position,
    pub(crate) epoch: u64,
    pub(crate) wire: (usize, u32),
    /// What was distributed when it came is to be walked before it is seen to.
    pub(crate) behind: Position,
}

impl Client {
    pub(crate) fn new(ns: usize, wire: (usize, u32)) -> Self {
        Self {
            ns,
            session: None,
            offset: Position::ZERO,
            epoch: 0,
            floor: Position::ZERO,
            damaged: None,
            wire: Some(wire),
            connected: false,
            buffered: Vec::new(),
        }
    }

    /// The connection is gone.
    pub(crate) fn lose(&mut self) {
        (self.wire, self.connected) = (None, false);
        self.buffered.clear();
    }

    /// It connects again.
    pub(crate) fn hello(&mut self, client: usize, sends: Sends, wire: (usize, u32), behind: Position) -> Hello {
        match sends {
            Sends::Own => {}
            Sends::OtherLog | Sends::Foreign => self.damaged = Some(sends),
            Sends::Elsewhere => {}
        }
        self.wire = Some(wire);
        let sends = if sends == Sends::Elsewhere { sends } else { self.damaged.unwrap_or(Sends::Own) };
        Hello { client, session: self.session, sends, offset: self.offset, epoch: self.epoch, wire, behind }
    }

    /// Handles what comes of a session.
    pub(crate) fn handle(&mut self, uid: usize, piece: Piece, model: &mut Model) -> Verdict {
        match piece {
            Piece::Connect(from) => self.connect(uid, from, model),
            Piece::Farewell => {
                self.lose();
                Ok(())
            }
            Piece::Ping => Ok(()),
            Piece::Entry(_) | Piece::Cast(..) if self.connected => self.event(uid, piece, model),
            Piece::Entry(_) | Piece::Cast(..) if self.session == Some(uid) => {
                Err(format!("the client of member {uid} came back and got {piece:?} before CONNECT"))
            }
            Piece::Entry(_) | Piece::Cast(..) => {
                self.buffered.push((uid, piece));
                Ok(())
            }
        }
    }

    fn connect(&mut self, uid: usize, from: Position, model: &mut Model) -> Verdict {
        if self.connected {
            return Err(format!("the client of member {uid} got CONNECT twice"));
        }
        if self.session == Some(uid) {
            let base = if self.damaged.is_some() || self.epoch != model.epoch {
                Base::Known(from.number())
            } else {
                Base::Handled
            };
            model.returned(uid, base);
        } else {
            self.floor = Position::ZERO;
        }
        (self.session, self.connected) = (Some(uid), true);
        std::mem::take(&mut self.buffered).into_iter().try_for_each(|(uid, piece)| self.event(uid, piece, model))
    }

    fn event(&mut self, uid: usize, piece: Piece, model: &mut Model) -> Verdict {
        if self.session != Some(uid) {
            return Err(format!("{piece:?} of member {uid} came to the client of {:?}", self.session));
        }
        let offset = match piece {
            Piece::Entry(position) => {
                model.got(uid, position.number())?;
                position
            }
            Piece::Cast(number, _, at) => {
                model.got_cast(uid, number)?;
                at
            }
            _ => return Ok(()),
        };
        if offset < self.floor && self.damaged.is_none() {
            return Err(format!("{piece:?} moves the offset of member {uid} back from {}", self.floor));
        }
        (self.offset, self.floor, self.epoch, self.damaged) = (offset, offset, model.epoch, None);
        Ok(())
    }
}
