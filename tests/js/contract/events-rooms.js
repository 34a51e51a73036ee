// Rooms, broadcasts and operations on many sockets, judged through one client setup.
import assert from "node:assert/strict";
import { test } from "node:test";

import { ask1, collect, next } from "../clients.js";
import { within } from "../harness.js";

/** Declares the tests of rooms for one setup. */
export function rooms(setup) {
  membership(setup);
  broadcasts(setup);
  broadcastAcks(setup);
  remoteOperations(setup);
}

/** Waits until each socket has handled what the server sent it so far. */
function settled(sockets) {
  return Promise.all(sockets.map((socket) => ask1(socket, "echo-ack", "settled")));
}

/** Broadcasts `event` as described and gives, for each socket, how often it came. */
async function counts(sender, sockets, cast) {
  const seen = sockets.map((socket) => collect(socket, cast.event));
  assert.equal(await ask1(sender, "cast", cast), "ok");
  await settled(sockets);
  return seen.map((list) => list.length);
}

function membership(setup) {
  test("rooms are joined, listed and left, one's own id is not among them", async () => {
    const socket = await setup.connect();
    assert.deepEqual(await ask1(socket, "rooms"), []);
    assert.equal(await ask1(socket, "join", "b"), "ok");
    assert.equal(await ask1(socket, "join", "a"), "ok");
    assert.equal(await ask1(socket, "join", "a"), "ok");
    assert.deepEqual(await ask1(socket, "rooms"), ["a", "b"]);
    assert.equal(await ask1(socket, "leave", "b"), "ok");
    assert.equal(await ask1(socket, "leave", "never-joined"), "ok");
    assert.deepEqual(await ask1(socket, "rooms"), ["a"]);
  });

  test("the members of a room are known by their ids", async () => {
    const [first, second, other] = await setup.crowd(3);
    await ask1(first, "join", "members");
    await ask1(second, "join", "members");
    assert.deepEqual(await ask1(other, "members", "members"), [first.id, second.id].sort());
    assert.deepEqual(await ask1(other, "members", first.id), [first.id]);
    assert.deepEqual(await ask1(other, "members", "nobody"), []);
  });

  test("a socket that is gone is no member any more", async () => {
    const [first, other] = await setup.crowd(2);
    await ask1(first, "join", "gone");
    const { id } = first;
    first.disconnect();
    await within(
      (async () => {
        while ((await ask1(other, "members", "gone")).includes(id)) {
          // Asked again: the news travels on another connection.
        }
      })(),
      "the member's end",
    );
  });
}

function broadcasts(setup) {
  test("a broadcast reaches the whole namespace, the sender included", async () => {
    const all = await setup.crowd(3);
    assert.deepEqual(await counts(all[0], all, { from: "server", event: "to-all" }), [1, 1, 1]);
  });

  test("a socket's broadcast reaches all but the sender", async () => {
    const all = await setup.crowd(3);
    assert.deepEqual(await counts(all[0], all, { from: "socket", event: "to-the-rest" }), [0, 1, 1]);
  });

  test("a broadcast to rooms reaches each member of any of them once", async () => {
    const all = await setup.crowd(4);
    await ask1(all[0], "join", "u1");
    await ask1(all[1], "join", "u1");
    await ask1(all[1], "join", "u2");
    await ask1(all[2], "join", "u2");
    const cast = { from: "server", to: ["u1", "u2"], event: "to-rooms" };
    assert.deepEqual(await counts(all[3], all, cast), [1, 1, 1, 0]);
    assert.deepEqual(await counts(all[1], all, { ...cast, from: "socket", event: "to-others" }), [1, 0, 1, 0]);
  });

  test("a broadcast leaves out the rooms and the socket ids it excepts", async () => {
    const all = await setup.crowd(4);
    for (const socket of all.slice(0, 3)) {
      await ask1(socket, "join", "e");
    }
    await ask1(all[1], "join", "not-me");
    const cast = { from: "server", to: ["e"], except: ["not-me", all[2].id], event: "except" };
    assert.deepEqual(await counts(all[3], all, cast), [1, 0, 0, 0]);
    const rest = { from: "server", except: ["not-me"], event: "except-all" };
    assert.deepEqual(await counts(all[3], all, rest), [1, 0, 1, 1]);
  });

  test("a socket's id is a room of its own", async () => {
    const [first, second] = await setup.crowd(2);
    const cast = { from: "server", to: [second.id], event: "private" };
    assert.deepEqual(await counts(first, [first, second], cast), [0, 1]);
  });

  test("a broadcast carries values and binary", async () => {
    const [first, second] = await setup.crowd(2);
    await ask1(second, "join", "data");
    const got = next(second, "with-data");
    const data = [1, { deep: Buffer.from([1, 2]) }, "é"];
    await ask1(first, "cast", { from: "socket", to: ["data"], event: "with-data", data });
    const [number, { deep }, text] = await got;
    assert.deepEqual([number, [...new Uint8Array(deep)], text], [1, [1, 2], "é"]);
  });

  test("what happens in one namespace is not heard in another", async () => {
    const [here, there] = [await setup.connect("/chat"), await setup.connect("/other")];
    await ask1(here, "join", "shared-name");
    await ask1(there, "join", "shared-name");
    const cast = { from: "server", to: ["shared-name"], event: "only-here" };
    assert.deepEqual(await counts(here, [here, there], cast), [1, 0]);
  });
}

