// One official client behind a proxy of its own, which writes down what it was promised, what it got and what went wrong.
// When it publishes, joins or breaks is world.js and the scenarios; whether the record is right is verdict.js.
import { io } from "socket.io-client";
import msgpack from "socket.io-msgpack-parser";

import { within } from "../processes.js";
import { Proxy } from "./proxy.js";

/** The ways to the server. */
export const ROADS = {
  websocket: { transports: ["websocket"] },
  polling: { transports: ["polling"] },
  upgrade: { transports: ["polling", "websocket"] },
};

/** Patience of the client, short, so that a run of seconds holds many breaks. */
const CLIENT = { reconnectionDelay: 20, reconnectionDelayMax: 150, timeout: 1500 };
const RETRY = { retries: 1e9, ackTimeout: 700 };

/** A client; its fields `name`, `stays`, `got`, `unrecovered` and `complaints` are what the judge reads. */
export class Member {
  #asked = new Set();
  stays = [];
  got = [];
  complaints = [];
  unrecovered = 0;
  connections = 0;
  breaks = 0;
  published = 0;
  questions = 0;
  /** What a scenario does to this member on purpose is nothing to complain of. */
  banned = false;
  thrownOut = false;

  constructor(world, name, { road, retry = true }) {
    Object.assign(this, { world, name, road, retry });
  }

  /** Starts the client, and waits until it is connected. */
  async connect() {
    const { world } = this;
    this.proxy = await new Proxy(world.server.port).listen();
    this.socket = io(`http://127.0.0.1:${this.proxy.port}${world.nsp}`, {
      forceNew: true,
      ...CLIENT,
      ...ROADS[this.road],
      ...(this.retry ? RETRY : {}),
      ...(world.parser === "msgpack" ? { parser: msgpack } : {}),
    });
    this.#listen();
    await within(new Promise((resolve) => this.socket.once("connect", resolve)), `${this.name}: connection`);
    return this;
  }

  #listen() {
    const { socket } = this;
    socket.on("connect", () => this.#connected());
    socket.on("disconnect", (reason) => this.#disconnected(reason));
    socket.on("connect_error", (error) => {
      if (!socket.active) {
        this.complaints.push(`was refused: ${error.message}`);
      }
    });
    socket.on("msg", (message, offset) => this.#take(message, offset));
    socket.on("question", (answer) => answer({ by: this.name, question: ++this.questions }));
  }

  #connected() {
    this.connections += 1;
    // Kept, since the client itself forgets it while it is away.
    this.sid = this.socket.id;
    if (this.connections > 1 && !this.socket.recovered) {
      this.unrecovered += this.banned ? 0 : 1;
      this.end({ torn: true });
    }
    if (this.connections === 1 || !this.socket.recovered) {
      // What is sent to a socket alone is a room of its own for the judge.
      const now = this.world.tick();
      this.stays.push({ room: `@${this.name}`, asked: now, joined: now });
    }
  }

  #disconnected(reason) {
    this.breaks += 1;
    if (reason === "io server disconnect") {
      this.thrownOut = true;
      this.complaints.push(...(this.banned ? [] : ["was thrown out"]));
    }
  }

  #take(message, offset) {
    const { id, from, n, app, room } = message;
    this.got.push({ id, from, n, app, offset });
    const sent = this.world.record.messages.get(id);
    const isIntact =
      sent && room === (sent.room.startsWith("@") ? null : sent.room) && (message.pad?.length ?? 0) === sent.pad;
    const isWhole = !sent?.binary || (Buffer.isBuffer(message.bytes) && message.bytes.equals(bytesOf(n)));
    if (!isIntact || !isWhole) {
      this.complaints.push(`got an altered ${id}: ${JSON.stringify(message).slice(0, 200)}`);
    }
  }

  /** Every stay ends now; torn: what was under way is not owed, though it may have no hole. */
  end({ torn }) {
    const now = this.world.tick();
    this.stays.filter(({ left }) => left === undefined).forEach((stay) => Object.assign(stay, { torn, leaving: now, left: now }));
  }

  /** Sends a request until it is answered, and gives the answer. */
  request(event, ...args) {
    const request = { event, connection: this.connections };
    this.#asked.add(request);
    return new Promise((resolve, reject) => {
      this.socket.emit(event, ...args, (error, answer) => {
        this.#asked.delete(request);
        return error ? reject(error) : resolve(answer);
      });
    });
  }

  /** What it waits for, as a sentence; nothing if it waits for nothing. */
  state() {
    const { connected = false, active = false, io: manager } = this.socket ?? {};
    const asked = [...this.#asked].map(({ event, connection }) => `${event} since connection ${connection}`);
    const transport = manager?.engine?.transport?.name;
    const where = connected ? `connected over ${transport}` : active ? "away" : "out";
    const waits = asked.length > 0 || !connected;
    return waits && `${this.name} is ${where}, connection ${this.connections}, waits for ${asked.join(", ") || "nothing"}`;
  }

  async join(room) {
    const stay = { room, asked: this.world.tick() };
    this.stays.push(stay);
    await this.request("join", room);
    stay.joined = this.world.tick();
  }

  async leave(room) {
    const stay = this.stays.find((stay) => stay.room === room && stay.left === undefined);
    stay.leaving = this.world.tick();
    await this.request("leave", room);
    stay.left = this.world.tick();
  }

  /** Publishes to a room, or to a member alone; resolves when it is acknowledged. */
  async publish(to, { pad = 0, binary = false } = {}) {
    const message = this.#message(typeof to === "string" ? to : `@${to.name}`, pad, binary);
    const [event, address] = typeof to === "string" ? ["publish", to] : ["private", to.sid];
    await this.request(event, address, this.#payload(message));
    message.acked = this.world.tick();
  }

  /** Publishes plainly, then once with an ack: if that comes on the same connection, the plain ones were committed. */
  async plain(room, count) {
    const { socket } = this;
    const sent = Array.from({ length: count }, () => {
      const message = this.#message(room, 0, false);
      const connection = socket.connected ? this.connections : undefined;
      socket.emit("plain", room, this.#payload(message));
      return { message, connection };
    });
    const last = this.#message(room, 0, false);
    try {
      await socket.timeout(1000).emitWithAck("publish", room, this.#payload(last));
    } catch {
      return;
    }
    const now = this.world.tick();
    const proven = sent.filter(({ connection }) => connection === this.connections);
    [last, ...proven.map(({ message }) => message)].forEach((message) => (message.acked = now));
  }

  #message(room, pad, binary) {
    const n = this.published++;
    const message = { id: `${this.name}-${n}`, from: this.name, n, room, pad, binary, started: this.world.tick() };
    this.world.record.messages.set(message.id, message);
    return message;
  }

  #payload({ id, from, n, pad, binary }) {
    return { id, from, n, t: Date.now(), ...(pad && { pad: "x".repeat(pad) }), ...(binary && { bytes: bytesOf(n) }) };
  }

  /** The page is gone, with all it knew; the server hears it from TCP at most. */
  reload() {
    this.end({ torn: true });
    this.socket.io.reconnection(false);
    this.proxy.each((link) => link.rst());
    this.socket.off("msg");
  }

  async close() {
    this.socket?.disconnect();
    await this.proxy?.close();
  }
}

/** What a message carries when it carries bytes, so that a receiver can tell whether they are the right ones. */
function bytesOf(n) {
  return Buffer.from(Array.from({ length: 1 + (n % 300) }, (_, i) => (n + i) & 255));
}
