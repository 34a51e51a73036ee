// Scenarios about what a transport is just doing when it breaks: an upgrade at each stage, a POST, a GET.
// The traps are stages.js.
import { UPGRADE_STAGES, atUpgrade, cutGetAnswer, losePostAnswer } from "./stages.js";

/** The client connects anew, so that there is something to trap. */
const reconnect = (world, member) => member.proxy.each((link) => link.rst());

const trapAgain = (trap, least = 100, most = 300) => ({
  faults: (world) =>
    world.during(async () => {
      trap(world, world.random.pick(world.members));
      await world.gap(least, most);
    }),
});

const upgradeAgain = (stages, effects) => ({
  roads: ["upgrade"],
  ...trapAgain((world, member) => {
    const effect = world.random.pick(effects);
    const spring = (link) => {
      world.bites += 1;
      effect(link);
    };
    atUpgrade(member.proxy, world.random.pick(stages), spring, { before: world.random.chance(0.5) });
    reconnect(world, member);
  }),
});

export const transports = {
  "an upgrade cut at a random stage": upgradeAgain(UPGRADE_STAGES, [(link) => link.rst(), (link) => link.fin()]),

  "an upgrade half-open at a random stage": upgradeAgain(UPGRADE_STAGES, [(link) => link.halfOpen()]),

  "an upgrade stalled after the probe's pong": {
    roads: ["upgrade"],
    ...trapAgain((world, member) => {
      const stall = (link) => {
        world.bites += 1;
        link.freeze();
      };
      atUpgrade(member.proxy, "pong", stall);
      reconnect(world, member);
    }, 300, 700),
  },

  // What was published is in the log, and the publisher never hears of it.
  "the ack lost": {
    roads: ["websocket"],
    faults: (world) =>
      world.during(async () => {
        const { proxy } = world.random.pick(world.publishers);
        // Everything that comes down is swallowed for a while; the publisher breaks off and tries again.
        world.bites += proxy.each((link) => link.down.swallow());
        await world.gap(100, 400);
        proxy.each((link) => link.rst());
        await world.gap(50, 200);
      }),
  },

  "the answer to a POST lost": {
    roads: ["polling"],
    ...trapAgain((world, { proxy }) => losePostAnswer(proxy, () => (world.bites += 1))),
  },

  "the answer to a POST never comes": {
    roads: ["polling"],
    ...trapAgain((world, { proxy }) => losePostAnswer(proxy, () => (world.bites += 1), { hang: true }), 300, 800),
  },

  "the answer to a GET cut in its middle": {
    roads: ["polling"],
    ...trapAgain((world, { proxy }) => cutGetAnswer(proxy, world.random.next(), () => (world.bites += 1))),
  },
};
