// Where our codec and npm's parsers differ on purpose: every class, when it applies, and why.
// A case that no class explains fails the test.
import { decodeNpm } from "./parsers.js";
import { shape } from "./shape.js";

/** Blanks that JavaScript takes for the number zero. */
const isBlank = (text) => text !== undefined && text.length > 0 && text.trim() === "";

/** A message's text behind its type, number of attachments and namespace: where an id may stand. */
const behindNamespace = (text) => text.replace(/^(?:[56][^-]*-|.)(?:\/[^,]*,?)?/su, "");
const isAttached = (text) => text !== undefined && /^[56]/.test(text);

/** Whether npm reads an id that begins or goes on with blanks. */
function hasBlankId({ text, packet }) {
  return text !== undefined && packet.id !== undefined && /^\d*\s/.test(behindNamespace(text));
}

/** Levels of nesting in a decoded value. */
function depth(value) {
  const inner = typeof value === "object" && value !== null && !ArrayBuffer.isView(value) ? Object.values(value) : undefined;
  return inner ? 1 + Math.max(0, ...inner.map(depth)) : 0;
}

/**
 * What ours refuses though npm takes it: our error, and when it may say so, by npm's packets (a pending one included), the
 * messages, and the parser.
 */
export const REFUSED = [
  // The default parser.
  ["no content", "Empty", ({ text }) => text === ""],
  ["a blank for a type", "UnknownType", ({ text }) => isBlank(text?.[0])],
  ["a number of attachments not in digits", "IllegalAttachments", ({ text }) => isAttached(text) && !/^.\d+-/.test(text)],
  ["a placeholder's number not in digits", "IllegalAttachments", ({ text }) => text && /"num"\s*:\s*(?!\d+\s*[,}])/.test(text)],
  ["a placeholder without attachment, before all have come", "IllegalAttachments", ({ pending }) => pending],
  ["an answer without id", "InvalidId", ({ packet }) => packet.type % 3 === 0 && packet.id === undefined],
  ["an id beyond 64 bits", "InvalidId", ({ packet }) => packet.id >= 2 ** 64],
  ["no payload", "InvalidPayload", ({ packet }) => packet.type > 1 && packet.data === undefined],
  ["an error with an id", "InvalidPayload", ({ packet }) => packet.type === 4 && packet.id !== undefined],
  ["blanks for an id", "InvalidPayload", hasBlankId],
  ["blanks for an answer's id", "InvalidId", hasBlankId],
  ["a client of protocol 3 that joins with a list or null", "InvalidPayload", ({ packet, protocol }) =>
    protocol === 3 && packet.type === 0 && (packet.data === null || Array.isArray(packet.data))],
  ["a name that is reserved in protocol 4 only", "ReservedName", ({ protocol }) => protocol === 3],

  // The msgpack parser.
  ["text that is no UTF-8", "InvalidMsgpack", ({ form }) => form?.badText],
  ["an extension that is neither date nor undefined", "InvalidMsgpack", ({ form }) => form?.badExtension],
  ["a key that is neither text nor whole number", "InvalidMsgpack", ({ form }) => form?.badKey],
  ["a member of the packet under a key that is no text", "InvalidPayload", ({ form }) => form?.oddName],
  ["an id under a key that is no text", "InvalidId", ({ form }) => form?.oddName],
  ["an extension for arguments", "InvalidPayload", ({ form }) => form?.members.data === "extension"],
  ["a type in the form of a float", "InvalidPayload", ({ form }) => form?.members.type === "float"],
  ["an id below zero or in the form of a float", "InvalidId", ({ form }) => ["int", "float"].includes(form?.members.id)],
  ["an event without a name", "InvalidPayload", ({ form, packet }) =>
    form && packet.type === 2 && !["string", "number"].includes(typeof packet.data[0])],
  ["an event whose name is no number", "InvalidPayload", ({ form, packet }) => form && packet.type === 2 && !isFinite(packet.data[0])],
  ["a name that is reserved", "ReservedName", ({ form, packet }) => form && packet.type === 2],
  ["attachments where there are no arguments", "IllegalAttachments", ({ form, packet }) => form?.bins > 0 && packet.type !== 2 && packet.type !== 3],
  ["more attachments than JSON may have", "TooManyAttachments", ({ form }) => form?.bins > 10],

  // Both.
  ["more levels than the limit", "TooDeep", ({ packet, form }) => Math.max(depth(packet.data), form?.depth ?? 0) >= 128],
];

/** What ours takes though npm refuses it. */
export const TAKEN = [
  // Servers of protocol 3 write whatever an error's data is. From a client any error is a violation, one layer up.
  ["an error of protocol 3 that is any value", ({ text, protocol }) => protocol === 3 && /^4/.test(text)],
  // JavaScript makes text of such a key, ours passes over the member.
  ["a member of the packet under a key that is no text", ({ form }) => form?.oddName],
  // Python's clients write None where JavaScript's leave the member out.
  ["nil for a member that is absent", ({ form }) => form && (form.members.id === "nil" || form.members.data === "nil")],
];

/** What both take, but not for the same. */
export const READ_OTHERWISE = [
  ["blanks in place of an id", hasBlankId],
  // JavaScript rounds it before it makes text of it.
  ["a key that is a whole number of 64 bits", ({ form }) => form?.longKey],
  // npm's decoder gives its bytes, since it knows only the dates that it writes itself.
  ["a timestamp of the msgpack specification", ({ form }) => form?.timestamp],
  ["a member of the packet under a key that is no text", ({ form }) => form?.oddName],
];

/** The name of the first class that applies to one of the messages, each taken alone; `error` is ours, if the class has one. */
export function explanation(classes, parser, messages, error) {
  const known = messages.map((message) => facts(parser, message));
  const found = classes.find((entry) => (entry.length < 3 || entry[1] === error) && known.some(entry.at(-1)));
  return found?.[0];
}

/** What the classes look at: a message, and what npm makes of it, finished or not. */
function facts(parser, message) {
  const { packets = [], pending } = decodeNpm(parser, [message]);
  return {
    protocol: parser.protocol,
    text: typeof message === "string" ? message : undefined,
    form: parser.parser === "msgpack" && typeof message !== "string" ? shapeOf(message) : undefined,
    packet: pending ?? packets[0] ?? {},
    pending,
  };
}

function shapeOf(bytes) {
  try {
    return shape(bytes);
  } catch {
    return undefined;
  }
}
