// What Engine.IO and Socket.IO packets get, on both transports: joining, messages, and every kind of violation.
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { onReference, pause, server } from "../harness.js";
import { TRANSPORTS, journalOf, open, stillServes } from "../wire.js";

const placeholder = (num) => `{"_placeholder":true,"num":${num}}`;

/** Violations by packet, for a session that joined the main namespace: packets to send, one after another. */
const INVALID_PAYLOADS = {
  "an unknown packet type": ["4abc"],
  "a packet type out of range": ["47"],
  "an empty message": ["4"],
  "an event that is an object": ["42{}"],
  "an event with broken JSON": ['42["echo"'],
  "an event with text before its payload": ['42abc["echo"]'],
  "an event without a name": ["42[]"],
  "an event whose name is null": ["42[null]"],
  "an event whose name is an object": ['42[{"toString":"x"}]'],
  "the reserved name connect": ['42["connect"]'],
  "the reserved name connect_error": ['42["connect_error"]'],
  "the reserved name disconnect": ['42["disconnect"]'],
  "the reserved name disconnecting": ['42["disconnecting"]'],
  "the reserved name newListener": ['42["newListener"]'],
  "the reserved name removeListener": ['42["removeListener"]'],
  "an ack id with an exponent": ['421e5["echo-ack"]'],
  "a negative ack id": ['42-1["echo-ack"]'],
  "a hexadecimal ack id": ['420x10["echo-ack"]'],
  "an ack that is no array": ["431{}"],
  "a CONNECT whose auth is a string": ['40/chat,"x"'],
  "a CONNECT whose auth is a list": ["40/chat,[]"],
  "a DISCONNECT with a payload": ['41{"a":1}'],
  "a binary event with no attachments": ['450-["echo"]'],
  "an attachment count that is no integer": [`451.5-["echo",${placeholder(0)}]`],
  "an attachment count that is missing": [`45["echo",${placeholder(0)}]`],
  "an attachment count without its dash": [`451["echo",${placeholder(0)}]`],
  "more than ten attachments": [`4511-["echo",${placeholder(0)}]`],
  "an absurd attachment count": ['45999999999-["echo"]'],
  "a placeholder out of range": [`451-["echo",${placeholder(1)}]`, Buffer.from([1])],
  "a placeholder that is no number": [`451-["echo",${placeholder('"splice"')}]`, Buffer.from([1])],
  "a negative placeholder": [`451-["echo",${placeholder(-1)}]`, Buffer.from([1])],
  "text between attachments": [`452-["echo",${placeholder(0)},${placeholder(1)}]`, Buffer.from([1]), '42["echo",1]'],
  "binary that was not announced": [Buffer.from([1, 2, 3])],
};

/** Violations by state, likewise. */
const INVALID_STATES = {
  "an event for a namespace not joined": ['42/chat,["echo",1]'],
  "an ack for a namespace not joined": ["43/chat,1[]"],
  "a DISCONNECT for a namespace not joined": ["41/chat,"],
  "a second CONNECT to the same namespace": ["40"],
  "a CONNECT_ERROR from a client": ['44{"message":"x"}'],
};

/** What a connection may not start with. */
const INVALID_STARTS = {
  "an event": ['42["echo",1]'],
  "an ack": ["431[]"],
  "a DISCONNECT": ["41"],
  "a CONNECT_ERROR": ['44{"message":"x"}'],
  "binary": [Buffer.from([1])],
  "a message that is no packet": ["4abc"],
};

