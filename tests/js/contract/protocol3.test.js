// Protocol 3 of Engine.IO as clients before 3.0 speak it, byte by byte: framing, heartbeat, JSONP, namespaces.
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import WebSocket from "ws";

import { eventually, server, within } from "../harness.js";
import { journalOf, request } from "../wire.js";

const SETTINGS = { PING_INTERVAL: "300", PING_TIMEOUT: "300" };

const path = (query) => `/socket.io/?${new URLSearchParams({ EIO: 3, transport: "polling", ...query })}`;

/** A text payload: each packet behind its length in characters. */
const payload = (...packets) => packets.map((packet) => `${packet.length}:${packet}`).join("");

/** The packets of a text payload. */
function packets(text) {
  const found = [];
  for (let at = 0; at < text.length; ) {
    const colon = text.indexOf(":", at);
    const end = colon + 1 + Number(text.slice(at, colon));
    found.push(text.slice(colon + 1, end));
    at = end;
  }
  return found;
}

/** A session over polling; what came in is in `seen`. */
async function open(settings = {}, query = { b64: 1 }) {
  const { port } = await server(settings);
  const opened = packets((await request(port, path(query))).text);
  assert.equal(opened[0][0], "0");
  const { sid } = JSON.parse(opened[0].slice(1));
  const session = { port, sid, seen: opened.slice(1), path: path({ ...query, sid }) };
  session.get = () => request(port, session.path);
  session.post = (body, headers = { "content-type": "text/plain; charset=UTF-8" }) =>
    request(port, session.path, { method: "POST", body, headers });
  /** Polls until a packet of this beginning has come. */
  session.until = async (beginning) => {
    while (!session.seen.some((packet) => packet.startsWith(beginning))) {
      session.seen.push(...packets((await session.get()).text));
    }
    return session.seen.find((packet) => packet.startsWith(beginning));
  };
  return session;
}

describe("protocol 3 over polling", () => {
  test("the main namespace is joined without being asked for, with the engine's id", async () => {
    const session = await open();
    const welcome = await session.until('42["welcome"');
    assert.ok(session.seen.includes("40"));
    assert.equal(JSON.parse(welcome.slice(2))[1].sid, session.sid);
  });

  test("packets are counted in characters, not in bytes", async () => {
    const session = await open();
    await session.until('42["welcome"');
    const packet = '42["echo","日本 🚀"]';
    assert.equal((await session.post(payload(packet))).text, "ok");
    assert.equal(await session.until('42["echo"'), packet);
  });

  test("several packets of one payload are taken in order", async () => {
    const session = await open();
    await session.until('42["welcome"');
    await session.post(payload('42["echo",1]', '42["echo",2]', '42["echo",3]'));
    await session.until('42["echo",3]');
    const echoes = session.seen.filter((packet) => packet.startsWith('42["echo"'));
    assert.deepEqual(echoes, ['42["echo",1]', '42["echo",2]', '42["echo",3]']);
  });

  test("a client that wants base64 gets and sends binary as base64", async () => {
    const session = await open();
    await session.until('42["welcome"');
    const announced = '451-["echo",{"_placeholder":true,"num":0}]';
    await session.post(payload(announced, "b4AQIDBA=="));
    await session.until(announced);
    assert.equal(await session.until("b4"), "b4AQIDBA==");
  });

  test("a client that takes binary gets a binary payload, and may send one", async () => {
    const session = await open({}, {});
    await session.until('42["welcome"');
    const announced = '451-["echo",{"_placeholder":true,"num":0}]';
    const length = [...String(announced.length)].map(Number);
    const body = Buffer.concat([
      Buffer.from([0, ...length, 0xff]),
      Buffer.from(announced),
      Buffer.from([1, 5, 0xff, 4, 1, 2, 3, 4]),
    ]);
    await session.post(body, { "content-type": "application/octet-stream" });
    const received = [];
    while (!Buffer.concat(received).includes(Buffer.from([1, 5, 0xff, 4, 1, 2, 3, 4]))) {
      const answer = await session.get();
      assert.equal(answer.headers["content-type"], "application/octet-stream");
      received.push(answer.body);
    }
    assert.deepEqual(Buffer.concat(received), body);
  });

  test("pings are the client's and are answered by pongs", async () => {
    const session = await open(SETTINGS);
    await session.until('42["welcome"');
    for (let round = 0; round < 3; round++) {
      await session.post(payload("2"));
      session.seen = [];
      assert.equal(await session.until("3"), "3");
    }
  });

  test("a client that is silent for interval and timeout is gone", async () => {
    const session = await open(SETTINGS);
    await session.until('42["welcome"');
    assert.equal((await journalOf(session.port, session.sid)).reason, "ping timeout");
    assert.equal((await session.get()).status, 400);
  });

  test("a pong from a client ends the session", async () => {
    const session = await open();
    await session.until('42["welcome"');
    await session.post(payload("3"));
    assert.equal((await journalOf(session.port, session.sid)).reason, "transport error");
  });

  test("a close packet while a GET waits is answered by a noop", async () => {
    const session = await open();
    await session.until('42["welcome"');
    const waiting = session.get();
    await request(session.port, "/healthz");
    await session.post(payload("1"));
    assert.equal((await waiting).text, "1:6");
    assert.equal((await session.get()).status, 400);
  });

  test("a payload that cannot be parsed ends the session", async () => {
    for (const body of ["abc", "5:42", "999999999999:4", "-1:4", ":4", "1e3:4"]) {
      const session = await open();
      await session.until('42["welcome"');
      await session.post(body).catch(() => {});
      assert.equal((await journalOf(session.port, session.sid)).reason, "parse error");
    }
  });
});

