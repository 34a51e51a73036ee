//! The heartbeat of one session, in both protocols, against a clock that the caller reads. What is sent on which wire,
//! and what a dead session leaves behind, is the caller's part.

use crate::Version;

/// Milliseconds on the caller's clock.
pub type Millis = u64;

/// How often is pinged and how long an answer may take, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// `pingInterval`: from the opening, or the last pong, to the next ping.
    pub interval_ms: u64,
    /// `pingTimeout`: from a ping to the end of a session that does not answer.
    pub timeout_ms: u64,
}

/// What a deadline asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Nothing: it has moved meanwhile.
    Wait,
    /// A ping is to be sent (protocol 4).
    Ping,
    /// The peer is taken for dead: `ping timeout`.
    Dead,
}

/// Why a heartbeat packet is a violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongDirection;

/// The heartbeat of one session.
///
/// In protocol 4 the server pings and the client answers; in protocol 3 it is the other way round, and the client's
/// silence of interval and timeout together ends the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    state: State,
    deadline: Millis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The next ping is due at the deadline.
    Resting,
    /// A pong is due by the deadline. The first other packet meanwhile moves it once, as engine.io 6.6.12 does: a peer
    /// that is busy sending is alive.
    Awaiting { extended: bool },
    /// Protocol 3: the client's next ping is due by the deadline.
    Listening,
}

impl Heartbeat {
    /// The heartbeat of a session that opens now.
    #[must_use]
    pub fn new(version: Version, rhythm: Rhythm, now: Millis) -> Self {
        match version {
            Version::V4 => Self { state: State::Resting, deadline: now + rhythm.interval_ms },
            Version::V3 => Self { state: State::Listening, deadline: now + rhythm.interval_ms + rhythm.timeout_ms },
        }
    }

    /// When [`Heartbeat::tick`] has something to say next.
    #[must_use]
    pub fn deadline(&self) -> Millis {
        self.deadline
    }

    /// Whether a pong is owed.
    #[must_use]
    pub fn is_awaiting(&self) -> bool {
        matches!(self.state, State::Awaiting { .. })
    }

    /// It is `now`: what is due? After [`Beat::Ping`] the pong's deadline runs.
    pub fn tick(&mut self, rhythm: Rhythm, now: Millis) -> Beat {
        if now < self.deadline {
            return Beat::Wait;
        }
        match self.state {
            State::Resting => {
                // Counted from when the ping was due, so that a coarse clock does not lengthen the timeout; unless we
                // are so late ourselves that it would cut the peer's time.
                let late = now - self.deadline;
                let since = if late > rhythm.timeout_ms / 10 { now } else { self.deadline };
                *self = Self { state: State::Awaiting { extended: false }, deadline: since + rhythm.timeout_ms };
                Beat::Ping
            }
            State::Awaiting { .. } | State::Listening => Beat::Dead,
        }
    }

    /// As [`Heartbeat::tick`], while the peer is not read: what it owes cannot be seen and is not asked for. Pings go on,
    /// at least one an interval and timeout, since the peer takes us for dead without them.
    pub fn tick_unread(&mut self, rhythm: Rhythm, now: Millis) -> Beat {
        if now < self.deadline {
            return Beat::Wait;
        }
        if self.state == State::Listening {
            self.deadline = now + rhythm.timeout_ms;
            return Beat::Wait;
        }
        *self = Self { state: State::Awaiting { extended: false }, deadline: now + rhythm.interval_ms };
        Beat::Ping
    }

    /// A pong came. One that nobody asked for changes nothing.
    ///
    /// # Errors
    ///
    /// In protocol 3 only the server sends pongs.
    pub fn handle_pong(&mut self, rhythm: Rhythm, now: Millis) -> Result<(), WrongDirection> {
        match self.state {
            State::Listening => return Err(WrongDirection),
            State::Resting => {}
            State::Awaiting { .. } => *self = Self { state: State::Resting, deadline: now + rhythm.interval_ms },
        }
        Ok(())
    }

    /// A ping came; in protocol 3 it is to be answered with a pong.
    ///
    /// # Errors
    ///
    /// In protocol 4 only the server sends pings.
    pub fn handle_ping(&mut self, rhythm: Rhythm, now: Millis) -> Result<(), WrongDirection> {
        if self.state != State::Listening {
            return Err(WrongDirection);
        }
        self.deadline = now + rhythm.interval_ms + rhythm.timeout_ms;
        Ok(())
    }

    /// Some other packet came: while a pong is awaited, the first one moves its deadline once.
    pub fn handle_packet(&mut self, rhythm: Rhythm, now: Millis) {
        if self.state == (State::Awaiting { extended: false }) {
            *self = Self { state: State::Awaiting { extended: true }, deadline: now + rhythm.timeout_ms };
        }
    }

