// The server as a process: how it starts, refuses to start, ends, and is found again by its clients.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Setup, ask1, next } from "../clients.js";
import { launch, onReference, startServer, stop, within } from "../harness.js";
import { PollingSession, WebSocketSession } from "../wire.js";

import { io } from "socket.io-client";

test("SIGTERM ends the server gracefully, with its clients' transports and exit code 0", async () => {
  const running = await startServer();
  const sockets = await Promise.all(
    ["websocket", "polling"].map(async (transport) => {
      const socket = io(running.url, { transports: [transport], forceNew: true, reconnection: false });
      await next(socket, "welcome");
      return socket;
    }),
  );
  const ends = sockets.map((socket) => next(socket, "disconnect"));
  assert.equal(await stop(running), 0);
  for (const end of ends) {
    const [reason] = await end;
    // Never "io server disconnect": after that a client does not come back.
    assert.match(reason, /^transport (close|error)$/);
  }
});

test("SIGTERM ends sessions in every state: idle, half upgraded, with a poll waiting, joined to nothing", async () => {
  const running = await startServer({ CONNECT_TIMEOUT: "60000", UPGRADE_TIMEOUT: "60000" });
  const polling = await PollingSession.open(running.port);
  await polling.join();
  const upgrade = await WebSocketSession.open(running.port, { query: { sid: polling.sid } });
  await upgrade.send("2probe");
  await upgrade.next();
  const idle = await WebSocketSession.open(running.port);
  await PollingSession.open(running.port, { loop: false });
  assert.equal(await stop(running), 0);
  await Promise.all([upgrade.gone(), idle.gone(), polling.gone()]);
});

test("clients come back by themselves to a server that was restarted", async () => {
  const first = await startServer();
  const options = { reconnectionDelay: 20, reconnectionDelayMax: 50 };
  const sockets = ["websocket", "polling"].map((transport) =>
    io(first.url, { ...options, transports: [transport], forceNew: true }),
  );
  await Promise.all(sockets.map((socket) => next(socket, "welcome")));
  const back = sockets.map((socket) => next(socket, "welcome"));
  first.child.kill("SIGKILL");
  await first.exit;
  const second = await startServer({}, first.port);
  await Promise.all(back);
  for (const socket of sockets) {
    assert.equal(await ask1(socket, "echo-ack", "back"), "back");
    socket.close();
  }
  await stop(second);
});

test("a port in use ends the program with one sentence and exit code 2", async () => {
  const running = await startServer();
  const second = launch({ PORT: String(running.port) });
  assert.equal(await within(second.exit, "the second server's end"), 2);
  assert.match(second.output, /^[^\n]+\n$/);
  await stop(running);
});

test("a mode or a number that makes no sense ends the program with one sentence and exit code 2", async () => {
  const settings = [{ MODE: "nonsense" }];
  if (!onReference) {
    settings.push({ PING_INTERVAL: "soon" }, { PORT: "70000" }, { PARSER: "xml" });
  }
  for (const wrong of settings) {
    const refused = launch({ PORT: "0", ...wrong });
    assert.equal(await within(refused.exit, "the refusing server's end"), 2);
    assert.match(refused.output, /^[^\n]+\n$/);
  }
});

test("a server asked for another parser does not understand the default one", async () => {
  const setup = new Setup("4.8.4 (ESM)", "websocket", "default");
  const running = await startServer({ PARSER: "msgpack" });
  const session = await WebSocketSession.open(running.port);
  await session.send("40");
  await session.gone();
  setup.close();
  await stop(running);
});
