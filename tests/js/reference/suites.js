// What the Socket.IO project's own suites and WebSocket conformance tools expect to find, on npm's packages.
import { attach } from "engine.io";
import { Server } from "socket.io";
import { WebSocketServer } from "ws";

const PROTOCOL_TIMES = { pingInterval: 300, pingTimeout: 200, maxHttpBufferSize: 1_000_000 };

/** An Engine.IO server that sends every message back. */
export function engineEcho(http, allowEIO3) {
  const engine = attach(http, { ...PROTOCOL_TIMES, allowEIO3, cors: { origin: "*" } });
  engine.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
  return engine;
}

/** What the Socket.IO protocol suite wants. */
export function protocolSuite(http) {
  const io = new Server(http, { ...PROTOCOL_TIMES, connectTimeout: 1000, cors: { origin: "*" } });
  for (const name of ["/", "/custom"]) {
    io.of(name).on("connection", (socket) => {
      socket.emit("auth", socket.handshake.auth);
      socket.on("message", (...args) => socket.emit("message-back", ...args));
      socket.on("message-with-ack", (...args) => args.pop()(...args));
    });
  }
  return io;
}

/** What the tests of socket.io-client want. */
export function clientSuite(http) {
  const io = new Server(http, {
    pingInterval: 2000,
    connectionStateRecovery: {},
    allowRequest: (_request, accept) => setTimeout(() => accept(null, true), 10),
  });
  for (const name of ["/timeout_socket", "/valid", "/asd"]) {
    io.of(name);
  }
  io.of("/foo").on("connection", (socket) => socket.on("getId", (ack) => ack(socket.id)));
  io.of("/abc").on("connection", (socket) => socket.emit("handshake", socket.handshake));
  io.of("/no").use((_socket, next) => next(new Error("Auth failed (custom namespace)")));
  io.use((socket, next) => {
    next(socket.handshake.query.fail ? new Error("Auth failed (main namespace)") : undefined);
  });
  io.on("connection", (socket) => {
    clientSuiteValues(socket);
    clientSuiteBinary(socket);
  });
  return io;
}

function clientSuiteValues(socket) {
  socket.on("hi", () => socket.emit("hi"));
  socket.on("echo", (value, ack) => ack(value));
  socket.on("ack", () => {
    socket.emit("ack", (five, options) => {
      if (five === 5 && options.test) {
        socket.emit("got it");
      }
    });
  });
  socket.on("getAckDate", (_data, ack) => ack(new Date()));
  socket.on("getDate", () => socket.emit("takeDate", new Date()));
  socket.on("getDateObj", () => socket.emit("takeDateObj", { date: new Date() }));
  socket.on("getUtf8", () => {
    for (const text of ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "utf8 — string"]) {
      socket.emit("takeUtf8", text);
    }
  });
  socket.on("false", () => socket.emit("false", false));
  socket.on("getHandshake", (ack) => ack(socket.handshake));
  socket.on("getId", (ack) => ack(socket.id));
}

function clientSuiteBinary(socket) {
  let firstCame = false;
  socket.on("doge", () => socket.emit("doge", Buffer.from("asdfasdf")));
  socket.on("getbin", () => socket.emit("takebin", Buffer.from("asdfasdf")));
  socket.on("buffa", (data) => Buffer.isBuffer(data) && socket.emit("buffack"));
  socket.on("jsonbuff", ({ hello, message, goodbye }) => {
    if (hello === "lol" && Buffer.isBuffer(message) && goodbye === "gotcha") {
      socket.emit("jsonbuff-ack");
    }
  });
  socket.on("abuff1", (data) => {
    firstCame = Buffer.isBuffer(data);
  });
  socket.on("abuff2", () => firstCame && socket.emit("abuff2-ack"));
}

/** What the tests of engine.io-client want. */
export function engineClientSuite(http) {
  const engine = attach(http, {
    pingInterval: 500,
    maxHttpBufferSize: 100,
    allowRequest: (request, accept) => {
      accept(null, !new URL(request.url, "http://localhost").searchParams.has("deny"));
    },
  });
  engine.on("initial_headers", (headers) => {
    headers["set-cookie"] = [
      "1=1; Max-Age=86400",
      "2=2; Path=/; HttpOnly; Secure; SameSite=Strict",
      "3=3; Max-Age=0",
      `4=4; Expires=${new Date().toUTCString()}`,
    ];
  });
  engine.on("connection", (socket) => {
    socket.send("hi");
    socket.on("message", (data) => socket.send(engineClientAnswer(socket, data)));
  });
  return engine;
}

function engineClientAnswer(socket, data) {
  switch (data) {
    case "give binary":
      return Buffer.from([0, 1, 2, 3, 4]);
    case "give utf8":
      return "пойду спать всем спокойной ночи";
    case "sendHeaders":
      return JSON.stringify(socket.transport.dataReq?.headers);
    default:
      return data;
  }
}

/** A bare WebSocket echo on every path. */
export function websocketEcho(http) {
  const server = new WebSocketServer({
    server: http,
    maxPayload: 32 * 1024 * 1024,
    perMessageDeflate: process.env.WS_DEFLATE === "1",
    skipUTF8Validation: false,
  });
  server.on("connection", (socket) => {
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on("error", () => {});
  });
  return server;
}

/** The events that load generators drive. */
export function bench(http) {
  const io = new Server(http);
  io.on("connection", (socket) => {
    socket.on("echo", (data, ack) => ack(data));
    socket.on("pub", (payload) => io.emit("msg", payload));
    socket.on("join", (room, ack) => {
      socket.join(room);
      ack("ok");
    });
    socket.on("pubroom", (room, payload) => io.to(room).emit("msg", payload));
  });
  return io;
}
