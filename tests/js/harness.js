// The servers that the tests of a file share, one process for each combination of settings, and all of processes.js.
// Clients, sessions and judgements are elsewhere (clients.js, wire.js, contract/).
import { after } from "node:test";

import { startServer, stop } from "./processes.js";

export * from "./processes.js";

const shared = new Map();

/** The server of this test file with these settings, started at the first call, ended after the file's last test. */
export function server(settings = {}) {
  const key = JSON.stringify(Object.entries(settings).sort());
  if (!shared.has(key)) {
    shared.set(key, startServer(settings));
  }
  return shared.get(key);
}

after(async () => {
  for (const started of shared.values()) {
    const running = await started.catch(() => undefined);
    if (running && !running.ended) {
      await stop(running);
    }
  }
});
