//! Readiness of sockets, one epoll instance behind a handful of calls. What is done with a ready socket is the
//! caller's.

use std::io;
use std::os::fd::AsFd;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// How many ready sockets one turn takes at most.
const EVENTS_PER_TURN: usize = 1024;

/// One ready socket.
#[derive(Debug, Clone, Copy)]
pub struct Ready {
    /// The token it was added with.
    pub token: usize,
    /// Whether there is room to write.
    pub writable: bool,
}

/// A set of sockets that are watched.
#[derive(Debug)]
pub struct Poller {
    epoll: Epoll,
    events: Vec<EpollEvent>,
    ready: usize,
}

impl Poller {
    /// Makes an empty set.
    pub fn new() -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Self { epoll, events: vec![EpollEvent::empty(); EVENTS_PER_TURN], ready: 0 })
    }

    /// Watches a socket for what can be read, and also for room to write when `writable`. It leaves the set by closing.
    pub fn add(&self, socket: impl AsFd, token: usize, writable: bool) -> io::Result<()> {
        Ok(self.epoll.add(socket, EpollEvent::new(flags(writable), token as u64))?)
    }

    /// Changes whether room to write is watched for.
    pub fn change(&self, socket: impl AsFd, token: usize, writable: bool) -> io::Result<()> {
        Ok(self.epoll.modify(socket, &mut EpollEvent::new(flags(writable), token as u64))?)
    }

    /// Looks for ready sockets and says how many there are. `blocking` waits until there is one, else it returns at
    /// once.
    pub fn turn(&mut self, blocking: bool) -> io::Result<usize> {
        let timeout = if blocking { EpollTimeout::NONE } else { EpollTimeout::ZERO };
        self.ready = match self.epoll.wait(&mut self.events, timeout) {
            Ok(ready) => ready,
            Err(nix::errno::Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        Ok(self.ready)
    }

    /// The `i`th ready socket of the last turn.
    #[must_use]
    pub fn ready(&self, i: usize) -> Ready {
        let event = &self.events[..self.ready][i];
        Ready { token: event.data() as usize, writable: event.events().contains(EpollFlags::EPOLLOUT) }
    }
}

fn flags(writable: bool) -> EpollFlags {
    if writable { EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT } else { EpollFlags::EPOLLIN }
}
