// The browser bundles of the clients in a real browser, from another origin: that CORS lets them in and others not.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, test } from "node:test";

import { window } from "../browser.js";
import { server } from "../harness.js";

const require = createRequire(import.meta.url);

const BUNDLES = {
  "2.5.0": ["socket.io-client-2/dist/socket.io.js", "default"],
  "3.1.3": ["socket.io-client-3/dist/socket.io.js", "default"],
  "3.1.3 with msgpack": ["socket.io-client-3/dist/socket.io.msgpack.min.js", "msgpack"],
  "4.8.4": ["socket.io-client/dist/socket.io.min.js", "default"],
  "4.8.4 with msgpack": ["socket.io-client/dist/socket.io.msgpack.min.js", "msgpack"],
};

/** A page of this origin that holds one script and nothing else. */
async function page(origin, bundle) {
  const opened = await window();
  const script = readFileSync(bundlePath(bundle), "utf8");
  await opened.route(`${origin}/**`, (route) =>
    route.request().url().endsWith("client.js")
      ? route.fulfill({ contentType: "text/javascript", body: script })
      : route.fulfill({ contentType: "text/html", body: "<script src=/client.js></script>" }),
  );
  await opened.goto(`${origin}/`);
  return opened;
}

/** The packages do not all export their bundles, so the path is taken beside what they export. */
function bundlePath(bundle) {
  const [name, ...rest] = bundle.split("/");
  return require.resolve(`${name}/package.json`).replace("package.json", rest.join("/"));
}

/** Runs in the page: connects and tells how it went. */
function visit([url, options]) {
  return new Promise((resolve) => {
    const socket = globalThis.io(url, { reconnection: false, timeout: 5000, ...options });
    socket.on("connect_error", (error) => resolve({ error: String(error.message ?? error) }));
    socket.on("connect", () => {
      socket.emit("echo-ack", "é🚀", new Uint8Array([1, 2, 3]).buffer, (text, bytes) => {
        socket.emit("who", (who) => {
          resolve({ text, bytes: [...new Uint8Array(bytes)], transport: who.transport, xdomain: who.xdomain });
        });
      });
    });
  });
}

for (const [name, [bundle, parser]] of Object.entries(BUNDLES)) {
  describe(`the browser bundle ${name}`, () => {
    for (const transport of ["websocket", "polling"]) {
      test(`connects from an allowed origin, with values and binary: ${transport}`, async () => {
        const { url } = await server({ PARSER: parser });
        const opened = await page("http://allowed.test", bundle);
        const options = { transports: [transport], withCredentials: true };
        const seen = await opened.evaluate(visit, [url, options]);
        assert.deepEqual(seen, { text: "é🚀", bytes: [1, 2, 3], transport, xdomain: true });
        await opened.close();
      });
    }
  });
}

test("a page of another origin is not let in over polling by the browser", async () => {
  const { url } = await server();
  const opened = await page("http://evil.test", BUNDLES["4.8.4"][0]);
  const seen = await opened.evaluate(visit, [url, { transports: ["polling"] }]);
  assert.match(seen.error, /xhr poll error/);
  await opened.close();
});
