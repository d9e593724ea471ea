// What the hub says of itself, as rates; a chart's line; the members sorted. Pure.

const SPAN_MS = 120_000;
/** Samples further apart aren't joined by a line. */
const HOLE_MS = 3500;

export class Meters {
	constructor() {
		/** The newest event. */
		this.hub = undefined;
		/** Rates a second: `at`, `messages`, `deliveries`, `in`, `out`. */
		this.samples = [];
		/** With their rates. */
		this.members = [];
		this.rooms = [];
	}

	/** An event `hub`. */
	add(hub) {
		const before = this.hub;
		const at = Date.parse(hub.ts);
		const seconds = before ? (at - Date.parse(before.ts)) / 1000 : 0;
		// A hub that was started anew counts from nothing.
		const same = seconds > 0 && hub.up_s >= before.up_s;
		const rate = (now, then = now) => (same ? Math.max(0, now - then) / seconds : 0);
		if (same) {
			const of = (name) => rate(hub[name], before[name]);
			this.samples.push({ at, messages: of("messages"), deliveries: of("deliveries"), in: of("bytes_in"), out: of("bytes_out") });
			while (this.samples[0].at < at - SPAN_MS) this.samples.shift();
		}
		const members = new Map(this.members.map((it) => [it.sid, it]));
		this.members = hub.member_list.map((it) => {
			const old = members.get(it.sid);
			const sort = old?.name === it.name ? old.sort : sortable(it.name);
			return { ...it, sort, where: it.rooms.join(", "), in_rate: rate(it.in, old?.in), out_rate: rate(it.out, old?.out) };
		});
		const rooms = new Map(this.rooms.map(({ room, seq }) => [room, seq]));
		this.rooms = hub.room_list.map((it) => ({ ...it, rate: rate(it.seq, rooms.get(it.room)) }));
		this.hub = hub;
	}

	greatest(what) {
		return Math.max(0, ...this.samples.map((it) => it[what]));
	}

	/** A chart's line, as an SVG path. */
	line(what, width, height) {
		const end = this.samples.at(-1)?.at ?? 0;
		const most = this.greatest(what) || 1;
		let before = -Infinity;
		return this.samples.map((it) => {
			const pen = it.at - before < HOLE_MS ? "L" : "M";
			before = it.at;
			return `${pen}${(width * (1 - (end - it.at) / SPAN_MS)).toFixed(1)} ${(height * (1 - it[what] / most)).toFixed(1)}`;
		}).join("");
	}
}

/** A name as what sorts client-9 before client-10. */
const sortable = (name) => name.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(12, "0"));

/** Members with the filter in a field, sorted by one. */
export function pick(members, filter, column, down) {
	const wanted = filter.trim().toLowerCase();
	const found = members.filter((it) => [it.name, it.transport, it.address, it.where].some((field) => field.toLowerCase().includes(wanted)));
	const sign = down ? -1 : 1;
	return found.sort((a, b) => (a[column] < b[column] ? -sign : a[column] > b[column] ? sign : a.sid - b.sid));
}
