// What a msgpack message is made of, which is lost once it is decoded: forms of numbers, keys and extensions, bad UTF-8.
// It takes what npm's decoder takes, and judges nothing.

const fatal = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** More is announced than there is. npm's decoder takes memory and minutes for up to 4 GiB before it says so. */
export class Overrun extends Error {}

/** Facts about the message: flags, and the members of the packet with the forms of their values. */
export function shape(bytes) {
  const walk = new Walk(bytes);
  const form = walk.value(1);
  return { ...walk.facts, form };
}

class Walk {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
    this.facts = { badText: false, badKey: false, badExtension: false, depth: 0, bins: 0, members: {} };
  }

  uint(size) {
    const value = this.bytes.readUIntBE(this.at, size);
    this.at += size;
    return value;
  }

  take(length) {
    const taken = this.bytes.subarray(this.at, this.at + length);
    this.at += length;
    return taken;
  }

  /** Passes over one value and gives its form. */
  value(depth) {
    const kind = this.uint(1);
    if (kind < 0x80 || kind >= 0xe0) {
      return kind < 0x80 ? "uint" : "int";
    }
    if (kind < 0xc0) {
      return kind < 0x90 ? this.map(kind & 15, depth) : kind < 0xa0 ? this.array(kind & 15, depth) : this.text(kind & 31);
    }
    const size = (first) => 1 << (kind - first);
    if (kind <= 0xc3) {
      return kind === 0xc0 ? "nil" : "bool";
    }
    if (kind <= 0xc6) {
      return this.bin(this.uint(size(0xc4)));
    }
    if (kind <= 0xc9) {
      return this.extension(this.uint(size(0xc7)), true);
    }
    if (kind <= 0xcb) {
      this.take(kind === 0xca ? 4 : 8);
      return "float";
    }
    if (kind <= 0xd3) {
      return this.integer(kind);
    }
    if (kind <= 0xd8) {
      return this.extension(size(0xd4), false);
    }
    if (kind <= 0xdb) {
      return this.text(this.uint(size(0xd9)));
    }
    return kind <= 0xdd ? this.array(this.uint(2 * size(0xdc)), depth) : this.map(this.uint(2 * size(0xde)), depth);
  }

  integer(kind) {
    const isSigned = kind >= 0xd0;
    const bytes = this.take(1 << (kind - (isSigned ? 0xd0 : 0xcc)));
    return isSigned && bytes[0] >= 0x80 ? "int" : "uint";
  }

  text(length) {
    try {
      this.last = fatal.decode(this.take(length));
    } catch {
      this.facts.badText = true;
    }
    return "text";
  }

  bin(length) {
    this.take(length);
    this.facts.bins++;
    return "bin";
  }

  /** Type 0 is undefined, a date or an ArrayBuffer, by its form; -1 the specification's timestamp. */
  extension(length, isCounted) {
    const type = this.bytes.readInt8(this.at++);
    if (type === 0 && isCounted) {
      if (length > this.bytes.length - this.at) {
        throw new Overrun(`an ArrayBuffer of ${length} bytes`);
      }
      return this.bin(length);
    }
    this.take(length);
    const isKnown = type === 0 ? [1, 8].includes(length) : type === -1 && [4, 8, 12].includes(length);
    this.facts.badExtension ||= !isKnown;
    this.facts.timestamp ||= type === -1;
    return type === 0 && length === 1 ? "undefined" : "extension";
  }

  array(length, depth) {
    this.facts.depth = Math.max(this.facts.depth, depth);
    for (let i = 0; i < length; i++) {
      this.value(depth + 1);
    }
    return "array";
  }

  map(length, depth) {
    this.facts.depth = Math.max(this.facts.depth, depth);
    for (let i = 0; i < length; i++) {
      const kind = this.bytes[this.at];
      const form = this.value(depth + 1);
      this.facts.longKey ||= kind === 0xcf || kind === 0xd3;
      const key = form === "text" ? this.last : undefined;
      // A key of the packet itself may be anything; only known ones are looked at.
      this.facts.badKey ||= depth > 1 && !["text", "uint", "int"].includes(form);
      this.facts.oddName ||= depth === 1 && form !== "text";
      const value = this.value(depth + 1);
      if (depth === 1 && key !== undefined) {
        this.facts.members[key] = value;
      }
    }
    return "map";
  }
}
