// Scenarios about the server's process: killed, ended, frozen.
import { pause } from "../processes.js";

const twice = (signal) => ({
  async faults(world) {
    for (let i = 0; i < 2; i++) {
      await world.gap(500, 900);
      await world.restart(signal);
    }
  },
});

/** What a process alone cannot survive without its data on a disk. */
export const restarts = {
  "kill -9 and restart, twice": twice("SIGKILL"),

  "SIGTERM and restart, twice": twice("SIGTERM"),
};

export const freezes = {
  // Long enough for every client to be on its way back when the server wakes, and to find its old connections full.
  SIGSTOP: {
    async faults(world) {
      const frozenMs = world.seconds >= 10 ? 10_000 : 2000;
      await world.gap(400, 700);
      world.bites += 1;
      world.server.child.kill("SIGSTOP");
      await pause(frozenMs);
      world.server.child.kill("SIGCONT");
    },
  },
};
