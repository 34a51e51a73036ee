// One direction of a proxied connection: bytes go on at once, late, slowly, not now or never, and always in order.
// Which connection this happens to, and when, is proxy.js.

/** How much a lane holds before it stops reading, so that slowness reaches the sender. */
const HELD_BYTES_MAX = 16 * 1024;

/** How often a throttled lane lets bytes through. */
const SLICE_MS = 20;

/** From one socket to another. */
export class Lane {
  #from;
  #to;
  #held = [];
  #heldBytes = 0;
  #lastDue = 0;
  #timer;
  #mode = "pass";
  #ended = false;

  constructor(from, to) {
    this.#from = from;
    this.#to = to;
    /** Sees each chunk before it goes on and gives what goes on; may cut the connection. */
    this.watch = undefined;
    /** `{delayMs, jitterMs, bytesPerSecond, random}`, each optional. */
    this.shape = undefined;
    from.on("data", (chunk) => this.#take(chunk));
    from.on("end", () => {
      this.#ended = true;
      this.#pump();
    });
    to.on("drain", () => this.#pump());
  }

  /** Holds everything back from now on, the end too; what is under way in the sockets stays there. */
  stop() {
    this.#mode = this.#mode === "swallow" ? "swallow" : "stop";
  }

  /** Goes on after `stop` with what was held. */
  resume() {
    if (this.#mode === "stop") {
      this.#mode = "pass";
      this.#pump();
    }
  }

  /** Reads everything from now on and passes nothing on, not even the end. It cannot be undone. */
  swallow() {
    this.#mode = "swallow";
    this.#forget();
    this.#from.resume();
  }

  /** Ends its timers; the sockets are the link's to close. */
  close() {
    this.#mode = "swallow";
    this.#forget();
  }

  #forget() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#held = [];
    this.#heldBytes = 0;
  }

  #take(chunk) {
    const goesOn = this.watch ? this.watch(chunk) : chunk;
    if (this.#mode === "swallow" || !goesOn?.length) {
      return;
    }
    this.#held.push({ chunk: goesOn, due: this.#due() });
    this.#heldBytes += goesOn.length;
    if (this.#heldBytes > HELD_BYTES_MAX || this.#mode === "stop") {
      this.#from.pause();
    }
    this.#pump();
  }

  #due() {
    const { delayMs = 0, jitterMs = 0, random } = this.shape ?? {};
    const due = performance.now() + delayMs + (jitterMs ? random.next() * jitterMs : 0);
    // TCP keeps the order: what follows a late chunk is late as well.
    this.#lastDue = Math.max(this.#lastDue, due);
    return this.#lastDue;
  }

  #pump() {
    while (this.#mode === "pass" && !this.#timer && this.#held.length > 0 && !this.#to.writableNeedDrain) {
      const wait = this.#held[0].due - performance.now();
      if (wait > 0) {
        this.#after(wait);
      } else if (this.shape?.bytesPerSecond) {
        this.#write(Math.max(1, Math.floor((this.shape.bytesPerSecond * SLICE_MS) / 1000)));
        this.#after(SLICE_MS);
      } else {
        this.#write(Infinity);
      }
    }
    if (this.#mode === "pass" && this.#held.length === 0) {
      if (this.#ended) {
        this.#to.end();
      } else {
        this.#from.resume();
      }
    }
  }

  #after(ms) {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#pump();
    }, ms);
  }

  #write(bytesMax) {
    const first = this.#held[0];
    const part = first.chunk.subarray(0, bytesMax);
    if (part.length === first.chunk.length) {
      this.#held.shift();
    } else {
      first.chunk = first.chunk.subarray(part.length);
    }
    this.#heldBytes -= part.length;
    if (!this.#to.destroyed && this.#to.writable) {
      this.#to.write(part);
    }
  }
}
