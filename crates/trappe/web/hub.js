// The connection to a hub: session, resume, acknowledged sends, reconnecting (docs/protocol.md §5–§7). No DOM.

/** A longer frame closes the connection. */
export const FRAME_BYTES_MAX = 65536;
/** Sends that may wait for their acknowledgement. */
export const UNACKED_MAX = 100;
/** With more messages ahead of it, one is missed for good. */
const AHEAD_MAX = 1024;
const OPEN_MS_MAX = 10_000;

/** With full jitter: not all come at once to a hub that is back. */
export const backoff = (attempt) => Math.round(Math.random() * Math.min(20_000, 500 * 2 ** attempt));

/** Up to where everything of a room has come. */
export class Mark {
	/** @param {string} pos EPOCH@SEQ */
	constructor(pos) {
		this.move(pos);
	}

	move(pos) {
		const [epoch, seq] = pos.split("@");
		this.epoch = epoch;
		this.seq = Number(seq);
		this.ahead = new Set();
	}

	/** Not in order: an acknowledgement may overtake a message. */
	had(seq) {
		if (seq > this.seq) this.ahead.add(seq);
		if (this.ahead.size > AHEAD_MAX) this.seq = Math.min(...this.ahead) - 1;
		while (this.ahead.delete(this.seq + 1)) this.seq++;
	}

	/** Those up to `seq` won't come. */
	skip(seq) {
		this.seq = Math.max(this.seq, seq);
		for (const ahead of this.ahead) if (ahead <= this.seq) this.ahead.delete(ahead);
		this.had(0);
	}

	toString() {
		return `${this.epoch}@${this.seq}`;
	}
}

export class Hub {
	/**
	 * `url`; `rooms` to enter; `lang`; what `save` gave as `saved`; `onevent(ev)`: the hub says something; `onstate(state)`: its `at` is
	 * connecting, open, waiting (`until`, `why`), superseded, quit or closed; `onunconfirmed(sends)`: they may not have been said.
	 */
	constructor({ saved = {}, rooms, ...options }) {
		this.options = options;
		this.session = saved.session;
		this.rooms = new Map(rooms.map((room) => [room, undefined]));
		this.unacked = new Map(saved.unacked?.map((send) => [send.id, send]));
		/** By id: `[resolve, reject]`. */
		this.asked = new Map();
		// The ids of a session have to grow, over a reload too; time does.
		this.id = Math.max(Date.now(), ...[...this.unacked.keys()].map((id) => id + 1));
		this.attempt = 0;
		this.state = { at: "closed" };
	}

	get open() {
		return this.state.at === "open";
	}

	/** What a reloaded page needs to be the same member. */
	save() {
		return { session: this.session, rooms: [...this.rooms.keys()], unacked: [...this.unacked.values()] };
	}

	connect() {
		if (this.open || this.state.at === "connecting") return;
		clearTimeout(this.timer);
		this.#enter({ at: "connecting", why: this.state.why });
		const socket = new WebSocket(this.options.url, "trappe.json.v1");
		this.socket = socket;
		this.goodbye = undefined;
		this.timer = setTimeout(() => this.#lost(socket, 0), OPEN_MS_MAX);
		socket.onopen = () => {
			this.hello = this.id++;
			const rooms = [...this.rooms].map(([room, mark]) => (mark ? { room, after: `${mark}` } : { room }));
			// Only as the first op does it take a session over.
			this.#write({ op: "hello", session: this.session, rooms, id: this.hello });
			if (this.options.lang) this.#write({ op: "lang", lang: this.options.lang });
		};
		socket.onmessage = ({ data }) => socket === this.socket && this.#heard(JSON.parse(data));
		socket.onclose = ({ code }) => this.#lost(socket, code);
	}

	/** Leaves without a word; `connect` comes back. */
	close() {
		clearTimeout(this.timer);
		this.socket?.close();
		this.socket = undefined;
		this.#fail();
		this.#enter({ at: "closed" });
	}

	/** Says something in a room, once, whatever the connection does meanwhile. @returns {number} the id of its `ack` */
	send(room, text) {
		const send = { id: this.id++, room, text };
		this.unacked.set(send.id, send);
		if (this.open) this.#say(send);
		return send.id;
	}

	/** Asks for any other op: the event that answers it, or the error, or the code `lost`. */
	ask(op) {
		return new Promise((...settle) => {
			if (!this.open) return settle[1]({ code: "lost" });
			this.asked.set(this.id, settle);
			this.#write({ ...op, id: this.id++ });
		});
	}

	/** A line that begins with `/`. @param {string} line */
	command(line) {
		if (this.open) this.socket?.send(line);
	}

	#write(op) {
		this.socket?.send(JSON.stringify(op));
	}

