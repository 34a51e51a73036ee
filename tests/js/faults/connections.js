// Scenarios about connections: how they break, stand still, crawl and come back. What a fault is made of is proxy.js.
import { pause } from "../processes.js";

/** How long both sides need at most to notice that nothing comes any more, and a bit. */
const UNNOTICED_MS = 1300;

/** Any client there is; subscribers and publishers alike lose connections. */
const anyone = (world) => world.random.pick(world.members);

/** Does `action` to the connections of someone, again and again. */
const again = (action, least = 150, most = 500) => ({
  faults: (world) =>
    world.during(async () => {
      await world.gap(least, most);
      world.harm(anyone(world), action);
    }),
});

/** Does something to someone for a while, then undoes it. */
const forAWhile = (begin, finish, least, most) => ({
  faults: (world) =>
    world.during(async () => {
      await world.gap(100, 300);
      const member = anyone(world);
      begin(world, member);
      await pause(world.random.int(least, most));
      finish(world, member);
    }),
});

/** The lanes get a shape, those of later connections too. */
export function shape(proxy, shape) {
  const apply = (link) => {
    link.up.shape = shape;
    link.down.shape = shape;
  };
  proxy.hooks.add(apply);
  proxy.each(apply);
}

const stopOne = (direction) =>
  forAWhile(
    (world, { proxy }) => (world.bites += proxy.each((link) => link[direction].stop())),
    (_, { proxy }) => proxy.each((link) => link[direction].resume()),
    300,
    UNNOTICED_MS + 700,
  );

export const connections = {
  "no fault": { faultless: true },

  "no fault, websocket only": { faultless: true, roads: ["websocket"] },

  "no fault, polling only": { faultless: true, roads: ["polling"] },

  "no fault, with upgrades": { faultless: true, roads: ["upgrade"] },

  // The client has no offset yet, and what it lacks begins with its join.
  "cut before the first event": {
    before(world) {
      for (const { proxy } of world.subscribers) {
        world.bites += proxy.each((link) => link.rst());
        proxy.refuse();
      }
    },
    async faults(world) {
      for (const { proxy } of world.subscribers) {
        await world.gap(50, 400);
        proxy.open();
      }
    },
  },

  "joins under load": {
    joinsLate: true,
    async faults(world) {
      await world.gap(100, 200);
      await world.joinAll(async () => {
        await world.gap(20, 150);
        world.harm(world.random.pick(world.subscribers), (link) => link.rst());
      });
    },
  },

  reset: again((link) => link.rst()),

  "reset, websocket only": { ...again((link) => link.rst()), roads: ["websocket"] },

  "reset, polling only": { ...again((link) => link.rst()), roads: ["polling"] },

  "reset, with upgrades": { ...again((link) => link.rst()), roads: ["upgrade"] },

  "orderly end": again((link) => link.fin()),

  "all connections cut": {
    faults: (world) =>
      world.during(async () => {
        await world.gap(400, 900);
        world.members.forEach((member) => world.harm(member, (link) => link.rst()));
      }),
  },

  // The server believes the old connection alive and goes on writing to it, while the client is back on another.
  "back before the server notices": again((link) => link.halfOpen()),

  // The same, and the client stays away until about the time at which the server notices.
  "half-open": forAWhile(
    (world, member) => {
      world.harm(member, (link) => link.halfOpen());
      member.proxy.refuse();
    },
    (_, { proxy }) => proxy.open(),
    300,
    UNNOTICED_MS,
  ),

  "black hole over the ping timeout": {
    faults: (world) =>
      world.during(async () => {
        world.random.some(world.members, 3).forEach((member) => world.harm(member, (link) => link.blackHole()));
        await world.gap(UNNOTICED_MS, UNNOTICED_MS + 500);
      }),
  },

  "the whole network of a client gone for seconds": forAWhile(
    (world, { proxy }) => (world.bites += proxy.vanish()),
    (_, { proxy }) => proxy.open(),
    500,
    3000,
  ),

  "the direction to the server stopped": stopOne("up"),

  "the direction to the client stopped": stopOne("down"),

  "delay and jitter with cuts": {
    before(world) {
      for (const { proxy } of world.members) {
        shape(proxy, { delayMs: world.random.int(5, 60), jitterMs: world.random.int(5, 60), random: world.random });
      }
    },
    ...again((link) => link.rst(), 200, 600),
  },

  "a reader at 20 kB/s, then cut": {
    async faults(world) {
      const slow = world.random.some(world.subscribers, 2);
      slow.forEach(({ proxy }) => shape(proxy, { bytesPerSecond: 20_000 }));
      await world.during(async () => {
        await world.gap(700, 1500);
        slow.forEach((member) => world.harm(member, (link) => link.rst()));
      });
    },
  },

  "cut after some bytes": {
    faults: (world) =>
      world.during(async () => {
        const direction = world.random.pick(["up", "down"]);
        world.harm(anyone(world), (link) => link.cutAfter(world.random.int(1, 3000), direction));
        await world.gap(100, 400);
      }),
  },

  // One client after another link: as fast as it comes back, it is cut again.
  "50 breaks in a row": {
    async faults(world) {
      const victims = [world.subscribers[2], world.publishers[1]];
      for (let i = 0; i < 50; i++) {
        victims.forEach((member) => world.harm(member, (link) => (i % 3 ? link.rst() : link.halfOpen())));
        await pause(world.random.int(5, 60));
      }
    },
  },
};
