// Packets as an application could make them, and strange ones: everything follows from a seed.
// How they are written is the parsers' matter (parsers.js), how the writing is broken that of mutations.js.

/** A small generator of pseudo-random numbers (mulberry32). */
export class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  below(end) {
    return this.next() % end;
  }

  pick(from) {
    return from[this.below(from.length)];
  }

  /** True once in `n` times. */
  oneIn(n) {
    return this.below(n) === 0;
  }
}

const NUMBERS = [
  0, -0, 1, -1, 31, 32, -32, -33, 127, 128, -128, -129, 255, 256, 32767, 32768, -32768, -32769, 65535, 65536,
  2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 53 + 2,
  -(2 ** 53), 2 ** 63, -(2 ** 63), 2 ** 64, 1e20, 1e21, -1e21, 1e300, 0.1, -1.5, 1.1e-7, 5e-324, Number.MAX_VALUE,
  Math.PI, NaN, Infinity, -Infinity,
];

const STRINGS = [
  "", " ", "a", "hello", "\0", "\u0001\u001f", "\t\r\n", '"', "\\", '\\"', "/", ",", "é", "漢字", "\u2028\u2029",
  "\ufeff", "\u{1f600}", "e\u0301", "\ud800", "\udc00x", "x\ud83d", "__proto__", "constructor", "toString",
  "_placeholder", "num", "true", "null", "0", "-1", '{"_placeholder":true,"num":0}', "connect", "disconnect",
  "newListener", "x".repeat(31), "x".repeat(32), "é".repeat(40), "y".repeat(300), "z".repeat(70_000),
];

const NAMESPACES = [
  "/", "/", "/", "/chat", "/a/b", "/0", "/漢字", "/with space", "/{}", '/"', "/x?a=1", "/x?a=1&b=&c&a=2",
  "/x?%41=%zz&+=+", "/x?", "/x#y?z=1", "//", "", "chat",
];

const IDS = [undefined, undefined, 0, 1, 9, 10, 127, 128, 65_536, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 63, 1e20, 1e21];

/** A packet for the encoder of either protocol; whether it has binary is for the encoder to find out. */
export function packet(random, protocol) {
  const nsp = random.pick(NAMESPACES);
  if (random.oneIn(40)) {
    return { type: random.below(3), nsp, data: null, ...random.pick([{}, { data: ["a"], id: null }]) };
  }
  switch (random.below(8)) {
    case 0:
      return { type: 0, nsp, ...(random.oneIn(2) && { data: object(random, 2, false) }) };
    case 1:
      return { type: 1, nsp };
    case 2:
      return { type: 3, nsp, id: random.pick(IDS.slice(2)), data: list(random, 3) };
    case 3:
      return { type: 4, nsp, data: refusal(random, protocol) };
    default: {
      const name = random.oneIn(10) ? random.pick(NUMBERS) : random.pick(STRINGS);
      return { type: 2, nsp, id: random.pick(IDS), data: [name, ...list(random, 3)] };
    }
  }
}

/** What a server says to a client that may not join. */
function refusal(random, protocol) {
  if (protocol === 3) {
    return random.oneIn(2) ? random.pick(STRINGS) : object(random, 2, false);
  }
  const message = random.pick(STRINGS);
  return random.oneIn(2) ? { message } : { message, data: value(random, 2, false) };
}

/** Any value, nested at most so deep, with bytes at any depth if `bytes` says so. */
function value(random, depth, bytes = true) {
  if (random.oneIn(400)) {
    return tower(random, 100 + random.below(40), bytes);
  }
  switch (random.below(depth > 0 ? 11 : 7)) {
    case 0:
      return random.pick([null, true, false, undefined]);
    case 1:
      return random.pick(NUMBERS);
    case 2:
      return random.pick([random.next(), -random.next(), random.next() / 1000, random.next() * 2 ** 40, random.next() / 2 ** 60]);
    case 3:
      return new Date(random.pick([0, -1, 1.7e12, 8.64e15, 253402300800000, -62198755200000, NaN]));
    case 4:
      return bytes ? binary(random) : null;
    case 5:
    case 6:
      return random.oneIn(60) ? STRINGS.at(-1) : random.pick(STRINGS.slice(0, -1));
    case 7:
    case 8:
      return list(random, depth - 1, bytes);
    default:
      return object(random, depth - 1, bytes);
  }
}

function list(random, depth, bytes = true) {
  const length = random.oneIn(40) ? 14 + random.below(6) : random.below(4);
  return Array.from({ length }, () => value(random, depth, bytes));
}

function object(random, depth, bytes) {
  const made = {};
  for (let left = random.oneIn(40) ? 17 : random.below(4); left > 0; left--) {
    const key = random.oneIn(3) ? `k${random.below(50)}` : random.pick(STRINGS.slice(0, -1));
    // Assigning to __proto__ would set the prototype, and npm's own encoder falls over such prototypes.
    const member = key === "__proto__" ? random.pick(STRINGS) : value(random, depth, bytes);
    const descriptor = { value: member, enumerable: true, configurable: true, writable: true };
    Object.defineProperty(made, key, descriptor);
  }
  if (random.oneIn(25)) {
    made._placeholder = random.oneIn(4) ? "true" : true;
    made.num = random.pick([0, 0, 1, -1, 0.5, "0", 99]);
  }
  return made;
}

function binary(random) {
  const bytes = Uint8Array.from({ length: random.pick([0, 1, 2, 8, 31, 300]) }, () => random.below(256));
  return random.pick([Buffer.from(bytes), bytes, bytes.buffer]);
}

function tower(random, height, bytes) {
  let made = value(random, 0, bytes);
  for (let i = 0; i < height; i++) {
    made = random.oneIn(2) ? [made] : { a: made };
  }
  return made;
}
