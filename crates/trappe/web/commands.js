// @ts-check
// What a line of the composer means. Pure.

/** @typedef {{do: "say", text: string} | {do: "refuse", word: string} | {do: "raw", line: string}
 *  | {do: "op", op: {op: string, [field: string]: any}} | {do: "me", text: string} | {do: "msg", to: string, text: string}} Meaning */

const COMMAND = /^\/([a-z][a-z0-9-]*)(?: ([^]*)|$)/i;
/** They would change how this page is written to, and it would understand nothing any more. */
const BREAKING = ["format", "framing", "echo"];

/**
 * The hub asks "which room?" of a command from who is in several; the page knows which one is meant, so those that mean
 * "this room" go as ops.
 * @param {string} text @param {string|undefined} room The room that is looked at; none in a direct conversation.
 * @returns {Meaning}
 */
export function meaning(text, room) {
  if (text.startsWith("//") && COMMAND.test(text.slice(1))) return { do: "say", text: text.slice(1) };
  const match = COMMAND.exec(text);
  if (!match) return { do: "say", text };
  const word = match[1].toLowerCase();
  const rest = match[2]?.trim() ?? "";
  if (BREAKING.includes(word)) return { do: "refuse", word };
  if (word === "me" && rest) return { do: "me", text: `* ${rest}` };
  const to = /^(\S+) ([^]+)$/.exec(rest);
  if ((word === "msg" || word === "mp") && to) return { do: "msg", to: to[1], text: to[2] };
  if (room) {
    if ((word === "who" || word === "qui") && !rest) return { do: "op", op: { op: "who", room } };
    if ((word === "leave" || word === "sortir") && !rest) return { do: "op", op: { op: "leave", room } };
    if ((word === "history" || word === "historique") && /^[1-9]\d{0,5}$|^$/.test(rest)) {
      return { do: "op", op: { op: "history", room, n: Number(rest || 10) } };
    }
    if ((word === "resume" || word === "reprendre") && rest) return { do: "op", op: { op: "resume", room, after: rest } };
  }
  return { do: "raw", line: text };
}
