//! Which shard a socket id or session id belongs to. The place is part of the id, so no table is needed to route by it.

use std::hash::{BuildHasher, Hasher};

/// Characters of an id: 15 bytes in URL-safe base64.
const ID_LEN: usize = 20;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Makes an id of 20 characters (the length that the ecosystem expects) from 12 random bytes, the place of its shard
/// and a counter.
///
/// The layout is that of the reference's generator (12 random bytes and a counter of three) with the first byte of the
/// counter naming the shard.
#[must_use]
pub fn id_with_place(random: [u8; 12], place: u8, counter: u16) -> String {
    let mut bytes = [0; 15];
    bytes[..12].copy_from_slice(&random);
    bytes[12] = place;
    bytes[13..].copy_from_slice(&counter.to_be_bytes());
    let mut id = String::with_capacity(ID_LEN);
    for group in bytes.chunks_exact(3) {
        let bits = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
        for shift in [18, 12, 6, 0] {
            id.push(char::from(ALPHABET[(bits >> shift & 63) as usize]));
        }
    }
    id
}

/// The shard, of `shards`, on which the session or socket with this id lives: the place written in it, or, for an id
/// that an application generated itself, a hash of it. The part before a `#` (a protocol 3 socket's namespace) does not
/// count, so that all sockets of a connection share its shard.
#[must_use]
pub fn shard_of(id: &str, shards: usize) -> usize {
    let id = id.rsplit_once('#').map_or(id, |(_, sid)| sid);
    let place = place_in(id).map_or_else(|| hash(id), u64::from);
    usize::try_from(place % shards.max(1) as u64).unwrap_or(0)
}

/// Whether a room name could be the id of a socket that this crate's ids name: then its shard is asked as well.
pub(crate) fn looks_like_id(name: &str) -> bool {
    let id = name.rsplit_once('#').map_or(name, |(_, sid)| sid);
    place_in(id).is_some()
}

fn place_in(id: &str) -> Option<u8> {
    let id = id.as_bytes();
    if id.len() != ID_LEN {
        return None;
    }
    let digit = |at: usize| ALPHABET.iter().position(|&c| c == id[at]);
    let (high, low) = (digit(16)?, digit(17)?);
    u8::try_from((high << 2 | low >> 4) & 0xff).ok()
}

fn hash(id: &str) -> u64 {
    // The same in every process, so that a session finds its shard again after a restart.
    let mut hasher = std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default().build_hasher();
    hasher.write(id.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_carries_its_place() {
        for place in 0..=255 {
            let id = id_with_place([place ^ 0x5a; 12], place, 7);
            assert_eq!(id.len(), ID_LEN);
            assert_eq!(place_in(&id), Some(place));
            assert_eq!(shard_of(&id, 64), usize::from(place) % 64);
            assert_eq!(shard_of(&format!("/chat#{id}"), 64), usize::from(place) % 64);
        }
    }

    #[test]
    fn an_id_of_the_application_has_a_stable_place() {
        assert!(shard_of("custom", 4) < 4);
        assert_eq!(shard_of("custom", 4), shard_of("/x#custom", 4));
        assert_eq!(shard_of("anything", 1), 0);
    }
}
