// Scenarios that mix faults: pairs at once, and a soup of everything by seed. The faults themselves are the other themes'.
import { pause } from "../processes.js";
import { shape } from "./connections.js";
import { UPGRADE_STAGES, atUpgrade, cutGetAnswer, losePostAnswer } from "./stages.js";

/** Faults that take a world and a member, and are over or harmless when they resolve. */
const FAULTS = {
  reset: async (world, member) => world.harm(member, (link) => link.rst()),
  end: async (world, member) => world.harm(member, (link) => link.fin()),
  halfOpen: async (world, member) => world.harm(member, (link) => link.halfOpen()),
  blackHole: async (world, member) => world.harm(member, (link) => link.blackHole()),
  refusal: async (world, member) => {
    member.proxy.refuse();
    world.harm(member, (link) => link.rst());
    await pause(world.random.int(50, 1000));
    member.proxy.open();
  },
  gone: async (world, member) => {
    world.bites += member.proxy.vanish();
    await pause(world.random.int(200, 2000));
    member.proxy.open();
  },
  stopped: async (world, member) => {
    const direction = world.random.pick(["up", "down"]);
    world.harm(member, (link) => link[direction].stop());
    await pause(world.random.int(100, 1500));
    member.proxy.each((link) => link[direction].resume());
  },
  late: async (world, { proxy }) => {
    shape(proxy, { delayMs: world.random.int(1, 50), jitterMs: world.random.int(1, 50), random: world.random });
  },
  slow: async (world, { proxy }) => shape(proxy, { bytesPerSecond: world.random.int(20_000, 60_000) }),
  bytes: async (world, member) => {
    const direction = world.random.pick(["up", "down"]);
    world.harm(member, (link) => link.cutAfter(world.random.int(1, 2000), direction));
  },
  upgrade: async (world, { proxy }) => {
    const effect = world.random.pick(["rst", "fin", "halfOpen", "freeze", "blackHole"]);
    atUpgrade(proxy, world.random.pick(UPGRADE_STAGES), (link) => link[effect](), { before: world.random.chance(0.5) });
    proxy.each((link) => link.rst());
  },
  post: async (world, { proxy }) => losePostAnswer(proxy, () => (world.bites += 1), { hang: world.random.chance(0.3) }),
  get: async (world, { proxy }) => cutGetAnswer(proxy, world.random.next(), () => (world.bites += 1)),
};

const NAMES = Object.keys(FAULTS);

export const mixtures = {
  // Two kinds for the whole run, chosen by the seed, each on its own clients and at its own pace.
  "pairs of faults": {
    async faults(world) {
      const pair = world.random.some(NAMES, 2);
      await Promise.all(
        pair.map((name) =>
          world.during(async () => {
            await world.gap(100, 400);
            await FAULTS[name](world, world.random.pick(world.members));
          }),
        ),
      );
      // Some faults wait for something that may not come within the run; breaks there are in any case.
      world.members.forEach((member) => world.harm(member, (link) => link.rst()));
    },
  },

  "random soup": {
    faults: (world) =>
      Promise.all(
        Array.from({ length: 3 }, () =>
          world.during(async () => {
            await world.gap(50, 300);
            await FAULTS[world.random.pick(NAMES)](world, world.random.pick(world.members));
          }),
        ),
      ),
  },
};
