// What HTTP requests get: refusals, polling answers, limits, CORS. Raw requests; no client library.
import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { describe, test } from "node:test";
import zlib from "node:zlib";

import { server } from "../harness.js";
import { PollingSession, Tcp, enginePath, journalOf, open, request, stillServes, upgradeRequest } from "../wire.js";

const MESSAGES = [
  "Transport unknown",
  "Session ID unknown",
  "Bad handshake method",
  "Bad request",
  "Forbidden",
  "Unsupported protocol version",
];

// Requests that are answered by each of the server's threads in turn: what came before has been read by then.
async function everyThread(port) {
  for (let i = 0; i < availableParallelism(); i++) {
    await request(port, "/healthz");
  }
}

function assertRefused(answer, code, status = 400) {
  assert.deepEqual({ status: answer.status, ...answer.json }, { status, code, message: MESSAGES[code] });
  assert.match(answer.headers["content-type"], /^application\/json/);
}

const polling = (query = {}) => enginePath({ transport: "polling", ...query });

/** Joins the main namespace of a session that nobody polls, takes everything off it, and gives the socket id. */
async function joinByHand(session) {
  await session.post("40");
  let text = "";
  while (!text.includes('42["welcome"')) {
    text += (await session.get()).text;
  }
  return JSON.parse(text.slice(2, text.indexOf("}") + 1)).sid;
}

describe("refusals of HTTP requests", () => {
  for (const query of ["EIO=4", "EIO=4&transport=tobi", "EIO=4&transport=__proto__", "EIO=4&transport=constructor"]) {
    test(`a transport that is missing or unknown is refused with code 0: ${query}`, async () => {
      const { port } = await server();
      assertRefused(await request(port, `/socket.io/?${query}`), 0);
    });
  }

  test("an unknown session id is refused with code 1, for GET and POST", async () => {
    const { port } = await server();
    assertRefused(await request(port, polling({ sid: "nobody" })), 1);
    assertRefused(await request(port, polling({ sid: "nobody" }), { method: "POST", body: "3" }), 1);
    assertRefused(await request(port, polling({ sid: "__proto__" })), 1);
  });

  test("a handshake by another method than GET is refused with code 2", async () => {
    const { port } = await server();
    for (const method of ["POST", "PUT", "DELETE"]) {
      assertRefused(await request(port, polling(), { method }), 2);
    }
  });

  test("transport websocket without an upgrade is refused with code 3", async () => {
    const { port } = await server();
    assertRefused(await request(port, enginePath({ transport: "websocket" })), 3);
  });

  test("a session id of another transport without an upgrade is refused with code 3", async () => {
    const { port } = await server();
    const session = await open("websocket", port);
    assertRefused(await request(port, polling({ sid: session.sid })), 3);
    await session.join();
    session.end();
  });

  test("a protocol version that is not served is refused with code 5", async () => {
    const { port } = await server({ ALLOW_EIO3: "0" });
    for (const query of ["EIO=3", "EIO=5", "EIO=x", ""]) {
      assertRefused(await request(port, `/socket.io/?transport=polling&${query}`), 5);
    }
  });

  test("a request whose protocol version is not that of its session is refused with code 3", async () => {
    const { port } = await server();
    const session = await PollingSession.open(port, { loop: false });
    assertRefused(await request(port, `/socket.io/?EIO=3&transport=polling&sid=${session.sid}`), 3);
  });

  test("refused upgrades get status 400, the bare message as text/html, and the end of the connection", async () => {
    const { port } = await server();
    for (const [query, code] of [
      ["transport=tobi", 0],
      ["transport=constructor", 0],
      ["transport=__proto__", 0],
      ["transport=websocket&sid=nobody", 1],
    ]) {
      const tcp = await Tcp.open(port);
      tcp.write(upgradeRequest(`/socket.io/?EIO=4&${query}`));
      await tcp.closed();
      assert.match(tcp.text, /^HTTP\/1\.1 400 Bad Request\r\n/);
      assert.match(tcp.text, /\r\ncontent-type: text\/html\r\n/i);
      assert.match(tcp.text, /\r\nconnection: close\r\n/i);
      assert.equal(tcp.text.split("\r\n\r\n")[1], MESSAGES[code]);
    }
  });

  test("an upgrade on another path ends the connection", async () => {
    const { port } = await server();
    const tcp = await Tcp.open(port);
    tcp.write(upgradeRequest("/elsewhere/?EIO=4&transport=websocket"));
    await tcp.closed();
    assert.doesNotMatch(tcp.text, /101 Switching/);
  });

  test("paths that only resemble the served one are the application's", async () => {
    const { port } = await server();
    for (const path of ["/", "/socket.io-admin/", "/socket.iox", "/engine.io/?EIO=4&transport=polling"]) {
      assert.equal((await request(port, path)).status, 404);
    }
    assert.equal((await request(port, "/socket.io?EIO=4&transport=polling")).status, 404);
  });

  test("the health check answers 200", async () => {
    const { port } = await server();
    assert.equal((await request(port, "/healthz")).status, 200);
  });
});

