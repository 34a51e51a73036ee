// The chat and the whiteboard of trunkline-server, each in two windows of a real browser.
// Every test has rooms, or a server, of its own. SCREENSHOTS may name a folder for pictures of what went through a break.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";

import { window } from "./browser.js";
import { kill, startDemo, startDemoOn } from "./demo-server.js";
import { PATIENCE_MS, eventually, stop } from "./harness.js";

let demo;

before(async () => {
  demo = await startDemo();
});

after(async () => {
  assert.equal(await stop(demo), 0);
});

/** Windows that a test opened. One that fails leaves them, and they must not be in the next one's rooms. */
const open = new Set();

afterEach(async () => {
  await Promise.all([...open].map((page) => page.context().close()));
  open.clear();
});

/** A window on a page, with the name given; what the page throws fails the test at its end. */
async function visit(path, name, server = demo) {
  const page = await window();
  open.add(page);
  page.setDefaultTimeout(PATIENCE_MS);
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(error.message));
  page.on("dialog", (dialog) => page.faults.push(`dialog: ${dialog.message()}`));
  await page.goto(`${server.url}${path}`);
  if (name) {
    await page.fill("#name", name);
    await page.click("#name-dialog button");
  }
  await connected(page);
  return page;
}

const connected = (page) => page.waitForSelector("#status[data-state=connected]");

/** Closes windows, which must have had no faults. */
async function close(...pages) {
  for (const page of pages) {
    assert.deepEqual(page.faults, []);
    open.delete(page);
    await page.context().close();
  }
}

/** Waits until what `read` gives is `expected`. */
async function becomes(read, expected, what) {
  let last;
  const same = async () => {
    last = await read();
    return JSON.stringify(last) === JSON.stringify(expected);
  };
  await eventually(same, what).catch((error) => {
    throw new Error(`${error.message}; last: ${JSON.stringify(last)}`);
  });
}

