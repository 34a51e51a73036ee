// Every event of the contract, judged through one client build on one road with one parser.
// The files client-*.test.js say for which builds; what no official client can send is in the raw tests.
import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";

import { Setup, ask, ask1, builds, next, collect, roads } from "../clients.js";
import { namespaces } from "./events-namespaces.js";
import { rooms } from "./events-rooms.js";
import { streams } from "./events-streams.js";

/** Declares the tests of one client build on every road and with every parser. */
export function contractOf(build) {
  for (const parser of builds[build].parsers) {
    for (const road of Object.keys(roads)) {
      describe(`socket.io-client ${build}, ${road}, ${parser} parser`, () => {
        const setup = new Setup(build, road, parser);
        afterEach(() => setup.close());
        handshake(setup);
        values(setup);
        acks(setup);
        rooms(setup);
        namespaces(setup);
        streams(setup);
      });
    }
  }
}

function handshake(setup) {
  test("the first event is the welcome, with the id that the client sees", async () => {
    const socket = await setup.connect();
    assert.deepEqual(socket.welcome, { sid: socket.id, nsp: "/", auth: {}, recovered: false });
  });

  test("the server sees transport, protocol, query, headers and address", async () => {
    const socket = await setup.connect("/", {
      query: { colour: "blue & green" },
      extraHeaders: { "x-conformance": "yes" },
      transportOptions: {
        polling: { extraHeaders: { "x-conformance": "yes" } },
        websocket: { extraHeaders: { "x-conformance": "yes" } },
      },
    });
    const who = await ask1(socket, "who");
    assert.equal(who.sid, socket.id);
    assert.equal(who.eid, socket.io.engine.id);
    assert.equal(who.transport, setup.road === "polling" ? "polling" : "websocket");
    assert.equal(who.protocol, setup.major === 2 ? 3 : 4);
    assert.equal(who.nsp, "/");
    assert.equal(who.query.colour, "blue & green");
    assert.equal(who.query.EIO, setup.major === 2 ? "3" : "4");
    assert.equal(who.query.transport, setup.road === "websocket" ? "websocket" : "polling");
    assert.equal(who.header, "yes");
    assert.equal(who.recovered, false);
    assert.equal(who.xdomain, false);
    assert.equal(who.secure, false);
    assert.ok(who.url.startsWith("/socket.io/?"), who.url);
    assert.match(who.address, /127\.0\.0\.1$/);
  });

  test("socket id and engine id are different from protocol 4 on", async () => {
    const socket = await setup.connect();
    const { sid, eid } = await ask1(socket, "who");
    assert.equal(sid === eid, setup.major === 2);
  });

  test("events emitted before the connection arrive afterwards and in order", async () => {
    const socket = await setup.create();
    for (let i = 0; i < 20; i++) {
      socket.emit("seq", i);
    }
    assert.deepEqual(await ask1(socket, "seq-report"), { count: 20, inOrder: true });
  });
}

const VALUES = [
  [],
  [null],
  [false, true, 0, -1, 1.5, 9007199254740991],
  ["", "text", "naïve 日本 🚀 \u0000\u001e\u2028"],
  [{ nested: { list: [1, [2, [3, {}]]], empty: [], nothing: null } }],
  [1, "two", { three: 3 }, [4]],
];

function values(setup) {
  test("echo sends back none, one and many arguments", async () => {
    const socket = await setup.connect();
    for (const args of VALUES) {
      const answer = next(socket, "echo");
      socket.emit("echo", ...args);
      assert.deepEqual(await answer, args);
    }
  });

  if (setup.parser === "default") {
    test("a date arrives as a string in ISO form", async () => {
      const socket = await setup.connect();
      const date = new Date(1_700_000_000_123);
      assert.equal(await ask1(socket, "echo-ack", date), date.toISOString());
    });
  }

  test("binary arrives whole: alone, several, nested, mixed with text and empty", async () => {
    const socket = await setup.connect();
    const bytes = (...list) => Buffer.from(list);
    for (const args of [
      [bytes(1, 2, 3)],
      [bytes(0), bytes(255, 254)],
      [{ deep: [{ data: bytes(4, 5) }], text: "é" }, "after", bytes(6)],
      [bytes()],
    ]) {
      const answer = next(socket, "echo");
      socket.emit("echo", ...args);
      assert.deepEqual(plain(await answer), plain(args));
    }
  });

  test("typed arrays and array buffers arrive as bytes", async () => {
    const socket = await setup.connect();
    const view = Uint8Array.from([1, 2, 3]);
    assert.deepEqual(plain(await ask(socket, "echo-ack", view, view.buffer)), plain([view, view]));
  });

  test("ten attachments arrive in order", async () => {
    const socket = await setup.connect();
    const args = Array.from({ length: 10 }, (_, i) => Buffer.from([i]));
    assert.deepEqual(plain(await ask(socket, "echo-ack", ...args)), plain(args));
  });

  test("large text and large binary arrive whole", async () => {
    const socket = await setup.connect();
    const text = next(socket, "text");
    socket.emit("text", 150_000);
    assert.deepEqual(await text, ["é".repeat(150_000)]);
    const binary = next(socket, "bytes");
    socket.emit("bytes", 300_000);
    const [got] = await binary;
    assert.deepEqual(Buffer.from(got), Buffer.from(Array.from({ length: 300_000 }, (_, i) => i & 255)));
  });

  test("large values within the limit reach the server", async () => {
    const socket = await setup.connect();
    const text = "x".repeat(60_000);
    assert.equal(await ask1(socket, "echo-ack", text), text);
    const binary = Buffer.alloc(50_000, 7);
    assert.deepEqual(plain(await ask(socket, "echo-ack", binary)), plain([binary]));
  });
}

