// MODE=contract of the testbed on npm's socket.io: the options, the namespaces and their middleware.
// What each event does is in events.js.
import { Server } from "socket.io";
import msgpack from "socket.io-msgpack-parser";

import { onConnection } from "./events.js";

const number = (name, fallback) => Number(process.env[name] ?? fallback);
const flag = (name, fallback) => (process.env[name] ?? fallback) === "1";

function options() {
  return {
    path: "/socket.io/",
    serveClient: false,
    pingInterval: number("PING_INTERVAL", 1000),
    pingTimeout: number("PING_TIMEOUT", 1000),
    connectTimeout: number("CONNECT_TIMEOUT", 1000),
    upgradeTimeout: number("UPGRADE_TIMEOUT", 1000),
    maxHttpBufferSize: number("MAX_HTTP_BUFFER_SIZE", 100000),
    allowEIO3: flag("ALLOW_EIO3", "1"),
    cors: { origin: "http://allowed.test", credentials: true },
    ...(process.env.PARSER === "msgpack" && { parser: msgpack }),
    ...(flag("WS_DEFLATE", "0") && { perMessageDeflate: { threshold: 512 } }),
    ...(flag("CSR", "0") && {
      connectionStateRecovery: { maxDisconnectionDuration: 60_000, skipMiddlewares: true },
    }),
  };
}

function requireSecret(socket, next) {
  if (socket.handshake.auth.token === "secret") {
    return next();
  }
  const refusal = new Error("unauthorized");
  refusal.data = { code: 401, hint: "token" };
  next(refusal);
}

/** Serves the contract on `http` and returns the server. */
export function contract(http) {
  const io = new Server(http, options());
  const serve = (namespace) => namespace.on("connection", (socket) => onConnection(io, socket));
  for (const name of ["/", "/chat", "/other"]) {
    serve(io.of(name));
  }
  serve(io.of("/auth").use(requireSecret));
  serve(io.of("/slow").use((_socket, next) => setTimeout(next, 200)));
  serve(io.of(/^\/dyn-\d+$/));
  return io;
}
