// Many events in a row, volatile ones and the data of a socket, judged through one client setup.
import assert from "node:assert/strict";
import { test } from "node:test";

import { ask1, collect, next, upgraded } from "../clients.js";
import { eventually } from "../harness.js";

const upTo = (count) => Array.from({ length: count }, (_, i) => i);

/** Declares the tests of streams for one setup. */
export function streams(setup) {
  test("a burst of events arrives entire and in order", async () => {
    const socket = await setup.connect();
    const seen = collect(socket, "burst");
    socket.emit("burst", 500, 100);
    await ask1(socket, "echo-ack", "after");
    assert.deepEqual(
      seen.map(([i]) => i),
      upTo(500),
    );
    assert.ok(seen.every(([, pad]) => pad === "x".repeat(100)));
  });

  test("a burst of binary events arrives entire and in order", async () => {
    const socket = await setup.connect();
    const seen = collect(socket, "bin-burst");
    socket.emit("bin-burst", 300);
    await ask1(socket, "echo-ack", "after");
    assert.deepEqual(
      seen.map(([i, data]) => [i, ...new Uint8Array(data)]),
      upTo(300).map((i) => [i, i & 255, i >> 8]),
    );
  });

  test("volatile events may be dropped, never reordered, and the normal one after them comes", async () => {
    const socket = await setup.connect();
    const seen = collect(socket, "vol");
    const end = next(socket, "vol-end");
    socket.emit("volatile-burst", 200);
    await end;
    const numbers = seen.map(([i]) => i);
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
    );
    assert.equal(new Set(numbers).size, numbers.length);
  });

  test("numbered events of a client arrive in order", async () => {
    const socket = await setup.connect();
    upTo(500).forEach((i) => socket.emit("seq", i));
    assert.deepEqual(await ask1(socket, "seq-report"), { count: 500, inOrder: true });
  });

  if (setup.upgrades) {
    test("2,000 numbered events arrive in order in both directions across the upgrade", async () => {
      const socket = await setup.create();
      const seen = collect(socket, "burst");
      await next(socket, "connect");
      socket.emit("burst", 1000, 10);
      for (const i of upTo(2000)) {
        socket.emit("seq", i);
        if (i % 100 === 0) {
          await new Promise(setImmediate);
        }
      }
      await upgraded(socket);
      socket.emit("burst", 1000, 10);
      assert.deepEqual(await ask1(socket, "seq-report"), { count: 2000, inOrder: true });
      await eventually(() => seen.length >= 2000, "both bursts");
      assert.deepEqual(
        seen.map(([i]) => i),
        [...upTo(1000), ...upTo(1000)],
      );
    });
  }

  test("what was set on a socket is read again, what was not is null", async () => {
    const [first, second] = await setup.crowd(2);
    assert.equal(await ask1(first, "set", "k", { list: [1, "two"] }), "ok");
    assert.deepEqual(await ask1(first, "get", "k"), { list: [1, "two"] });
    assert.equal(await ask1(second, "get", "k"), null);
  });
}