/** A picture for whoever wants to see how it looks. */
async function picture(page, name) {
  if (process.env.SCREENSHOTS) {
    await page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}.png`) });
  }
}

const texts = (page, selector) => page.locator(selector).allTextContents();

test("the first page leads to both demos", async () => {
  const page = await window();
  await page.goto(demo.url);
  await page.getByRole("link", { name: "Chat" }).click();
  await page.waitForURL(`${demo.url}/chat/`);
  await page.getByRole("link", { name: "All demos" }).waitFor({ state: "attached" });
  await page.goto(demo.url);
  await page.getByRole("link", { name: "Whiteboard" }).click();
  await page.waitForURL(`${demo.url}/board/`);
  await page.context().close();
});

describe("the chat", () => {
  const messages = (page) => texts(page, "#messages .message .text");
  const pending = (page) => texts(page, "#pending .text");
  const people = (page) => texts(page, "#people .person-name");
  const typing = (page) => page.textContent("#typing");

  /** Two windows in one room. */
  async function pair(room, server = demo) {
    const ada = await visit(`/chat/#${room}`, "Ada", server);
    const bob = await visit(`/chat/#${room}`, "Bob", server);
    await becomes(() => people(ada), ["Ada", "Bob"], "both are there");
    return [ada, bob];
  }

  async function say(page, text) {
    await page.fill("#text", text);
    await page.press("#text", "Enter");
  }

  /** Typing is told by volatile events, which may be dropped, so the typing goes on. */
  async function typeUntilSeen(page, other) {
    await eventually(async () => {
      await page.locator("#text").pressSequentially("w");
      return (await typing(other)) === "Ada is typing…";
    }, "typing");
  }

  test("shows a message in the other window, as text", async () => {
    const [ada, bob] = await pair("markup");
    const markup = `<img src=x onerror="alert(1)"> & <script>alert(2)</script>`;
    await say(ada, markup);
    await becomes(() => messages(bob), [markup], "the message");
    await say(bob, "Seen.");
    await becomes(() => messages(ada), [markup, "Seen."], "the answer");
    assert.deepEqual(await texts(ada, ".own .text"), [markup]);
    assert.equal(await bob.inputValue("#text"), "");
    await close(ada, bob);
  });

  test("shows who is here, under which name, and who has left", async () => {
    const [ada, bob] = await pair("people");
    await becomes(() => people(bob), ["Ada", "Bob"], "both in the second window");
    await bob.click("#me");
    await bob.fill("#name", "Robert <b>");
    await bob.press("#name", "Enter");
    await becomes(() => people(ada), ["Ada", "Robert <b>"], "the new name");
    await close(bob);
    await becomes(() => people(ada), ["Ada"], "the first alone");
    await close(ada);
  });

  test("shows who is typing, until the message is there or the text is gone", async () => {
    const [ada, bob] = await pair("typing");
    await typeUntilSeen(ada, bob);
    await say(ada, "Well, hello.");
    await becomes(() => messages(bob), ["Well, hello."], "the message");
    await becomes(() => typing(bob), "", "nobody types");
    await typeUntilSeen(ada, bob);
    await ada.fill("#text", "");
    await becomes(() => typing(bob), "", "nobody types again");
    assert.equal(await typing(ada), "");
    await close(ada, bob);
  });

  test("gives a late window what was said, in order", async () => {
    const [ada, bob] = await pair("history");
    for (let i = 0; i < 5; i++) {
      await say(i % 2 ? bob : ada, `number ${i}`);
      await becomes(async () => (await messages(ada)).length, i + 1, `message ${i}`);
    }
    const late = await visit("/chat/#history", "Late");
    await becomes(() => messages(late), [0, 1, 2, 3, 4].map((i) => `number ${i}`), "the history");
    await becomes(() => people(late), ["Ada", "Bob", "Late"], "all people");
    await close(ada, bob, late);
  });

  test("keeps rooms apart, and lists a new one in every window", async () => {
    const [ada, bob] = await pair("first");
    await say(ada, "in the first");
    await becomes(() => messages(bob), ["in the first"], "the message");
    await bob.fill("#room-name", "second/é");
    await bob.press("#room-name", "Enter");
    await bob.waitForSelector("#room-title:text-is('second/é')");
    await becomes(() => people(ada), ["Ada"], "the first alone");
    assert.deepEqual(await messages(bob), []);
    await say(ada, "still in the first");
    await say(bob, "in the second");
    await becomes(() => messages(bob), ["in the second"], "only its own room's");
    await ada.click("#rooms button[data-room='second/é']");
    await becomes(() => messages(ada), ["in the second"], "the second's history");
    await becomes(() => people(ada), ["Ada", "Bob"], "both in the second");
    await ada.click("#rooms button[data-room='lobby']");
    await ada.waitForSelector("#room-title:text-is('lobby')");
    await close(ada, bob);
  });

  test("remembers the name and the room", async () => {
    const page = await visit("/chat/#remembered", "Ada");
    await becomes(() => people(page), ["Ada"], "in the room");
    await page.goto(`${demo.url}/`);
    await page.goto(`${demo.url}/chat/`);
    await connected(page);
    await becomes(() => page.textContent("#room-title"), "remembered", "the room");
    await becomes(() => people(page), ["Ada"], "the name");
    await close(page);
  });

  test("says what it refuses", async () => {
    const page = await visit("/chat/#refused", "Ada");
    const room = "x".repeat(33);
    await page.evaluate((name) => (location.hash = name), room);
    await becomes(() => page.textContent("#problem"), "Refused: a room's name has at most 32 characters.", "the reason");
    await close(page);
  });

  test("goes through a kill and a restart with nothing missing and nothing twice", async () => {
    const first = await startDemo();
    const windows = await pair("broken", first);
    const [ada, bob] = windows;
    for (const page of windows) {
      await say(page, `before, ${page === ada ? "Ada" : "Bob"}`);
    }
    await becomes(async () => (await messages(bob)).length, 2, "what was said before");
    // Somewhere on its way.
    await say(ada, "just then, Ada");
    await say(bob, "just then, Bob");
    await kill(first);
    for (const page of windows) {
      await page.waitForSelector(".marker.broken");
      assert.deepEqual(await people(page), []);
      await say(page, "meanwhile, one");
      await say(page, "meanwhile, two");
      assert.deepEqual((await pending(page)).slice(-2), ["meanwhile, one", "meanwhile, two"]);
    }
    const second = await startDemoOn(first.port, first.data);
    for (const page of windows) {
      await page.waitForSelector(".marker.broken ~ .marker.back");
      assert.match((await texts(page, ".marker.back")).join(), /^Back at .*, recovered$/);
      await becomes(() => people(page), ["Ada", "Bob"], "both are back");
      await becomes(() => pending(page), [], "nothing waits any more");
    }
    await say(bob, "after");
    for (const page of windows) {
      await becomes(async () => (await messages(page)).at(-1), "after", "what was said after");
    }
    const all = await messages(ada);
    const said = ["before, Ada", "before, Bob", "just then, Ada", "just then, Bob", "after"];
    said.push(...["meanwhile, one", "meanwhile, two"].flatMap((text) => [text, text]));
    assert.deepEqual([...all].sort(), said.sort());
    assert.deepEqual(await messages(bob), all);
    for (const page of windows) {
      // In the order in which each window said it.
      const own = await texts(page, "#messages .own .text");
      assert.deepEqual(own.slice(0, 4).map((text) => text.split(",")[0]), ["before", "just then", "meanwhile", "meanwhile"]);
      assert.ok(own.indexOf("meanwhile, one") < own.indexOf("meanwhile, two"));
    }
    const late = await visit("/chat/#broken", "Late", second);
    await becomes(() => messages(late), all, "the same for who comes late");
    await picture(ada, "chat-recovered");
    await close(ada, bob, late);
    assert.equal(await stop(second), 0);
  });

  test("says when it was not recovered, and goes on", async () => {
    const first = await startDemo();
    const [ada, bob] = await pair("lost", first);
    await say(ada, "before");
    await becomes(() => messages(bob), ["before"], "the first message");
    await kill(first);
    await ada.waitForSelector(".marker.broken");
    await say(ada, "meanwhile");
    // Another log, which knows nobody.
    const second = await startDemoOn(first.port);
    for (const page of [ada, bob]) {
      await page.waitForSelector(".marker.broken ~ .marker.back");
      assert.match((await texts(page, ".marker.back")).join(), /^Back at .*, not recovered$/);
      await becomes(() => people(page), ["Ada", "Bob"], "both are back");
      await becomes(() => messages(page), ["before", "meanwhile"], "both messages");
    }
    await picture(bob, "chat-not-recovered");
    await close(ada, bob);
    assert.equal(await stop(second), 0);
  });
});