    /// The peer was not read for a while: what it owes is due no earlier than a full timeout from now (the deadline
    /// rests while we do not read).
    pub fn resume(&mut self, rhythm: Rhythm, now: Millis) {
        if self.state != State::Resting {
            self.deadline = self.deadline.max(now + rhythm.timeout_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RHYTHM: Rhythm = Rhythm { interval_ms: 300, timeout_ms: 200 };

    #[test]
    fn a_peer_that_is_not_read_is_pinged_on_and_not_asked_for_pongs() {
        let mut heart = Heartbeat::new(Version::V4, RHYTHM, 0);
        assert_eq!(heart.tick(RHYTHM, 300), Beat::Ping);
        assert_eq!(heart.tick_unread(RHYTHM, 499), Beat::Wait);
        assert_eq!(heart.tick_unread(RHYTHM, 500), Beat::Ping);
        assert_eq!(heart.tick_unread(RHYTHM, 800), Beat::Ping);
        heart.resume(RHYTHM, 1000);
        assert_eq!(heart.tick(RHYTHM, 1199), Beat::Wait);
        assert_eq!(heart.tick(RHYTHM, 1200), Beat::Dead);
    }

    #[test]
    fn a_peer_of_protocol_3_that_is_not_read_is_not_taken_for_dead() {
        let mut heart = Heartbeat::new(Version::V3, RHYTHM, 0);
        assert_eq!(heart.tick_unread(RHYTHM, 500), Beat::Wait);
        assert_eq!(heart.tick_unread(RHYTHM, 5000), Beat::Wait);
        assert_eq!(heart.tick(RHYTHM, 5200), Beat::Dead);
    }

    #[test]
    fn the_first_ping_comes_after_the_interval_and_not_before() {
        let mut heart = Heartbeat::new(Version::V4, RHYTHM, 1000);
        assert_eq!(heart.tick(RHYTHM, 1299), Beat::Wait);
        assert_eq!(heart.tick(RHYTHM, 1300), Beat::Ping);
        assert_eq!(heart.deadline(), 1500);
    }

    #[test]
    fn a_pong_restarts_the_interval_and_silence_ends_the_session() {
        let mut heart = Heartbeat::new(Version::V4, RHYTHM, 0);
        assert_eq!(heart.tick(RHYTHM, 300), Beat::Ping);
        assert_eq!(heart.handle_pong(RHYTHM, 310), Ok(()));
        assert_eq!(heart.tick(RHYTHM, 609), Beat::Wait);
        assert_eq!(heart.tick(RHYTHM, 610), Beat::Ping);
        assert_eq!(heart.tick(RHYTHM, 809), Beat::Wait);
        assert_eq!(heart.tick(RHYTHM, 810), Beat::Dead);
    }

    #[test]
    fn other_packets_extend_an_awaited_pong_once_only() {
        let mut heart = Heartbeat::new(Version::V4, RHYTHM, 0);
        heart.handle_packet(RHYTHM, 100);
        assert_eq!(heart.tick(RHYTHM, 300), Beat::Ping, "packets do not restart the interval");
        heart.handle_packet(RHYTHM, 400);
        assert_eq!(heart.deadline(), 600);
        heart.handle_packet(RHYTHM, 590);
        assert_eq!(heart.tick(RHYTHM, 600), Beat::Dead);
    }

    #[test]
    fn heartbeats_in_the_wrong_direction_are_violations_and_an_early_pong_is_harmless() {
        let mut four = Heartbeat::new(Version::V4, RHYTHM, 0);
        assert_eq!(four.handle_ping(RHYTHM, 10), Err(WrongDirection));
        assert_eq!(four.handle_pong(RHYTHM, 10), Ok(()));
        assert_eq!(four.deadline(), 300);
        let mut three = Heartbeat::new(Version::V3, RHYTHM, 0);
        assert_eq!(three.handle_pong(RHYTHM, 10), Err(WrongDirection));
        assert_eq!(three.handle_ping(RHYTHM, 400), Ok(()));
        assert_eq!(three.tick(RHYTHM, 899), Beat::Wait);
        assert_eq!(three.tick(RHYTHM, 900), Beat::Dead);
    }

    #[test]
    fn the_deadline_rests_while_the_peer_is_not_read() {
        let mut heart = Heartbeat::new(Version::V4, RHYTHM, 0);
        assert_eq!(heart.tick(RHYTHM, 300), Beat::Ping);
        heart.resume(RHYTHM, 490);
        assert_eq!(heart.tick(RHYTHM, 600), Beat::Wait);
        assert_eq!(heart.tick(RHYTHM, 690), Beat::Dead);
    }
}
