// What WebSocket frames and handshakes get: sessions over WebSocket, close codes, limits, deflate. Raw frames; no client library.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";

import WebSocket from "ws";

import { server } from "../harness.js";
import { Tcp, WebSocketSession, enginePath, frame, journalOf, stillServes } from "../wire.js";

const TEXT = 0x81;
const BINARY = 0x82;
const CONTINUATION = 0x80;
const CLOSE = 0x88;
const PING = 0x89;
const FIN = 0x80;
const MAX = "2000";

/** A joined session on bare TCP. */
async function joined(port) {
  const tcp = await Tcp.websocket(port);
  tcp.write(frame(TEXT, "40"));
  return tcp.until((text) => text.includes('42["welcome"'), "the welcome");
}

/** The server's socket id in what a bare session received. */
const socketId = (tcp) => /40\{"sid":"([^"]+)"/.exec(tcp.text)[1];

describe("sessions over WebSocket", () => {
  test("the open packet offers no upgrades", async () => {
    const { port } = await server();
    const session = await WebSocketSession.open(port);
    assert.deepEqual(Object.keys(session.handshake).sort(), ["maxPayload", "pingInterval", "pingTimeout", "sid", "upgrades"]);
    assert.deepEqual(session.handshake.upgrades, []);
    session.end();
  });

  test("base64 binary in a text frame is binary", async () => {
    const { port } = await server();
    const session = await WebSocketSession.open(port);
    await session.join();
    await session.send('451-["echo",{"_placeholder":true,"num":0}]', "bAQIDBA==");
    assert.equal(await session.next(), '451-["echo",{"_placeholder":true,"num":0}]');
    assert.deepEqual(await session.next(), Buffer.from([1, 2, 3, 4]));
    session.end();
  });

  test("a WebSocket that drops ends the session as transport close", async () => {
    const { port } = await server();
    const tcp = await joined(port);
    tcp.drop();
    assert.equal((await journalOf(port, socketId(tcp))).reason, "transport close");
  });

  test("a close frame is answered by a close frame", async () => {
    const { port } = await server();
    const tcp = await joined(port);
    tcp.write(frame(CLOSE, Buffer.from([0x03, 0xe8])));
    await tcp.closed();
    assert.equal(tcp.closeCode, 1000);
  });

  test("the first subprotocol offered is the one chosen", async () => {
    const { port } = await server();
    const tcp = await Tcp.websocket(port, ["Sec-WebSocket-Protocol: first, second"]);
    assert.match(tcp.text, /\r\nsec-websocket-protocol: first\r\n/i);
    tcp.drop();
  });

  test("a ping frame is answered with its payload, also between fragments", async () => {
    const { port } = await server();
    const tcp = await joined(port);
    tcp.write(frame(TEXT & ~FIN, '42["echo",'));
    tcp.write(frame(PING, "in between"));
    await tcp.until((text) => text.includes("\x8a\x0ain between"), "the pong frame");
    tcp.write(Buffer.concat([frame(CONTINUATION & ~FIN, '"frag'), frame(CONTINUATION, 'ments"]')]));
    await tcp.until((text) => text.includes('42["echo","fragments"]'), "the echo");
    tcp.drop();
  });

  test("a message that arrives byte by byte is put together", async () => {
    const { port } = await server();
    const tcp = await joined(port);
    tcp.socket.setNoDelay(true);
    for (const byte of frame(TEXT, '42["echo","日本"]')) {
      tcp.write(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    await tcp.until((text) => text.includes(Buffer.from('42["echo","日本"]').toString("latin1")), "the echo");
    tcp.drop();
  });
});

describe("WebSocket violations", () => {
  const PROTOCOL_ERRORS = {
    "an unmasked frame": frame(TEXT, '42["echo",1]', { masked: false }),
    "a reserved bit": frame(TEXT | 0x40, '42["echo",1]'),
    "an unknown opcode": frame(FIN | 0x03, "x"),
    "an unknown control opcode": frame(FIN | 0x0b, "x"),
    "a control frame in fragments": frame(PING & ~FIN, "x"),
    "a control frame over 125 bytes": frame(PING, "x".repeat(126)),
    "a continuation of nothing": frame(CONTINUATION, "x"),
    "a new message inside another": Buffer.concat([frame(TEXT & ~FIN, "x"), frame(TEXT, "y")]),
    "a close frame with one byte": frame(CLOSE, "x"),
    "a close code that may not be sent": frame(CLOSE, Buffer.from([0x03, 0xed])),
  };

  for (const [what, bytes] of Object.entries(PROTOCOL_ERRORS)) {
    test(`a protocol error closes with 1002: ${what}`, async () => {
      const { port } = await server();
      const tcp = await joined(port);
      tcp.write(bytes);
      await tcp.closed();
      assert.equal(tcp.closeCode, 1002);
      await stillServes(port);
    });
  }

  test("text that is not UTF-8 closes with 1007, in one frame and in fragments", async () => {
    const { port } = await server();
    const bad = Buffer.from([0x34, 0x32, 0xc0, 0x80]);
    for (const bytes of [
      frame(TEXT, bad),
      Buffer.concat([frame(TEXT & ~FIN, bad.subarray(0, 3)), frame(CONTINUATION, bad.subarray(3))]),
    ]) {
      const tcp = await joined(port);
      tcp.write(bytes);
      await tcp.closed();
      assert.equal(tcp.closeCode, 1007);
    }
  });

  test("a message over the limit closes with 1009 and a transport error, before it has arrived", async () => {
    const { port } = await server({ MAX_HTTP_BUFFER_SIZE: MAX });
    const tcp = await joined(port);
    // The header alone announces it; no byte of the payload is sent.
    tcp.write(frame(TEXT, "x".repeat(2001)).subarray(0, 8));
    await tcp.closed();
    assert.equal(tcp.closeCode, 1009);
    assert.equal((await journalOf(port, socketId(tcp))).reason, "transport error");
  });

  test("fragments whose sum is over the limit close with 1009", async () => {
    const { port } = await server({ MAX_HTTP_BUFFER_SIZE: MAX });
    const tcp = await joined(port);
    tcp.write(frame(BINARY & ~FIN, "x".repeat(1500)));
    tcp.write(frame(CONTINUATION, "x".repeat(501)));
    await tcp.closed();
    assert.equal(tcp.closeCode, 1009);
  });

  test("a message just under the limit passes", async () => {
    const { port } = await server({ MAX_HTTP_BUFFER_SIZE: MAX });
    const session = await WebSocketSession.open(port);
    await session.join();
    const packet = `42["echo","${"x".repeat(2000 - '42["echo",""]'.length)}"]`;
    await session.send(packet);
    assert.equal(await session.next(), packet);
    session.end();
  });
});

describe("permessage-deflate", () => {
  const negotiated = async (settings) => {
    const { port } = await server(settings);
    const tcp = await Tcp.websocket(port, ["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"]);
    tcp.drop();
    return /\r\nsec-websocket-extensions: permessage-deflate/i.test(tcp.text);
  };

  test("compression of frames is off unless the server asks for it", async () => {
    assert.equal(await negotiated({}), false);
    assert.equal(await negotiated({ WS_DEFLATE: "1" }), true);
  });

  test("messages over the threshold arrive compressed, shorter ones as they are", async () => {
    const { port } = await server({ WS_DEFLATE: "1" });
    // Without context takeover, since with it the reference compresses everything.
    const offer = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover";
    const tcp = await Tcp.websocket(port, [offer]);
    tcp.write(frame(TEXT, "40"));
    await tcp.until((text) => text.includes('42["welcome"'), "the welcome, readable");
    const before = tcp.received.length;
    tcp.write(frame(TEXT, '42["text",20000]'));
    await tcp.until(() => tcp.received.length > before, "the text");
    assert.equal(tcp.received[before], 0xc1, "final, compressed, text");
    assert.ok(tcp.received.length - before < 2000);
    tcp.drop();
  });

  test("compressed messages of any size go both ways", async () => {
    const { port } = await server({ WS_DEFLATE: "1" });
    const options = { websocket: { perMessageDeflate: { threshold: 0 } } };
    const session = await WebSocketSession.open(port, options);
    await session.join();
    for (const size of [0, 1, 100, 511, 512, 5000, 90000]) {
      const packet = `42["echo","${"ab".repeat(size / 2)}"]`;
      await session.send(packet);
      assert.equal(await session.next(), packet);
    }
    session.end();
  });

  test("a broadcast keeps to the window of each client that gets it", async () => {
    const { port } = await server({ WS_DEFLATE: "1" });
    const sessions = [];
    for (const bits of [9, 12, 15]) {
      const websocket = { perMessageDeflate: { serverMaxWindowBits: bits } };
      const session = await WebSocketSession.open(port, { websocket });
      // A client that wants fewer bits fails the connection if the answer does not say so.
      assert.match(session.socket.extensions, /permessage-deflate/);
      await session.join();
      sessions.push(session);
    }
    // Each sentence stands twice, further apart than the smallest window and, the second time, than the middle one.
    const sentences = Array.from({ length: 300 }, (_, i) => createHash("sha256").update(`${i}`).digest("hex"));
    const data = [[...sentences.slice(0, 30), ...sentences.slice(0, 30), ...sentences, ...sentences].join(" ")];
    await sessions[0].send(`420["cast",${JSON.stringify({ from: "server", event: "to-all", data })}]`);
    for (const session of sessions) {
      assert.equal(await session.next(), `42["to-all",${JSON.stringify(data).slice(1)}`);
      session.end();
    }
  });

  test("the limit holds for what a compressed message becomes", async () => {
    const { port } = await server({ WS_DEFLATE: "1" });
    const socket = new WebSocket(`ws://127.0.0.1:${port}${enginePath({ transport: "websocket" })}`, {
      perMessageDeflate: { threshold: 0 },
    });
    const code = await new Promise((resolve, reject) => {
      socket.once("error", reject);
      socket.once("open", () => socket.send(`4${"x".repeat(5_000_000)}`));
      socket.once("close", resolve);
    });
    assert.equal(code, 1009);
    await stillServes(port);
  });
});
