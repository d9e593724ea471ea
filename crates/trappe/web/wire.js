// @ts-check
// What went over a member's wire: events kept, and a message as rows of bytes and characters, cut where the reads were. Pure.

/** Events kept, and reads that may yet belong to a message. */
export const EVENTS_MAX = 200;
const READS_MAX = 256;
/** Bytes of a message that are shown at first. */
export const SHOWN_BYTES = 128;

/** @typedef {{ev: string, ts: string, at: number, key: number, [field: string]: any}} Entry */

let keys = 0;

export class Wire {
  /** @param {string} member */
  constructor(member) {
    this.member = member;
    /** @type {Entry[]} */
    this.events = [];
    /** @type {{at: number, len: number, time: number, n: number}[]} Reads that no message has ended yet. */
    this.reads = [];
    this.passed = 0;
    this.lost = 0;
    this.gone = false;
    /** @type {any} */
    this.opened = undefined;
    /** @type {Entry[]|undefined} What is shown while it is paused. */
    this.frozen = undefined;
    this.since = 0;
  }

  /** @param {any} ev An event of the stream. */
  add(ev) {
    const time = Date.parse(ev.ts);
    if (ev.ev === "read") {
      this.reads.push({ at: ev.at, len: ev.len, time, n: 0 });
      if (this.reads.length > READS_MAX) this.reads.shift();
      return;
    }
    if (ev.ev === "lost") this.lost += ev.count;
    if (ev.ev === "open") this.opened ??= ev;
    if (ev.ev === "close") this.gone = true;
    const entry = { ...ev, time, key: ++keys };
    if (ev.ev === "message") {
      entry.reads = this.#reads(ev.at, ev.at + ev.len);
      // Bytes rather than text: it is the bytes that are looked at.
      entry.bytes = bytesOf(ev);
    }
    this.events.push(entry);
    if (this.frozen) this.since++;
    if (this.events.length > EVENTS_MAX) {
      this.events.shift();
      this.passed++;
    }
  }

  pause() {
    this.frozen = this.frozen ? undefined : [...this.events];
    this.since = 0;
  }

  get shown() {
    return this.frozen ?? this.events;
  }

  /** Bytes that were read and that nothing has ended yet. */
  get pending() {
    return this.reads.reduce((sum, { len }) => sum + len, 0);
  }

  /** The reads in which bytes from `from` up to `to` came; one may hold several messages. */
  #reads(/** @type {number} */ from, /** @type {number} */ to) {
    const reads = this.reads.filter(({ at, len }) => at < to && at + len > from);
    this.reads = this.reads.filter(({ at, len }) => at + len > to);
    return reads.map(({ at, len, time }, i) => ({
      len: Math.min(at + len, to) - Math.max(at, from),
      time,
      after: i ? time - reads[i - 1].time : 0,
    }));
  }
}

/** @param {{text?: string, b64?: string}} message @returns {Uint8Array} */
export function bytesOf({ text, b64 }) {
  if (b64 === undefined) return new TextEncoder().encode(text ?? "");
  return Uint8Array.from(atob(b64), (it) => it.charCodeAt(0));
}

const utf8 = new TextDecoder("utf-8", { fatal: true });
const windows1252 = new TextDecoder("windows-1252");
/** Takes two columns in most fonts: East Asian, emoji. */
const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f000}-\u{1faff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
const MARK = /\p{M}/u;
const NOTHING = /[\p{Cf}\p{Cc}\p{Zl}\p{Zp}\p{Co}\p{Cn}]/u;

/**
 * What stands under each byte: a character under its first one, `·` under the others.
 * @param {Uint8Array} bytes @param {string} [decoding]
 * @returns {string[]} as many columns wide as there are bytes, together
 */
export function characters(bytes, decoding = "utf-8") {
  const single = decoding === "latin-1" || decoding === "windows-1252";
  const cells = [];
  for (let i = 0; i < bytes.length; ) {
    const byte = bytes[i];
    const length = byte < 0xc2 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : byte < 0xf5 ? 4 : 1;
    let text;
    if (byte < 0x80) text = byte < 0x20 ? String.fromCharCode(0x2400 + byte) : byte === 0x7f ? "␡" : String.fromCharCode(byte);
    else if (single) text = windows1252.decode(bytes.subarray(i, i + 1));
    else {
      try {
        text = utf8.decode(bytes.subarray(i, i + length));
      } catch {
        text = undefined;
      }
    }
    const ok = byte < 0x80 || text !== undefined;
    const took = single || !ok ? 1 : length;
    const shown = text === undefined ? "×" : NOTHING.test(text) ? "◦" : MARK.test(text) ? `◌${text}` : text;
    cells.push(shown);
    if (took > 1) {
      const wide = WIDE.test(shown);
      if (wide) cells.push("");
      for (let k = wide ? 2 : 1; k < took; k++) cells.push("·");
    }
    i += took;
  }
  return cells;
}

/**
 * The rows of a dump.
 * @param {Uint8Array} bytes @param {string[]} cells @param {number[]} cuts Where a new read begins. @param {number} width
 * @returns {{at: number, parts: {read: number, cut: boolean, hex: string, text: string}[], begin: number[]}[]}
 *   `parts`: of one read each; `begin`: the reads that begin in this row
 */
export function dump(bytes, cells, cuts, width) {
  const rows = [];
  let read = 1;
  let next = 0;
  for (let at = 0; at < bytes.length; at += width) {
    const parts = [];
    const begin = [];
    for (let i = at; i < Math.min(at + width, bytes.length); i++) {
      const cut = cuts[next] === i;
      if (cut) {
        next++;
        begin.push(++read);
      }
      if (cut || i === at) parts.push({ read, cut, hex: "", text: "" });
      const part = parts[parts.length - 1];
      part.hex += `${bytes[i].toString(16).padStart(2, "0")} `;
      part.text += cells[i];
    }
    if (at === 0 && cuts.length) begin.unshift(1);
    rows.push({ at, parts, begin });
  }
  return rows;
}

/** All of it as text, to be taken along. @param {Entry[]} events */
export function asText(events) {
  return events
    .map((it) => {
      const { bytes, reads, key, time, text, b64, ev, ts, sid: _sid, ...rest } = it;
      const fields = Object.entries(rest).map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
      const head = [ts, ev, ...fields].filter(Boolean).join(" ");
      if (!bytes) return head;
      const came = reads.map((/** @type {any} */ { len, after }) => `${len}${after ? ` (+${after} ms)` : ""}`).join(", ");
      const rows = dump(bytes, characters(bytes, it.decoding), it.cuts ?? [], 16).map(
        ({ at, parts }) =>
          `  ${String(at).padStart(5, "0")}  ${parts.map(({ hex, cut }) => (cut ? "|" : "") + hex.trim()).join(" ").padEnd(50)}  ${parts.map(({ text }) => text).join("|")}`,
      );
      return [`${head}${came ? ` reads=[${came}]` : ""}`, ...rows].join("\n");
    })
    .join("\n");
}
