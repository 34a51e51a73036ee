// Traps for what a client is just doing: a request over polling and its answer, or a stage of an upgrade to WebSocket.
// The bytes are read only as far as that takes; what springs is a method of the link, or a stretch of the answer.

const REQUEST = /^(GET|POST) (\S+) HTTP\/1\.1\r\n/;

/** The stages of an upgrade, in the order in which they pass the proxy. */
export const UPGRADE_STAGES = ["request", "probe", "pong", "upgrade"];

/** Calls `found` with the link of the next request for which `wanted(method, query)` holds, before it is passed on. */
function nextRequest(proxy, wanted, found) {
  const hook = (link) => {
    link.up.watch = (chunk) => {
      const [, method, target] = REQUEST.exec(chunk.subarray(0, 2048).toString("latin1")) ?? [];
      if (!method || !proxy.hooks.has(hook) || !wanted(method, new URL(target, "http://proxy").searchParams)) {
        return chunk;
      }
      proxy.hooks.delete(hook);
      link.up.watch = undefined;
      return found(link, chunk) ?? chunk;
    };
  };
  proxy.hooks.add(hook);
}

const ofSession = (query) => query.has("sid") && query.get("transport") === "polling";

/** The next POST of a session reaches the server, and its answer is lost with the connection; or hangs for good. */
export function losePostAnswer(proxy, sprung, { hang = false } = {}) {
  const isPost = (method, query) => method === "POST" && ofSession(query);
  nextRequest(proxy, isPost, (link) => {
    link.down.watch = () => {
      link.down.watch = undefined;
      sprung();
      if (hang) {
        link.down.swallow();
      } else {
        link.rst();
      }
      return undefined;
    };
  });
}

/** The answer to the next GET of a session breaks off at `fraction` of its first stretch. */
export function cutGetAnswer(proxy, fraction, sprung) {
  const isGet = (method, query) => method === "GET" && ofSession(query);
  nextRequest(proxy, isGet, (link) => {
    link.down.watch = (chunk) => {
      link.down.watch = () => undefined;
      sprung();
      setImmediate(() => link.rst());
      return chunk.subarray(0, Math.floor(chunk.length * fraction));
    };
  });
}

/** Does `effect(link)` to the next upgrade at this stage, just before its bytes pass or just after they have. */
export function atUpgrade(proxy, stage, effect, { before = false } = {}) {
  const isUpgrade = (method, query) => method === "GET" && query.get("transport") === "websocket" && query.has("sid");
  nextRequest(proxy, isUpgrade, (link, request) => {
    const spring = (chunk) => {
      link.up.watch = undefined;
      link.down.watch = undefined;
      if (before) {
        effect(link);
        return Buffer.alloc(0);
      }
      setImmediate(() => effect(link));
      return chunk;
    };
    if (stage === "request") {
      return spring(request);
    }
    const waitFor = (lane, text) => {
      const sees = frames(text);
      lane.watch = (chunk) => (sees(chunk) ? spring(chunk) : chunk);
    };
    if (stage === "pong") {
      waitFor(link.down, "3probe");
    } else {
      waitFor(link.up, stage === "probe" ? "2probe" : "5");
    }
    return request;
  });
}

/** Whether a WebSocket text frame of this text has come, in one direction, however the bytes are cut; asked chunk by chunk. */
function frames(text) {
  let bytes = Buffer.alloc(0);
  let inHead;
  return (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    // The answer to the upgrade comes before the server's first frame; the client's request has passed already.
    inHead ??= bytes.subarray(0, 4).toString("latin1") === "HTTP";
    if (inHead) {
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) {
        return false;
      }
      bytes = bytes.subarray(end + 4);
      inHead = false;
    }
    for (let frame = parse(bytes); frame; frame = parse(bytes)) {
      bytes = bytes.subarray(frame.length);
      if (frame.text === text) {
        return true;
      }
    }
    return false;
  };
}

/** The first frame of `bytes` if it is all there: its length in bytes and its payload as text. */
function parse(bytes) {
  if (bytes.length < 2) {
    return undefined;
  }
  const masked = bytes[1] >= 128;
  let [size, at] = [bytes[1] & 127, 2];
  if (size === 126) {
    [size, at] = [bytes.length < 4 ? Infinity : bytes.readUInt16BE(2), 4];
  } else if (size === 127) {
    [size, at] = [bytes.length < 10 ? Infinity : Number(bytes.readBigUInt64BE(2)), 10];
  }
  const start = at + (masked ? 4 : 0);
  if (bytes.length < start + size) {
    return undefined;
  }
  const payload = Buffer.from(bytes.subarray(start, start + size));
  if (masked) {
    payload.forEach((byte, i) => (payload[i] = byte ^ bytes[at + (i % 4)]));
  }
  return { length: start + size, text: payload.toString() };
}
