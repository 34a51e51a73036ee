// Starts and ends trunkline-server for the test of its pages. The environment names the binary, SERVER (or PROGRAM), and
// may name the ports to try, TEST_PORTS.
// Waiting, and ending it as an operator would, is harness.js.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { eventually } from "./harness.js";

const PROGRAM = process.env.SERVER ?? process.env.PROGRAM;
const CLIENT = fileURLToPath(new URL("./node_modules/socket.io-client/dist", import.meta.url));

const running = new Set();
const folders = [];
// A test process that ends in any way takes its servers and their data along.
process.once("exit", () => {
  running.forEach((child) => child.kill("SIGKILL"));
  folders.forEach((folder) => rmSync(folder, { recursive: true, force: true }));
});

// Below the range from which systems take the local ports of outgoing connections, so that a program can come back to
// its port.
const [PORT_FIRST, PORT_LAST] = (process.env.TEST_PORTS ?? "20000-29999").split("-").map(Number);

/** A directory for the data of one program after another. */
export function dataDir() {
  folders.push(mkdtempSync(join(tmpdir(), "trunkline-demo-")));
  return folders.at(-1);
}

/** A running program on a free port: `url`, `port`, `data`, `child`, `output`, `exit` (a promise of its code or signal). */
export async function startDemo() {
  const count = PORT_LAST - PORT_FIRST + 1;
  for (let i = 0; i < count; i++) {
    const demo = await startDemoOn(PORT_FIRST + ((process.pid * 17 + i) % count));
    if (!demo.ended) {
      return demo;
    }
    if (!demo.output.includes("is in use")) {
      throw new Error(`the program ended at its start (${await demo.exit}): ${demo.output}`);
    }
  }
  throw new Error(`no free port in ${PORT_FIRST}-${PORT_LAST}`);
}

/** The same on this port, with what is in `data`; `ended` says whether it did not start. */
export async function startDemoOn(port, data = dataDir()) {
  if (!PROGRAM) {
    throw new Error("SERVER must name the binary of trunkline-server");
  }
  const args = ["--port", String(port), "--client-dir", CLIENT, "--data-dir", data];
  const child = spawn(PROGRAM, args, { stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  const demo = { child, port, data, url: `http://127.0.0.1:${port}`, output: "", ended: false };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => (demo.output += chunk));
  }
  demo.exit = new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(code ?? signal));
  }).finally(() => {
    demo.ended = true;
    running.delete(child);
  });
  const line = `listening on ${demo.url}\n`;
  await eventually(() => demo.ended || demo.output.includes(line), "the line that names the address");
  return demo;
}

/** Ends it without giving it a chance to say goodbye. */
export async function kill(demo) {
  demo.child.kill("SIGKILL");
  await demo.exit;
}
