// Packets in the form in which npm's and ours have to be equal: what JSON can say, bytes as bytes, namespaces as servers see them.
// What goes beyond is a difference and belongs into differences.js.
import { parse } from "node:querystring";
import { types } from "node:util";

import { isBytes } from "./parsers.js";

/** A packet of npm's decoders, reduced to what it says. */
export function normal({ type, nsp, id, data }, { parser, protocol }) {
  // Protocol 3 has types of their own for packets with attachments.
  const kind = type > 4 ? type - 3 : type;
  const path = protocol === 3 ? nsp.split(/[?#]/)[0] : nsp;
  const hasNoId = kind < 2 || id === undefined;
  // What authorises a client of protocol 3 is judged by `auth`; nobody reads the payload there.
  const value = protocol === 3 && kind === 0 ? undefined : asJson(data, parser === "msgpack" && holdsBytes(data));
  if (kind === 2 && typeof value[0] === "string") {
    value[0] = value[0].toWellFormed();
  }
  return { kind, nsp: path, ...(!hasNoId && { id }), ...(value !== undefined && { data: value }) };
}

/** What a client of protocol 3 says in the query of the namespace that it joins. */
export function auth({ nsp }) {
  const query = /^[^?#]*\?([^#]*)/.exec(nsp)?.[1];
  return query === undefined ? undefined : { ...parse(query) };
}

/**
 * A value as `JSON.stringify` would have it, bytes apart. Beside attachments an object that looks like the placeholder of one
 * is null, as our codec has it: in JSON it could not be told from a placeholder.
 */
function asJson(value, isBesideBytes) {
  switch (typeof value) {
    case "number":
      return Number.isFinite(value) ? value + 0 : null;
    case "object":
      return objectAsJson(value, isBesideBytes);
    default:
      return value;
  }
}

function objectAsJson(value, isBesideBytes) {
  if (value === null || isBytes(value)) {
    return value && `bytes ${Buffer.from(value).toString("hex")}`;
  }
  if (types.isDate(value)) {
    return Number.isNaN(value.getTime()) ? null : value.toISOString();
  }
  if (Array.isArray(value)) {
    return value.map((element) => asJson(element, isBesideBytes) ?? null);
  }
  if (isBesideBytes && Object.hasOwn(value, "_placeholder") && value._placeholder === true) {
    return null;
  }
  const members = Object.entries(value).map(([key, member]) => [key, asJson(member, isBesideBytes)]);
  return Object.fromEntries(members.filter(([, member]) => member !== undefined));
}

function holdsBytes(value) {
  return isBytes(value) || (typeof value === "object" && value !== null && Object.values(value).some(holdsBytes));
}
