// Chromium for tests: where it is, and with which flags it talks to nobody but the pages of the tests.
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { after } from "node:test";

import { chromium } from "playwright-core";

const FLAGS = [
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // The pages of the tests have names of their own, from which a browser would not call loopback without asking.
  "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests",
];

/** The path of Chromium, or an error that says what to install. */
export function chromiumPath() {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/bin"];
  const found = folders.map((folder) => join(folder, "chromium")).find((path) => existsSync(path));
  if (!found) {
    throw new Error("Chromium is needed and not there: install the package chromium");
  }
  return found;
}

let launched;

/** A new window with cookies and storage of its own; the browser ends after the file's last test. */
export async function window() {
  launched ??= chromium.launch({ executablePath: chromiumPath(), args: FLAGS });
  const browser = await launched;
  return (await browser.newContext()).newPage();
}

after(async () => {
  await (await launched)?.close();
});
