// A peer without a client library: HTTP requests, Engine.IO sessions packet by packet on both transports, and bare TCP.
// It says only what it is told to say; what the server should answer is contract/.
import http from "node:http";
import net from "node:net";
import { once } from "node:events";

import WebSocket from "ws";

import { eventually, within } from "./harness.js";

export const TRANSPORTS = ["websocket", "polling"];

const SEPARATOR = "\x1e";

/** One HTTP request on a connection of its own: `{status, headers, body, text}`; `json` if the body is JSON. */
export function request(port, path, { method = "GET", headers = {}, body, signal } = {}) {
  const answer = new Promise((resolve, reject) => {
    const outgoing = http.request({ host: "127.0.0.1", port, path, method, headers, signal, agent: false });
    outgoing.once("error", reject);
    outgoing.once("response", (incoming) => {
      const chunks = [];
      incoming.on("data", (chunk) => chunks.push(chunk));
      incoming.once("error", reject);
      incoming.once("end", () => resolve(response(incoming, Buffer.concat(chunks))));
    });
    outgoing.end(body);
  });
  return within(answer, `${method} ${path}`);
}

function response(incoming, body) {
  return {
    status: incoming.statusCode,
    headers: incoming.headers,
    body,
    text: body.toString(),
    get json() {
      return JSON.parse(this.text);
    },
  };
}

/** The query of an Engine.IO request. */
export function enginePath(query) {
  return `/socket.io/?${new URLSearchParams({ EIO: 4, ...query })}`;
}

/** Things that come one by one and are taken one by one, in order. */
class Inbox {
  #items = [];
  #waiting = [];

  push(item) {
    const taker = this.#waiting.shift();
    taker ? taker(item) : this.#items.push(item);
  }

