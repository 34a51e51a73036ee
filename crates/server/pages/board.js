// The whiteboard's page: what is drawn here goes to the server, and what the server says is on the sheet.
// The canvas is in drawing.js, the connection and the name in common.js.

import { ask, byId, connect, element, hueOf, inOrder, nameOfPerson, newKey } from "./common.js";
import { COLOUR_NAMES, Drawing, HEIGHT, WIDTH, colours, onColours } from "./drawing.js";

/** A stroke under way is sent so often, and when it has so many points. */
const SEND_EVERY_MS = 40;
const POINTS_MAX = 200;
/** The pointer's place is sent at most so often. */
const CURSOR_EVERY_MS = 33;
const THICKNESSES = { thin: 4, medium: 10, thick: 24 };

/** What the server has put in order, and above it what was drawn here and has no place in that order yet. */
const sheet = new Drawing(byId("drawing"));
const fresh = new Drawing(byId("fresh"));
const people = new Map();
const cursors = new Map();
const pen = { colour: 0, thickness: THICKNESSES.medium };
/** The stroke under way: the pointer that draws it, and its points that were not sent yet. */
let stroke;
let cursorTold = 0;
/** Whether the server has let this window in, and how often it is being asked. */
let entered = false;
let entering = 0;

showTools();
fit();
const name = await nameOfPerson((changed) => socket && rename(changed));
const socket = connect("/board", name);
if (socket) {
  start();
}

function start() {
  const events = inOrder(socket);
  events.on("draw", (line) => {
    sheet.add(line);
    confirm([line.id]);
  });
  events.on("clear", () => {
    sheet.reset([]);
  });
  events.on("joined", (person) => {
    people.set(person.id, person.name);
    showPeople();
  });
  events.on("left", ({ id }) => {
    people.delete(id);
    moveCursor({ id, at: null });
    showPeople();
  });
  // The server was started again. Those who come back say so.
  events.on("restarted", () => {
    people.clear();
    showPeople();
  });
  events.on("cursor", moveCursor);
  socket.on("connect", () => {
    if (socket.recovered && entered) {
      // What was missed comes by itself, also who came and who left.
      showPeople();
    } else if (entering === 0) {
      enter(events);
    }
  });
  socket.on("disconnect", () => {
    [...cursors.keys()].forEach((id) => moveCursor({ id, at: null }));
    showPeople();
  });
  byId("clear").addEventListener("click", () => ask(socket, "clear", newKey()).catch(() => {}));
  const area = byId("sheet");
  area.addEventListener("pointerdown", begin);
  area.addEventListener("pointermove", move);
  ["pointerup", "pointercancel"].forEach((kind) => area.addEventListener(kind, end));
  area.addEventListener("pointerleave", () => socket.volatile.emit("cursor", null));
}

async function enter(events) {
  const applyEvents = events.entering();
  entered = false;
  entering++;
  try {
    const state = await ask(socket, "enter", name());
    entered = true;
    people.clear();
    state.people.forEach((person) => people.set(person.id, person.name));
    sheet.reset(state.lines);
    confirm(state.lines.map((line) => line.id));
    showPeople();
  } catch {
    // It is shown already.
  } finally {
    entering--;
    applyEvents();
  }
}

/** These lines are on the sheet, or never will be. */
function confirm(ids) {
  const known = new Set(ids);
  if (fresh.lines.some((line) => known.has(line.id))) {
    fresh.reset(fresh.lines.filter((line) => !known.has(line.id)));
  }
}

async function rename(changed) {
  await ask(socket, "rename", changed).catch(() => {});
  if (entered) {
    people.set(socket.id, changed);
    showPeople();
  }
}

// Drawing.

function begin(down) {
  if (stroke || down.button !== 0) {
    return;
  }
  byId("sheet").setPointerCapture(down.pointerId);
  stroke = { pointer: down.pointerId, points: [pointOf(down)], sent: performance.now(), anything: false };
}

function move(moved) {
  tellCursor(moved);
  if (stroke?.pointer !== moved.pointerId) {
    return;
  }
  const passed = moved.getCoalescedEvents?.() ?? [];
  for (const one of passed.length ? passed : [moved]) {
    stroke.points.push(pointOf(one));
    if (stroke.points.length >= POINTS_MAX) {
      flush();
    }
  }
  if (performance.now() - stroke.sent >= SEND_EVERY_MS) {
    flush();
  }
}

