// The chat on Express and Socket.IO. src/main.rs is the same in Rust, in the same order.
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

import express from "express";
import { Server } from "socket.io";

const app = express();
const server = createServer(app);
const io = new Server(server);

app.get("/", (_request, response) => {
  response.sendFile(fileURLToPath(new URL("index.html", import.meta.url)));
});

const names = (sockets) => sockets.map((socket) => socket.data.name);

app.get("/rooms/:room", async (request, response) => {
  response.json(names(await io.in(request.params.room).fetchSockets()));
});

io.use((socket, next) => {
  const { name } = socket.handshake.auth;
  if (!name) return next(new Error("a name is needed"));
  socket.data.name = name;
  next();
});

io.on("connection", (socket) => {
  socket.emit("welcome", socket.data.name);

  socket.on("join", async (room, ack) => {
    await socket.join(room);
    socket.to(room).emit("joined", room, socket.data.name);
    ack(names(await io.in(room).fetchSockets()));
  });

  socket.on("message", (message, ack) => {
    if (!socket.rooms.has(message.room)) {
      return ack({ error: { code: "not_a_member", message: "join the room first" } });
    }
    io.to(message.room).emit("message", socket.data.name, message);
    ack(true);
  });

  socket.on("typing", (room) => {
    socket.to(room).volatile.emit("typing", room, socket.data.name);
  });

  socket.on("disconnecting", () => {
    for (const room of socket.rooms) {
      socket.to(room).emit("left", room, socket.data.name);
    }
  });
});

server.listen(Number(process.env.PORT ?? 3000), "127.0.0.1");