for (const transport of TRANSPORTS) {
  describe(`violations over ${transport}`, () => {
    for (const [what, packets] of Object.entries(INVALID_PAYLOADS)) {
      test(`an invalid Socket.IO packet ends the connection as forced close: ${what}`, async () => {
        assert.equal(await reasonAfter(packets), "forced close");
      });
    }

    for (const [what, packets] of Object.entries(INVALID_STATES)) {
      test(`a packet out of its order ends the connection: ${what}`, async () => {
        assert.match(await reasonAfter(packets), /^forced (server )?close$/);
      });
    }

    for (const [what, packets] of Object.entries(INVALID_STARTS)) {
      test(`a connection that starts with anything but CONNECT is closed: ${what}`, async () => {
        const { port } = await server();
        const session = await open(transport, port);
        await session.send(...packets);
        await session.gone();
      });
    }

    test("an Engine.IO packet that cannot be parsed ends the connection as a parse error", async () => {
      assert.equal(await reasonAfter(["abc"]), "parse error");
    });

    /** Joins, sends the packets, waits for the end and gives the reason that the server noted. */
    async function reasonAfter(packets) {
      const { port } = await server();
      const [session, neighbour] = [await open(transport, port), await open(transport, port)];
      const sid = await session.join();
      await neighbour.join();
      await session.send(...packets);
      await session.gone();
      assert.deepEqual(await neighbour.ask("echo-ack", "unharmed"), ["unharmed"]);
      neighbour.end();
      return (await journalOf(port, sid)).reason;
    }
  });

  describe(`what is legal over ${transport}`, () => {
    async function joined() {
      const { port } = await server();
      const session = await open(transport, port);
      session.socketId = await session.join();
      return session;
    }

    async function assertAlive(session) {
      assert.deepEqual(await session.ask("echo-ack", "alive"), ["alive"]);
      session.end();
    }

    test("CONNECT is answered with a fresh id alone, which is not the engine's", async () => {
      const { port } = await server();
      const session = await open(transport, port);
      await session.send("40");
      const answer = JSON.parse((await session.next()).slice(2));
      assert.deepEqual(Object.keys(answer), ["sid"]);
      assert.notEqual(answer.sid, session.sid);
      assert.match(await session.next(), /^42\["welcome",\{.*"auth":\{\}/);
      session.end();
    });

    test("CONNECT brings its auth to the handshake, in any namespace", async () => {
      const { port } = await server();
      const session = await open(transport, port);
      await session.send('40/chat,{"token":"123"}');
      assert.match(await session.next(), /^40\/chat,\{"sid":/);
      const welcome = await session.next();
      assert.deepEqual(JSON.parse(welcome.slice("42/chat,".length))[1].auth, { token: "123" });
      session.end();
    });

    test("CONNECT to an unknown namespace is refused and the connection lives", async () => {
      const session = await joined();
      await session.send("40/x");
      assert.equal(await session.next(), '44/x,{"message":"Invalid namespace"}');
      await session.send('40/auth,{"token":"no"}');
      assert.equal(
        await session.next(),
        '44/auth,{"message":"unauthorized","data":{"code":401,"hint":"token"}}',
      );
      await assertAlive(session);
    });

    test("the query of a namespace is a part of its name", async () => {
      const session = await joined();
      await session.send("40/chat?token=1,");
      assert.equal(await session.next(), '44/chat?token=1,{"message":"Invalid namespace"}');
      await assertAlive(session);
    });

    test("a disconnect from every namespace leaves the transport open", async () => {
      const session = await joined();
      await session.send("41");
      await pause(0);
      await session.send("40/chat");
      assert.match(await session.next(), /^40\/chat,\{"sid":/);
      session.end();
    });

    test("a namespace may be left and joined again at once", { skip: onReference && "the reference closes here, a quirk not copied" }, async () => {
      const session = await joined();
      await session.join("/other");
      await session.send("41/other,", "40/other,");
      assert.match(await session.next(), /^40\/other,\{"sid":/);
      session.end();
    });

    test("nobody may be sent packets of a namespace that was left", async () => {
      const session = await joined();
      await session.join("/chat");
      await session.send("41/chat");
      await assertAlive(session);
    });

    test("events travel with values, ids and attachments as they were sent", async () => {
      const session = await joined();
      await session.send('42["echo",1,"2",{"3":[null,true]}]');
      assert.equal(await session.next(), '42["echo",1,"2",{"3":[null,true]}]');
      await session.send('42456["echo-ack",1,"2",{"3":[4]}]');
      assert.equal(await session.next(), '43456[1,"2",{"3":[4]}]');
      await session.send(`452-["echo",${placeholder(0)},{"a":${placeholder(1)}}]`, Buffer.from([1]), Buffer.from([2, 3]));
      assert.equal(await session.next(), `452-["echo",${placeholder(0)},{"a":${placeholder(1)}}]`);
      assert.deepEqual(await session.next(), Buffer.from([1]));
      assert.deepEqual(await session.next(), Buffer.from([2, 3]));
      await session.send(`461-9[${placeholder(0)}]`, Buffer.from([1]));
      await session.send(`451-789["echo-ack",${placeholder(0)}]`, Buffer.from([7]));
      assert.equal(await session.next(), `461-789[${placeholder(0)}]`);
      assert.deepEqual(await session.next(), Buffer.from([7]));
      session.end();
    });

    test("an event whose name is a number is legal", async () => {
      const session = await joined();
      await session.send('42[1,"x"]', '4212[1,"x"]');
      await assertAlive(session);
    });

    test("an event named error, or with a null argument, is an event like others", async () => {
      const session = await joined();
      await session.send('42["error","x"]', '42["nobody-listens",null]', '42["connection"]', '42["new_namespace"]');
      await assertAlive(session);
    });

    test("an ack that nobody waits for is ignored", async () => {
      const session = await joined();
      await session.send("43999[1]", '4312345678901234567890["x"]');
      await assertAlive(session);
    });

    test("an ack given twice counts once", async () => {
      const session = await joined();
      await session.send('42["ask","how?",0]');
      const id = /^42(\d+)\["question"/.exec(await session.next())[1];
      await session.send(`43${id}["first"]`, `43${id}["second"]`);
      assert.equal(await session.next(), '42["answer",{"ok":true,"value":"first"}]');
      await assertAlive(session);
    });

    test("a noop, an open packet and a pong that was not asked for are ignored", async () => {
      const session = await joined();
      await session.send("6", "0{}", "3");
      await assertAlive(session);
    });

    test("a slow middleware holds up nothing but its own namespace", async () => {
      const session = await joined();
      await session.send("40/slow");
      assert.deepEqual(await session.ask("echo-ack", 1), [1]);
      assert.match(await session.next(), /^40\/slow,/);
      session.end();
    });

    test("a packet after a kick is ignored", async () => {
      const session = await joined();
      await session.join("/chat");
      await session.send('42/chat,["kick",false]');
      assert.equal(await session.next(), "41/chat,");
      await assertAlive(session);
    });
  });

  test(`a connection that joins no namespace in time is closed, over ${transport}`, async () => {
    const { port } = await server({ CONNECT_TIMEOUT: "200" });
    const session = await open(transport, port);
    await session.gone();
  });

  test(`a connection that was refused everywhere is closed in time, over ${transport}`, async () => {
    const { port } = await server({ CONNECT_TIMEOUT: "200" });
    const session = await open(transport, port);
    await session.send("40/unknown");
    await session.next();
    await session.gone();
    await stillServes(port);
  });
}