describe("the whiteboard", () => {
  const names = (page) => texts(page, "#people .chip");
  const cursors = (page) => texts(page, "#cursors .cursor-name");

  /** Two windows of the same size on an empty sheet. */
  async function pair(server = demo) {
    const ada = await visit("/board/", "Ada", server);
    const bob = await visit("/board/", "Bob", server);
    await becomes(() => names(ada), ["Adayou", "Bob"], "both are there");
    await ada.click("#clear");
    await becomes(() => inked(ada), 0, "an empty sheet");
    await becomes(() => inked(bob), 0, "an empty sheet in the other window");
    return [ada, bob];
  }

  /** The pixels of the canvas that has what the server put in order; nothing of `fresh` is left to be confirmed. */
  async function pixels(page) {
    return page.evaluate(() => {
      const read = (id) => document.getElementById(id).toDataURL();
      const empty = document.createElement("canvas");
      const { width, height } = document.getElementById("fresh");
      Object.assign(empty, { width, height });
      return read("fresh") === empty.toDataURL() ? read("drawing") : "unconfirmed";
    });
  }

  /** How many pixels are not empty. */
  async function inked(page) {
    return page.evaluate(() => {
      const canvas = document.getElementById("drawing");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return data.filter((value, index) => index % 4 === 3 && value > 0).length;
    });
  }

  /** Draws through these points, given as parts of the sheet's size. */
  async function draw(page, points) {
    const { x, y, width, height } = await page.locator("#sheet").boundingBox();
    const move = ([h, v], steps) => page.mouse.move(x + h * width, y + v * height, { steps });
    await move(points[0], 1);
    await page.mouse.down();
    for (const point of points.slice(1)) {
      await move(point, 10);
    }
    await page.mouse.up();
  }

  async function same(one, other, what) {
    await eventually(async () => {
      const [a, b] = [await pixels(one), await pixels(other)];
      return a === b && a !== "unconfirmed" && (await inked(one)) > 100;
    }, what);
  }

  test("shows in the other window what is drawn, in the order of all strokes", async () => {
    const [ada, bob] = await pair();
    await draw(ada, [[0.1, 0.1], [0.8, 0.7], [0.2, 0.9]]);
    await same(ada, bob, "the first stroke");
    const before = await inked(bob);
    await bob.click("#colours input[aria-label=red]", { force: true });
    await bob.click("#sizes input[aria-label=thick]", { force: true });
    // Across each other, at the same time.
    await Promise.all([
      draw(bob, [[0.1, 0.9], [0.5, 0.2], [0.9, 0.9]]),
      draw(ada, [[0.1, 0.5], [0.9, 0.5]]),
    ]);
    await same(ada, bob, "all strokes");
    assert.ok((await inked(ada)) > before);
    await close(ada, bob);
  });

  test("gives a late window the drawing, and an empty sheet to all", async () => {
    const [ada, bob] = await pair();
    await draw(ada, [[0.3, 0.3], [0.6, 0.6]]);
    await draw(bob, [[0.5, 0.5], [0.5, 0.5]]);
    await same(ada, bob, "the drawing");
    const late = await visit("/board/", "Late");
    await same(ada, late, "the drawing for the late window");
    await late.click("#clear");
    for (const page of [ada, bob, late]) {
      await becomes(() => inked(page), 0, "an empty sheet");
    }
    const later = await visit("/board/", "Later");
    await becomes(() => names(later).then((all) => all.length), 4, "four people");
    assert.equal(await inked(later), 0);
    await close(ada, bob, late, later);
  });

  test("goes through a kill and a restart with what is drawn meanwhile", async () => {
    const first = await startDemo();
    const [ada, bob] = await pair(first);
    await draw(ada, [[0.1, 0.1], [0.8, 0.2]]);
    await same(ada, bob, "the first stroke");
    const before = await inked(bob);
    await kill(first);
    for (const page of [ada, bob]) {
      await page.waitForSelector("#status[data-state=broken]");
      assert.deepEqual(await names(page), []);
    }
    await draw(ada, [[0.1, 0.6], [0.8, 0.5]]);
    const second = await startDemoOn(first.port, first.data);
    for (const page of [ada, bob]) {
      await connected(page);
      assert.equal(await page.textContent("#status"), "back, recovered");
    }
    await eventually(async () => (await inked(bob)) > before * 1.5, "the stroke from meanwhile");
    await same(ada, bob, "both strokes");
    for (const page of [ada, bob]) {
      await becomes(async () => (await names(page)).sort(), page === ada ? ["Adayou", "Bob"] : ["Ada", "Bobyou"], "both");
    }
    const late = await visit("/board/", "Late", second);
    await same(ada, late, "the same for who comes late");
    await picture(bob, "board-recovered");
    await close(ada, bob, late);
    assert.equal(await stop(second), 0);
  });

  test("shows the others' cursors with their names, until they leave", async () => {
    const [ada, bob] = await pair();
    const { x, y, width, height } = await ada.locator("#sheet").boundingBox();
    await eventually(async () => {
      // Volatile events may be dropped, so the pointer goes on moving.
      await ada.mouse.move(x + width / 2 + Math.random() * 4, y + height / 4);
      return JSON.stringify(await cursors(bob)) === `["Ada"]`;
    }, "the cursor in the other window");
    assert.deepEqual(await cursors(ada), []);
    await eventually(async () => {
      const at = await bob.locator("#cursors .cursor").boundingBox();
      const sheet = await bob.locator("#sheet").boundingBox();
      const [h, v] = [(at.x - sheet.x) / sheet.width, (at.y - sheet.y) / sheet.height];
      return Math.abs(h - 0.5) < 0.02 && Math.abs(v - 0.25) < 0.02;
    }, "the cursor at its place");
    await close(ada);
    await becomes(() => cursors(bob), [], "no cursor any more");
    await becomes(() => names(bob), ["Bobyou"], "the second alone");
    await close(bob);
  });
});
