// Clients behind a proxy that lets no WebSocket through: they stay on polling, whatever the proxy does with the upgrade.
// Upgrades that come through are upgrade.test.js.
import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";

import { io } from "socket.io-client";

import { ask1, next } from "../clients.js";
import { server, within } from "../harness.js";

/** What proxies do with an upgrade that they do not know. */
const proxies = {
  "ends the connection": (_request, socket) => socket.destroy(),
  "answers with an error": (_request, socket) => socket.end("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"),
  "passes it on as a plain request": undefined,
};

/** A proxy in front of the server on `port`; listening. */
async function proxy(port, upgrade) {
  const between = http.createServer((incoming, answer) => {
    const { method, url } = incoming;
    const headers = { ...incoming.headers, connection: "close" };
    // These concern one hop only.
    delete headers.upgrade;
    const onward = http.request({ host: "127.0.0.1", port, method, path: url, headers, agent: false }, (got) => {
      answer.writeHead(got.statusCode, got.headers);
      got.pipe(answer);
    });
    onward.once("error", () => answer.destroy());
    answer.once("close", () => onward.destroy());
    incoming.pipe(onward);
  });
  if (upgrade) {
    between.on("upgrade", upgrade);
  }
  await new Promise((resolve) => between.listen(0, "127.0.0.1", resolve));
  return between;
}

for (const [what, upgrade] of Object.entries(proxies)) {
  test(`a client stays on polling when no upgrade gets through: a proxy that ${what}`, async (t) => {
    const { port } = await server();
    const between = await proxy(port, upgrade);
    const url = `http://127.0.0.1:${between.address().port}`;
    const socket = io(url, { forceNew: true, reconnection: false });
    t.after(() => {
      socket.close();
      between.close();
      between.closeAllConnections();
    });
    const failed = new Promise((resolve) => socket.io.engine.once("upgradeError", resolve));
    await next(socket, "welcome");
    assert.equal(await ask1(socket, "echo-ack", "before"), "before");
    await within(failed, "the failure of the upgrade");
    assert.equal(socket.io.engine.transport.name, "polling");
    assert.equal(await ask1(socket, "echo-ack", "after"), "after");
    assert.ok(socket.connected);
  });
}
