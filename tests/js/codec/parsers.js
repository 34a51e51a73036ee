// The parsers of npm behind one interface, and ours as a program that reads lines.
// Which packets and messages they are given, and whether they agree, is judged elsewhere.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";

import { Overrun, shape } from "./shape.js";

/** A require that sees what this package sees. */
const inside = (name) => createRequire(createRequire(import.meta.url).resolve(name));

const protocol5 = inside("socket.io-client")("socket.io-parser");
const protocol4 = inside("socket.io-client-2")("socket.io-parser");
const msgpack = createRequire(import.meta.url)("socket.io-msgpack-parser");

/** `protocol` is Engine.IO's, as our codec counts. */
export const PARSERS = [
  { name: "socket.io-parser of 4.x", parser: "default", protocol: 4, npm: protocol5, encode: encodeWith(protocol5) },
  { name: "socket.io-parser of 2.x", parser: "default", protocol: 3, npm: protocol4, encode: encodeOld },
  { name: "socket.io-msgpack-parser", parser: "msgpack", protocol: 4, npm: msgpack, encode: encodeWith(msgpack) },
];

function encodeWith(npm) {
  return (packet) => new npm.Encoder().encode(packet);
}

/** The encoder of 2.x calls back at once, and wants to be told whether there is binary. */
function encodeOld(packet) {
  let messages;
  const type = hasBytes(packet.data) && [2, 3].includes(packet.type) ? packet.type + 3 : packet.type;
  new protocol4.Encoder().encode({ ...packet, type }, (encoded) => (messages = encoded));
  return messages;
}

export const isBytes = (value) => value instanceof ArrayBuffer || ArrayBuffer.isView(value);

function hasBytes(value) {
  return isBytes(value) || (typeof value === "object" && value !== null && Object.values(value).some(hasBytes));
}

/** A message as it leaves a transport: bytes as a Buffer, text with what UTF-8 can say. */
export function asSent(message) {
  if (typeof message === "string") {
    return message.toWellFormed();
  }
  return ArrayBuffer.isView(message)
    ? Buffer.from(message.buffer, message.byteOffset, message.byteLength)
    : Buffer.from(message);
}

/** What npm makes of the messages: `packets`, and `pending` if attachments are missing; or why it refuses them. */
export function decodeNpm({ npm, parser }, messages) {
  const [decoder, packets] = [new npm.Decoder(), []];
  decoder.on("decoded", (packet) => packets.push(packet));
  try {
    messages.forEach((message) => addTo(decoder, message, parser));
  } catch (error) {
    return { refused: error.message };
  }
  // The parser of 2.x tells of an error by a packet.
  const error = packets.find(({ data }) => typeof data === "string" && data.startsWith("parser error: "));
  return error ? { refused: error.data } : { packets, pending: decoder.reconstructor?.reconPack };
}

function addTo(decoder, message, parser) {
  if (parser === "msgpack") {
    assertSafe(message);
  }
  decoder.add(message);
}

/** Fails for what npm's msgpack decoder would refuse as well, but not at once, or not as an error of its own. */
function assertSafe(message) {
  if (typeof message === "string") {
    throw new Error("text where msgpack is spoken");
  }
  try {
    shape(message);
  } catch (error) {
    if (error instanceof Overrun) {
      throw error;
    }
  }
}

/** What our codec makes of each of these lists of messages. */
export function decodeOurs({ parser, protocol }, lists) {
  const line = (messages) => JSON.stringify({ parser, version: protocol, messages: messages.map(toLine) });
  const program = spawnSync(process.env.CODEC_LINES, {
    input: lists.map((messages) => `${line(messages)}\n`).join(""),
    maxBuffer: 2 ** 30,
    encoding: "utf8",
  });
  if (program.error || program.status !== 0) {
    throw new Error(`${process.env.CODEC_LINES}: ${program.error ?? `status ${program.status}, ${program.stderr}`}`);
  }
  return program.stdout.trimEnd().split("\n").map(fromLine);
}

const toLine = (message) => (typeof message === "string" ? message : { binary: message.toString("base64") });

function fromLine(line) {
  const outcome = JSON.parse(line);
  for (const packet of outcome.packets ?? []) {
    packet.messages = packet.messages?.map((message) =>
      typeof message === "string" ? message : Buffer.from(message.binary, "base64"),
    );
  }
  return outcome;
}
