// Known attacks on servers of this family, each by its trigger: afterwards the server serves as before.
import assert from "node:assert/strict";
import { test } from "node:test";

import { server } from "../harness.js";
import {
  PollingSession,
  TRANSPORTS,
  Tcp,
  WebSocketSession,
  enginePath,
  frame,
  open,
  request,
  stillServes,
  upgradeRequest,
} from "../wire.js";

const TEXT = 0x81;
const BINARY_PART = 0x02;
const PART = 0x00;

/** A test that ends with a look at whether the server still serves. */
function attack(title, run) {
  test(title, async () => {
    const { port, ...rest } = await server();
    await run(port, rest);
    await stillServes(port);
  });
}

/** Sends packets over either transport and waits for the end of the connection, if it is to end. */
async function provoke(transport, port, packets) {
  const session = await open(transport, port);
  await session.join();
  await session.send(...packets);
  return session;
}

attack("session ids are long and never the same", async (port) => {
  const ids = new Set();
  for (let i = 0; i < 200; i++) {
    const answer = await request(port, enginePath({ transport: "polling" }));
    ids.add(JSON.parse(answer.text.slice(1)).sid);
  }
  assert.equal(ids.size, 200);
  // 16 characters of base64 hold 96 bits.
  assert.ok([...ids].every((id) => id.length >= 16));
});

attack("a message of 50 MB is not swallowed", async (port) => {
  const tcp = await Tcp.websocket(port);
  const header = frame(TEXT, Buffer.alloc(65536)).subarray(0, 14);
  header.writeBigUInt64BE(50_000_000n, 2);
  tcp.write(header);
  await tcp.closed();
  assert.equal(tcp.closeCode, 1009);
});

attack("a POST that announces a gigabyte, or never ends, is refused", async (port) => {
  const session = await PollingSession.open(port);
  await session.join();
  for (const head of ["Content-Length: 1000000000", "Transfer-Encoding: chunked"]) {
    const tcp = await Tcp.open(port);
    tcp.write(`POST ${session.path} HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\n`);
    const chunk = head.startsWith("T") ? `10000\r\n${"x".repeat(65536)}\r\n` : "x".repeat(65536);
    for (let i = 0; i < 20 && !tcp.text; i++) {
      tcp.write(chunk);
      await new Promise(setImmediate);
    }
    await tcp.until((text) => text.startsWith("HTTP/1.1 413"), "the refusal");
    tcp.drop();
  }
  session.end();
});

