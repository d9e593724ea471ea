// @ts-check
// A conversation as data: messages in the room's order, bounded, and which of them are in the document. Pure.

/** Rows kept, their characters, rows in the document; and by how many those move. */
export const ROWS_MAX = 500;
export const CHARS_MAX = 2_000_000;
export const DRAWN_MAX = 200;
export const STEP = 100;

/**
 * @typedef {{type: string, key: number, life: number, at: number, day: number, seq?: number, id?: number, text?: string, b64?: string,
 *   own?: boolean, old?: boolean, state?: "pending"|"unconfirmed"|"failed", [more: string]: any}} Row
 * A number (`seq`) means something within one `life` of the room only.
 */

let keys = 0;
const size = (/** @type {any} */ { text = "", b64 = "" }) => text.length + b64.length;

export class Conversation {
  /** @param {"room"|"direct"} kind @param {string} name */
  constructor(kind, name) {
    this.kind = kind;
    this.name = name;
    /** @type {Row[]} */
    this.rows = [];
    this.chars = 0;
    this.life = 0;
    this.epoch = "";
    /** The greatest number so far. */
    this.high = 0;
    /** Messages no longer kept; unread ones; the key of the first of them; those that came below what is looked at. */
    this.passed = this.unread = this.fresh = this.below = 0;
    /** The last row of the window, by key; 0: the newest. */
    this.anchor = 0;
    /** @type {{name: string, sid: number}[]} */
    this.members = [];
    this.count = 0;
    /** Who it is with, if it is direct. */
    this.sid = 0;
    this.draft = "";
    /** A question who is here that is about to be asked. */
    this.who = undefined;
    /** History is on its way; came; has no more. */
    this.asking = this.loaded = this.complete = false;
    /** Grows with every change. */
    this.v = 0;
  }

  /** @param {{type: string, [more: string]: any}} fields @returns {Row} */
  row(fields) {
    const at = fields.ts ? Date.parse(fields.ts) : Date.now();
    const day = Math.floor((at - new Date(at).getTimezoneOffset() * 60_000) / 86_400_000);
    return { life: this.life, ...fields, key: ++keys, at, day };
  }

  /** Puts a row at the end. @param {{type: string, [more: string]: any}} fields */
  push(fields) {
    return this.#put(this.row(fields), this.rows.length);
  }

  /**
   * Puts a row where its number says. One that is there already may only learn its time, which an acknowledgement doesn't have.
   * @param {{type: string, seq: number, [more: string]: any}} fields @returns {Row|undefined} the row, if it is new
   */
  merge(fields) {
    const { rows } = this;
    const row = this.row(fields);
    let i = rows.length - 1;
    let later = -1;
    for (; i >= 0 && rows[i].life === row.life; i--) {
      const { seq, type, ts } = rows[i];
      if (seq === undefined) continue;
      if (seq < fields.seq) break;
      if (seq === fields.seq && type === row.type) {
        if (fields.ts && fields.ts !== ts) rows[i] = { ...rows[i], ts: fields.ts, at: row.at, day: row.day };
        this.v++;
        return undefined;
      }
      later = i;
    }
    // What is old goes before what was noticed meanwhile, but after the head of its life.
    if (later < 0) later = row.old ? i + 1 + Number(rows[i + 1]?.type === "life") : rows.length;
    if (later === 0 && rows.length >= ROWS_MAX) return undefined;
    return this.#put(row, later);
  }

  /** Another life of the room: its numbers begin anew. @param {string} epoch */
  begin(epoch) {
    if (epoch === this.epoch) return;
    if (this.epoch) {
      this.life++;
      this.high = 0;
      this.push({ type: "life" });
    }
    this.epoch = epoch;
  }

  /** A message of one's own got its number. @param {number} id @param {number} seq */
  confirm(id, seq) {
    const at = this.#pending(id);
    if (at < 0) return;
    const { state: _state, ...row } = this.#take(at);
    this.merge({ ...row, life: this.life, seq });
  }

  /** @param {number} id @param {Partial<Row>} fields @returns {boolean} whether it was found */
  change(id, fields) {
    const at = this.#pending(id);
    if (at >= 0) this.rows[at] = { ...this.rows[at], ...fields };
    this.v++;
    return at >= 0;
  }

  /** @param {number} key */
  remove(key) {
    this.#take(this.rows.findIndex((row) => row.key === key));
  }

  /** The rows in the document, and how many are before and after them. */
  window() {
    const { rows, anchor } = this;
    // The row that it hangs on may be gone.
    const end = anchor ? rows.findIndex((row) => row.key === anchor) + 1 || Math.min(rows.length, DRAWN_MAX) : rows.length;
    const start = Math.max(0, end - DRAWN_MAX);
    return { rows: rows.slice(start, end), before: start, after: rows.length - end };
  }

  /** Stays where it is, whatever comes. */
  hold() {
    this.anchor ||= this.rows.at(-1)?.key ?? 0;
  }

  /** Moves the window. @param {-1|1} direction */
  shift(direction) {
    const { length } = this.rows;
    const end = length - this.window().after + direction * STEP;
    this.anchor = this.rows[Math.max(Math.min(end, length), Math.min(DRAWN_MAX, length)) - 1].key;
    this.v++;
  }

  /** Back to the newest. */
  follow() {
    this.anchor = this.below = 0;
    this.v++;
  }

  #pending(/** @type {number} */ id) {
    return this.rows.findLastIndex((row) => row.id === id && row.state);
  }

  #take(/** @type {number} */ at) {
    const [row] = this.rows.splice(at, 1);
    this.chars -= size(row);
    this.v++;
    return row;
  }

  #put(/** @type {Row} */ row, /** @type {number} */ at) {
    const { rows } = this;
    rows.splice(at, 0, row);
    this.chars += size(row);
    while (rows.length > ROWS_MAX || (this.chars > CHARS_MAX && rows.length > 1)) if (this.#take(0).type === "msg") this.passed++;
    this.v++;
    return row;
  }
}
