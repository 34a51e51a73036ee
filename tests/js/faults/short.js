// The short form of the fault runs, for CI: every scenario of a theme as a test, once, a few at the same time.
// `FAULT_SEED` chooses another seed; a failure names the seed and the command that runs it again.
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { run, scenarios } from "./scenarios.js";

const SEED = Number(process.env.FAULT_SEED ?? 1);
const SECONDS = Number(process.env.FAULT_SECONDS ?? 2);

/** Worlds at once in one file: they wait more than they compute. */
const AT_ONCE = 3;

/** Declares the tests of a theme. */
export function testTheme(theme) {
  describe(`faults: ${theme}`, { concurrency: AT_ONCE }, () => {
    for (const scenario of scenarios.filter((scenario) => scenario.theme === theme)) {
      test(scenario.name, async () => {
        const { clean, report } = await run(scenario, SEED, SECONDS);
        assert.ok(clean, report);
      });
    }
  });
}