for (const transport of TRANSPORTS) {
  attack(`a namespace of 99,000 characters is only unknown, over ${transport}`, async (port) => {
    const name = `/${"a".repeat(99_000 - 10)}`;
    const session = await provoke(transport, port, [`40${name},`]);
    const first = await Promise.race([session.next(), session.closed]);
    if (typeof first === "string") {
      assert.match(first, /^44\/a+,\{"message":/);
    }
    session.end();
  });

  attack(`an ack id of 99,000 digits harms nobody, over ${transport}`, async (port) => {
    const session = await provoke(transport, port, [`42${"9".repeat(99_000 - 20)}["no-ack"]`]);
    session.end();
  });

  attack(`an attachment count without end ends the connection, over ${transport}`, async (port) => {
    for (const packet of [`45${"9".repeat(90_000)}-["echo"]`, '45999999999-["echo"]', '4511-["echo"]']) {
      await (await provoke(transport, port, [packet])).gone();
    }
  });

  attack(`a placeholder that names a method ends the connection, over ${transport}`, async (port) => {
    for (const num of ['"splice"', '"__proto__"', '"length"', "1e9", "-1", "null"]) {
      const packet = `451-["echo",{"_placeholder":true,"num":${num}}]`;
      await (await provoke(transport, port, [packet, Buffer.from([1])])).gone();
    }
  });

  attack(`an event whose name is an object ends the connection, over ${transport}`, async (port) => {
    await (await provoke(transport, port, ['42[{"toString":"x"}]'])).gone();
  });

  attack(`an event named error without a listener is ignored, over ${transport}`, async (port) => {
    const session = await provoke(transport, port, ['42["error","boom"]', '42["error"]']);
    assert.deepEqual(await session.ask("echo-ack", 1), [1]);
    session.end();
  });

  attack(`JSON that nests without end harms nobody, over ${transport}`, async (port) => {
    for (const packet of [`42["echo",${"[".repeat(90_000)}`, `42["echo-x",${"[".repeat(20_000)}${"]".repeat(20_000)}]`]) {
      const session = await provoke(transport, port, [packet]);
      session.end();
    }
  });
}

attack("names of object keys as transport or extension are names like others", async (port) => {
  for (const name of ["constructor", "__proto__", "toString", "hasOwnProperty"]) {
    const tcp = await Tcp.open(port);
    tcp.write(upgradeRequest(`/socket.io/?EIO=4&transport=${name}`));
    await tcp.closed();
    assert.match(tcp.text, /^HTTP\/1\.1 400/);
    const extended = await Tcp.open(port);
    extended.write(upgradeRequest(enginePath({ transport: "websocket" }), [`Sec-WebSocket-Extensions: ${name}; ${name}`]));
    await extended.until((text) => text.startsWith("HTTP/1.1 "), "an answer");
    extended.drop();
  }
});

attack("blanks without end in the subprotocol header cost no time", async (port) => {
  const tcp = await Tcp.open(port);
  tcp.write(upgradeRequest(enginePath({ transport: "websocket" }), [`Sec-WebSocket-Protocol: b${" ".repeat(14_000)}x`]));
  await tcp.until((text) => text.startsWith("HTTP/1.1 "), "an answer");
  tcp.drop();
});

attack("2,000 headers on an upgrade are refused or served", async (port) => {
  const tcp = await Tcp.open(port);
  const headers = Array.from({ length: 2000 }, (_, i) => `x-${i}: 1`);
  tcp.write(upgradeRequest(enginePath({ transport: "websocket" }), headers));
  await tcp.until((text) => text.startsWith("HTTP/1.1 "), "an answer");
  tcp.drop();
});

attack("an endless header line is refused", async (port) => {
  const tcp = await Tcp.open(port);
  tcp.write(`GET /socket.io/?${"a".repeat(200_000)}`);
  tcp.write("a".repeat(1_000_000));
  await tcp.until((text) => /^HTTP\/1\.1 (400|414|431)/.test(text) || tcp.socket.destroyed, "a refusal");
  tcp.drop();
});

attack("garbage in place of a request or a frame ends that connection alone", async (port) => {
  const garbage = Buffer.from(Array.from({ length: 256 }, (_, i) => 255 - i));
  const http = await Tcp.open(port);
  http.write(garbage);
  await http.closed();
  const websocket = await Tcp.websocket(port);
  websocket.write(garbage);
  await websocket.closed();
});

attack("upgrades that are refused and reset at once are survived", async (port) => {
  for (let i = 0; i < 200; i++) {
    const tcp = await Tcp.open(port);
    tcp.write(upgradeRequest("/socket.io/?EIO=4&transport=websocket&sid=nobody"));
    tcp.socket.resetAndDestroy();
  }
});

attack("octet-stream POSTs in protocol 4 leave no request open", async (port) => {
  for (let i = 0; i < 200; i++) {
    const session = await PollingSession.open(port, { loop: false });
    const answer = await session.post("40", { headers: { "content-type": "application/octet-stream" } });
    assert.equal(answer.status, 400);
  }
});

attack("very many tiny fragments are bounded, or put together within the limit", async (port) => {
  const one = frame(PART, "x");
  const none = frame(PART, "");
  for (const [fragment, count] of [
    [one, 90_000],
    [none, 100_000],
  ]) {
    const tcp = await Tcp.websocket(port);
    tcp.write(frame(BINARY_PART, "x"));
    tcp.write(Buffer.concat(Array(count).fill(fragment)));
    await stillServes(port);
    tcp.drop();
  }
});

attack("a handshake that stops halfway harms nobody", async (port) => {
  const half = [];
  for (let i = 0; i < 50; i++) {
    const tcp = await Tcp.open(port);
    tcp.write(upgradeRequest(enginePath({ transport: "websocket" })).slice(0, 40 + i));
    half.push(tcp);
  }
  await stillServes(port);
  half.forEach((tcp) => tcp.drop());
});

attack("a peer that stops reading holds up nobody else", async (port) => {
  const deaf = await Tcp.websocket(port);
  deaf.socket.pause();
  deaf.write(frame(TEXT, "40"));
  deaf.write(frame(TEXT, '42["burst",20000,500]'));
  const session = await WebSocketSession.open(port);
  await session.join();
  for (let i = 0; i < 50; i++) {
    assert.deepEqual(await session.ask("echo-ack", i), [i]);
  }
  session.end();
  deaf.drop();
});
