// A server, six subscribers in two rooms and four publishers, each behind a proxy of its own; the load; and the quiet after it.
// What goes wrong meanwhile is a scenario's to say; what must have come of it is verdict.js.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { eventually, pause, startServer, stop, within } from "../processes.js";
import { Member } from "./member.js";
import { Random } from "./random.js";
import { judge } from "./verdict.js";

/** The rooms of each subscriber. */
const ROOMS = [["r0"], ["r1"], ["r0", "r1"], ["r0"], ["r1"], ["r0", "r1"]];
const PUBLISHERS = 4;

/** A heartbeat that is missed within about a second. */
const HEART = { PING_INTERVAL: "400", PING_TIMEOUT: "600" };

/** How long a run may take to come to rest; more than a client needs for every one of its timeouts in turn. */
const CALM_MAX_MS = 30_000;

/** One run of one scenario. */
export class World {
  subscribers = [];
  publishers = [];
  loading = false;
  /** How many times a fault met something that it could harm. */
  bites = 0;
  #clock = 0;
  #loadOver;

  constructor(scenario, seed, seconds) {
    Object.assign(this, { scenario, seed, seconds });
    this.random = new Random(seed, scenario.name);
    this.nsp = scenario.nsp ?? "/";
    this.parser = scenario.parser ?? "default";
    this.record = { messages: new Map(), members: [] };
  }

  /** Runs the scenario to its end and gives the verdict and what the run consisted of. */
  async run() {
    try {
      await this.#begin();
      await this.#load();
      await this.#calm();
      return { verdict: judge(this.record), figures: this.#figures() };
    } catch (error) {
      const states = this.members.map((member) => member.state()).filter(Boolean);
      throw new Error(`${error.message} (${states.join("; ") || "no client waits"})`, { cause: error });
    } finally {
      await this.#end();
    }
  }

  /** The next moment of the record's clock. */
  tick() {
    return ++this.#clock;
  }

  /** A client that takes part from now on. */
  async member(name, options = {}) {
    const roads = this.scenario.roads ?? ["websocket", "polling", "upgrade"];
    const road = roads[(this.record.members.length + this.seed) % roads.length];
    const member = new Member(this, name, { road, ...options });
    this.record.members.push(member);
    return member.connect();
  }

  get members() {
    return this.record.members;
  }

  /** A time between two faults, cut short by the end of the load. */
  gap(leastMs, mostMs) {
    return Promise.race([pause(this.random.int(leastMs, mostMs)), this.#loadOver]);
  }

  /** Repeats `step` as long as there is load. */
  async during(step) {
    while (this.loading) {
      await step();
    }
  }

  /** Does `action` to the connections of a member, and counts whether there were any. */
  harm(member, action) {
    this.bites += member.proxy.each(action) > 0 ? 1 : 0;
  }

  /** Ends the server by a signal, and starts it again with its data on its port. */
  async restart(signal) {
    this.bites += 1;
    this.server.child.kill(signal);
    await within(this.server.exit, `the end of the server after ${signal}`);
    await this.gap(0, 300);
    this.server = await startServer(this.settings, this.server.port);
  }

  async #begin() {
    this.folder = await mkdtemp(join(tmpdir(), "trunkline-faults-"));
    this.settings = { MODE: "delivery", DATA_DIR: this.folder, PARSER: this.parser, ...HEART };
    this.server = await startServer(this.settings);
    for (let i = 0; i < ROOMS.length; i++) {
      this.subscribers.push(await this.member(`s${i}`));
    }
    for (let i = 0; i < PUBLISHERS; i++) {
      this.publishers.push(await this.member(`p${i}`));
    }
    if (!this.scenario.joinsLate) {
      await this.joinAll();
    }
    await this.scenario.before?.(this);
  }

  /** Every subscriber joins its rooms, one after another if `between` is something to wait for. */
  async joinAll(between) {
    const joins = [];
    for (const [i, subscriber] of this.subscribers.entries()) {
      joins.push(...ROOMS[i].map((room) => subscriber.join(room)));
      await between?.();
    }
    await within(Promise.all(joins), "joins", CALM_MAX_MS);
  }

  async #load() {
    this.loading = true;
    this.#loadOver = pause(this.seconds * 1000).then(() => (this.loading = false));
    const publishing = this.publishers.map((publisher) => this.#publish(publisher));
    const faults = Promise.resolve(this.scenario.faults?.(this));
    await within(faults, "the end of the faults", this.seconds * 1000 + CALM_MAX_MS);
    await this.#loadOver;
    this.members.forEach(({ proxy }) => heal(proxy));
    await within(Promise.all(publishing), "the last acknowledgements", CALM_MAX_MS);
  }

  async #publish(publisher) {
    const random = this.random.stream(publisher.name);
    const { binary = false } = this.scenario;
    while (this.loading) {
      const pad = random.chance(0.1) ? random.int(1000, 4000) : 0;
      await publisher.publish(random.pick(["r0", "r1"]), { pad, binary: binary && random.chance(0.5) });
      await pause(random.int(2, 16));
    }
  }

  /** Waits until nothing is owed any more; what stays owed is the judge's to say. */
  async #calm() {
    const last = ["r0", "r1"].map((room) => this.publishers[0].publish(room));
    await within(Promise.all(last), "the last acknowledgements", CALM_MAX_MS);
    const isCalm = () => judge(this.record).lost.length === 0;
    await eventually(async () => isCalm() || pause(100), "calm", CALM_MAX_MS).catch(() => {});
  }

  #figures() {
    const sum = (what) => this.members.reduce((total, member) => total + what(member), 0);
    return {
      published: this.record.messages.size,
      delivered: sum(({ got }) => got.length),
      breaks: sum(({ breaks }) => breaks),
      bites: this.bites,
    };
  }

  async #end() {
    this.loading = false;
    await within(Promise.all(this.members.map((member) => member.close())), "the end of the clients");
    if (this.server && !this.server.ended) {
      this.server.child.kill("SIGCONT");
      await stop(this.server);
    }
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** The network works again; connections that were swallowed stay so, and their clients have to notice. */
export function heal(proxy) {
  proxy.hooks.clear();
  proxy.each((link) => {
    for (const lane of [link.up, link.down]) {
      lane.shape = undefined;
      lane.watch = undefined;
    }
  });
  proxy.open();
}
