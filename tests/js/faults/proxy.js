// A TCP proxy on 127.0.0.1 that does to connections what networks do: one for each client, so that its faults have a victim.
// It knows bytes and sockets; requests and frames in them are recognised by stages.js, and scenarios decide what happens.
import net from "node:net";
import { once } from "node:events";

import { Lane } from "./lane.js";

/** Resets a connection at once; what still waits to be written is lost, where Node alone would write it first. */
function reset(socket) {
  // While its own end is on the way to the kernel, a socket cannot be reset: Node would leave it open for ever.
  const isEnding = socket.writableEnded && !socket.writableFinished;
  if (!isEnding) {
    socket.resetAndDestroy();
  }
  socket.destroy();
}

/** One proxied connection. */
export class Link {
  #told = { client: true, server: true };

  constructor(client, server) {
    Object.assign(this, { client, server, up: new Lane(client, server), down: new Lane(server, client), closed: false });
    this.gone = new Promise((resolve) => (this.resolveGone = resolve));
    this.#follow(client, server, "server");
    this.#follow(server, client, "client");
  }

  /** What happens to one side when the other is gone. */
  #follow(from, to, side) {
    // The end of a connection is told by "close"; an error only says how.
    let broken = false;
    from.on("error", () => (broken = true));
    from.on("close", () => {
      if (this.#told[side] && !to.destroyed) {
        if (broken) {
          reset(to);
        } else {
          to.destroySoon();
        }
      }
      if (this.client.destroyed && this.server.destroyed) {
        this.#close();
      }
    });
  }

  #close() {
    this.closed = true;
    this.up.close();
    this.down.close();
    this.resolveGone();
  }

  /** Both sides get a reset; what is under way is lost. */
  rst() {
    reset(this.client);
    reset(this.server);
  }

  /** Both sides get an orderly end; what was read still arrives. */
  fin() {
    this.client.destroySoon();
    this.server.destroySoon();
  }

  /** The client gets a reset; the server is never told and writes into nothing. */
  halfOpen() {
    this.#told.server = false;
    this.blackHole();
    reset(this.client);
  }

  /** Nothing passes any more in either direction, and neither side is told when the other gives up. */
  blackHole() {
    this.#told = { client: false, server: false };
    this.up.swallow();
    this.down.swallow();
  }

  /** Both directions stand still until `thaw`; nothing is lost. */
  freeze() {
    this.up.stop();
    this.down.stop();
  }

  thaw() {
    this.up.resume();
    this.down.resume();
  }

  /** Resets the connection after so many more bytes in this direction, "up" to the server or "down" from it. */
  cutAfter(bytes, direction) {
    let left = bytes;
    const lane = this[direction];
    lane.watch = (chunk) => {
      const part = chunk.subarray(0, left);
      left -= part.length;
      if (left === 0) {
        lane.watch = () => undefined;
        setImmediate(() => this.rst());
      }
      return part;
    };
  }
}

/** The way of one client to the server on `port`. */
export class Proxy {
  #listener = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
  #state = "open";
  #waiting = new Set();

  constructor(port) {
    this.target = port;
    this.links = new Set();
    /** Called with each new link, before its first byte: shapes and traps that outlive connections. */
    this.hooks = new Set();
  }

  async listen() {
    this.#listener.listen(0, "127.0.0.1");
    await once(this.#listener, "listening");
    this.port = this.#listener.address().port;
    return this;
  }

  /** Does `action` to every connection there is, and says to how many. */
  each(action) {
    const links = [...this.links];
    links.forEach(action);
    return links.length;
  }

  /** New connections are reset at once, until `open`. */
  refuse() {
    this.#state = "refuse";
  }

  /** The network is gone: connections stand still, new ones are neither accepted nor refused, until `open`. */
  vanish() {
    this.#state = "gone";
    return this.each((link) => link.freeze());
  }

  /** The network is back: connections that stood still go on, and those that waited are made. */
  open() {
    this.#state = "open";
    this.each((link) => link.thaw());
    for (const client of this.#waiting) {
      this.#waiting.delete(client);
      this.#connect(client);
    }
  }

  /** Ends what is left of every connection, and listens no longer. */
  async close() {
    this.hooks.clear();
    this.#state = "refuse";
    this.#waiting.forEach((client) => client.destroy());
    const ends = [...this.links].map((link) => {
      link.blackHole();
      link.rst();
      return link.gone;
    });
    this.#listener.close();
    await Promise.all(ends);
  }

  #accept(client) {
    client.on("error", () => {});
    if (this.#state === "refuse") {
      reset(client);
    } else if (this.#state === "gone") {
      this.#waiting.add(client);
      client.once("close", () => this.#waiting.delete(client));
    } else {
      this.#connect(client);
    }
  }

  #connect(client) {
    if (client.destroyed) {
      return;
    }
    const server = net.connect({ port: this.target, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    const link = new Link(client, server);
    this.links.add(link);
    link.gone.then(() => this.links.delete(link));
    this.hooks.forEach((hook) => hook(link));
  }
}
