// The msgpack parser, message by message, and what broken messages get.
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import msgpack from "socket.io-msgpack-parser";

import { onReference, server } from "../harness.js";
import { TRANSPORTS, open } from "../wire.js";

const SETTINGS = { PARSER: "msgpack" };
const NESTED = 20_000;

const encode = (packet) => new msgpack.Encoder().encode(packet)[0];

function decode(message) {
  const decoder = new msgpack.Decoder();
  let packet;
  decoder.on("decoded", (decoded) => (packet = decoded));
  decoder.add(message);
  return packet;
}

async function joined(transport) {
  const { port } = await server(SETTINGS);
  const session = await open(transport, port);
  await session.send(encode({ type: 0, nsp: "/" }));
  assert.equal(decode(await session.next("the CONNECT answer")).type, 0);
  assert.equal(decode(await session.next("the welcome")).data[0], "welcome");
  return session;
}

const BROKEN = {
  "a text message": '42["echo",1]',
  "an empty message": Buffer.from([]),
  "a message that is cut": encode({ type: 2, nsp: "/", data: ["echo", "cut off"] }).subarray(0, 20),
  "a message with something behind it": Buffer.concat([encode({ type: 2, nsp: "/", data: ["echo"] }), Buffer.from([0])]),
  "a list in place of a packet": Buffer.from([0x93, 1, 2, 3]),
  "a byte that begins nothing": Buffer.from([0xc1]),
  "a packet without a type": encode({ nsp: "/", data: ["echo"] }),
  "a type out of range": encode({ type: 7, nsp: "/", data: ["echo"] }),
  "an event that is no list": encode({ type: 2, nsp: "/", data: { a: 1 } }),
  "a namespace that is no string": encode({ type: 2, nsp: 5, data: ["echo"] }),
  "an ack id that is no number": encode({ type: 2, nsp: "/", id: "1", data: ["echo"] }),
  "an ack that is no list": encode({ type: 3, nsp: "/", id: 1, data: "x" }),
  "a length that exceeds the message": Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff]),
};

// The reference lets the first pass and falls over the second.
const BROKEN_FOR_US = {
  "an event without a name": encode({ type: 2, nsp: "/", data: [] }),
  "an event whose name is an object": encode({ type: 2, nsp: "/", data: [{ toString: "x" }] }),
};

for (const transport of TRANSPORTS) {
  describe(`msgpack over ${transport}`, () => {
    test("events, acks and binary travel in one message each", async () => {
      const session = await joined(transport);
      const data = ["echo-ack", 1, "é", { list: [null, true, 1.5, -70000] }, Buffer.from([1, 2])];
      await session.send(encode({ type: 2, nsp: "/", id: 7, data, options: { compress: true } }));
      const { type, nsp, id, data: answer } = decode(await session.next("the ack"));
      assert.deepEqual({ type, nsp, id, answer }, { type: 3, nsp: "/", id: 7, answer: data.slice(1) });
      session.end();
    });

    test("an unknown namespace is refused in one message and the connection lives", async () => {
      const session = await joined(transport);
      await session.send(encode({ type: 0, nsp: "/x" }));
      const { type, nsp, data } = decode(await session.next("the refusal"));
      assert.deepEqual({ type, nsp, data }, { type: 4, nsp: "/x", data: { message: "Invalid namespace" } });
      await session.send(encode({ type: 2, nsp: "/", data: ["echo", 1] }));
      assert.deepEqual(decode(await session.next("the echo")).data, ["echo", 1]);
      session.end();
    });

    for (const [what, message] of Object.entries(BROKEN)) {
      test(`a message that is no packet ends the connection: ${what}`, async () => {
        const session = await joined(transport);
        await session.send(message);
        await session.gone();
      });
    }

    for (const [what, message] of Object.entries(BROKEN_FOR_US)) {
      const skip = onReference && "the reference is laxer here";
      test(`a message that is no packet ends the connection, where we are stricter: ${what}`, { skip }, async () => {
        const session = await joined(transport);
        await session.send(message);
        await session.gone();
      });
    }

    test("a value that nests without end harms nobody", async () => {
      const session = await joined(transport);
      const nested = Buffer.concat([Buffer.alloc(NESTED, 0x91), Buffer.from([0xc0])]);
      const head = encode({ type: 2, nsp: "/", data: ["no-ack", null] });
      await session.send(Buffer.concat([head.subarray(0, head.length - 1), nested]));
      const other = await joined(transport);
      other.end();
      session.end();
    });
  });
}