function end(up) {
  if (stroke?.pointer !== up.pointerId) {
    return;
  }
  if (stroke.points.length > 1 || !stroke.anything) {
    flush();
  }
  stroke = undefined;
}

/** Sends what the stroke has gained. The next piece begins where this one ends. */
function flush() {
  const line = { id: newKey(), ...pen, points: stroke.points };
  fresh.add(line);
  // Sent again until it is answered. If it is refused, it was never on the sheet.
  ask(socket, "draw", line).catch(() => {}).finally(() => confirm([line.id]));
  Object.assign(stroke, { points: [line.points.at(-1)], sent: performance.now(), anything: true });
}

function pointOf({ clientX, clientY }) {
  const { left, top, width, height } = byId("sheet").getBoundingClientRect();
  const within = (value, most) => Math.min(Math.max(Math.round(value), 0), most);
  return [within(((clientX - left) / width) * WIDTH, WIDTH), within(((clientY - top) / height) * HEIGHT, HEIGHT)];
}

// Cursors and people.

function tellCursor(moved) {
  if (socket.connected && performance.now() - cursorTold >= CURSOR_EVERY_MS) {
    cursorTold = performance.now();
    socket.volatile.emit("cursor", pointOf(moved));
  }
}

function moveCursor({ id, at }) {
  let cursor = cursors.get(id);
  if (!at) {
    cursor?.remove();
    cursors.delete(id);
    return;
  }
  if (!cursor) {
    cursor = element("div", "cursor");
    cursor.append(element("span", "cursor-name"));
    cursors.set(id, cursor);
    byId("cursors").append(cursor);
  }
  const called = people.get(id) ?? "";
  cursor.firstElementChild.textContent = called;
  cursor.style.setProperty("--hue", hueOf(called));
  cursor.style.left = `${(at[0] / WIDTH) * 100}%`;
  cursor.style.top = `${(at[1] / HEIGHT) * 100}%`;
}

function showPeople() {
  // Without a connection nobody can know who is here.
  const known = socket?.connected ? [...people] : [];
  byId("people").replaceChildren(
    ...known.map(([id, called]) => {
      const chip = element("li", "chip", called);
      chip.style.setProperty("--hue", hueOf(called));
      if (id === socket.id) {
        chip.append(element("span", "you", "you"));
      }
      return chip;
    }),
  );
}

// Tools.

function showTools() {
  COLOUR_NAMES.forEach((label, colour) => {
    const swatch = choice("colour", label, colour === pen.colour, () => (pen.colour = colour));
    swatch.dataset.colour = String(colour);
    byId("colours").append(swatch);
  });
  Object.entries(THICKNESSES).forEach(([label, thickness]) => {
    const size = choice("size", label, thickness === pen.thickness, () => (pen.thickness = thickness));
    size.lastElementChild.classList.add(label);
    byId("sizes").append(size);
  });
  showColours();
}

function choice(group, label, checked, chosen) {
  const made = element("label", "choice");
  const radio = element("input");
  Object.assign(radio, { type: "radio", name: group, checked });
  radio.setAttribute("aria-label", label);
  radio.addEventListener("change", chosen);
  made.title = label;
  made.append(radio, element("span", "dot"));
  return made;
}

function showColours() {
  for (const swatch of byId("colours").querySelectorAll(".choice")) {
    swatch.style.setProperty("--colour", colours()[Number(swatch.dataset.colour)]);
  }
}

/** The sheet is as large as the window lets it be, in its own proportions. */
function fit() {
  const { clientWidth, clientHeight } = byId("sheet").parentElement;
  const scale = Math.min(clientWidth / WIDTH, clientHeight / HEIGHT);
  byId("sheet").style.width = `${Math.floor(WIDTH * scale)}px`;
  byId("sheet").style.height = `${Math.floor(HEIGHT * scale)}px`;
  sheet.fit();
  fresh.fit();
}

new ResizeObserver(fit).observe(byId("sheet").parentElement);
onColours(() => {
  showColours();
  sheet.redraw();
  fresh.redraw();
});
