// Starts and ends the server under test as a process, and gives waiting a limit; needs no test runner around it.
// Which servers tests share is harness.js.
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

const REFERENCE = fileURLToPath(new URL("./reference-testbed.js", import.meta.url));

/** Whether the server under test is npm's socket.io, not the binary named by TESTBED. */
export const onReference = !process.env.TESTBED;

/** How long anything may take before it counts as never happening; generous, since the machine may be busy. */
export const PATIENCE_MS = 15_000;

/** Waits for `promise`, or fails naming what did not come. */
export async function within(promise, what, limitMs = PATIENCE_MS) {
  let timer;
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing in ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again and again until `probe` gives something true, which is returned. */
export async function eventually(probe, what, limitMs = PATIENCE_MS) {
  const end = performance.now() + limitMs;
  for (;;) {
    const found = await probe();
    if (found) {
      return found;
    }
    if (performance.now() > end) {
      throw new Error(`${what}: not in ${limitMs} ms`);
    }
    await pause(10);
  }
}

/** Lets `ms` pass: for scripts whose subject is time, never in place of an event that can be waited for. */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Below the range from which systems take the local ports of outgoing connections. Every test file is a process of its own
// and starts its search at a place of its own.
const [PORT_FIRST, PORT_LAST] = (process.env.TEST_PORTS ?? "20000-29999").split("-").map(Number);
const PORT_COUNT = PORT_LAST - PORT_FIRST + 1;
let portsTried = (process.pid * 17) % PORT_COUNT;

async function freePort() {
  for (let i = 0; i < PORT_COUNT; i++) {
    const port = PORT_FIRST + (portsTried++ % PORT_COUNT);
    if (await isFree(port)) {
      return port;
    }
  }
  throw new Error(`no free port in ${PORT_FIRST}-${PORT_LAST}`);
}

function isFree(port) {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}

/** A running server: `port`, `url`, `child`, `output` (what it wrote), `exit` (a promise of its exit code or signal). */
export async function startServer(settings = {}, port = undefined) {
  const chosen = port ?? (await freePort());
  const server = launch({ ...settings, PORT: String(chosen) });
  server.port = chosen;
  server.url = `http://127.0.0.1:${chosen}`;
  await eventually(async () => server.ended || (await isHealthy(server.url)), `server on ${chosen}`);
  if (server.ended) {
    throw new Error(`the server ended at its start (${await server.exit}): ${server.output}`);
  }
  return server;
}

/** Starts a server without waiting for it: for settings with which it must not serve. */
export function launch(settings) {
  const [program, ...args] = onReference ? [process.execPath, REFERENCE] : [process.env.TESTBED];
  const child = spawn(program, args, {
    env: { ...process.env, ...settings },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const server = { child, output: "", ended: false };
  running.add(child);
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => (server.output += chunk));
  }
  server.exit = new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(code ?? signal));
  }).finally(() => {
    server.ended = true;
    running.delete(child);
  });
  return server;
}

const running = new Set();
// A test process that ends in any way takes its servers along.
process.once("exit", () => running.forEach((child) => child.kill("SIGKILL")));

async function isHealthy(url) {
  try {
    return (await fetch(`${url}/healthz`, { headers: { connection: "close" } })).ok;
  } catch {
    return false;
  }
}

/** Ends a server as an operator would. */
export async function stop(running) {
  running.child.kill("SIGTERM");
  return within(running.exit, "the end of the server after SIGTERM");
}
