// The judge judged: a record of a run without fault is clean, and each altered record is found out, for what was altered.
import assert from "node:assert/strict";
import { test } from "node:test";

import { counts, isClean, judge } from "./verdict.js";

/** Six members of two rooms, 40 messages of four publishers, each seen by the members of its room. */
function record() {
  const messages = new Map();
  const rooms = [["r0"], ["r1"], ["r0", "r1"], ["r0"], ["r1"], ["r0", "r1"]];
  const members = rooms.map((of, i) => ({
    name: `s${i}`,
    stays: of.map((room) => ({ room, asked: 1, joined: 2 })),
    got: [],
  }));
  for (let i = 0; i < 40; i++) {
    const message = { id: `p${i % 4}-${i >> 2}`, from: `p${i % 4}`, n: i >> 2, room: `r${(i >> 2) % 2}` };
    messages.set(message.id, { ...message, started: 10 + 2 * i, acked: 11 + 2 * i });
    const event = { ...message, app: `n0-${i}`, offset: `0000abcd-${(100 + i).toString(16)}` };
    members.filter(({ stays }) => stays.some(({ room }) => room === message.room)).forEach(({ got }) => got.push({ ...event }));
  }
  return { messages, members };
}

/** Judges the record after `alter`, and expects findings of these kinds alone. */
function check(alter, ...kinds) {
  const altered = record();
  alter(altered, altered.members[2]);
  const verdict = judge(altered);
  const found = Object.entries(counts(verdict)).filter(([, count]) => count > 0);
  assert.deepEqual(found.map(([kind]) => kind), kinds, JSON.stringify(verdict));
}

test("a run without fault is clean", () => assert.ok(isClean(judge(record()))));

test("an event that was dropped is lost", () => check((_, { got }) => got.splice(7, 1), "lost"));

test("the last event, dropped, is lost", () => check((_, { got }) => got.pop(), "lost"));

test("an event that came twice is repeated", () => check((_, { got }) => got.splice(9, 0, got[7]), "repeated"));

test("two events that were swapped are out of order", () =>
  check((_, { got }) => got.splice(7, 2, got[8], got[7]), "reordered", "disagreed"));

test("two members that saw two orders disagree, whatever the offsets say", () =>
  check(
    ({ members }) => {
      const [first, second] = members[0].got;
      [first.offset, second.offset] = [second.offset, first.offset];
      members[0].got.splice(0, 2, second, first);
    },
    "disagreed",
  ));

test("an event that was acknowledged and reached nobody is lost", () =>
  check(({ members }) => members.forEach((member) => (member.got = member.got.filter(({ id }) => id !== "p1-3"))), "lost"));

test("an event that was not acknowledged and reached nobody is not owed", () =>
  check(({ messages, members }) => {
    messages.get("p1-3").acked = undefined;
    members.forEach((member) => (member.got = member.got.filter(({ id }) => id !== "p1-3")));
  }));

test("an event that was not acknowledged but reached one member is owed to all", () =>
  check(({ messages }, { got }) => {
    messages.get("p1-3").acked = undefined;
    got.splice(got.findIndex(({ id }) => id === "p1-3"), 1);
  }, "lost"));

test("a publish that was applied again is found, though each member saw it once", () =>
  check((_, { got }) => (got[5].app = "n0-77"), "reapplied"));

test("an event without an offset is found", () => check((_, { got }) => (got[5].offset = undefined), "disagreed", "complaints"));

test("an event of a room that the member had left is not its own", () =>
  check((_, { stays }) => Object.assign(stays[0], { leaving: 20, left: 21 }), "unowed"));

test("what was committed before the leave is owed", () =>
  check((_, { stays, got }) => {
    Object.assign(stays[0], { leaving: 40, left: 41 });
    // Without the first one as well: what is missing is not a prefix.
    stays.length = 1;
    const kept = got.filter(({ id, n, room }) => room === "r0" && n < 4 && id !== "p0-0");
    got.splice(0, got.length, ...kept);
  }, "lost"));

test("a member that joins under load may begin anywhere while it joins, but has no hole behind", () => {
  const late = (stays) => Object.assign(stays[0], { asked: 12, joined: 60 });
  const keep = (got, holds) => got.splice(0, got.length, ...got.filter(holds));
  check((_, { stays, got }) => {
    late(stays);
    keep(got, ({ room, n }) => room === "r1" || n > 2);
  });
  check((_, { stays, got }) => {
    late(stays);
    keep(got, ({ room, n, id }) => room === "r1" || (n > 0 && id !== "p3-2"));
  }, "lost");
});

test("a client that was not recovered, and one that complains, are found", () => {
  check((_, member) => (member.unrecovered = 1), "unrecovered");
  check((_, member) => (member.complaints = ["was thrown out"]), "complaints");
});