	#say(send) {
		send.sent = true;
		this.#write({ op: "send", room: send.room, text: send.text, id: send.id });
	}

	#enter(state) {
		this.state = state;
		this.options.onstate(state);
	}

	#heard(ev) {
		// The one that comes by itself is of a session that our own is about to replace.
		if (ev.ev === "hello" && ev.id !== this.hello) return;
		if (ev.ev === "hello") this.#greeted(ev);
		if (ev.ev === "bye" || (ev.ev === "error" && !this.open)) this.goodbye = ev;
		// It won't have one of the rooms: the next attempt is without.
		if (ev.ev === "error" && ev.id === this.hello) {
			this.rooms.clear();
			this.socket?.close();
		}
		this.#follow(ev);
		if (ev.ev !== "msg" || ev.own) this.unacked.delete(ev.id);
		// The messages of history bear the id of the op too, but aren't its answer; nor is a gap.
		const asked = ev.ev === "msg" || ev.ev === "gap" ? undefined : this.asked.get(ev.id);
		this.options.onevent(ev);
		if (!asked) return;
		this.asked.delete(ev.id);
		asked[ev.ev === "error" ? 1 : 0](ev);
	}

	#greeted(ev) {
		clearTimeout(this.timer);
		this.attempt = 0;
		this.session = ev.session;
		for (const { room, pos } of ev.rooms) if (!this.rooms.get(room)) this.rooms.set(room, new Mark(pos));
		this.#enter({ at: "open" });
		const sends = [...this.unacked.values()];
		// What was on its way in another session may have been said, or not.
		const lost = ev.resumed ? [] : sends.filter(({ sent }) => sent);
		for (const { id } of lost) this.unacked.delete(id);
		this.options.onunconfirmed(lost);
		for (const send of sends) if (this.unacked.has(send.id)) this.#say(send);
	}

	/** Keeps the positions. */
	#follow({ ev, own, room, seq, pos, to, oldest }) {
		const mark = this.rooms.get(room);
		if (own && ev === "join") this.rooms.set(room, new Mark(pos));
		else if (own && ev === "leave") this.rooms.delete(room);
		else if (!mark) return;
		else if (ev === "msg" || ev === "ack") mark.had(seq);
		else if (ev === "live" && !pos.startsWith(mark.epoch)) mark.move(pos);
		else if (ev === "gap" && oldest) {
			const first = new Mark(oldest);
			if (first.epoch === mark.epoch) mark.skip(first.seq - 1);
			else mark.move(`${first.epoch}@${first.seq - 1}`);
		} else if (ev === "gap" && to) mark.skip(to);
	}

	#fail() {
		for (const [, reject] of this.asked.values()) reject({ code: "lost" });
		this.asked.clear();
	}

	#lost(socket, code) {
		if (socket !== this.socket) return;
		clearTimeout(this.timer);
		this.socket = undefined;
		socket.close();
		this.#fail();
		const { reason, code: why = reason ?? (this.session ? "lost" : "never"), text } = this.goodbye ?? {};
		if (reason === "superseded" || reason === "quit") return this.#enter({ at: reason });
		if (code === 1009) this.#refuseLongest();
		const delay = backoff(this.attempt++);
		this.timer = setTimeout(() => this.connect(), delay);
		this.#enter({ at: "waiting", until: Date.now() + delay, why, text });
	}

	/** Said again, what was too long would close the connection again. */
	#refuseLongest() {
		const [longest] = [...this.unacked.values()].sort((a, b) => b.text.length - a.text.length);
		if (!longest?.sent) return;
		this.unacked.delete(longest.id);
		this.options.onevent({ ev: "error", code: "too-long", id: longest.id });
	}
}
