// The upgrade from polling to WebSocket, step by step and out of step. Raw packets; no client library.
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import WebSocket from "ws";

import { eventually, pause, server, within } from "../harness.js";
import { PollingSession, Tcp, WebSocketSession, enginePath, frame, request, stillServes } from "../wire.js";

const TEXT = 0x81;

const socketFor = (session) => WebSocketSession.open(session.port, { query: { sid: session.sid } });

/** A joined session over polling. */
async function joined(port, options) {
  const session = await PollingSession.open(port, options);
  await session.join();
  return session;
}

/** A probed upgrade socket of `session`. */
async function probed(session) {
  const upgrade = await socketFor(session);
  await upgrade.send("2probe");
  assert.equal(await upgrade.next("the probe's answer"), "3probe");
  return upgrade;
}

/** A session that was upgraded, as its WebSocket. */
async function upgraded(port) {
  const polling = await joined(port);
  const upgrade = await probed(polling);
  await upgrade.send("5");
  assert.deepEqual(await upgrade.ask("echo-ack", "upgraded"), ["upgraded"]);
  return { polling, upgrade };
}

async function assertPolls(session) {
  assert.deepEqual(await session.ask("echo-ack", "polling"), ["polling"]);
  session.end();
}

describe("an upgrade in step", () => {
  test("the probe is answered and a waiting poll is released by a noop", async () => {
    const { port } = await server();
    const session = await PollingSession.open(port, { loop: false });
    const waiting = session.get();
    const upgrade = await probed(session);
    assert.equal((await waiting).text, "6");
    upgrade.end();
  });

  test("after the upgrade messages go over the WebSocket", async () => {
    const { port } = await server();
    const { upgrade } = await upgraded(port);
    const [who] = await upgrade.ask("who");
    assert.equal(who.transport, "websocket");
    upgrade.end();
  });

  test("after the upgrade polling is refused and the session lives", async () => {
    const { port } = await server();
    const { polling, upgrade } = await upgraded(port);
    for (const method of ["GET", "POST"]) {
      const answer = await request(port, polling.path, { method });
      assert.deepEqual([answer.status, answer.json], [400, { code: 3, message: "Bad request" }]);
    }
    assert.deepEqual(await upgrade.ask("echo-ack", 1), [1]);
    upgrade.end();
  });

  test("what the server sends before, during and after the upgrade arrives once and in order", async () => {
    const { port } = await server();
    const session = await joined(port);
    const numbers = [];
    const note = (packet) => packet.startsWith('42["burst"') && numbers.push(JSON.parse(packet.slice(2))[1]);
    session.took = note;
    await session.send('42["burst",100,10]');
    const upgrade = await probed(session);
    upgrade.took = note;
    await session.send('42["burst",100,10]');
    await upgrade.send("5");
    await upgrade.send('42["burst",100,10]');
    await eventually(() => numbers.length >= 300, "three bursts");
    const once = Array.from({ length: 100 }, (_, i) => i);
    assert.deepEqual(numbers, [...once, ...once, ...once]);
    upgrade.end();
  });
});

describe("an upgrade out of step", () => {
  for (const [what, packet] of Object.entries({
    "another packet": '42["echo",1]',
    "a ping that is no probe": "2",
    "no packet at all": "abc",
    binary: Buffer.from([1, 2]),
  })) {
    test(`an upgrade socket that starts with anything but a probe is closed, the session lives: ${what}`, async () => {
      const { port } = await server();
      const session = await joined(port);
      const upgrade = await socketFor(session);
      await upgrade.send(packet);
      await upgrade.gone();
      await assertPolls(session);
    });
  }

  test("a second upgrade socket is closed and the first goes on", async () => {
    const { port } = await server();
    const session = await joined(port);
    const first = await probed(session);
    const second = await socketFor(session);
    await second.gone();
    await first.send("5");
    assert.deepEqual(await first.ask("echo-ack", 1), [1]);
    first.end();
  });

  test("an upgrade socket for an upgraded session is closed and the session lives", async () => {
    const { port } = await server();
    const { polling, upgrade } = await upgraded(port);
    const second = await socketFor(polling);
    await second.gone();
    assert.deepEqual(await upgrade.ask("echo-ack", 1), [1]);
    upgrade.end();
  });

  test("an upgrade that never finishes is closed, the session lives on over polling", async () => {
    const { port } = await server({ UPGRADE_TIMEOUT: "200" });
    const session = await joined(port);
    const silent = await socketFor(session);
    await silent.gone();
    const upgrade = await probed(session);
    await upgrade.gone();
    await assertPolls(session);
  });

  test("an upgrade socket that goes away after its probe leaves the session to polling", async () => {
    const { port } = await server();
    const session = await joined(port);
    const upgrade = await probed(session);
    upgrade.end();
    await assertPolls(session);
  });

  test("a session that ends during the upgrade takes its upgrade socket along", async () => {
    const { port } = await server();
    const session = await joined(port);
    const upgrade = await probed(session);
    await session.send("1");
    await upgrade.gone();
  });

  test("a garbage frame during the probe closes only the upgrade socket", async () => {
    const { port } = await server();
    const session = await joined(port);
    const tcp = await Tcp.websocket(port, [], { sid: session.sid });
    tcp.write(frame(TEXT, "2probe"));
    await tcp.until((text) => text.includes("3probe"), "the probe's answer");
    tcp.write(Buffer.from([0xff, 0xff, 0xff, 0xff]));
    await tcp.closed();
    await assertPolls(session);
    await stillServes(port);
  });

  test("an upgrade with another protocol version than the session's gets no WebSocket of the session", async () => {
    const { port } = await server();
    const session = await joined(port);
    const url = `ws://127.0.0.1:${port}/socket.io/?EIO=3&transport=websocket&sid=${session.sid}`;
    const socket = new WebSocket(url);
    socket.on("error", () => {});
    await within(new Promise((resolve) => socket.once("close", resolve)), "the refused upgrade's end");
    await assertPolls(session);
  });
});

test("upgrades that are torn down in every state leave nothing behind that hurts", async () => {
  const { port } = await server();
  const session = await joined(port);
  for (let i = 0; i < 20; i++) {
    const tcp = await Tcp.websocket(port, [], { sid: session.sid });
    if (i % 2 === 0) {
      tcp.write(frame(TEXT, "2probe"));
    }
    tcp.socket.resetAndDestroy();
    await eventually(() => tcp.socket.destroyed, "the reset");
    await pause(0);
  }
  const path = enginePath({ transport: "polling" });
  assert.equal((await request(port, path)).status, 200);
  await assertPolls(session);
});
