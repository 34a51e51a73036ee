// The testbed on npm's socket.io: the same modes, driven by the same environment, so that a test that fails against ours
// can be asked of the reference first. It is a tool for those who write tests; nothing of it is shipped.
import { createServer } from "node:http";

import { contract } from "./reference/contract.js";
import { delivery } from "./reference/delivery.js";
import * as suites from "./reference/suites.js";

const modes = {
  contract,
  delivery,
  bench: suites.bench,
  "eio4-suite": (http) => suites.engineEcho(http, false),
  "eio3-suite": (http) => suites.engineEcho(http, true),
  "sio5-suite": suites.protocolSuite,
  "sio-client-suite": suites.clientSuite,
  "eio-client-suite": suites.engineClientSuite,
  "ws-echo": suites.websocketEcho,
};

const name = process.env.MODE ?? "contract";
const mode = modes[name];
if (!mode) {
  process.stderr.write(`MODE ${name} is not known to the reference testbed\n`);
  process.exit(2);
}

const http = createServer({ maxHeaderSize: 64 * 1024 }, (request, response) => {
  response.statusCode = request.url === "/healthz" ? 200 : 404;
  response.end();
});
const application = mode(http);

http.on("error", (error) => {
  process.stderr.write(`cannot listen: ${error.message}\n`);
  process.exit(2);
});
// The client suites use the name localhost, which may mean either loopback family.
http.listen(Number(process.env.PORT ?? 3000), name.endsWith("-suite") ? "localhost" : "127.0.0.1");

process.on("SIGTERM", () => {
  application.close();
  http.close(() => process.exit(0));
  http.closeAllConnections();
  // A WebSocket whose peer does not answer the close frame would hold the process for half a minute.
  setTimeout(() => process.exit(0), 1000).unref();
});
