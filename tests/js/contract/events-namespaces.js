// Namespaces, their middleware and the ways a socket ends, judged through one client setup.
import assert from "node:assert/strict";
import { test } from "node:test";

import { ask1, next, refusal } from "../clients.js";
import { eventually, within } from "../harness.js";

/** Declares the tests of namespaces and endings for one setup. */
export function namespaces(setup) {
  joining(setup);
  middleware(setup);
  endings(setup);
}

/** A second socket on the connection of `socket`; it connects by itself. */
async function beside(socket, nsp) {
  const other = socket.io.socket(nsp, {});
  [other.welcome] = await next(other, "welcome");
  return other;
}

/** What the server noted about the end of the socket with this id. */
function journalOf(witness, sid) {
  return eventually(async () => {
    const entries = await ask1(witness, "journal", sid);
    return entries.length > 0 && entries;
  }, `journal entry of ${sid}`);
}

/** How a client of this version hands over credentials: later ones by `auth`, 2.x in the namespace's query. */
function credentials(setup, nsp, token) {
  return setup.major === 2 ? [`${nsp}?token=${token}`, {}] : [nsp, { auth: { token } }];
}

function joining(setup) {
  test("the auth payload reaches the handshake, as an object and as a function", async () => {
    if (setup.major === 2) {
      const socket = await setup.connect("/chat?colour=blue");
      assert.deepEqual(socket.welcome.auth, { colour: "blue" });
      return;
    }
    const given = await setup.connect("/", { auth: { colour: "blue", list: [1] } });
    assert.deepEqual(given.welcome.auth, { colour: "blue", list: [1] });
    const asked = await setup.connect("/", { auth: (give) => give({ colour: "green" }) });
    assert.deepEqual(asked.welcome.auth, { colour: "green" });
    assert.deepEqual((await ask1(asked, "who")).auth, { colour: "green" });
  });

  test("several namespaces share a connection, with ids, rooms and data of their own", async () => {
    const main = await setup.connect("/");
    const chat = await beside(main, "/chat");
    const other = await beside(main, "/other");
    assert.equal(chat.welcome.nsp, "/chat");
    assert.equal(new Set([main.id, chat.id, other.id]).size, 3);
    const engines = await Promise.all([main, chat, other].map(async (socket) => (await ask1(socket, "who")).eid));
    assert.equal(new Set(engines).size, 1);
    await ask1(chat, "join", "room");
    assert.deepEqual(await ask1(other, "rooms"), []);
    assert.equal(await ask1(chat, "set", "k", 1), "ok");
    assert.equal(await ask1(other, "get", "k"), null);
  });

  test("a dynamic namespace is made when its name matches", async () => {
    const socket = await setup.connect("/dyn-42");
    assert.equal(socket.welcome.nsp, "/dyn-42");
    assert.equal(await ask1(socket, "echo-ack", 1), 1);
  });

  test("many clients that join a new dynamic namespace at once meet in it", async () => {
    const name = `/dyn-${process.pid}${Math.floor(performance.now() * 1000)}`;
    const all = await setup.crowd(5, name);
    const heard = all.map((socket) => next(socket, "hello"));
    await ask1(all[0], "cast", { from: "server", event: "hello" });
    await Promise.all(heard);
  });

  test("an unknown namespace is refused by name", async () => {
    const socket = await setup.create("/dyn-x");
    const reason = await refusal(socket, setup.major);
    assert.equal(setup.major === 2 ? (reason.message ?? reason) : reason.message, "Invalid namespace");
  });

  test("an unknown namespace leaves the others of the connection alone", async () => {
    const main = await setup.connect("/");
    const unknown = main.io.socket("/unknown", {});
    await refusal(unknown, setup.major);
    assert.equal(await ask1(main, "echo-ack", 1), 1);
  });
}

