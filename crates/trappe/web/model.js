// A conversation as data: messages in order, bounded, and which are in the document. Pure.

/** Rows kept, their characters, rows in the document, a step of theirs. */
const ROWS_MAX = 500;
const CHARS_MAX = 2_000_000;
const DRAWN_MAX = 200;
const STEP = 100;

/**
 * @typedef {{type: string, key: number, life: number, at: number, day: number, seq?: number, id?: number,
 *   state?: "pending"|"unconfirmed"|"failed", [field: string]: any}} Row A `seq` means something within its `life` only.
 */

let keys = 0;
const size = ({ text = "", b64 = "" }) => text.length + b64.length;

export class Conversation {
	constructor(kind, name) {
		this.kind = kind;
		this.name = name;
		/** @type {Row[]} */
		this.rows = [];
		this.chars = 0;
		this.life = 0;
		this.epoch = "";
		/** The greatest `seq` so far. */
		this.high = 0;
		/** How many aren't kept; are unread (and the key of the first); came below what is looked at. */
		this.passed = this.unread = this.fresh = this.below = 0;
		/** The last row of the window, by key; 0: the newest. */
		this.anchor = 0;
		this.members = [];
		this.count = 0;
		/** Of a direct one: who it is with. */
		this.sid = 0;
		this.draft = "";
		/** History is on its way; came. */
		this.asking = this.loaded = false;
		/** Grows with every change. */
		this.v = 0;
	}

	row(fields) {
		const at = fields.ts ? Date.parse(fields.ts) : Date.now();
		const day = Math.floor((at - new Date(at).getTimezoneOffset() * 60_000) / 86_400_000);
		return { life: this.life, ...fields, key: ++keys, at, day };
	}

	push(fields) {
		return this.#put(this.row(fields), this.rows.length);
	}

	/**
	 * Puts a row where its number says. One that is there may learn its time, which an acknowledgement doesn't have.
	 * @returns {Row|undefined} the row, if it is new
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
				if (fields.ts && fields.ts !== ts) rows[i] = { ...row, key: rows[i].key };
				this.v++;
				return;
			}
			later = i;
		}
		// What is old goes before what was noticed meanwhile, but after the head of its life.
		if (later < 0) later = row.old ? i + 1 + Number(rows[i + 1]?.type === "life") : rows.length;
		if (later === 0 && rows.length >= ROWS_MAX) return;
		return this.#put(row, later);
	}

	/** Another life of the room: numbers begin anew. */
	begin(epoch) {
		if (epoch === this.epoch) return;
		if (this.epoch) {
			this.life++;
			this.high = 0;
			this.push({ type: "life" });
		}
		this.epoch = epoch;
	}

	/** A message of one's own got its number. */
	confirm(id, seq) {
		const at = this.#pending(id);
		if (at < 0) return;
		this.merge({ ...this.#take(at), state: undefined, life: this.life, seq });
	}

	/** @returns {boolean} whether it was found */
	change(id, fields) {
		const at = this.#pending(id);
		if (at >= 0) this.rows[at] = { ...this.rows[at], ...fields };
		this.v++;
		return at >= 0;
	}

	remove(key) {
		this.#take(this.rows.findIndex((row) => row.key === key));
	}

	/** The rows in the document, how many are before and after. */
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

	shift(direction) {
		const { length } = this.rows;
		const end = length - this.window().after + direction * STEP;
		this.anchor = this.rows[Math.max(Math.min(end, length), Math.min(DRAWN_MAX, length)) - 1].key;
		this.v++;
	}

	follow() {
		this.anchor = this.below = 0;
		this.v++;
	}

	#pending(id) {
		return this.rows.findLastIndex((row) => row.id === id && row.state);
	}

	#take(at) {
		const [row] = this.rows.splice(at, 1);
		this.chars -= size(row);
		this.v++;
		return row;
	}

	#put(row, at) {
		const { rows } = this;
		rows.splice(at, 0, row);
		this.chars += size(row);
		while (rows.length > ROWS_MAX || (this.chars > CHARS_MAX && rows.length > 1)) {
			const { type, count = 0 } = this.#take(0);
			this.passed += type === "msg" ? 1 : count;
		}
		this.v++;
		return row;
	}
}
