// What went over a wire; a message as rows of bytes and characters, cut where the reads were. Pure.

import { bytesOf } from "./trappe.js";

const EVENTS_MAX = 200;
/** Reads that a message may yet end. */
const READS_MAX = 256;

export class Wire {
	constructor(member) {
		this.member = member;
		/** Of the stream; a message with its `reads` and `bytes`. */
		this.events = [];
		/** That no message has ended yet. */
		this.reads = [];
		/** Events in all. */
		this.count = 0;
		this.gone = false;
		/** What is shown while it is paused; `count` of then. */
		this.frozen = undefined;
		this.then = 0;
	}

	add(ev) {
		const time = Date.parse(ev.ts);
		if (ev.ev === "read") {
			this.reads.push({ ...ev, time });
			if (this.reads.length > READS_MAX) this.reads.shift();
			return;
		}
		if (ev.ev === "close") this.gone = true;
		const more = ev.ev === "message" ? { reads: this.#reads(ev.at, ev.at + ev.len), bytes: bytesOf(ev) } : {};
		this.events.push({ ...ev, ...more, time, key: ++this.count });
		if (this.events.length > EVENTS_MAX) this.events.shift();
	}

	pause() {
		this.frozen = this.frozen ? undefined : [...this.events];
		this.then = this.count;
	}

	/** The reads in which these bytes came; one may hold several messages. */
	#reads(from, to) {
		const reads = this.reads.filter(({ at, len }) => at < to && at + len > from);
		this.reads = this.reads.filter(({ at, len }) => at + len > to);
		return reads.map(({ at, len, time }, i) => ({ len: Math.min(at + len, to) - Math.max(at, from), after: i ? time - reads[i - 1].time : 0 }));
	}
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const windows1252 = new TextDecoder("windows-1252");
/** Two columns wide. */
const WIDE = /\p{Emoji_Presentation}|\p{sc=Han}|\p{sc=Hangul}|\p{sc=Hira}|\p{sc=Kana}|[\u3000-\u303f\uff01-\uff60]/u;

/** A character as it is seen in one column. */
const seen = (text) => {
	if (text < " ") return String.fromCharCode(0x2400 + text.charCodeAt(0));
	if (text === "\x7f") return "␡";
	return /[\p{C}\p{Zl}\p{Zp}]/u.test(text) ? "◦" : /\p{M}/u.test(text) ? `◌${text}` : text;
};

/** What stands under each byte: a character under its first one, `·` under its others, `×` where there is none. */
export function characters(bytes, decoding = "utf-8") {
	if (/^(latin|windows)/.test(decoding)) return Array.from(bytes, (_, i) => seen(windows1252.decode(bytes.subarray(i, i + 1))));
	const cells = [];
	while (cells.length < bytes.length) {
		const at = cells.length;
		const length = 1 + [0xc2, 0xe0, 0xf0].filter((first) => bytes[at] >= first).length;
		try {
			const text = utf8.decode(bytes.subarray(at, at + length));
			cells.push(seen(text));
			for (let more = 1; more < length; more++) cells.push(more === 1 && WIDE.test(text) ? "" : "·");
		} catch {
			cells.push("×");
		}
	}
	return cells;
}

/** The rows of a dump: `at`; the reads that `begin` there, as `cuts` says; `parts` of one read each. */
export function dump(bytes, cells, cuts, width) {
	const rows = [];
	let read = 1;
	for (let at = 0; at < bytes.length; at += width) {
		const row = { at, begin: at === 0 && cuts.length ? [1] : [], parts: [] };
		for (let i = at; i < Math.min(at + width, bytes.length); i++) {
			const cut = cuts[read - 1] === i;
			if (cut) row.begin.push(++read);
			if (cut || i === at) row.parts.push({ read, cut, hex: "", text: "" });
			const part = row.parts.at(-1);
			part.hex += `${bytes[i].toString(16).padStart(2, "0")} `;
			part.text += cells[i];
		}
		rows.push(row);
	}
	return rows;
}

export const asText = (events) =>
	events.map(({ key, time, bytes, text, b64, ...fields }) => {
		const rows = bytes ? dump(bytes, characters(bytes, fields.decoding), fields.cuts ?? [], 16) : [];
		const join = (parts, what) => parts.map((part) => (part.cut ? "|" : "") + part[what]).join("");
		return [JSON.stringify(fields), ...rows.map(({ parts }) => `\t${join(parts, "hex").padEnd(50)} ${join(parts, "text")}`)].join("\n");
	}).join("\n");
