// Every event of the contract on npm's socket.io. Knows nothing of options or middleware.

const journal = [];
const JOURNAL_ENTRIES_MAX = 500;

/** Answers the contract's events on `socket`. */
export function onConnection(io, socket) {
  record(socket);
  echoes(socket);
  questions(socket);
  rooms(socket);
  broadcasts(socket);
  bursts(socket);
  state(socket);
  const { auth } = socket.handshake;
  socket.emit("welcome", { sid: socket.id, nsp: socket.nsp.name, auth, recovered: socket.recovered });
}

function record(socket) {
  let roomsAtTheEnd = [];
  socket.on("disconnecting", () => {
    roomsAtTheEnd = ownRooms(socket);
  });
  socket.on("disconnect", (reason) => {
    journal.push({ sid: socket.id, nsp: socket.nsp.name, reason, rooms: roomsAtTheEnd });
    journal.splice(0, journal.length - JOURNAL_ENTRIES_MAX);
  });
  socket.on("journal", (sid, ack) => ack(journal.filter((entry) => entry.sid === sid)));
}

function ownRooms(socket) {
  return [...socket.rooms].filter((room) => room !== socket.id).sort();
}

function echoes(socket) {
  socket.on("echo", (...args) => socket.emit("echo", ...args));
  socket.on("echo-ack", (...args) => args.pop()(...args));
  socket.on("no-ack", () => {});
  socket.on("who", (ack) => {
    const { auth, query, xdomain, secure, url, address, headers } = socket.handshake;
    ack({
      sid: socket.id,
      eid: socket.conn.id,
      transport: socket.conn.transport.name,
      protocol: socket.conn.protocol,
      nsp: socket.nsp.name,
      auth,
      query,
      header: headers["x-conformance"] ?? null,
      recovered: socket.recovered,
      xdomain,
      secure,
      url,
      address,
    });
  });
}

function questions(socket) {
  socket.on("ask", (payload, ms) => {
    if (ms === 0) {
      return socket.emit("question", payload, (value) => socket.emit("answer", { ok: true, value }));
    }
    socket.timeout(ms).emit("question", payload, (error, value) => {
      socket.emit("answer", error ? { ok: false } : { ok: true, value });
    });
  });
}

function rooms(socket) {
  socket.on("join", async (room, ack) => {
    await socket.join(room);
    ack("ok");
  });
  socket.on("leave", async (room, ack) => {
    await socket.leave(room);
    ack("ok");
  });
  socket.on("rooms", (ack) => ack(ownRooms(socket)));
  socket.on("members", async (room, ack) => {
    const members = await socket.nsp.in(room).fetchSockets();
    ack(members.map((member) => member.id).sort());
  });
  socket.on("remote", ({ op, room, arg }, ack) => {
    const target = socket.nsp.in(room);
    const act = { join: "socketsJoin", leave: "socketsLeave", disconnect: "disconnectSockets" }[op];
    target[act](arg);
    ack("ok");
  });
}

function broadcasts(socket) {
  const target = (from, to = [], except = []) => {
    const start = from === "socket" ? socket.broadcast : socket.nsp;
    return except.reduce((all, room) => all.except(room), to.reduce((all, room) => all.to(room), start));
  };
  socket.on("cast", ({ from, to, except, event, data = [] }, ack) => {
    target(from, to, except).emit(event, ...data);
    ack("ok");
  });
  socket.on("cast-ack", ({ to, timeout, event, data = [] }, ack) => {
    const answered = (error, responses) => ack({ err: Boolean(error), responses });
    target("server", to).timeout(timeout).emit(event, ...data, answered);
  });
}

function bursts(socket) {
  socket.on("burst", (count, pad) => {
    for (let i = 0; i < count; i++) {
      socket.emit("burst", i, "x".repeat(pad));
    }
  });
  socket.on("bin-burst", (count) => {
    for (let i = 0; i < count; i++) {
      socket.emit("bin-burst", i, Buffer.from([i & 255, i >> 8]));
    }
  });
  socket.on("volatile-burst", (count) => {
    for (let i = 0; i < count; i++) {
      socket.volatile.emit("vol", i);
    }
    socket.emit("vol-end");
  });
  socket.on("bytes", (count) => socket.emit("bytes", Buffer.from(Array.from({ length: count }, (_, i) => i & 255))));
  socket.on("text", (count) => socket.emit("text", "é".repeat(count)));
}

function state(socket) {
  let seen = { count: 0, inOrder: true };
  socket.on("seq", (i) => {
    seen = { count: seen.count + 1, inOrder: seen.inOrder && i === seen.count };
  });
  socket.on("seq-report", (ack) => {
    ack(seen);
    seen = { count: 0, inOrder: true };
  });
  socket.on("set", (key, value, ack) => {
    socket.data[key] = value;
    ack("ok");
  });
  socket.on("get", (key, ack) => ack(socket.data[key] ?? null));
  socket.on("kick", (close) => socket.disconnect(close));
}
