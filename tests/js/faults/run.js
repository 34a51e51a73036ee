// The long form of the fault runs, for the command line: every scenario, or those that are named, with several seeds.
// `node run.js [--seeds N | --seed S] [--seconds T] [--at-once N] [NAME..]`, the server in TESTBED; progress, then a table.
import { parseArgs } from "node:util";

import { run, scenarios } from "./scenarios.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: "string", default: "3" },
    seed: { type: "string" },
    seconds: { type: "string", default: "20" },
    "at-once": { type: "string", default: "4" },
  },
});

const chosen = scenarios.filter(({ name, theme }) => positionals.length === 0 || positionals.some((word) => word === theme || name.includes(word)));
const seeds = values.seed ? [Number(values.seed)] : Array.from({ length: Number(values.seeds) }, (_, i) => i + 1);
const runs = chosen.flatMap((scenario) => seeds.map((seed) => ({ scenario, seed })));
const totals = new Map(chosen.map(({ name }) => [name, { runs: 0, failed: 0 }]));

if (runs.length === 0) {
  console.error(`no such scenario; there are: ${scenarios.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}

function add(name, numbers) {
  const total = totals.get(name);
  for (const [key, value] of Object.entries(numbers)) {
    total[key] = (total[key] ?? 0) + value;
  }
}

async function work(queue, done) {
  for (let next = queue.shift(); next; next = queue.shift()) {
    const { scenario, seed } = next;
    try {
      const { counts, figures, clean, report } = await run(scenario, seed, Number(values.seconds));
      add(scenario.name, { runs: 1, failed: clean ? 0 : 1, ...counts, ...figures });
      console.log(`${done()} ${clean ? "ok    " : "FAILED"} ${clean ? `"${scenario.name}", seed ${seed}: ${JSON.stringify(figures)}` : report}`);
    } catch (error) {
      add(scenario.name, { runs: 1, failed: 1 });
      console.log(`${done()} FAILED ${error.message}`);
    }
  }
}

let count = 0;
const queue = [...runs];
const done = () => `[${++count}/${runs.length}]`;
await Promise.all(Array.from({ length: Number(values["at-once"]) }, () => work(queue, done)));

const COLUMNS = ["runs", "failed", "published", "delivered", "breaks", "lost", "repeated", "reordered", "disagreed", "unowed", "reapplied", "unrecovered", "complaints"];
const row = (name, of) => `| ${name} | ${COLUMNS.map((column) => of[column] ?? 0).join(" | ")} |`;
console.log([`| scenario | ${COLUMNS.join(" | ")} |`, `|---|${COLUMNS.map(() => "---|").join("")}`].join("\n"));
totals.forEach((total, name) => console.log(row(name, total)));
const failed = [...totals.values()].reduce((sum, total) => sum + total.failed, 0);
console.log(failed ? `${failed} of ${runs.length} runs failed` : `all ${runs.length} runs are clean`);
process.exitCode = failed ? 1 : 0;
