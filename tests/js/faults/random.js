// Chance that a seed repeats: a small generator, and streams of it by name, so that one user's draws do not shift another's.
// What is drawn is for world.js and the scenarios to say.

/** A seeded source of numbers. */
export class Random {
  #state;

  constructor(seed, stream = "") {
    this.seed = seed;
    this.#state = seed | 0;
    for (const character of stream) {
      this.#state = Math.imul(this.#state ^ character.codePointAt(0), 0x01000193);
    }
  }

  /** A source of its own for this name: the same for the same seed, whatever others draw. */
  stream(name) {
    return new Random(this.seed, name);
  }

  /** At least 0, below 1. */
  next() {
    // The step is Weyl's sequence, the finish a mixer of 32 bits: enough for choosing faults, and for nothing else.
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `least` to `most`, both included. */
  int(least, most) {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  pick(list) {
    return list[this.int(0, list.length - 1)];
  }

  chance(probability) {
    return this.next() < probability;
  }

  /** `count` different members of the list, in random order. */
  some(list, count) {
    const left = [...list];
    return Array.from({ length: Math.min(count, left.length) }, () => left.splice(this.int(0, left.length - 1), 1)[0]);
  }
}