function broadcastAcks(setup) {
  test("a broadcast with acks collects the first value of every answer", async () => {
    const all = await setup.crowd(3);
    for (const [i, socket] of all.entries()) {
      await ask1(socket, "join", "asked");
      socket.on("vote", (base, ack) => ack(base + i, "not kept"));
    }
    const cast = { to: ["asked"], timeout: 10_000, event: "vote", data: [10] };
    const { err, responses } = await ask1(all[0], "cast-ack", cast);
    assert.deepEqual({ err, responses: responses.sort() }, { err: false, responses: [10, 11, 12] });
  });

  test("a broadcast with acks gives the answers so far when time is up", async () => {
    const [first, second] = await setup.crowd(2);
    await ask1(first, "join", "half");
    await ask1(second, "join", "half");
    first.on("vote", (ack) => ack("here"));
    const answer = await ask1(first, "cast-ack", { to: ["half"], timeout: 300, event: "vote" });
    assert.deepEqual(answer, { err: true, responses: ["here"] });
  });

  test("a broadcast with acks to nobody is answered by an empty list", async () => {
    const socket = await setup.connect();
    const answer = await ask1(socket, "cast-ack", { to: ["empty"], timeout: 10_000, event: "vote" });
    assert.deepEqual(answer, { err: false, responses: [] });
  });

  test("a broadcast with acks asks and answers with binary", async () => {
    const socket = await setup.connect();
    await ask1(socket, "join", "bin-ack");
    socket.on("vote", (data, ack) => ack(data));
    const cast = { to: ["bin-ack"], timeout: 10_000, event: "vote", data: [Buffer.from([1, 2])] };
    const { responses } = await ask1(socket, "cast-ack", cast);
    assert.deepEqual([...new Uint8Array(responses[0])], [1, 2]);
  });
}

function remoteOperations(setup) {
  test("the server joins all members of a room to another, and takes them out", async () => {
    const [first, second, other] = await setup.crowd(3);
    await ask1(first, "join", "team");
    await ask1(second, "join", "team");
    assert.equal(await ask1(other, "remote", { op: "join", room: "team", arg: "extra" }), "ok");
    assert.deepEqual(await ask1(first, "rooms"), ["extra", "team"]);
    assert.deepEqual(await ask1(other, "members", "extra"), [first.id, second.id].sort());
    assert.equal(await ask1(other, "remote", { op: "leave", room: "team", arg: "extra" }), "ok");
    assert.deepEqual(await ask1(second, "rooms"), ["team"]);
  });

  test("the server disconnects all members of a room", async () => {
    const [first, second, other] = await setup.crowd(3);
    await ask1(first, "join", "out");
    await ask1(second, "join", "out");
    const ends = [next(first, "disconnect"), next(second, "disconnect")];
    await ask1(other, "remote", { op: "disconnect", room: "out", arg: false });
    for (const end of ends) {
      assert.equal((await end)[0], "io server disconnect");
    }
    assert.equal(await ask1(other, "echo-ack", "alive"), "alive");
  });
}
