//! Msgpack tokens to bytes, each in its shortest form.
//! Which tokens make a packet is left to the encoder.

pub(super) fn put_nil(out: &mut Vec<u8>) {
    out.push(0xc0);
}

pub(super) fn put_bool(out: &mut Vec<u8>, value: bool) {
    out.push(0xc2 | u8::from(value));
}

pub(super) fn put_uint(out: &mut Vec<u8>, value: u64) {
    if let Ok(value) = u8::try_from(value) {
        if value >= 0x80 {
            out.push(0xcc);
        }
        out.push(value);
    } else if let Ok(value) = u16::try_from(value) {
        put(out, 0xcd, &value.to_be_bytes());
    } else if let Ok(value) = u32::try_from(value) {
        put(out, 0xce, &value.to_be_bytes());
    } else {
        put(out, 0xcf, &value.to_be_bytes());
    }
}

pub(super) fn put_int(out: &mut Vec<u8>, value: i64) {
    if let Ok(value) = u64::try_from(value) {
        put_uint(out, value);
    } else if let Ok(value) = i8::try_from(value) {
        if value < -0x20 {
            out.push(0xd0);
        }
        out.extend(value.to_be_bytes());
    } else if let Ok(value) = i16::try_from(value) {
        put(out, 0xd1, &value.to_be_bytes());
    } else if let Ok(value) = i32::try_from(value) {
        put(out, 0xd2, &value.to_be_bytes());
    } else {
        put(out, 0xd3, &value.to_be_bytes());
    }
}

pub(super) fn put_f64(out: &mut Vec<u8>, value: f64) {
    put(out, 0xcb, &value.to_be_bytes());
}

pub(super) fn put_str(out: &mut Vec<u8>, text: &str) {
    match text.len() {
        len @ ..0x20 => out.push(0xa0 | len as u8),
        len => put_len(out, [Some(0xd9), Some(0xda), Some(0xdb)], len),
    }
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn put_bin(out: &mut Vec<u8>, data: &[u8]) {
    put_len(out, [Some(0xc4), Some(0xc5), Some(0xc6)], data.len());
    out.extend_from_slice(data);
}

/// Starts an array of `len` elements.
pub(super) fn put_array(out: &mut Vec<u8>, len: usize) {
    match len {
        ..0x10 => out.push(0x90 | len as u8),
        _ => put_len(out, [None, Some(0xdc), Some(0xdd)], len),
    }
}

/// Starts a map of `len` pairs.
pub(super) fn put_map(out: &mut Vec<u8>, len: usize) {
    match len {
        ..0x10 => out.push(0x80 | len as u8),
        _ => put_len(out, [None, Some(0xde), Some(0xdf)], len),
    }
}

/// Writes the shortest of the forms whose lengths have 1, 2 and 4 bytes.
fn put_len(out: &mut Vec<u8>, [byte, short, long]: [Option<u8>; 3], len: usize) {
    match (u8::try_from(len), byte, u16::try_from(len), short) {
        (Ok(len), Some(kind), ..) => put(out, kind, &[len]),
        (_, _, Ok(len), Some(kind)) => put(out, kind, &len.to_be_bytes()),
        _ => {
            let len = u32::try_from(len).expect("a message is shorter than 4 GiB");
            put(out, long.unwrap_or(0xc1), &len.to_be_bytes());
        }
    }
}

fn put(out: &mut Vec<u8>, kind: u8, rest: &[u8]) {
    out.push(kind);
    out.extend_from_slice(rest);
}
