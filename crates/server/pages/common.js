// What both demos need: elements, the person's name, the connection and its state.
// What is said over the connection is each demo's own.

export const byId = (id) => document.getElementById(id);

/** An element with this class and text. Text never becomes markup. */
export function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** A hue that belongs to a text, the same in every window: 0 to 359. */
export function hueOf(text) {
  let hash = 7;
  for (const char of text) {
    hash = (hash * 31 + char.codePointAt(0)) % 100_003;
  }
  return (hash * 137) % 360;
}

/** Browsers may forbid storage; then nothing is remembered. */
export const memory = {
  get(key) {
    try {
      return localStorage.getItem(key) ?? "";
    } catch {
      return "";
    }
  },
  set(key, value) {
    try {
      localStorage.setItem(key, value);
    } catch {
      // The name holds as long as the page does.
    }
  },
};

/** Shows what went wrong, or nothing any more. */
export function complain(text = "") {
  const problem = byId("problem");
  problem.textContent = text;
  problem.hidden = !text;
}

/** The person's name: asked for once, remembered, and changed with the button that shows it. */
export async function nameOfPerson(onChange) {
  let name = memory.get("trunkline-name");
  const show = () => {
    byId("me").textContent = name;
    byId("me").setAttribute("aria-label", `Your name is ${name}: change it`);
  };
  byId("me").addEventListener("click", async () => {
    name = await askName(name);
    show();
    onChange(name);
  });
  if (!name) {
    name = await askName("");
  }
  show();
  return () => name;
}

function askName(before) {
  const [dialog, input] = [byId("name-dialog"), byId("name")];
  input.value = before;
  dialog.showModal();
  input.select();
  return new Promise((resolve) => {
    const closed = () => {
      const name = input.value.trim() || before;
      if (!name) {
        // Closed without a name, which is needed.
        dialog.showModal();
        return;
      }
      dialog.removeEventListener("close", closed);
      memory.set("trunkline-name", name);
      resolve(name);
    };
    dialog.addEventListener("close", closed);
  });
}

/** What names a thing that is said or drawn, in every try to send it: different for each, whoever made it. */
export function newKey() {
  // Browsers have randomUUID only on pages from this machine or over TLS.
  const random = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0"));
  return crypto.randomUUID?.() ?? random().join("");
}

/**
 * The official client, connected to a namespace; it shows the state of the connection by itself. What is asked while there
 * is no connection waits for one. What was not answered is sent again, under the same key, so that it happens once.
 */
export function connect(namespace, name) {
  if (!globalThis.io) {
    showStatus("broken", "no client");
    complain("The Socket.IO client could not be loaded, so this page cannot connect.");
    return undefined;
  }
  const auth = (tell) => tell({ name: name() });
  const socket = globalThis.io(namespace, { auth, reconnectionDelayMax: 2000, retries: 50, ackTimeout: 5000 });
  let before = false;
  socket.on("connect", () => {
    const how = socket.recovered ? "back, recovered" : "back, not recovered";
    showStatus("connected", before ? how : "connected");
    before = true;
  });
  socket.on("disconnect", () => showStatus("broken", "reconnecting"));
  socket.on("connect_error", () => showStatus("broken", "reconnecting"));
  return socket;
}

function showStatus(state, text) {
  byId("status").textContent = text;
  byId("status").dataset.state = state;
}

/** Asks the server and gives its answer; what it refuses is shown, and thrown. */
export async function ask(socket, event, ...args) {
  const answer = await socket.emitWithAck(event, ...args);
  if (answer?.error) {
    complain(`Refused: ${answer.error.message}.`);
    throw new Error(answer.error.message);
  }
  complain();
  return answer;
}

/**
 * Events that come while a room is being entered wait until its state is there, and are applied on top of it.
 * Returns `on(event, handler)`, and `entering()`, whose result is to be called when the state is there.
 */
export function inOrder(socket) {
  let waiting;
  return {
    on(event, handler) {
      socket.on(event, (...args) => (waiting ? waiting.push(() => handler(...args)) : handler(...args)));
    },
    entering() {
      const own = [];
      waiting = own;
      return () => {
        // Otherwise another room is being entered by now.
        if (waiting === own) {
          waiting = undefined;
          own.forEach((apply) => apply());
        }
      };
    },
  };
}