  take(what) {
    if (this.#items.length > 0) {
      return Promise.resolve(this.#items.shift());
    }
    return within(new Promise((resolve) => this.#waiting.push(resolve)), what);
  }
}

/** What both kinds of session share: packets in order, pings answered unless `pong` is false, and the end. */
class Session {
  #inbox = new Inbox();
  #close;
  closed = new Promise((resolve) => (this.#close = resolve));

  constructor(port, { pong = true } = {}) {
    this.port = port;
    this.pong = pong;
  }

  /** The next packet that is not an answered ping: a string with its type, or a buffer. */
  next(what = "a packet") {
    return this.#inbox.take(what);
  }

  /** The session's end, or an error when it goes on. */
  gone(what = "the session's end") {
    return within(this.closed, what);
  }

  /** Joins a namespace and gives its socket id; the contract's welcome is taken off the stream. */
  async join(nsp = "/", auth = undefined) {
    const prefix = nsp === "/" ? "" : `${nsp},`;
    await this.send(`40${prefix}${auth ? JSON.stringify(auth) : ""}`);
    const answer = await this.next(`the answer to CONNECT ${nsp}`);
    if (!answer.startsWith(`40${prefix}{`)) {
      throw new Error(`not connected to ${nsp}: ${answer}`);
    }
    await this.next("the welcome");
    return JSON.parse(answer.slice(2 + prefix.length)).sid;
  }

  /** Sends an event with an ack on the main namespace and gives the ack's values; nothing else may come between. */
  async ask(event, ...args) {
    await this.send(`427${JSON.stringify([event, ...args])}`);
    const answer = await this.next(`the ack of ${event}`);
    if (!answer.startsWith("437[")) {
      throw new Error(`not the ack of ${event}: ${answer}`);
    }
    return JSON.parse(answer.slice(3));
  }

  took(packet) {
    if (packet === "2" && this.pong) {
      this.send("3").catch(() => {});
    } else {
      this.#inbox.push(packet);
    }
  }

  ended(how) {
    this.#close(how);
  }
}

/** A session whose transport is a WebSocket, from its start or (`sid` given) to upgrade another one. */
export class WebSocketSession extends Session {
  static async open(port, options = {}) {
    const session = new WebSocketSession(port, options);
    session.socket = new WebSocket(`ws://127.0.0.1:${port}${enginePath({ transport: "websocket", ...options.query })}`, {
      perMessageDeflate: false,
      ...options.websocket,
    });
    session.#listen();
    await within(once(session.socket, "open"), "the WebSocket's opening");
    if (!options.query?.sid) {
      session.handshake = JSON.parse((await session.next("the open packet")).slice(1));
      session.sid = session.handshake.sid;
    }
    return session;
  }

  #listen() {
    this.socket.on("message", (data, isBinary) => this.took(isBinary ? data : data.toString()));
    this.socket.on("close", (code) => this.ended({ code }));
    // The end is told by "close"; an error before "open" reaches the opener.
    this.socket.on("error", () => {});
  }

  async send(...packets) {
    packets.forEach((packet) => this.socket.send(packet));
  }

  end() {
    this.socket.terminate();
  }
}

/** A session over polling. With `loop: false` nothing is polled unless the test does. */
export class PollingSession extends Session {
  static async open(port, options = {}) {
    const session = new PollingSession(port, options);
    const answer = await request(port, enginePath({ transport: "polling", ...options.query }));
    if (answer.status !== 200) {
      throw new Error(`handshake answered ${answer.status} ${answer.text}`);
    }
    session.handshake = JSON.parse(answer.text.slice(1));
    session.sid = session.handshake.sid;
    session.path = enginePath({ transport: "polling", sid: session.sid });
    if (options.loop !== false) {
      session.#loop();
    }
    return session;
  }

  #aborted = new AbortController();
  #posts = Promise.resolve();

  async #loop() {
    for (;;) {
      const answer = await this.get({ signal: this.#aborted.signal }).catch((error) => ({ error }));
      if (answer.status !== 200) {
        return this.ended(answer);
      }
      for (const packet of answer.text.split(SEPARATOR)) {
        if (packet === "1") {
          return this.ended(answer);
        }
        if (packet !== "6") {
          this.took(packet.startsWith("b") ? Buffer.from(packet.slice(1), "base64") : packet);
        }
      }
    }
  }

  /** One GET, as it is. */
  get(options = {}) {
    return request(this.port, this.path, options);
  }

  /** One POST, as it is. */
  post(body, options = {}) {
    const headers = { "content-type": "text/plain; charset=UTF-8", ...options.headers };
    return request(this.port, this.path, { method: "POST", body, ...options, headers });
  }

  /** Sends packets in one payload, after the payloads before it were answered. */
  async send(...packets) {
    const texts = packets.map((packet) => (typeof packet === "string" ? packet : `b${packet.toString("base64")}`));
    // How a violation is answered differs and is judged elsewhere; the session's end is what is waited for.
    this.#posts = this.#posts.then(() => this.post(texts.join(SEPARATOR)).catch(() => {}));
    await this.#posts;
  }

  end() {
    this.#aborted.abort();
  }
}

/** Opens a session on either transport. */
export function open(transport, port, options = {}) {
  return transport === "websocket" ? WebSocketSession.open(port, options) : PollingSession.open(port, options);
}

/** Waits until the server has noted the end of a socket and gives its journal entry. */
export async function journalOf(port, sid) {
  const witness = await WebSocketSession.open(port);
  try {
    await witness.join();
    return await eventually(async () => (await witness.ask("journal", sid))[0][0], `the journal entry of ${sid}`);
  } finally {
    witness.end();
  }
}

/** Fails unless the server still serves a new client. */
export async function stillServes(port) {
  const session = await WebSocketSession.open(port);
  await session.join();
  const [answer] = await session.ask("echo-ack", "alive");
  session.end();
  if (answer !== "alive") {
    throw new Error(`the server answered ${answer}`);
  }
}

/** A TCP connection: bytes out, and what came in so far. */
export class Tcp {
  static async open(port) {
    const tcp = new Tcp();
    tcp.received = Buffer.alloc(0);
    tcp.socket = net.connect(port, "127.0.0.1");
    tcp.socket.on("data", (chunk) => (tcp.received = Buffer.concat([tcp.received, chunk])));
    tcp.socket.on("error", () => {});
    tcp.end = new Promise((resolve) => tcp.socket.once("close", resolve));
    await within(once(tcp.socket, "connect"), "a TCP connection");
    return tcp;
  }

  /** A WebSocket session on bare TCP, past its handshake and with the frames so far dropped. */
  static async websocket(port, headers = [], query = {}) {
    const tcp = await Tcp.open(port);
    tcp.write(upgradeRequest(enginePath({ transport: "websocket", ...query }), headers));
    await tcp.until((text) => text.includes("\r\n\r\n"), "the answer to the upgrade");
    return tcp;
  }

  write(data) {
    this.socket.write(data);
  }

  get text() {
    return this.received.toString("latin1");
  }

  /** Waits until what was received satisfies `test`. */
  until(test, what) {
    return eventually(() => test(this.text) && this, what);
  }

  /** Waits for the server to close the connection. */
  async closed(what = "the end of the TCP connection") {
    await within(this.end, what);
    return this;
  }

  /** The close code of the WebSocket close frame at the end of what was received, or undefined. */
  get closeCode() {
    const at = this.received.lastIndexOf(0x88);
    return at >= 0 && this.received.length >= at + 4 ? this.received.readUInt16BE(at + 2) : undefined;
  }

  drop() {
    this.socket.destroy();
  }
}

/** The text of a WebSocket upgrade request. */
export function upgradeRequest(path, headers = []) {
  return [
    `GET ${path} HTTP/1.1`,
    "Host: 127.0.0.1",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
    "",
    "",
  ].join("\r\n");
}

/** A masked client frame; `first` is its first byte, for flags and opcode. */
export function frame(first, payload = "", { masked = true } = {}) {
  const data = Buffer.from(payload);
  const size = data.length < 126 ? 0 : data.length < 65_536 ? 2 : 8;
  const head = Buffer.alloc(2 + size + (masked ? 4 : 0));
  head[0] = first;
  head[1] = (masked ? 0x80 : 0) | (size === 0 ? data.length : size === 2 ? 126 : 127);
  if (size === 2) {
    head.writeUInt16BE(data.length, 2);
  } else if (size === 8) {
    head.writeBigUInt64BE(BigInt(data.length), 2);
  }
  // A mask of zeros is a legal mask, and keeps the payload readable in a capture.
  return Buffer.concat([head, data]);
}
