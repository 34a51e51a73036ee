// The table of all scenarios by name, and how one is run and reported. What happens in them is in the files of each theme.
import { applications } from "./applications.js";
import { connections } from "./connections.js";
import { mixtures } from "./mixtures.js";
import { freezes, restarts } from "./server-processes.js";
import { transports } from "./transports.js";
import { counts, isClean } from "./verdict.js";
import { World } from "./world.js";

/** Whether the testbed keeps its log in `DATA_DIR`, so that its process may end. */
const SURVIVES_RESTARTS = true;

const processes = { ...freezes, ...(SURVIVES_RESTARTS ? restarts : {}) };

const themes = { connections, transports, applications, processes, mixtures };

/** Scenarios by name, each with its theme: `{name, theme, ...what world.js and the scenario itself read}`. */
export const scenarios = Object.entries(themes).flatMap(([theme, of]) =>
  Object.entries(of).map(([name, scenario]) => ({ ...scenario, name, theme })),
);

/** How many findings of a kind are shown. */
const SHOWN_MAX = 6;

/** Runs a scenario and gives `{verdict, counts, figures, clean, report}`; the report says how to run it again. */
export async function run(scenario, seed, seconds) {
  const world = new World(scenario, seed, seconds);
  let outcome;
  try {
    outcome = await world.run();
  } catch (error) {
    throw new Error(`${title(scenario, seed)}: ${error.message}; ${again(scenario, seed, seconds)}`, { cause: error });
  }
  const { verdict, figures } = outcome;
  if (!scenario.faultless && figures.bites === 0) {
    verdict.complaints.push("the fault met nothing");
  }
  return {
    ...outcome,
    counts: counts(verdict),
    clean: isClean(verdict),
    report: `${title(scenario, seed)}: ${findings(verdict)}; ${again(scenario, seed, seconds)}`,
  };
}

const title = ({ name }, seed) => `"${name}", seed ${seed}`;

const again = ({ name }, seed, seconds) => `again: cargo xtask faults --seed ${seed} --seconds ${seconds} "${name}"`;

function findings(verdict) {
  const parts = Object.entries(verdict).filter(([, found]) => found.length > 0);
  const shown = parts.map(([kind, found]) => `${found.length} ${kind} (${found.slice(0, SHOWN_MAX).join("; ")})`);
  return shown.join(", ") || "clean";
}
