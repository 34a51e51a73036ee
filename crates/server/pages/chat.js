// The chat's page: one room at a time, its messages, its people, and who is typing.
// The connection and the name are in common.js.

import { ask, byId, complain, connect, element, hueOf, inOrder, memory, nameOfPerson, newKey } from "./common.js";

/** Messages that the page keeps. */
const MESSAGES_MAX = 500;
/** While somebody types, the others are told again after this time. */
const TYPING_EVERY_MS = 2000;
/** Without news for this long, nobody is typing any more. */
const TYPING_ENDS_MS = 4000;
/** So near to the end of the list a reader follows it. */
const NEAR_END_PX = 80;

const people = new Map();
const typing = new Map();
const shown = new Set();
/** The ids that this window had, so that it knows its messages after a reconnection. */
const mine = new Set();
let room = roomOfAddress() || memory.get("trunkline-room") || "lobby";
/** When the others were told that this person types; undefined when they think that nothing is being typed. */
let typingTold;
let wasConnected = false;
/** The room that the server has let this window into, and how often it is being asked. */
let entered;
let entering = 0;

const name = await nameOfPerson((changed) => socket && rename(changed));
const socket = connect("/chat", name);
if (socket) {
  start();
}

function start() {
  const events = inOrder(socket);
  // What is still on its way from the room before is not for this one.
  const here = (handler) => (event) => event.room === room && handler(event);
  events.on("message", here((message) => {
    setTyping({ id: message.from, typing: false });
    addMessage(message);
  }));
  events.on("joined", here(setPerson));
  events.on("left", here(({ id }) => {
    people.delete(id);
    setTyping({ id, typing: false });
    showPeople();
  }));
  // The server was started again. Those who come back say so.
  events.on("restarted", () => {
    people.clear();
    showPeople();
  });
  events.on("typing", here(setTyping));
  socket.on("rooms", showRooms);
  socket.on("connect", () => {
    if (wasConnected) {
      addMarker("back", `Back at ${time(Date.now())}, ${socket.recovered ? "recovered" : "not recovered"}`);
    }
    wasConnected = true;
    mine.add(socket.id);
    if (socket.recovered && entered === room) {
      // What was missed comes by itself, also who came and who left.
      showPeople();
    } else if (entering === 0) {
      enter(events);
    }
  });
  socket.on("disconnect", () => {
    addMarker("broken", `Connection lost at ${time(Date.now())}`);
    clearTyping();
    showPeople();
  });
  window.addEventListener("hashchange", () => go(events, roomOfAddress()));
  byId("new-room").addEventListener("submit", (submit) => {
    submit.preventDefault();
    go(events, byId("room-name").value.trim());
    byId("new-room").reset();
  });
  byId("rooms").addEventListener("click", (click) => {
    const chosen = click.target.closest("button");
    if (chosen) {
      go(events, chosen.dataset.room);
    }
  });
}

function roomOfAddress() {
  try {
    return decodeURIComponent(location.hash.slice(1)).trim();
  } catch {
    return "";
  }
}

function go(events, next) {
  showSide(false);
  if (!next || next === room) {
    return;
  }
  room = next;
  byId("messages").replaceChildren();
  byId("pending").replaceChildren();
  shown.clear();
  clearTyping();
  enter(events);
}

async function enter(events) {
  const applyEvents = events.entering();
  const asked = room;
  entered = undefined;
  entering++;
  try {
    const state = await ask(socket, "enter", { room, name: name() });
    if (asked !== room) {
      return;
    }
    room = state.room;
    entered = room;
    memory.set("trunkline-room", room);
    history.replaceState(null, "", `#${encodeURIComponent(room)}`);
    byId("room-title").textContent = room;
    document.title = `${room} · trunkline`;
    people.clear();
    state.people.forEach((person) => people.set(person.id, person.name));
    showPeople();
    state.history.forEach(addMessage);
    showRooms(state.rooms);
    scrollToEnd();
  } catch {
    // It is shown already.
  } finally {
    entering--;
    applyEvents();
  }
}

async function rename(changed) {
  await ask(socket, "rename", changed).catch(() => {});
  if (entered) {
    setPerson({ id: socket.id, name: changed });
  }
}

// Messages.

function addMessage(message) {
  if (shown.has(message.id)) {
    return;
  }
  shown.add(message.id);
  removePending(message.id);
  const own = mine.has(message.from);
  const item = element("li", own ? "message own" : "message");
  const last = byId("messages").lastElementChild;
  item.dataset.from = message.from;
  item.dataset.id = message.id;
  if (last?.dataset.from === message.from) {
    item.classList.add("more");
  }
  const head = element("p", "head");
  const author = element("b", "author", message.name);
  author.style.setProperty("--hue", hueOf(message.name));
  const at = element("time", "", time(message.at_ms));
  at.dateTime = new Date(message.at_ms).toISOString();
  head.append(author, " ", at);
  item.append(head, element("p", "text", message.text));
  append(item, own);
}

/** Shows what was typed until it has its place among the messages. */
function addPending({ id, text }) {
  const item = element("li", "message own pending");
  item.dataset.id = id;
  item.append(element("p", "text", text));
  byId("pending").append(item);
  scrollToEnd();
}

