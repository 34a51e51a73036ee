// MODE=delivery of the testbed on npm's socket.io, with its recovery in memory: the counterproof of the fault runs. It is
// expected to lose, to repeat and to apply twice there; a fault that does it no harm harms nobody.
import { Server } from "socket.io";
import msgpack from "socket.io-msgpack-parser";

const number = (name, fallback) => Number(process.env[name] ?? fallback);

/** Serves the delivery application on `http` and returns the server. */
export function delivery(http) {
  const io = new Server(http, {
    serveClient: false,
    pingInterval: number("PING_INTERVAL", 25_000),
    pingTimeout: number("PING_TIMEOUT", 20_000),
    connectionStateRecovery: {},
    ...(process.env.PARSER === "msgpack" && { parser: msgpack }),
  });
  let applied = 0;
  const serve = (namespace) => namespace.on("connection", (socket) => onConnection(namespace, socket, () => `ref-${applied++}`));
  serve(io.of("/"));
  io.of(/^\/.+$/).on("connection", (socket) => onConnection(socket.nsp, socket, () => `ref-${applied++}`));
  return io;
}

function onConnection(namespace, socket, name) {
  const done = (ack) => ack({ ok: true });
  const emit = (to, message, room) => namespace.to(to).emit("msg", { ...message, room, app: name() });
  socket.on("join", (room, ack) => done(ack, socket.join(room)));
  socket.on("leave", (room, ack) => done(ack, socket.leave(room)));
  socket.on("publish", (room, message, ack) => done(ack, emit(room, message, room)));
  socket.on("plain", (room, message) => emit(room, message, room));
  socket.on("private", (sid, message, ack) => done(ack, emit(sid, message, null)));
  socket.on("evict", (room, ack) => done(ack, namespace.in(room).socketsLeave(room)));
  socket.on("ban", (room, ack) => done(ack, namespace.in(room).disconnectSockets(true)));
  socket.on("ask", (ms, ack) => {
    const asking = ms > 0 ? socket.timeout(ms) : socket;
    asking.emitWithAck("question").then((answer) => ack({ ok: true, answer }), () => ack({ ok: false }));
  });
}