describe("protocol 3, namespaces", () => {
  test("the query of a namespace is its auth, and its id is made of name and engine id", async () => {
    const session = await open();
    await session.until('42["welcome"');
    await session.post(payload("40/auth?token=secret,"));
    const welcome = JSON.parse((await session.until("42/auth,")).slice("42/auth,".length))[1];
    assert.ok(session.seen.includes("40/auth,"));
    assert.deepEqual(welcome.auth, { token: "secret" });
    assert.equal(welcome.sid, `/auth#${session.sid}`);
  });

  test("a refusal is the bare data, an unknown namespace an object with a message", async () => {
    const session = await open();
    await session.until('42["welcome"');
    await session.post(payload("40/auth,", "40/nowhere,"));
    assert.equal(await session.until("44/auth,"), '44/auth,{"code":401,"hint":"token"}');
    assert.equal(await session.until("44/nowhere,"), '44/nowhere,{"message":"Invalid namespace"}');
  });
});

describe("protocol 3 by JSONP", () => {
  /** What a script of JSONP passes to its callback. */
  function passed(answer, index) {
    const [, callback, argument] = /^(___eio\[\d+\])\((.*)\);$/s.exec(answer.text);
    assert.equal(callback, `___eio[${index}]`);
    return JSON.parse(argument);
  }

  test("answers are scripts that call back, also with line separators, and bodies are forms", async () => {
    const { port } = await server();
    const opened = packets(passed(await request(port, path({ j: 0, b64: 1 })), 0));
    const { sid } = JSON.parse(opened[0].slice(1));
    const own = path({ j: 0, b64: 1, sid });
    const seen = opened.slice(1);
    while (!seen.some((packet) => packet.startsWith('42["welcome"'))) {
      seen.push(...packets(passed(await request(port, own), 0)));
    }
    const packet = '42["echo","line\\nbreak \u2028 \\\\n"]';
    const form = new URLSearchParams({ d: payload(packet).replaceAll("\\n", "\\\\n") });
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    await request(port, own, { method: "POST", body: String(form), headers });
    const answer = await request(port, own);
    assert.ok(!answer.text.includes("\u2028"));
    assert.deepEqual(packets(passed(answer, 0)), [packet]);
  });

  test("the callback's index is digits whatever the client asks for", async () => {
    const { port } = await server();
    const answer = await request(port, path({ j: "0];alert(1)//", b64: 1 }));
    assert.doesNotMatch(answer.text, /alert/);
  });
});

describe("protocol 3 over WebSocket", () => {
  /** A WebSocket and the list of what it received. */
  async function connect(settings = {}, query = {}) {
    const { port } = await server(settings);
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path({ transport: "websocket", ...query })}`);
    const seen = [];
    socket.on("message", (data, isBinary) => seen.push(isBinary ? data : data.toString()));
    const has = (beginning) => () => seen.find((packet) => packet.toString().startsWith(beginning));
    const until = (beginning) => eventually(has(beginning), beginning);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    return { port, socket, seen, until, closed };
  }

  test("a binary frame carries the packet's type in its first byte", async () => {
    const { socket, seen, until } = await connect();
    await until('42["welcome"');
    socket.send('451-["echo",{"_placeholder":true,"num":0}]');
    socket.send(Buffer.from([4, 1, 2, 3]));
    await until("451-");
    await eventually(() => seen.some((packet) => Buffer.isBuffer(packet)), "the attachment");
    assert.deepEqual(
      seen.find((packet) => Buffer.isBuffer(packet)),
      Buffer.from([4, 1, 2, 3]),
    );
    socket.terminate();
  });

  test("pings are answered by pongs, a silent client is closed", async () => {
    const { socket, seen, until, closed } = await connect(SETTINGS);
    await until("40");
    socket.send("2");
    await until("3");
    await within(closed, "the close of a silent client");
    assert.equal(seen.filter((packet) => packet === "3").length, 1);
  });

  test("an upgrade goes as in protocol 4", async () => {
    const session = await open();
    await session.until('42["welcome"');
    const waiting = session.get();
    const { socket, until } = await connect({}, { sid: session.sid });
    await within(new Promise((resolve) => socket.once("open", resolve)), "the upgrade socket");
    socket.send("2probe");
    await until("3probe");
    assert.equal((await waiting).text, "1:6");
    socket.send("5");
    socket.send('42["echo","upgraded"]');
    await until('42["echo","upgraded"]');
    assert.equal((await session.get()).status, 400);
    socket.terminate();
  });

  test("a garbage packet closes the connection", async () => {
    const { socket, until, closed } = await connect();
    await until("40");
    socket.send("abc");
    await within(closed, "the close after garbage");
  });
});