/** The same value with every kind of byte holder as a list of numbers, so that clients may differ in the kind. */
function plain(value) {
  if (value instanceof ArrayBuffer) {
    return { bytes: [...new Uint8Array(value)] };
  }
  if (ArrayBuffer.isView(value)) {
    return { bytes: [...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)] };
  }
  if (Array.isArray(value)) {
    return value.map(plain);
  }
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
  }
  return value;
}

function acks(setup) {
  test("a client's ack gets none, one or several values", async () => {
    const socket = await setup.connect();
    for (const args of VALUES) {
      assert.deepEqual(await ask(socket, "echo-ack", ...args), args);
    }
  });

  test("a client's ack gets binary values", async () => {
    const socket = await setup.connect();
    const args = ["before", { data: Buffer.from([1, 2]) }, Buffer.from([3])];
    assert.deepEqual(plain(await ask(socket, "echo-ack", ...args)), plain(args));
  });

  test("acks come back in the order of their events", async () => {
    const socket = await setup.connect();
    const order = [];
    const done = Array.from({ length: 50 }, (_, i) => ask(socket, "echo-ack", i).then(([n]) => order.push(n)));
    await Promise.all(done);
    assert.deepEqual(order, Array.from({ length: 50 }, (_, i) => i));
  });

  test("an event that the server does not acknowledge leaves its ack open and disturbs nothing", async () => {
    const socket = await setup.connect();
    let answered = false;
    socket.emit("no-ack", 1, () => (answered = true));
    assert.equal(await ask1(socket, "echo-ack", "later"), "later");
    assert.equal(answered, false);
  });

  test("an event that nobody listens to disturbs nothing", async () => {
    const socket = await setup.connect();
    socket.emit("nobody-listens", { a: 1 }, Buffer.from([1]));
    assert.equal(await ask1(socket, "echo-ack", "later"), "later");
  });

  test("keys of Object's prototype are names and values like others", async () => {
    const socket = await setup.connect();
    socket.emit("constructor", 1);
    socket.emit("hasOwnProperty", 1);
    assert.equal(await ask1(socket, "get", "nothing-was-set"), null);
    const odd = JSON.parse('{"constructor":1,"toString":2}');
    assert.deepEqual(await ask1(socket, "echo-ack", odd), odd);
  });

  if (setup.major >= 4) {
    test("a client's timeout reports silence as an error", async () => {
      const socket = await setup.connect();
      await assert.rejects(socket.timeout(100).emitWithAck("no-ack", 1), /timed out/);
      assert.equal(await socket.timeout(10_000).emitWithAck("echo-ack", 1), 1);
    });
  }

  test("the server's question is answered by the client's ack", async () => {
    const socket = await setup.connect();
    for (const limit of [0, 10_000]) {
      socket.once("question", (payload, ack) => ack({ got: payload }));
      const answer = next(socket, "answer");
      socket.emit("ask", "how?", limit);
      assert.deepEqual(await answer, [{ ok: true, value: { got: "how?" } }]);
    }
  });

  test("the server's question and its answer may hold binary", async () => {
    const socket = await setup.connect();
    socket.once("question", (payload, ack) => ack(payload));
    const answer = next(socket, "answer");
    socket.emit("ask", { data: Buffer.from([9, 8]) }, 0);
    assert.deepEqual(plain(await answer), plain([{ ok: true, value: { data: Buffer.from([9, 8]) } }]));
  });

  test("a question that nobody answers ends as not ok, and a late answer is ignored", async () => {
    const socket = await setup.connect();
    const question = next(socket, "question");
    const answers = collect(socket, "answer");
    socket.emit("ask", "how?", 50);
    const [, late] = await question;
    await next(socket, "answer");
    late("too late");
    assert.equal(await ask1(socket, "echo-ack", "later"), "later");
    assert.deepEqual(answers, [[{ ok: false }]]);
  });
}