function removePending(id) {
  [...byId("pending").children].find((item) => item.dataset.id === id)?.remove();
}

function addMarker(kind, text) {
  append(element("li", `marker ${kind}`, text));
}

function append(item, follow = false) {
  const list = byId("messages");
  const scroll = byId("scroll");
  const near = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_END_PX;
  list.append(item);
  while (list.childElementCount > MESSAGES_MAX) {
    shown.delete(list.firstElementChild.dataset.id);
    list.firstElementChild.remove();
  }
  if (near || follow) {
    scrollToEnd();
  } else {
    byId("newer").hidden = false;
  }
}

function scrollToEnd() {
  byId("scroll").scrollTop = byId("scroll").scrollHeight;
  byId("newer").hidden = true;
}

const time = (ms) => new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

byId("newer").addEventListener("click", scrollToEnd);
byId("scroll").addEventListener("scroll", () => {
  const scroll = byId("scroll");
  if (scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_END_PX) {
    byId("newer").hidden = true;
  }
});

// Rooms and people.

function showRooms(rooms) {
  const listed = rooms.some((one) => one.name === room) ? rooms : [...rooms, { name: room, people: people.size }];
  byId("rooms").replaceChildren(
    ...listed.map((one) => {
      const button = element("button", "room");
      button.type = "button";
      button.dataset.room = one.name;
      button.append(element("span", "room-label", one.name), element("span", "count", String(one.people)));
      button.lastElementChild.setAttribute("aria-label", `${one.people} here`);
      if (one.name === room) {
        button.setAttribute("aria-current", "true");
      }
      const item = element("li");
      item.append(button);
      return item;
    }),
  );
}

function setPerson({ id, name: called }) {
  people.set(id, called);
  showPeople();
}

function showPeople() {
  // Without a connection nobody can know who is here.
  const known = socket?.connected ? [...people] : [];
  const sorted = known.sort(([, a], [, b]) => a.localeCompare(b));
  byId("people").replaceChildren(
    ...sorted.map(([id, called]) => {
      const person = element("li", "person");
      const badge = element("span", "badge", [...called][0]?.toUpperCase() ?? "?");
      badge.style.setProperty("--hue", hueOf(called));
      badge.setAttribute("aria-hidden", "true");
      person.append(badge, element("span", "person-name", called));
      if (id === socket.id) {
        person.append(element("span", "you", "you"));
      }
      return person;
    }),
  );
  byId("people-count").textContent = String(known.length);
}

// Typing.

function setTyping({ id, name: called, typing: now }) {
  clearTimeout(typing.get(id)?.ends);
  typing.delete(id);
  if (now) {
    typing.set(id, { called, ends: setTimeout(() => setTyping({ id, typing: false }), TYPING_ENDS_MS) });
  }
  const names = [...typing.values()].map((one) => one.called);
  byId("typing").textContent =
    names.length === 0 ? "" :
    names.length === 1 ? `${names[0]} is typing…` :
    names.length === 2 ? `${names[0]} and ${names[1]} are typing…` :
    "Several people are typing…";
}

function clearTyping() {
  [...typing.keys()].forEach((id) => setTyping({ id, typing: false }));
}

function tellTyping(now) {
  const told = typingTold !== undefined && performance.now() - typingTold < TYPING_EVERY_MS;
  if (!socket?.connected || (now ? told : typingTold === undefined)) {
    return;
  }
  typingTold = now ? performance.now() : undefined;
  socket.volatile.emit("typing", now);
}

// The composer.

function showSendable() {
  byId("send").disabled = !socket || byId("text").value.trim() === "";
}

function fitText() {
  const text = byId("text");
  text.style.height = "auto";
  text.style.height = `${Math.min(text.scrollHeight + 2, 160)}px`;
}

/** Sends what was typed: now, or when there is a connection again. It arrives once, however often it has to be sent. */
async function send() {
  const text = byId("text").value.trim();
  if (!text || !socket) {
    return;
  }
  byId("text").value = "";
  typingTold = undefined;
  fitText();
  showSendable();
  const message = { id: newKey(), room, text };
  addPending(message);
  try {
    await ask(socket, "message", message);
  } catch (error) {
    byId("text").value ||= text;
    complain(`Not sent: ${error.message}.`);
    showSendable();
  } finally {
    removePending(message.id);
  }
}

byId("composer").addEventListener("submit", (submit) => {
  submit.preventDefault();
  send();
});
byId("text").addEventListener("keydown", (key) => {
  if (key.key === "Enter" && !key.shiftKey && !key.isComposing) {
    key.preventDefault();
    send();
  }
});
byId("text").addEventListener("input", () => {
  fitText();
  showSendable();
  tellTyping(byId("text").value.trim() !== "");
});
byId("text").addEventListener("blur", () => tellTyping(false));

// On a small screen rooms and people lie over the messages.

function showSide(open) {
  document.body.classList.toggle("side-open", open);
  byId("side-toggle").setAttribute("aria-expanded", String(open));
}

byId("side-toggle").addEventListener("click", () => showSide(!document.body.classList.contains("side-open")));
document.addEventListener("keydown", (key) => key.key === "Escape" && showSide(false));
