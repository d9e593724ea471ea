// @ts-check
// A conversation as data: messages in the room's order, bounded, and which of them are in the document. Pure.

/** Rows kept of a conversation, their characters, rows in the document, and where a message is folded. */
export const ROWS_MAX = 500;
export const CHARS_MAX = 2_000_000;
export const DRAWN_MAX = 200;
export const FOLD_CHARS = 2000;
/** Rows by which the window moves. */
export const STEP = 100;

/**
 * @typedef {{key: number, type: "msg"|"gap"|"life"|"notice"|"error"|"joined"|"left"|"renamed"|"who"|"rooms"|"why"|"same-name",
 *  life: number, seq?: number, at: number, day: number, from?: string, sid?: number, text?: string, b64?: string,
 *  own?: boolean, old?: boolean, state?: "pending"|"unconfirmed"|"failed", id?: number, [more: string]: any}} Row
 * `life` counts the epochs of the room: a number means something within one only.
 */

let keys = 0;

/** The day of a moment, as a number, where the reader is. */
export const dayOf = (/** @type {number} */ at) => Math.floor((at - new Date(at).getTimezoneOffset() * 60_000) / 86_400_000);

export class Conversation {
  /** @param {"room"|"direct"} kind @param {string} name */
  constructor(kind, name) {
    this.kind = kind;
    this.name = name;
    /** @type {Row[]} */
    this.rows = [];
    this.life = 0;
    this.epoch = "";
    this.chars = 0;
    /** How many messages were passed over, to keep what is kept bounded. */
    this.passed = 0;
    this.unread = 0;
    /** Where the unread begin: the key of a row. */
    this.fresh = 0;
    /** Messages that came while the reader was further up. */
    this.below = 0;
    /** The last row of the window, by key; 0: the newest. */
    this.anchor = 0;
    /** @type {{name: string, sid: number}[]} */
    this.members = [];
    this.count = 0;
    /** @type {number|undefined} Of a direct conversation: who it was. */
    this.sid = undefined;
    this.draft = "";
    /** Of a room's history: it is on its way, it came, there is no more of it; and the greatest number so far. */
    this.asking = false;
    this.loaded = false;
    this.complete = false;
    this.high = 0;
    /** Changes with everything that shows. */
    this.v = 0;
  }

  /** @param {Partial<Row> & {type: Row["type"]}} fields @returns {Row} */
  row(fields) {
    const at = fields.ts ? Date.parse(fields.ts) : Date.now();
    return { life: this.life, ...fields, key: ++keys, at, day: dayOf(at) };
  }

  /** Puts a row at the end. @param {Partial<Row> & {type: Row["type"]}} fields */
  push(fields) {
    const row = this.row(fields);
    this.rows.push(row);
    this.#grown(row);
    return row;
  }

  /**
   * Puts a message, or a gap, where its number says; one that is there already is only completed.
   * @param {Partial<Row> & {type: Row["type"], seq: number}} fields @returns {Row|undefined} the row, if it is new
   */
  merge(fields) {
    const row = this.row(fields);
    const { rows } = this;
    let i = rows.length - 1;
    let later = -1;
    for (; i >= 0 && rows[i].life === row.life; i--) {
      const seq = rows[i].seq;
      if (seq === undefined) continue;
      if (seq < fields.seq) break;
      if (seq === fields.seq && rows[i].type === row.type) {
        // An acknowledgement has no time; the message itself does.
        if (fields.ts && rows[i].ts !== fields.ts) rows[i] = { ...rows[i], ts: fields.ts, at: row.at, day: row.day };
        this.v++;
        return undefined;
      }
      later = i;
    }
    if (later < 0) later = row.old ? i + 1 + (rows[i + 1]?.type === "life" ? 1 : 0) : rows.length;
    // What is older than the oldest of a full conversation would only push itself out.
    if (later === 0 && rows.length >= ROWS_MAX) return undefined;
    rows.splice(later, 0, row);
    this.#grown(row);
    return row;
  }

  /** Another life of the room: numbers begin anew. @param {string} epoch */
  begin(epoch) {
    if (epoch === this.epoch) return;
    if (this.epoch) {
      this.life++;
      this.high = 0;
      this.push({ type: "life" });
    }
    this.epoch = epoch;
  }

  /** An own message got its number. @param {number} id @param {number} [seq] */
  confirm(id, seq) {
    const at = this.rows.findLastIndex((row) => row.id === id && row.own && row.state);
    if (at < 0) return;
    const [{ key: _key, state: _state, seq: _seq, ...row }] = this.rows.splice(at, 1);
    this.chars -= size(row);
    if (seq) this.merge({ ...row, life: this.life, seq });
    else this.rows.splice(at, 0, this.#counted({ ...this.row(row), at: row.at, day: row.day }));
    this.v++;
  }

  /** @param {number} id @param {Partial<Row>} fields */
  change(id, fields) {
    const at = this.rows.findLastIndex((row) => row.id === id && row.own && row.state);
    if (at >= 0) this.rows[at] = { ...this.rows[at], ...fields };
    this.v++;
    return at >= 0;
  }

  /** @param {number} key */
  remove(key) {
    const at = this.rows.findIndex((row) => row.key === key);
    if (at >= 0) this.chars -= size(this.rows.splice(at, 1)[0]);
    this.v++;
  }

  /** The rows that are in the document, and how many are before and after them. */
  window() {
    const { rows, anchor } = this;
    let end = anchor ? rows.findIndex((row) => row.key === anchor) + 1 : rows.length;
    // The row that it hung on may be gone.
    if (end === 0) end = Math.min(rows.length, DRAWN_MAX);
    const start = Math.max(0, end - DRAWN_MAX);
    return { rows: rows.slice(start, end), before: start, after: rows.length - end };
  }

  /** Stays where it is, whatever comes. */
  hold() {
    this.anchor ||= this.rows.at(-1)?.key ?? 0;
  }

  /** Moves the window. @param {-1|1} direction */
  shift(direction) {
    const { rows, before } = this.window();
    const end = before + rows.length + direction * STEP;
    const last = this.rows[Math.max(Math.min(end, this.rows.length), Math.min(DRAWN_MAX, this.rows.length)) - 1];
    this.anchor = last?.key ?? 0;
    this.v++;
  }

  /** Back to the newest. */
  follow() {
    if (this.anchor || this.below) this.v++;
    this.anchor = 0;
    this.below = 0;
  }

  #counted(/** @type {Row} */ row) {
    this.chars += size(row);
    return row;
  }

  #grown(/** @type {Row} */ row) {
    this.#counted(row);
    this.v++;
    const { rows } = this;
    let drop = 0;
    let chars = this.chars;
    while (rows.length - drop > ROWS_MAX || (chars > CHARS_MAX && drop < rows.length - 1)) chars -= size(rows[drop++]);
    if (!drop) return;
    for (const gone of rows.splice(0, drop)) if (gone.type === "msg") this.passed++;
    this.chars = chars;
  }
}

const size = (/** @type {{text?: string, b64?: string}} */ row) => (row.text?.length ?? 0) + (row.b64?.length ?? 0);
