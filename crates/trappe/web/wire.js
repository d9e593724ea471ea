// @ts-check
// What went over a member's wire: the newest events; a message as rows of bytes and characters, cut where the reads were. Pure.

export const EVENTS_MAX = 200;
/** Reads that a message may yet end. */
const READS_MAX = 256;

export class Wire {
  /** @param {string} member */
  constructor(member) {
    this.member = member;
    /** @type {any[]} Those of the stream, a message with its `reads` and `bytes`. */
    this.events = [];
    /** @type {{at: number, len: number, time: number}[]} Reads that no message has ended yet. */
    this.reads = [];
    /** Events no longer kept; lost on the way; how many there were. */
    this.passed = this.lost = this.count = 0;
    this.gone = false;
    /** @type {any[]|undefined} What is shown while it is paused; and `count` of then. */
    this.frozen = undefined;
    this.then = 0;
  }

  /** @param {any} ev An event of the stream. */
  add(ev) {
    const time = Date.parse(ev.ts);
    if (ev.ev === "read") {
      this.reads.push({ at: ev.at, len: ev.len, time });
      if (this.reads.length > READS_MAX) this.reads.shift();
      return;
    }
    if (ev.ev === "lost") this.lost += ev.count;
    if (ev.ev === "close") this.gone = true;
    const more = ev.ev === "message" ? { reads: this.#reads(ev.at, ev.at + ev.len), bytes: bytesOf(ev) } : {};
    this.events.push({ ...ev, ...more, time, key: ++this.count });
    if (this.events.length <= EVENTS_MAX) return;
    this.events.shift();
    this.passed++;
  }

  /** Stops what is shown, or lets it go on. */
  pause() {
    this.frozen = this.frozen ? undefined : [...this.events];
    this.then = this.count;
  }

  /** The reads in which bytes from `from` to `to` came; one may hold several messages. */
  #reads(/** @type {number} */ from, /** @type {number} */ to) {
    const reads = this.reads.filter(({ at, len }) => at < to && at + len > from);
    this.reads = this.reads.filter(({ at, len }) => at + len > to);
    return reads.map(({ at, len, time }, i) => ({ len: Math.min(at + len, to) - Math.max(at, from), after: i ? time - reads[i - 1].time : 0 }));
  }
}

/** @param {{text?: string, b64?: string}} message */
export const bytesOf = ({ text, b64 }) => (b64 === undefined ? new TextEncoder().encode(text) : Uint8Array.from(atob(b64), (it) => it.charCodeAt(0)));

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const windows1252 = new TextDecoder("windows-1252");
/** Two columns wide in most fonts. */
const WIDE = /\p{Emoji_Presentation}|\p{Script=Han}|\p{Script=Hangul}|\p{Script=Hiragana}|\p{Script=Katakana}|[\u3000-\u303f\uff01-\uff60]/u;

/** A character as it is seen in one column. @param {string} text */
const seen = (text) => {
  if (text < " ") return String.fromCharCode(0x2400 + text.charCodeAt(0));
  if (text === "\x7f") return "␡";
  return /[\p{C}\p{Zl}\p{Zp}]/u.test(text) ? "◦" : /\p{M}/u.test(text) ? `◌${text}` : text;
};

/**
 * What stands under each byte: a character under its first one, `·` under its others, `×` where there is none.
 * @param {Uint8Array} bytes @param {string} [decoding] @returns {string[]} together as many columns wide
 */
export function characters(bytes, decoding = "utf-8") {
  if (/^(latin|windows)/.test(decoding)) return Array.from(bytes, (_, i) => seen(windows1252.decode(bytes.subarray(i, i + 1))));
  const cells = [];
  for (let i = 0; i < bytes.length; ) {
    const length = 1 + [0xc2, 0xe0, 0xf0].filter((first) => bytes[i] >= first).length;
    let text;
    try {
      text = utf8.decode(bytes.subarray(i, i + length));
    } catch {
      cells.push("×");
      i++;
      continue;
    }
    cells.push(seen(text));
    for (let more = 1; more < length; more++) cells.push(more === 1 && WIDE.test(text) ? "" : "·");
    i += length;
  }
  return cells;
}

/**
 * The rows of a dump, each in parts of one read. @param {Uint8Array} bytes @param {string[]} cells
 * @param {number[]} cuts Where a new read begins. @param {number} width
 * @returns {{at: number, begin: number[], parts: {read: number, cut: boolean, hex: string, text: string}[]}[]} `begin`: reads that begin there
 */
export function dump(bytes, cells, cuts, width) {
  const rows = [];
  let read = 1;
  for (let at = 0; at < bytes.length; at += width) {
    const row = { at, begin: at === 0 && cuts.length ? [1] : /** @type {number[]} */ ([]), parts: /** @type {any[]} */ ([]) };
    for (let i = at; i < Math.min(at + width, bytes.length); i++) {
      const cut = cuts[read - 1] === i;
      if (cut) row.begin.push(++read);
      if (cut || i === at) row.parts.push({ read, cut, hex: "", text: "" });
      const part = row.parts[row.parts.length - 1];
      part.hex += `${bytes[i].toString(16).padStart(2, "0")} `;
      part.text += cells[i];
    }
    rows.push(row);
  }
  return rows;
}

/** Events as text, to be taken along. @param {any[]} events */
export const asText = (events) =>
  events.map(({ key: _key, time: _time, bytes, text: _text, b64: _b64, ...fields }) => {
    const rows = bytes ? dump(bytes, characters(bytes, fields.decoding), fields.cuts ?? [], 16) : [];
    const join = (/** @type {any[]} */ parts, /** @type {"hex"|"text"} */ what) => parts.map((part) => (part.cut ? "|" : "") + part[what]).join("");
    return [JSON.stringify(fields), ...rows.map(({ at, parts }) => `${`${at}`.padStart(6)}  ${join(parts, "hex").padEnd(50)} ${join(parts, "text")}`)].join("\n");
  }).join("\n");
