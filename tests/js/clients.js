// The official clients under test, and a uniform way to connect one and to ask it things.
// Starting servers is harness.js; what the answers should be is contract/.
import { createRequire } from "node:module";

import { io as io4 } from "socket.io-client";
import { io as io3 } from "socket.io-client-3";
import msgpack from "socket.io-msgpack-parser";

import { server, within } from "./harness.js";

const require = createRequire(import.meta.url);

/** Every client build: its major version, how it is imported and the parsers that it can use. */
export const builds = {
  "2.5.0 (CommonJS)": { io: require("socket.io-client-2"), major: 2, parsers: ["default"] },
  "3.1.3 (CommonJS)": { io: require("socket.io-client-3").io, major: 3, parsers: ["default", "msgpack"] },
  "3.1.3 (ESM)": { io: io3, major: 3, parsers: ["default", "msgpack"] },
  "4.8.4 (CommonJS)": { io: require("socket.io-client").io, major: 4, parsers: ["default", "msgpack"] },
  "4.8.4 (ESM)": { io: io4, major: 4, parsers: ["default", "msgpack"] },
};

/** The ways to the server. */
export const roads = {
  websocket: { transports: ["websocket"] },
  polling: { transports: ["polling"] },
  "polling, then upgrade": { transports: ["polling", "websocket"] },
};

/** One client build on one road with one parser: connects sockets to the contract and closes them all. */
export class Setup {
  #opened = [];

  constructor(build, road, parser, settings = {}) {
    Object.assign(this, { ...builds[build], road, parser, settings: { ...settings, PARSER: parser } });
  }

  get upgrades() {
    return this.road === "polling, then upgrade";
  }

  /** A socket that is only created: what becomes of it is the caller's question. */
  async create(nsp = "/", options = {}) {
    const { url } = await server(this.settings);
    const socket = this.io(url + nsp, {
      forceNew: true,
      reconnection: false,
      ...roads[this.road],
      ...(this.parser === "msgpack" && { parser: msgpack }),
      ...options,
    });
    this.#opened.push(socket);
    return socket;
  }

  /** A connected socket, past the upgrade if there is one; `socket.welcome` is what the server said first. */
  async connect(nsp = "/", options = {}) {
    const socket = await this.create(nsp, options);
    const welcome = next(socket, "welcome");
    await within(connected(socket), `connection to ${nsp}`);
    [socket.welcome] = await welcome;
    if (this.upgrades) {
      await upgraded(socket);
    }
    return socket;
  }

  /** `count` connected sockets of the same kind. */
  crowd(count, nsp = "/") {
    return Promise.all(Array.from({ length: count }, () => this.connect(nsp)));
  }

  /** Closes every socket that was created since the last call. */
  close() {
    this.#opened.splice(0).forEach((socket) => socket.close());
  }
}

function connected(socket) {
  return new Promise((resolve, reject) => {
    socket.once("connect", resolve);
    // What a 2.x client calls error, later ones call connect_error.
    for (const event of ["connect_error", "error"]) {
      socket.once(event, (reason) => reject(reason instanceof Error ? reason : new Error(JSON.stringify(reason))));
    }
  });
}

/** Resolves once the transport of `socket` is a WebSocket. */
export function upgraded(socket) {
  const { engine } = socket.io;
  // Tracked by the transport and not by the event "upgrade", which may have passed.
  return within(
    new Promise((resolve) => {
      const look = () => (engine.transport.name === "websocket" && !engine.upgrading ? resolve() : setImmediate(look));
      look();
    }),
    "the upgrade",
  );
}

/** The arguments of the next event of this name. */
export function next(socket, event) {
  return within(new Promise((resolve) => socket.once(event, (...args) => resolve(args))), `event ${event}`);
}

/** Sends an event and gives the arguments of its ack. */
export function ask(socket, event, ...args) {
  return within(new Promise((resolve) => socket.emit(event, ...args, (...answer) => resolve(answer))), `ack of ${event}`);
}

/** The first argument of the ack. */
export async function ask1(socket, event, ...args) {
  return (await ask(socket, event, ...args))[0];
}

/** Keeps the arguments of every event of this name in the list it returns. */
export function collect(socket, event) {
  const seen = [];
  socket.on(event, (...args) => seen.push(args));
  return seen;
}

/** Why a socket may not connect: what its error event carries, in the form of the client's version. */
export function refusal(socket, major) {
  return next(socket, major === 2 ? "error" : "connect_error").then(([reason]) => reason);
}
