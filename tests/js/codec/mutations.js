// Messages of a packet broken in small ways: bytes, numbers, structure, order.
// Whether what comes out is still a packet is for the decoders to say.

const PIECES = [
  "", "0", "1", "2", "3", "4", "5", "6", "7", "9", "-", "51-", "52-", "510-", "511-", "5-", "50-", "61-7", "1.0-",
  "0x1-", " ", "\t", "\u00a0", ",", "/", "/ns,", "?", "#", "[", "]", "{", "}", '"', "\\", ":", "null", "true", "[]",
  "{}", '["a"]', '[""]', "[null]", "[0]", "[1e999]", "[-0.0]", '"num":0', '{"_placeholder":true,"num":0}',
  '{"_placeholder":true,"num":1}', '{"_placeholder":true,"num":-1}', '{"_placeholder":true,"num":0.0}',
  '{"_placeholder":true}', '"connect"', '"disconnecting"', '"\\ud800"', "\\u0000", "\u0000", "\u001e", "\u{1f600}",
  "18446744073709551615", "18446744073709551616", "1e5", "01", "+1", ".5", "1.", "[".repeat(130), "]".repeat(130),
];

const BYTES = [
  [0x80], [0x81], [0x90], [0x91], [0x93], [0xa0], [0xa1], [0xc0], [0xc1], [0xc2], [0xc3], [0xc4, 0], [0xc4, 1, 7],
  [0xc7, 1, 0, 7], [0xc7, 0, 0], [0xc7, 1, 5, 7], [0xca, 0x40, 0, 0, 0], [0xcb, 0x40, 0, 0, 0, 0, 0, 0, 0], [0xcb,
  0x7f, 0xf8, 0, 0, 0, 0, 0, 0], [0xcb, 0x80, 0, 0, 0, 0, 0, 0, 0], [0xcc, 2], [0xcd, 0, 2], [0xce, 0, 0, 0, 2],
  [0xcf, 0, 0, 0, 0, 0, 0, 0, 2], [0xcf, 255, 255, 255, 255, 255, 255, 255, 255], [0xd0, 2], [0xd0, 0xff], [0xd1, 0,
  2], [0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0], [0xd4, 0, 0], [0xd4, 1, 0], [0xd5, 0, 1, 2], [0xd6, 0xff, 0, 0, 0, 1], [0xd7,
  0, 0, 0, 0, 0, 0, 0, 0, 1], [0xd7, 0xff, 0, 0, 0, 0, 0, 0, 0, 1], [0xd9, 0], [0xdc, 0, 0], [0xdd, 0, 0, 0, 1],
  [0xde, 0, 0], [0xdf, 0, 0, 0, 1], [0xe0], [0xff], [0xed, 0xa0, 0x80], [0xf0, 0x9f, 0x98, 0x80], [0xc3, 0xa9],
  [...Buffer.from("\xa4type", "latin1")], [...Buffer.from("\xa4data", "latin1")], [...Buffer.from("\xa3nsp",
  "latin1")], [...Buffer.from("\xa2id", "latin1")], [...Buffer.from("\xa7connect", "latin1")],
  [...Buffer.from("\x82\xac_placeholder\xc3\xa3num\x00", "latin1")], Array(130).fill(0x91),
];

/** A copy of the messages after one to three changes. */
export function mutated(messages, random) {
  let changed = [...messages];
  for (let left = 1 + random.below(3); left > 0; left--) {
    changed = random.oneIn(8) ? reordered(changed, random) : altered(changed, random);
  }
  return changed.map((message) => (typeof message === "string" ? message.toWellFormed() : message));
}

/** Messages lost, doubled, in another order, or of the other kind. */
function reordered(messages, random) {
  const at = random.below(messages.length || 1);
  const [before, message, behind] = [messages.slice(0, at), messages[at], messages.slice(at + 1)];
  switch (random.below(4)) {
    case 0:
      return [...before, ...behind];
    case 1:
      return message === undefined ? [] : [...before, message, message, ...behind];
    case 2:
      return [...messages].reverse();
    default:
      return [...messages, random.oneIn(2) ? Buffer.from([1, 2]) : '2["a"]'];
  }
}

function altered(messages, random) {
  const at = random.oneIn(4) ? random.below(messages.length || 1) : 0;
  return messages.map((message, i) => {
    if (i !== at) {
      return message;
    }
    return typeof message === "string" ? alteredText(message, random) : alteredBytes(message, random);
  });
}

function alteredText(text, random) {
  const [start, end] = cut(text.length, random);
  const middle = random.pick([
    () => random.pick(PIECES),
    () => random.pick(PIECES),
    () => text.slice(start, end) + random.pick(PIECES),
    () => "",
    () => text.slice(start, end).repeat(2),
    () => String.fromCharCode(random.below(128)),
    () => text.slice(...cut(text.length, random)),
  ])();
  return text.slice(0, start) + middle + text.slice(end);
}

function alteredBytes(bytes, random) {
  const [start, end] = cut(bytes.length, random);
  const middle = random.pick([
    () => random.pick(BYTES),
    () => random.pick(BYTES),
    () => [...bytes.subarray(start, end), ...random.pick(BYTES)],
    () => [],
    () => [random.below(256)],
    () => [...bytes.subarray(start, end)].map((byte) => byte ^ (1 << random.below(8))),
  ])();
  return Buffer.from([...bytes.subarray(0, start), ...middle, ...bytes.subarray(end)]);
}

/** A short range, more often near the beginning, where most of the structure is. */
function cut(length, random) {
  const start = random.below(Math.min(length, random.oneIn(2) ? 12 : 400) + 1);
  return [start, Math.min(length, start + random.pick([0, 1, 1, 2, 4, 9]))];
}