describe("polling", () => {
  test("the open packet tells exactly the five values that a client needs", async () => {
    const { port } = await server({ PING_INTERVAL: "12345", PING_TIMEOUT: "6789", MAX_HTTP_BUFFER_SIZE: "4321" });
    const { handshake } = await PollingSession.open(port, { loop: false });
    assert.match(handshake.sid, /^[\w-]{20,}$/);
    const told = { sid: handshake.sid, upgrades: ["websocket"], pingInterval: 12345, pingTimeout: 6789, maxPayload: 4321 };
    assert.deepEqual(handshake, told);
  });

  test("a GET is answered as plain text that is not to be stored, with its exact length", async () => {
    const { port } = await server();
    const answer = await request(port, polling());
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["content-type"], "text/plain; charset=UTF-8");
    assert.equal(answer.headers["cache-control"], "no-store");
    assert.equal(answer.headers["content-length"], String(answer.body.length));
  });

  test("an accepted POST is answered ok as text/html", async () => {
    const { port } = await server();
    const session = await PollingSession.open(port, { loop: false });
    const answer = await session.post("40");
    assert.deepEqual([answer.status, answer.text], [200, "ok"]);
    assert.match(answer.headers["content-type"], /^text\/html/);
  });

  test("packets of one payload are taken in order, and the answer holds several as well", async () => {
    const { port } = await server();
    const session = await PollingSession.open(port);
    await session.join();
    await session.send('42["echo",1]', '451-["echo",{"_placeholder":true,"num":0}]', Buffer.from([1, 2]), '42["echo",3]');
    assert.equal(await session.next(), '42["echo",1]');
    assert.equal(await session.next(), '451-["echo",{"_placeholder":true,"num":0}]');
    assert.deepEqual(await session.next(), Buffer.from([1, 2]));
    assert.equal(await session.next(), '42["echo",3]');
    session.end();
  });

  test("another method with a valid session id is answered 500 without a body", async () => {
    const { port } = await server();
    const session = await PollingSession.open(port);
    const answer = await request(port, session.path, { method: "PUT" });
    assert.deepEqual([answer.status, answer.text], [500, ""]);
    await session.join();
    session.end();
  });

  test("a second GET while one waits is refused, the first answered 1, and the session gone", async () => {
    const { port } = await server();
    const session = await PollingSession.open(port, { loop: false });
    const first = session.get();
    // What is asked afterwards on another connection comes after the GET on that of before.
    await everyThread(port);
    const second = await session.get();
    assert.equal(second.status, 400);
    const waited = await first;
    assert.deepEqual([waited.status, waited.text], [200, "1"]);
    assertRefused(await session.get(), 1);
  });

  test("a second POST while one runs is refused, and the session gone", async () => {
    const { port } = await server();
    const session = await PollingSession.open(port, { loop: false });
    const running = await slowPost(session, 10, "40");
    await everyThread(port);
    const second = await session.post("40");
    assert.equal(second.status, 400);
    assertRefused(await session.get(), 1);
    running.drop();
  });

  /** A POST of which only the beginning is sent. */
  async function slowPost(session, length, beginning) {
    const tcp = await Tcp.open(session.port);
    tcp.write(`POST ${session.path} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: ${length}\r\n\r\n`);
    tcp.write(beginning);
    return tcp;
  }

  test("a GET that the client cuts ends the session with a transport error", async () => {
    const { port } = await server();
    const session = await PollingSession.open(port, { loop: false });
    const sid = await joinByHand(session);
    const cut = await Tcp.open(port);
    cut.write(`GET ${session.path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await everyThread(port);
    cut.drop();
    assert.equal((await journalOf(port, sid)).reason, "transport error");
  });

  test("a POST that the client cuts ends the session with a transport error", async () => {
    const { port } = await server();
    const session = await PollingSession.open(port);
    const sid = await session.join();
    const cut = await slowPost(session, 1000, '42["echo",');
    await everyThread(port);
    cut.drop();
    assert.equal((await journalOf(port, sid)).reason, "transport error");
    await session.gone();
  });

  test("an octet-stream POST of protocol 4 is refused and ends the session", async () => {
    const { port } = await server();
    const session = await PollingSession.open(port, { loop: false });
    const answer = await session.post("40", { headers: { "content-type": "application/octet-stream" } });
    assert.equal(answer.status, 400);
    assertRefused(await session.get(), 1);
  });

  test("a body with a packet that cannot be parsed ends the session with a parse error", async () => {
    const { port } = await server();
    const session = await PollingSession.open(port);
    const sid = await session.join();
    await session.send("abc");
    await session.gone();
    assert.equal((await journalOf(port, sid)).reason, "parse error");
  });

  test("a close packet while a GET waits is answered by a noop, and the session is gone", async () => {
    const { port } = await server();
    const session = await PollingSession.open(port, { loop: false });
    const sid = await joinByHand(session);
    const waiting = session.get();
    await everyThread(port);
    await session.post("1");
    assert.equal((await waiting).text, "6");
    assertRefused(await session.get(), 1);
    assert.equal((await journalOf(port, sid)).reason, "transport close");
  });

  test("a request with Connection: close does not end the session", async () => {
    const { port } = await server();
    const session = await PollingSession.open(port);
    await session.join();
    await session.post('42["echo",1]', { headers: { connection: "close" } });
    assert.equal(await session.next(), '42["echo",1]');
    session.end();
  });
});

describe("bodies and answers", () => {
  test("a body cut inside a character, sent in chunks, is put together", async () => {
    const { port } = await server();
    const session = await PollingSession.open(port);
    await session.join();
    const body = Buffer.from('42["echo","日本 🚀"]');
    const tcp = await Tcp.open(port);
    tcp.write(`POST ${session.path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`);
    for (const byte of body) {
      tcp.write(Buffer.concat([Buffer.from("1\r\n"), Buffer.from([byte]), Buffer.from("\r\n")]));
    }
    tcp.write("0\r\n\r\n");
    await tcp.closed();
    assert.match(tcp.text, /^HTTP\/1\.1 200 /);
    assert.equal(await session.next(), body.toString());
    session.end();
  });

  test("invalid UTF-8 in a body becomes replacement characters", async () => {
    const { port } = await server();
    const session = await PollingSession.open(port);
    await session.join();
    await session.post(Buffer.concat([Buffer.from('42["echo","'), Buffer.from([0xff]), Buffer.from('"]')]));
    assert.equal(await session.next(), '42["echo","\ufffd"]');
    session.end();
  });

  test("invalid base64 in a body is decoded leniently", async () => {
    const { port } = await server();
    const session = await PollingSession.open(port);
    await session.join();
    await session.post('451-["echo",{"_placeholder":true,"num":0}]\x1ebAQI*DBA');
    assert.equal(await session.next(), '451-["echo",{"_placeholder":true,"num":0}]');
    assert.deepEqual(await session.next(), Buffer.from([1, 2, 3, 4]));
    session.end();
  });

  test("a body over the limit, announced or in chunks, is answered 413 at once and the session lives", async () => {
    const { port } = await server({ MAX_HTTP_BUFFER_SIZE: "1000" });
    const session = await PollingSession.open(port);
    await session.join();
    for (const head of ["Content-Length: 1000000000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n7d0\r\n"]) {
      const tcp = await Tcp.open(port);
      tcp.write(`POST ${session.path} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n${head}`);
      tcp.write("x".repeat(2000));
      await tcp.until((text) => text.startsWith("HTTP/1.1 413 "), "the status 413");
      tcp.drop();
    }
    session.end();
  });

  test("a body just under the limit passes", async () => {
    const { port } = await server({ MAX_HTTP_BUFFER_SIZE: "1000" });
    const session = await PollingSession.open(port);
    await session.join();
    const packet = `42["echo","${"x".repeat(1000 - '42["echo",""]'.length)}"]`;
    assert.equal((await session.post(packet)).status, 200);
    assert.equal(await session.next(), packet);
    session.end();
  });

  test("the limit is on what is received, not on what is sent", async () => {
    const { port } = await server({ MAX_HTTP_BUFFER_SIZE: "1000" });
    for (const transport of ["polling", "websocket"]) {
      const session = await open(transport, port);
      await session.join();
      await session.send('42["text",5000]');
      assert.equal(await session.next(), `42["text","${"é".repeat(5000)}"]`);
      session.end();
    }
  });

  test("an answer of 1,024 bytes or more is compressed as the client accepts, a shorter one is not", async () => {
    const { port } = await server();
    for (const [accepted, decode] of [
      ["gzip", zlib.gunzipSync],
      ["deflate", zlib.inflateSync],
    ]) {
      const session = await PollingSession.open(port, { loop: false });
      const headers = { "accept-encoding": accepted };
      await joinByHand(session);
      await session.post('42["echo","short"]');
      assert.equal((await session.get({ headers })).headers["content-encoding"], undefined);
      await session.post('42["text",2000]');
      const answer = await session.get({ headers });
      assert.equal(answer.headers["content-encoding"], accepted);
      assert.equal(decode(answer.body).toString(), `42["text","${"é".repeat(2000)}"]`);
    }
  });

  test("an answer is not compressed for a client that does not ask for it", async () => {
    const { port } = await server();
    const session = await PollingSession.open(port);
    await session.join();
    await session.send('42["text",2000]');
    assert.equal(await session.next(), `42["text","${"é".repeat(2000)}"]`);
    session.end();
  });
});

describe("CORS", () => {
  const ALLOWED = "http://allowed.test";

  test("a preflight is answered 204 with origin, methods, the headers asked for, and credentials", async () => {
    const { port } = await server();
    const answer = await request(port, polling(), {
      method: "OPTIONS",
      headers: {
        origin: ALLOWED,
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-one, x-two",
      },
    });
    assert.equal(answer.status, 204);
    assert.equal(answer.headers["access-control-allow-origin"], ALLOWED);
    assert.equal(answer.headers["access-control-allow-credentials"], "true");
    assert.match(answer.headers["access-control-allow-methods"], /GET.*POST/);
    assert.match(answer.headers["access-control-allow-headers"], /x-one, ?x-two/);
    assert.match(answer.headers.vary, /origin/i);
  });

  test("answers and refusals carry the allowance", async () => {
    const { port } = await server();
    for (const path of [polling(), polling({ sid: "nobody" }), enginePath({ transport: "tobi" })]) {
      const answer = await request(port, path, { headers: { origin: ALLOWED } });
      assert.equal(answer.headers["access-control-allow-origin"], ALLOWED);
      assert.equal(answer.headers["access-control-allow-credentials"], "true");
      assert.match(answer.headers.vary, /origin/i);
    }
  });

  test("another origin gets no allowance, and the answer says that it depends on the origin", async () => {
    const { port } = await server();
    const answer = await request(port, polling(), { headers: { origin: "http://evil.test" } });
    const allowed = answer.headers["access-control-allow-origin"];
    assert.ok(allowed !== "http://evil.test" && allowed !== "*", allowed);
    assert.match(answer.headers.vary, /origin/i);
  });

  test("an origin header makes the connection cross-domain for the application", async () => {
    const { port } = await server();
    const session = await open("websocket", port, { websocket: { origin: ALLOWED } });
    await session.join();
    assert.equal((await session.ask("who"))[0].xdomain, true);
    session.end();
  });
});

test("requests that follow one another on a connection without waiting are answered in order", async () => {
  const { port } = await server();
  const tcp = await Tcp.open(port);
  const get = (path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
  tcp.write(get(polling()) + get(polling({ sid: "nobody" })) + get("/healthz") + get("/elsewhere"));
  await tcp.until((text) => text.includes("HTTP/1.1 404"), "the last answer");
  assert.deepEqual(tcp.text.match(/HTTP\/1\.1 \d+/g).map((line) => line.slice(9)), ["200", "400", "200", "404"]);
  tcp.drop();
  await stillServes(port);
});
