// Scenarios about what applications do while connections break: leaves, evictions, bans, private events, questions, plain
// emits, reloads, and the forms in which events travel. Each is told as a story of a few members.
import { eventually, pause } from "../processes.js";

/** Breaks someone's connection now and then, as the background of a story. */
const breaks = (world, among = world.subscribers) =>
  world.during(async () => {
    await world.gap(150, 450);
    world.harm(world.random.pick(among), (link) => (world.random.chance(0.5) ? link.rst() : link.halfOpen()));
  });

/** Runs a story beside the breaks, again and again. */
const story = (tell, more = {}) => ({
  ...more,
  faults: (world) => Promise.all([breaks(world), world.during(() => tell(world))]),
});

const staysIn = (world, room) => world.members.flatMap(({ stays }) => stays).filter((stay) => stay.room === room && !stay.left);

/** Takes the network from a member until the function that is returned is called. */
function takeAway(world, member) {
  member.proxy.refuse();
  world.harm(member, (link) => link.rst());
  return () => member.proxy.open();
}

async function evict(world) {
  await world.gap(300, 500);
  const away = world.subscribers[2];
  const back = takeAway(world, away);
  await world.gap(50, 150);
  const stays = staysIn(world, "r1");
  const leaving = world.tick();
  stays.forEach((stay) => Object.assign(stay, { leaving }));
  await world.publishers[3].request("evict", "r1");
  const left = world.tick();
  stays.forEach((stay) => Object.assign(stay, { left }));
  await world.gap(50, 200);
  back();
  await Promise.all([1, 2, 4, 5].map((i) => world.subscribers[i].join("r1")));
}

async function ban(world) {
  await world.gap(500, 800);
  const banned = [1, 2, 4, 5].map((i) => world.subscribers[i]);
  const [, away] = banned;
  const back = takeAway(world, away);
  await world.gap(50, 150);
  const leaving = world.tick();
  const stays = banned.flatMap(({ stays }) => stays);
  stays.forEach((stay) => Object.assign(stay, { leaving }));
  banned.forEach((member) => (member.banned = true));
  const before = new Map(banned.map((member) => [member, member.connections]));
  await world.publishers[3].request("ban", "r1");
  const left = world.tick();
  stays.forEach((stay) => Object.assign(stay, { left }));
  back();
  await Promise.all(banned.map((member) => comeBack(member, before.get(member))));
}

/** A banned member is thrown out, or learns when it returns that its session is over; then it begins anew. */
async function comeBack(member, connections) {
  const isBack = () => member.connections > connections && member.socket.connected && !member.socket.recovered;
  await eventually(() => member.thrownOut || isBack(), `the ban of ${member.name}`);
  if (member.thrownOut) {
    member.socket.connect();
    await eventually(isBack, `the return of ${member.name}`);
  } else {
    // Its connection had broken by itself before the ban: nobody who is away can be told.
    member.stays.filter(({ left }) => left !== undefined).forEach((stay) => (stay.torn = true));
  }
  member.banned = false;
  await member.join("r1");
}

async function reload(world) {
  await world.gap(200, 500);
  const [old, rooms] = [world.subscribers[5], ["r0", "r1"]];
  old.reload();
  const fresh = await world.member(`s5 after ${world.members.length}`);
  if (fresh.socket.recovered) {
    fresh.complaints.push("was recovered without a private id");
  }
  world.subscribers[5] = fresh;
  await Promise.all(rooms.map((room) => fresh.join(room)));
}

async function ask(world) {
  const member = world.random.pick(world.subscribers);
  const { ok, answer } = await member.request("ask", world.random.pick([0, 300]));
  if (ok && (answer.by !== member.name || answer.question > member.questions)) {
    member.complaints.push(`asked, and another's answer came: ${JSON.stringify(answer)}`);
  }
  await pause(world.random.int(1, 30));
}

export const applications = {
  "binary events": { binary: true, faults: (world) => breaks(world, world.members) },

  msgpack: { parser: "msgpack", binary: true, faults: (world) => breaks(world, world.members) },

  "a second namespace": { nsp: "/second", faults: (world) => breaks(world, world.members) },

  leave: story(async (world) => {
    await world.gap(200, 400);
    const member = world.subscribers[2];
    await member.leave("r0");
    await world.gap(100, 300);
    await member.join("r0");
  }),

  evict: story(evict),

  // Members that are banned while they are away, too. Bans are told by a publisher that does not break meanwhile.
  "ban, members present and away": { faults: (world) => ban(world).then(() => breaks(world)) },

  "private events": story(async (world) => {
    await world.publishers[0].publish(world.random.pick(world.subscribers));
    await pause(world.random.int(1, 20));
  }),

  "ask, acknowledged by the client": story(ask),

  // Of plain emits may be lost what was under way when the publisher's connection broke; never is one repeated or moved.
  "plain emits": {
    async faults(world) {
      const plain = await world.member("q0", { retry: false });
      await Promise.all([
        breaks(world, [...world.subscribers, plain]),
        world.during(async () => {
          await plain.plain(world.random.pick(["r0", "r1"]), world.random.int(1, 5));
          await pause(world.random.int(1, 20));
        }),
      ]);
    },
  },

  // A new page knows nothing of the old one: nothing from before is owed to it, nor given.
  "a page that reloads": story(reload),
};