function middleware(setup) {
  test("a middleware refuses with a message and data", async () => {
    const [nsp, options] = credentials(setup, "/auth", "wrong");
    const socket = await setup.create(nsp, options);
    const reason = await refusal(socket, setup.major);
    const data = { code: 401, hint: "token" };
    if (setup.major === 2) {
      assert.deepEqual(reason, data);
    } else {
      assert.equal(reason.message, "unauthorized");
      assert.deepEqual(reason.data, data);
    }
  });

  test("a middleware lets the right credentials through", async () => {
    const socket = await setup.connect(...credentials(setup, "/auth", "secret"));
    assert.deepEqual(socket.welcome.auth, { token: "secret" });
  });

  if (setup.major > 2) {
    test("who was refused may try again on the same connection", async () => {
      const main = await setup.connect("/");
      const socket = main.io.socket("/auth", { auth: { token: "wrong" } });
      await refusal(socket, setup.major);
      socket.auth = { token: "secret" };
      const welcome = next(socket, "welcome");
      socket.connect();
      assert.equal((await welcome)[0].auth.token, "secret");
      assert.equal(await ask1(main, "echo-ack", 1), 1);
    });
  }

  test("a slow middleware delays its own namespace only", async () => {
    const main = await setup.connect("/");
    const slow = main.io.socket("/slow", {});
    let joined = false;
    slow.once("welcome", () => (joined = true));
    const welcome = next(slow, "welcome");
    slow.emit("seq", 0);
    assert.equal(await ask1(main, "echo-ack", 1), 1);
    assert.equal(joined, false);
    await welcome;
    assert.deepEqual(await ask1(slow, "seq-report"), { count: 1, inOrder: true });
  });
}

/** The moment from which on a socket may connect again: clients before 4.0 trip over a transport that is still closing. */
async function ended(setup, socket) {
  const closed = new Promise((resolve) => socket.io.engine.once("close", resolve));
  await next(socket, "disconnect");
  if (setup.major < 4) {
    await within(closed, "the transport's end");
  }
}

function endings(setup) {
  test("a kick ends one namespace and leaves the others alone", async () => {
    const main = await setup.connect("/");
    const chat = await beside(main, "/chat");
    const end = next(chat, "disconnect");
    const { id } = chat;
    chat.emit("kick", false);
    assert.equal((await end)[0], "io server disconnect");
    assert.equal(await ask1(main, "echo-ack", 1), 1);
    assert.deepEqual(await journalOf(main, id), [
      { sid: id, nsp: "/chat", reason: "server namespace disconnect", rooms: [] },
    ]);
  });

  test("a kick with close ends every namespace and the transport", async () => {
    const main = await setup.connect("/");
    const chat = await beside(main, "/chat");
    const closed = within(new Promise((resolve) => main.io.engine.once("close", resolve)), "the transport's end");
    const ends = [next(main, "disconnect"), next(chat, "disconnect")];
    chat.emit("kick", true);
    for (const end of ends) {
      assert.equal((await end)[0], "io server disconnect");
    }
    await closed;
  });

  test("who was kicked may connect again", async () => {
    const socket = await setup.connect("/");
    const end = ended(setup, socket);
    socket.emit("kick", false);
    await end;
    const welcome = next(socket, "welcome");
    socket.connect();
    await welcome;
    assert.equal(await ask1(socket, "echo-ack", 1), 1);
  });

  test("a client's disconnect is named as such, with the rooms it was in", async () => {
    const [socket, witness] = await setup.crowd(2);
    await ask1(socket, "join", "left-behind");
    const { id } = socket;
    socket.disconnect();
    const [entry] = await journalOf(witness, id);
    assert.deepEqual(entry, { sid: id, nsp: "/", reason: "client namespace disconnect", rooms: ["left-behind"] });
  });

  test("a transport that closes is named as such in every namespace", async () => {
    const [main, witness] = await setup.crowd(2);
    const chat = await beside(main, "/chat");
    const ids = [main.id, chat.id];
    main.io.engine.close();
    for (const id of ids) {
      assert.equal((await journalOf(witness, id))[0].reason, "transport close");
    }
  });

  test("a second connection does not double the handlers", async () => {
    const socket = await setup.connect("/");
    const heard = [];
    socket.on("echo", (value) => heard.push(value));
    const end = ended(setup, socket);
    socket.disconnect();
    await end;
    const welcome = next(socket, "welcome");
    socket.connect();
    await welcome;
    socket.emit("echo", "once");
    await ask1(socket, "echo-ack", "settled");
    assert.deepEqual(heard, ["once"]);
  });
}
