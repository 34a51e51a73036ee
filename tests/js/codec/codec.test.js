// Our Socket.IO codec against npm's parsers: packets of every kind, as they are and broken, have to be read as the same things.
// CODEC_LINES names our side (the example of that name in crates/proto); CODEC_SEED and CODEC_ROUNDS where chance starts and
// how many packets each parser gets. A failure names what is needed to see it again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";

import { READ_OTHERWISE, REFUSED, TAKEN, explanation } from "./differences.js";
import { mutated } from "./mutations.js";
import { auth, normal } from "./normal.js";
import { Random, packet } from "./packets.js";
import { PARSERS, asSent, decodeNpm, decodeOurs } from "./parsers.js";

const SEED = Number(process.env.CODEC_SEED ?? 1);
const ROUNDS = Number(process.env.CODEC_ROUNDS ?? 700);
/** Packets in one run of our program. */
const BATCH = 1000;
/** Broken forms of each packet. */
const BROKEN = 4;

for (const parser of PARSERS) {
  test(`our codec and ${parser.name} read the same packets, and refuse the same messages`, (t) => {
    const seen = new Map();
    for (let done = 0; done < ROUNDS; done += BATCH) {
      const random = new Random(SEED + done);
      const cases = Array.from({ length: Math.min(BATCH, ROUNDS - done) }, () => casesOf(parser, random)).flat();
      compareAll(parser, cases, (difference) => seen.set(difference, (seen.get(difference) ?? 0) + 1), SEED + done);
    }
    t.diagnostic(`seed ${SEED}, ${ROUNDS} packets; ${[...seen].map(([name, count]) => `${name}: ${count}`).join("; ")}`);
  });
}

/** A packet as the encoder writes it, and broken forms of it. */
function casesOf(parser, random) {
  const messages = parser.encode(packet(random, parser.protocol)).map(asSent);
  return [messages, ...Array.from({ length: BROKEN }, () => mutated(messages, random))];
}

function compareAll(parser, cases, note, seed) {
  const ours = decodeOurs(parser, cases);
  const written = [];
  cases.forEach((messages, i) => {
    explained(() => compare(parser, messages, ours[i], note), parser, messages, seed);
    written.push(...(ours[i].packets ?? []).map((packet) => packet.messages).filter(Boolean));
  });
  // What ours wrote, ours reads and writes again without a change.
  decodeOurs(parser, written).forEach((again, i) => {
    explained(() => assert.deepEqual(again.packets?.[0]?.messages, written[i]), parser, written[i], seed);
  });
}

/** Adds to a failure which case it was. */
function explained(judge, parser, messages, seed) {
  try {
    judge();
  } catch (error) {
    const shown = messages.map((message) => (typeof message === "string" ? JSON.stringify(message) : message.toString("hex")));
    throw new Error(`${parser.name}, seed ${seed}, messages ${shown.join(" ").slice(0, 2000)}\n${error.message}`);
  }
}

/** Judges one case: both refuse it, or both read the same, or a class of the table says why not. */
function compare(parser, messages, ours, note) {
  const theirs = decodeNpm(parser, messages);
  if (theirs.refused !== undefined) {
    if (ours.error === undefined) {
      const known = explanation(TAKEN, parser, messages);
      noteClass(known, `ours takes what npm refuses: ${theirs.refused}`, note);
    }
  } else if (ours.error !== undefined) {
    const known = explanation(REFUSED, parser, messages, ours.error);
    noteClass(known, `ours refuses (${ours.error}) what npm takes: ${inspect(theirs, { depth: 4 })}`, note);
  } else {
    compareRead(parser, messages, theirs, ours, note);
  }
}

function noteClass(known, otherwise, note) {
  assert.ok(known, otherwise);
  note(known);
}

function compareRead(parser, messages, theirs, ours, note) {
  try {
    assert.equal(ours.partial, theirs.pending !== undefined, "whether attachments are missing");
    assert.equal(ours.packets.length, theirs.packets.length, "how many packets there are");
    theirs.packets.forEach((packet, i) => comparePacket(parser, packet, ours.packets[i]));
  } catch (error) {
    noteClass(explanation(READ_OTHERWISE, parser, messages), error.message, note);
  }
}

function comparePacket(parser, packet, ours) {
  if (parser.protocol === 3 && packet.type === 0) {
    assert.deepEqual(ours.auth && JSON.parse(ours.auth), auth(packet));
  }
  // An error in a form that no server writes.
  if (ours.messages === undefined) {
    return assert.equal(packet.type, 4);
  }
  const { packets, refused } = decodeNpm(parser, ours.messages);
  assert.equal(refused, undefined, "npm refuses what ours writes");
  assert.deepStrictEqual(packets.map((again) => normal(again, parser)), [normal(packet, parser)]);
}
