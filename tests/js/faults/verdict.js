// Judges the record of a run: which events a member lost, got twice, got out of order, or got though they were not its own.
// It knows nothing of servers and sockets; world.js keeps the record.
//
// A record is `{messages, members}`. A message: `{id, from, n, room, started, acked}`; a member: `{name, stays, got, unrecovered,
// complaints}`. A stay in a room: `{room, asked, joined, leaving, left, torn}`; an event that a member got: `{id, from, n, room, app,
// offset}`. Times are numbers of one clock that ticks at each thing the record holds; what did not happen has none.

const FAULTS = ["lost", "repeated", "reordered", "disagreed", "unowed", "reapplied", "unrecovered", "complaints"];

/** The findings of each kind, as lists of sentences. */
export function judge(record) {
  const order = new Order(record.members);
  const verdict = Object.fromEntries(FAULTS.map((fault) => [fault, []]));
  for (const member of record.members) {
    judgeMember(record, member, order, verdict);
    verdict.unrecovered.push(...Array(member.unrecovered ?? 0).fill(`${member.name} was not recovered`));
    verdict.complaints.push(...(member.complaints ?? []).map((what) => `${member.name} ${what}`));
  }
  verdict.disagreed.push(...order.twoPlaces, ...disagreements(record.members));
  for (const [id, apps] of order.apps) {
    if (apps.size > 1) {
      verdict.reapplied.push(`${id} was applied as ${[...apps].join(" and ")}`);
    }
  }
  return verdict;
}

/** Whether there is nothing to complain about. */
export const isClean = (verdict) => FAULTS.every((fault) => verdict[fault].length === 0);

/** How many findings of each kind. */
export const counts = (verdict) => Object.fromEntries(FAULTS.map((fault) => [fault, verdict[fault].length]));

/** The order of the log, as far as somebody saw it. */
class Order {
  #places = new Map();
  #epochs = [];

  constructor(members) {
    this.apps = new Map();
    this.twoPlaces = [];
    for (const { got } of members) {
      for (const { id, app, offset } of got) {
        const place = this.#places.get(id) ?? this.place(offset);
        if (place !== this.place(offset)) {
          this.twoPlaces.push(`${id} came with two offsets, one of them ${offset}`);
        }
        this.#places.set(id, place);
        this.apps.set(id, (this.apps.get(id) ?? new Set()).add(app));
      }
    }
  }

  /** Where an offset is in its log; undefined for an event without one. */
  place(offset) {
    const [, epoch, position] = /^([0-9a-f]{8})-([0-9a-f]+)$/.exec(offset ?? "") ?? [];
    if (!epoch) {
      return undefined;
    }
    if (!this.#epochs.includes(epoch)) {
      this.#epochs.push(epoch);
    }
    return this.#epochs.indexOf(epoch) * 2 ** 48 + parseInt(position, 16);
  }

  seen(id) {
    return this.#places.has(id);
  }

  /** Messages in the order of the log, those without a place last. */
  sorted(messages) {
    const place = (message) => this.#places.get(message.id) ?? Infinity;
    return [...messages].sort((a, b) => (place(a) < place(b) ? -1 : place(a) > place(b) ? 1 : 0));
  }
}

function judgeMember(record, member, order, verdict) {
  const { name, got } = member;
  const has = new Set();
  const last = new Map();
  let place = -1;
  let unplaced = 0;
  for (const { id, from, n, offset } of got) {
    if (has.has(id)) {
      verdict.repeated.push(`${name} got ${id} again`);
      continue;
    }
    has.add(id);
    const here = order.place(offset);
    unplaced += here === undefined ? 1 : 0;
    if (here < place) {
      verdict.reordered.push(`${name} got ${id} (${offset}) after what follows it in the log`);
    }
    place = Math.max(place, here ?? 0);
    if (n < (last.get(from) ?? -1)) {
      verdict.reordered.push(`${name} got ${id} after ${from}-${last.get(from)} of the same publisher`);
    }
    last.set(from, Math.max(n, last.get(from) ?? -1));
  }
  if (unplaced > 0) {
    verdict.complaints.push(`${name} got ${unplaced} events without an offset`);
  }
  judgeStays(record, member, order, has, verdict);
}

/** What a member was owed, by its stays, against what it has. */
function judgeStays(record, { name, stays }, order, has, verdict) {
  const windows = new Map();
  const rooms = new Set(stays.map(({ room }) => room));
  for (const message of order.sorted(record.messages.values())) {
    const applied = message.acked !== undefined || order.seen(message.id);
    const claims = rooms.has(message.room)
      ? stays.filter(({ room }) => room === message.room).map((stay) => ({ stay, claim: claimOf(stay, message) }))
      : [];
    const open = claims.filter(({ claim }) => claim !== "none");
    if (claims.some(({ claim }) => claim === "owed")) {
      if (applied && !has.has(message.id)) {
        verdict.lost.push(`${name} lost ${told(message, claims)}`);
      }
    } else if (open.length === 0) {
      if (has.has(message.id)) {
        verdict.unowed.push(`${name} got ${message.id} of ${message.room}, where it was no member`);
      }
    } else if (open.length === 1 && order.seen(message.id)) {
      const [{ stay, claim }] = open;
      const key = `${stays.indexOf(stay)} ${claim}`;
      const window = windows.get(key) ?? [];
      windows.set(key, window);
      window.push({ id: message.id, has: has.has(message.id) });
    }
  }
  for (const [key, window] of windows) {
    verdict.lost.push(...holes(window, key.endsWith("joining")).map((id) => `${name} lost ${id} (${key})`));
  }
}

/** A lost message with the times that made it owed, as a sentence. */
function told({ id, room, started, acked }, claims) {
  const { asked, joined, leaving } = claims.find(({ claim }) => claim === "owed").stay;
  return `${id} (${started} to ${acked ?? "never"}) in ${room} (joined ${asked} to ${joined}, left ${leaving ?? "never"})`;
}

/** What a stay says of a message: owed, none, or, while the member came or went, either, but without a hole. */
function claimOf({ asked, joined = Infinity, leaving = Infinity, left = Infinity, torn }, { started, acked = Infinity }) {
  if (acked < asked || started > left) {
    return "none";
  }
  if (started < joined) {
    return "joining";
  }
  return !torn && (acked < leaving || leaving === Infinity) ? "owed" : "leaving";
}

/** While joining, everything after the first that came is owed; while leaving, everything before the last. */
function holes(window, joining) {
  const first = window.findIndex(({ has }) => has);
  const last = window.findLastIndex(({ has }) => has);
  const owed = first < 0 ? [] : joining ? window.slice(first) : window.slice(0, last);
  return owed.filter(({ has }) => !has).map(({ id }) => id);
}

/** Pairs of members that got the same events in different orders, at each place where they part. */
function disagreements(members) {
  const found = [];
  const firsts = members.map(({ got }) => new Map([...new Set(got.map(({ id }) => id))].map((id, i) => [id, i])));
  for (let a = 0; a < members.length; a++) {
    for (let b = a + 1; b < members.length; b++) {
      let before = -1;
      for (const id of firsts[a].keys()) {
        const place = firsts[b].get(id) ?? before;
        if (place < before) {
          found.push(`${members[a].name} and ${members[b].name} disagree about ${id}`);
        }
        before = Math.max(before, place);
      }
    }
  }
  return found;
}
