//! Ids of sockets and sessions: random bytes from the system, taken in larger helpings, with the shard's place in them.

use trunkline_delivery::id_with_place;

/// Random bytes taken from the system at a time.
const HELPING: usize = 12 * 256;

#[derive(Debug)]
pub(crate) struct Ids {
    place: u8,
    counter: u16,
    random: Vec<u8>,
}

impl Ids {
    pub(crate) fn new(place: u8) -> Self {
        Self { place, counter: 0, random: Vec::new() }
    }

    /// A new id of 20 characters.
    pub(crate) fn next(&mut self) -> String {
        if self.random.len() < 12 {
            self.random.resize(HELPING, 0);
            // Guessable ids would give sessions away: without randomness there is no server.
            getrandom::fill(&mut self.random).expect("the system gives random bytes");
        }
        let mut random = [0; 12];
        random.copy_from_slice(&self.random.split_off(self.random.len() - 12));
        self.counter = self.counter.wrapping_add(1);
        id_with_place(random, self.place, self.counter)
    }
}
