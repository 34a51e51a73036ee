// The heartbeat on both transports, before and after the upgrade. Lower bounds of time only: a server may be late, never early.
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { eventually, server } from "../harness.js";
import { PollingSession, TRANSPORTS, WebSocketSession, journalOf, open } from "../wire.js";

const INTERVAL_MS = 300;
const TIMEOUT_MS = 300;
// Timers of both processes count whole milliseconds.
const ROUNDING_MS = 2;
const SETTINGS = { PING_INTERVAL: String(INTERVAL_MS), PING_TIMEOUT: String(TIMEOUT_MS) };

function assertElapsed(since, ms) {
  const elapsed = performance.now() - since;
  assert.ok(elapsed >= ms - ROUNDING_MS, `${elapsed} ms is less than ${ms}`);
}

for (const transport of TRANSPORTS) {
  describe(`the heartbeat over ${transport}`, () => {
    test("the first ping comes after the interval, and each pong begins another", async () => {
      const { port } = await server(SETTINGS);
      const start = performance.now();
      const session = await open(transport, port, { pong: false });
      await session.join();
      for (let round = 1; round <= 3; round++) {
        assert.equal(await session.next("a ping"), "2");
        assertElapsed(start, round * INTERVAL_MS);
        await session.send("3");
      }
      session.end();
    });

    test("silence ends the session as ping timeout, after interval and timeout", async () => {
      const { port } = await server(SETTINGS);
      const start = performance.now();
      const session = await open(transport, port, { pong: false });
      const sid = await session.join();
      await session.gone();
      assertElapsed(start, INTERVAL_MS + TIMEOUT_MS);
      assert.equal((await journalOf(port, sid)).reason, "ping timeout");
    });

    test("other packets do not begin a new interval", async () => {
      const { port } = await server(SETTINGS);
      const session = await open(transport, port, { pong: false });
      await session.join();
      let talking = true;
      const talk = (async () => {
        while (talking) {
          await session.send('42["no-ack"]');
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      })();
      assert.equal(await session.next("a ping although there is traffic"), "2");
      talking = false;
      await talk;
      session.end();
    });

    test("a ping from a client of protocol 4 ends the session as transport error", async () => {
      const { port } = await server();
      const session = await open(transport, port);
      const sid = await session.join();
      await session.send("2");
      await session.gone();
      assert.equal((await journalOf(port, sid)).reason, "transport error");
    });

    test("a pong that comes early is harmless", async () => {
      const { port } = await server(SETTINGS);
      const session = await open(transport, port, { pong: false });
      await session.join();
      await session.send("3", "3");
      assert.equal(await session.next("a ping"), "2");
      await session.send("3");
      assert.equal(await session.next("another ping"), "2");
      session.end();
    });

    test("pongs are not lost among many messages", async () => {
      const { port } = await server(SETTINGS);
      const session = await open(transport, port, { pong: false });
      await session.join();
      await session.send('42["burst",2000,20]');
      for (let pings = 0, bursts = 0; pings < 3 || bursts < 2000; ) {
        const packet = await session.next();
        if (packet === "2") {
          pings++;
          await session.send(...Array(50).fill('42["no-ack"]'), "3", ...Array(50).fill('42["no-ack"]'));
        } else {
          bursts++;
        }
      }
      session.end();
    });
  });
}

test("a session that nobody polls ends as ping timeout as well", async () => {
  const { port } = await server(SETTINGS);
  const session = await PollingSession.open(port, { loop: false });
  await session.post("40");
  let text = "";
  while (!text.includes("welcome")) {
    text += (await session.get()).text;
  }
  const sid = JSON.parse(text.slice(2, text.indexOf("}") + 1)).sid;
  assert.equal((await journalOf(port, sid)).reason, "ping timeout");
});

test("the heartbeat goes on after an upgrade", async () => {
  const { port } = await server(SETTINGS);
  const polling = await PollingSession.open(port, { loop: false });
  const upgrade = await WebSocketSession.open(port, { query: { sid: polling.sid }, pong: false });
  await upgrade.send("2probe");
  assert.equal(await upgrade.next(), "3probe");
  await upgrade.send("5");
  await upgrade.send("40");
  const seen = [];
  await eventually(async () => {
    const packet = await upgrade.next();
    seen.push(packet);
    if (packet === "2") {
      await upgrade.send("3");
    }
    return seen.filter((one) => one === "2").length >= 3;
  }, "three pings");
  upgrade.end();
});
