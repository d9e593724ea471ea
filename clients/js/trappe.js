// A client of trappe, the socket hub, for browsers, Node >= 22, Deno and Bun: one ES module without dependencies. It
// goes on through a hub that is killed and started again. `Machine` decides, without a clock, a socket or a document:
// session, positions, what is said again, when to come back. `Trappe` is the WebSocket around it, and what a program
// calls. How it is used: README.md beside it; what the hub says: docs/protocol.md §5–§7.

/** UTF-16 units of the longest frame that is taken from a hub. */
const FRAME_MAX = 1 << 20;
/** Sends that wait for their acknowledgement, and UTF-16 units of their text. */
const SENDS_MAX = 1000;
const TEXT_MAX = 8 << 20;
/** Sends on the wire from the oldest unacknowledged one on: the hub remembers the ids of 1024. */
const WINDOW = 1000;
/** Other ops that wait for their answer. */
const ASKED_MAX = 1000;
/** With more messages ahead of it, one is missed for good. */
const AHEAD_MAX = 1024;
/** Rooms in which a member may be. */
const ROOMS_MAX = 64;
/** Ids of each of so many senders, by which a room knows a message that comes again. */
const IDS_MAX = 1024;
const SIDS_MAX = 4096;
/** From the attempt to connect to the answer to `hello`. */
const OPEN_MS_MAX = 10_000;
/** After so long a connection counts as one that works: the next break is the first again. */
const HEALTHY_MS = 5000;
/** So long a hub may be silent before it is asked; and may take to answer. */
const SILENT_MS = 60_000;
const PONG_MS_MAX = 10_000;

const fold = (room) => room.toLowerCase();
const units = ({ text, b64 }) => (text ?? b64).length;
/** Forgets the oldest of a `Map` or a `Set`. */
const shrink = (it, max) => it.size > max && it.delete(it.keys().next().value);

/**
 * How long to wait before the next attempt, with full jitter: not all come at once to a hub that is back.
 * @param {number} attempt from 0
 * @returns {number} ms, up to 20 s
 */
export const backoff = (attempt, random = Math.random) => Math.round(random() * Math.min(20_000, 500 * 2 ** attempt));

/** Up to where everything of a room has come, and which messages were the last. */
export class Mark {
	/** From a position on until `live`: what comes after it and was here before is asked for by nobody. */
	catching;
	/** Whether its state is followed. */
	follows;
	/** The hub knew nobody any more, and hasn't told yet in which life the room is. */
	anew = false;
	/** By sender, the one who spoke last last: the ids of its messages. */
	ids = new Map();

	/** @param {string} pos EPOCH@SEQ; throws where it is none */
	constructor(pos) {
		this.move(pos);
	}

	/**
	 * Another life of the room: its senders say again what a crash took with the former one, under their old ids. Unless
	 * the hub knew nobody any more: then others have their numbers.
	 */
	another(pos) {
		this.move(pos);
		if (this.anew) this.ids.clear();
		this.anew = false;
	}

	/** To another place, perhaps in another life. */
	move(pos) {
		const found = /^(\w+)@(\d{1,16})$/.exec(pos);
		if (!found) throw new Error(`${pos} is no position; expected: EPOCH@SEQ`);
		this.epoch = found[1];
		/** `passed`: the last message that was passed on; one before it comes too late. */
		this.seq = this.passed = Number(found[2]);
		this.ahead = new Set();
	}

	/** Not in order: an acknowledgement may overtake a message. @returns {boolean} whether it is new */
	had(seq) {
		const fresh = seq > this.seq && !this.ahead.has(seq);
		if (fresh) this.ahead.add(seq);
		if (this.ahead.size > AHEAD_MAX) this.seq = Math.min(...this.ahead) - 1;
		while (this.ahead.delete(this.seq + 1)) this.seq++;
		return fresh;
	}

	/** Those up to `seq` won't come. */
	skip(seq) {
		this.seq = Math.max(this.seq, seq);
		for (const ahead of this.ahead) if (ahead <= this.seq) this.ahead.delete(ahead);
		this.had(0);
	}

	/**
	 * Whether this message has been here under another number: a hub that crashed before it was kept is told it again.
	 * From now on it has been. What has no id is never said again.
	 */
	again(sid, id) {
		if (sid === undefined || id === undefined) return false;
		const ids = this.ids.get(sid) ?? new Set();
		this.ids.delete(sid);
		this.ids.set(sid, ids);
		shrink(this.ids, SIDS_MAX);
		const known = ids.has(id);
		ids.add(id);
		shrink(ids, IDS_MAX);
		return known;
	}

	toString() {
		return `${this.epoch}@${this.seq}`;
	}
}

/**
 * A member's side of a session. Each input may leave effects in `out`, to be done in their order: `[name, …]` is one of
 * `open` (a socket), `write` (a frame), `close` (the socket, of which nothing more is heard), `emit` (an event),
 * `settle` (an id, with its error or its answer). `now`: ms that only grow, over reloads of a page too.
 */
export class Machine {
	/** `options`: those of `Trappe`, and `random`, which gives numbers from 0 up to 1. */
	constructor(now, options) {
		this.options = { rooms: ["lobby"], retry: Infinity, outbox: SENDS_MAX, outboxText: TEXT_MAX, ...options };
		const { saved, rooms } = this.options;
		this.session = saved?.session;
		/** By name a `Mark`, or where it is to begin, or undefined: wherever the room is then. */
		this.rooms = new Map();
		this.#enter(saved?.rooms ?? rooms);
		/** By id, in order: the `op`, whether it was `sent` in this session, its number `n`. */
		this.unacked = new Map();
		/** Of these, what this connection hasn't been written yet. */
		this.queue = [];
		this.units = this.n = this.attempt = 0;
		/** By id: the op. */
		this.asked = new Map();
		this.me = { name: "", sid: 0 };
		this.state = { at: "closed" };
		/** By name: when it is due. */
		this.timers = {};
		this.out = [];
		// The ids of a session have to grow, over a reload too; time does.
		this.id = Math.max(Math.floor(now), saved?.id ?? 0);
		for (const { sent, ...op } of saved?.unacked ?? []) this.#keep({ op: "send", ...op }, sent);
	}

	get open() {
		return this.state.at === "open";
	}

	/** When `wake` is wanted next. */
	get due() {
		return Math.min(...Object.values(this.timers));
	}

	/** What a later `Machine` needs to be the same member. */
	save() {
		const { session, id } = this;
		const rooms = [...this.rooms].map(([room, at]) => ({ room, after: at instanceof Mark ? `${at}` : at }));
		return { session, id, rooms, unacked: [...this.unacked.values()].map(({ op, sent }) => ({ ...op, sent })) };
	}

	connect(now, rooms) {
		if (this.open || this.state.at === "connecting") return;
		if (rooms) this.#enter(rooms);
		this.hello = this.goodbye = this.quitting = undefined;
		delete this.timers.retry;
		this.timers.open = now + OPEN_MS_MAX;
		this.out.push(["open"]);
		this.#state({ at: "connecting", why: this.state.why });
	}

	/** The socket is open. */
	opened() {
		this.hello = this.id++;
		const { session, rooms } = this.save();
		// Only as the first op does it take a session over.
		this.#write({ op: "hello", session, rooms, id: this.hello });
		if (this.options.lang) this.#write({ op: "lang", lang: this.options.lang });
	}

	/** A frame came. */
	heard(now, data) {
		try {
			if (data.length > FRAME_MAX) throw data;
			this.#follow(now, JSON.parse(data));
		} catch {
			// No hub says this; what follows can't be trusted either.
			this.lost(now, 0, "bad-frame");
		}
	}

	/** The socket closed, with `code`; or the connection is given up: `gone` says why. */
	lost(now, code, gone) {
		if (gone) this.goodbye ??= { code: gone };
		if (code === 1009) this.#refuseLongest();
		this.#leave();
		const { reason, code: why = reason ?? (this.session ? "lost" : "never"), text } = this.goodbye ?? {};
		if (/^(superseded|quit)$/.test(reason)) return this.#over(reason, { code: reason, text });
		if (this.draining && !this.unacked.size) return this.#over("quit");
		if (this.attempt >= this.options.retry) return this.#over("gave-up", { code: why, text });
		const delay = backoff(this.attempt++, this.options.random);
		this.timers.retry = now + delay;
		this.#state({ at: "waiting", until: now + delay, why, text });
	}

	/** Something may be due. */
	wake(now) {
		for (const [name, at] of Object.entries(this.timers)) {
			if (at > now || !(name in this.timers)) continue;
			delete this.timers[name];
			if (name === "retry") this.connect(now);
			else if (name === "healthy") this.attempt = 0;
			else if (name === "drain") this.#over("closed", { code: "timeout" });
			else if (name === "silent") {
				this.ask({ op: "ping" });
				this.timers.dead = now + PONG_MS_MAX;
			} else this.lost(now, 0, "silent");
		}
	}

	/** Says something once, whatever the connection does meanwhile. `send`: `room`, `text` or `b64`. @returns its id */
	send(send) {
		const id = this.id++;
		const op = { op: "send", ...send, id };
		// Left out, it would mean something else after the next join.
		if (this.rooms.size === 1) op.room ??= [...this.rooms.keys()][0];
		const { outbox, outboxText } = this.options;
		const full = this.unacked.size >= outbox || this.units + units(op) > outboxText;
		const code = this.state.over ? "ended" : this.draining ? "draining" : full && "full";
		if (code) this.#refuse(id, code);
		else {
			this.#keep(op);
			this.#pump();
		}
		return id;
	}

	/** Asks for any other op. @returns its id */
	ask(op) {
		const id = this.id++;
		const code = !this.open ? "not-open" : this.asked.size >= ASKED_MAX && "full";
		if (code) this.#settle(id, { code });
		else {
			this.asked.set(id, op);
			this.#write({ ...op, id });
		}
		return id;
	}

	/** Takes no more sends, and leaves once all are acknowledged; `drain` settles then, or after `ms`. */
	drain(now, ms) {
		this.draining = true;
		this.timers.drain = now + ms;
		this.#drained();
	}

	/** Leaves without a word; what waits is kept for `connect`. */
	suspend() {
		this.#leave();
		this.#state({ at: "closed" });
	}

	/** Leaves without a word, for good. */
	close() {
		this.#over("closed");
	}

	/** Which rooms to be in from the next connection on: names, or `{ room, after }`. */
	#enter(rooms) {
		const named = rooms.map((it) => (it.room ? it : { room: it }));
		this.rooms = new Map(named.map(({ room, after }) => [room, /@/.test(after) ? new Mark(after) : after]));
	}

	#write(op) {
		this.out.push(["write", JSON.stringify(op)]);
	}

	#settle(id, wrong, value) {
		this.out.push(["settle", id, wrong, value]);
	}

	#emit(ev) {
		this.out.push(["emit", ev]);
	}

	#state(state) {
		this.state = state;
		this.#emit({ ev: "link", ...state });
	}

	#keep(op, sent) {
		this.id = Math.max(this.id, op.id + 1);
		const send = { op, sent, n: this.n++ };
		this.unacked.set(op.id, send);
		this.queue.push(send);
		this.units += units(op);
	}

	#forget(op) {
		this.unacked.delete(op.id);
		this.units -= units(op);
	}

	/** A send ends with an error of ours, which is told as an event too. */
	#refuse(id, code) {
		this.#emit({ ev: "error", code, op: "send", id });
		this.#settle(id, { code });
	}

	/** Sends end without an acknowledgement: what was on its way may have been said, or not. */
	#end(sends, code) {
		for (const { op, sent } of sends) {
			this.#forget(op);
			if (!sent) this.#refuse(op.id, code);
			else {
				this.#emit({ ...op, ev: "unconfirmed" });
				this.#settle(op.id, { code: "unconfirmed" });
			}
		}
	}

	/** Writes what waits, as far as the hub would remember it. */
	#pump() {
		const [oldest] = this.unacked.values();
		while (this.open && this.queue[0]?.n < oldest?.n + WINDOW) {
			const send = this.queue.shift();
			send.sent = true;
			this.#write(send.op);
		}
	}

	#follow(now, it) {
		const { ev, id, room } = it;
		if (typeof ev !== "string") throw it;
		delete this.timers.dead;
		this.timers.silent = now + SILENT_MS;
		if (ev === "bye" || (ev === "error" && !this.open)) this.goodbye = it;
		if (!this.open) {
			// The hello that comes by itself, and what follows it, are of a session that our own is about to replace.
			if (ev === "hello" && id === this.hello) this.#greeted(now, it);
			if (ev !== "error") return;
			this.#emit(it);
			if (id === this.hello) this.#over("refused", it);
			return;
		}
		const mark = this.rooms.get(room);
		if (ev === "msg") {
			// What was here already is passed on where somebody asked for it; catching up, nobody did.
			const asked = it.old && !(it.seq > mark?.catching);
			// One's own, come back before what was passed on already, is no news either, and out of its order.
			const late = it.seq < mark?.passed;
			if (!late && mark) mark.passed = it.seq;
			if (mark?.had(it.seq) ? !late && !mark.again(it.sid, id) : asked) this.#emit(it);
			return;
		}
		const op = this.asked.get(id);
		this.#place(it, mark, op);
		if (ev === "gap" && it.to) it.missed = it.cause === "unused" ? 0 : it.to - it.from + 1;
		this.#emit(it);
		const wrong = ev === "error" && it;
		const send = this.unacked.get(id);
		if (send && (wrong || ev === "ack")) {
			this.#forget(send.op);
			// A number too old to be known may have been said.
			const told = wrong.code === "stale-id" ? { ...it, code: "unconfirmed" } : wrong;
			this.#settle(id, told, { room, epoch: mark?.epoch, seq: it.seq });
			this.#pump();
			this.#drained();
		}
		if (op && ev !== "gap") {
			this.asked.delete(id);
			this.#settle(id, wrong, it);
		}
		if (ev === "bye" && it.reason === "quit") this.#over("quit");
	}

	#greeted(now, ev) {
		const before = new Map([...this.rooms].map(([room, at]) => [fold(room), at]));
		this.rooms = new Map();
		for (const { room, pos } of ev.rooms) {
			const at = before.get(fold(room));
			const mark = at instanceof Mark ? at : new Mark(pos);
			mark.anew ||= !ev.resumed && mark === at;
			mark.catching = at === undefined ? at : mark.seq;
			this.rooms.set(room, mark);
		}
		this.session = ev.session;
		this.me = { name: ev.name, sid: ev.sid };
		delete this.timers.open;
		this.timers.healthy = now + HEALTHY_MS;
		this.goodbye = undefined;
		this.#state({ at: "open" });
		const { name } = this.options;
		if (name && name !== ev.name) this.ask({ op: "nick", name });
		if (!ev.resumed) this.#end([...this.unacked.values()].filter(({ sent }) => sent));
		this.queue = [...this.unacked.values()];
		this.#pump();
		for (const [room, { follows }] of this.rooms) if (follows) this.ask({ op: "get", room });
		this.#emit(ev);
		this.#drained();
	}

	/** Keeps who and where it is; `op`: what this answers. */
	#place({ ev, own, room, seq, pos, to, oldest, name, sid }, mark, op) {
		if (own && ev === "nick") {
			this.me = { name, sid };
			this.options.name &&= name;
		} else if (own && ev === "leave") this.rooms.delete(room);
		else if (own && ev === "join" && !mark) {
			if (this.rooms.size >= ROOMS_MAX) throw room;
			const joined = new Mark(pos);
			const after = op?.after;
			this.rooms.set(room, joined);
			if (after === undefined) return;
			// It is told where the room is; but has to hear all after its own position first.
			joined.move(/@/.test(after) ? after : `${joined.epoch}@${after}`);
			joined.catching = joined.seq;
		} else if (ev === "ack" && op?.op === "get") {
			for (const [name, it] of this.rooms) if (!op.room || fold(op.room) === fold(name)) it.follows = true;
		} else if (!mark) return;
		else if (ev === "ack") mark.had(seq);
		else if (ev === "live") {
			mark.catching = undefined;
			if (new Mark(pos).epoch !== mark.epoch) mark.another(pos);
			mark.anew = false;
		} else if (ev === "gap" && oldest) {
			const first = new Mark(oldest);
			const before = Math.max(0, first.seq - 1);
			if (first.epoch === mark.epoch) mark.skip(before);
			else mark.another(`${first.epoch}@${before}`);
		} else if (ev === "gap" && to) mark.skip(to);
	}

	/** Once nothing is unacknowledged: goodbye. */
	#drained() {
		if (!this.draining || this.unacked.size || this.quitting) return;
		if (!this.open) return this.#over("quit");
		this.quitting = this.ask({ op: "quit" });
	}

	/** Ends the connection, and what had been asked on it. */
	#leave() {
		const { drain = Infinity } = this.timers;
		this.timers = { drain };
		this.out.push(["close"]);
		for (const id of this.asked.keys()) this.#settle(id, { code: "lost" });
		this.asked.clear();
	}

	/** Ends for good. */
	#over(at, { code, text } = {}) {
		this.#leave();
		this.timers = {};
		this.#end([...this.unacked.values()], "ended");
		this.queue = [];
		if (this.draining) this.#settle("drain", at !== "quit" && { code: code ?? "ended" });
		this.draining = false;
		this.#state({ at, why: code, text, over: true });
	}

	/** Said again, what was too long would close the connection again. */
	#refuseLongest() {
		const sent = [...this.unacked.values()].filter((it) => it.sent);
		const [longest] = sent.sort((a, b) => units(b.op) - units(a.op));
		if (!longest) return;
		this.#forget(longest.op);
		this.#refuse(longest.op.id, "too-long");
	}
}

/** What an error of the library's own says; those of the hub bring their sentence. */
const SAYS = {
	"not-open": "asking the hub: not connected; wait for hello",
	lost: "the connection broke before the hub answered; it may have been done",
	full: "too much waits for the hub; await sends before sending more",
	unconfirmed: "the session was lost before the hub acknowledged this; it may have been said",
	ended: "not sent: the connection has ended; connect() begins anew",
	draining: "not sent: drain() was called",
	timeout: "draining: not all was acknowledged in time",
	"too-long": "the hub closed the connection over this message; shorten it",
	"gave-up": "connecting failed too often in a row",
};

const failure = (ev) => Object.assign(new Error(ev.text ?? SAYS[ev.code] ?? ev.code), ev);

/** The bytes of a message or a value, which has `text` or, where it isn't UTF-8, `b64`. @returns {Uint8Array} */
export const bytesOf = ({ text, b64 }) =>
	b64 === undefined ? new TextEncoder().encode(text) : Uint8Array.from(atob(b64), (it) => it.charCodeAt(0));

const bodyOf = (body) =>
	typeof body === "object"
		? { b64: btoa(Array.from(new Uint8Array(body), (byte) => String.fromCharCode(byte)).join("")) }
		: { text: `${body}`.toWellFormed?.() ?? `${body}` };

/**
 * A member of a hub. It connects at once, and again whenever the connection breaks, until `close`, `drain`, or the hub
 * refuses it for good.
 *
 * Events are those of docs/protocol.md §5, as they come, and three of its own: `link` (`at`: connecting, open, waiting
 * with `until` and `why`, closed; and with `over` quit, superseded, refused, gave-up, closed), `unconfirmed` (a send
 * that may have been said, or not), and `gap` with the cause `behind` (a `for await` that was too slow). A `gap` has
 * `missed`, the number of messages, if it is known. Each message of a room comes once, in the room's order, and with
 * `old` where it was asked for again.
 *
 * @typedef {object} Options
 * @property {string} [name] the name to take; if it can't be had, that is an `error`, and the hub's own name stays
 * @property {(string | {room: string, after?: string | number})[]} [rooms] to be in, perhaps after a position; "lobby"
 * @property {number} [retry] attempts to reconnect in a row: 0 for none; for ever
 * @property {number} [outbox] sends that may wait; 1000
 * @property {number} [outboxText] UTF-16 units of their text, or of its base64; 8 Mi
 * @property {"fr" | "en"} [lang] of the sentences of the hub's errors
 * @property {object} [saved] what `save` gave: the same member, its positions and what waits
 * @property {number} [feed] events that a `for await` may be behind; 10 000
 * @property {boolean} [connect] false: not before `connect` is called
 */
export class Trappe {
	#core;
	#socket;
	#settle = new Map();
	#listeners = new Map();
	#drained;
	#timer;
	#busy = false;

	/**
	 * @param {string | URL} url such as ws://localhost:5566/ws
	 * @param {Options} [options]
	 */
	constructor(url, options = {}) {
		this.url = url;
		this.options = options;
		this.#core = new Machine(now(), options);
		if (options.connect !== false) this.connect();
	}

	/** How the connection is: as in the event `link`. */
	get state() {
		return this.#core.state;
	}

	get open() {
		return this.#core.open;
	}

	/** Who this is on the hub; empty and 0 before the first `hello`. @returns {{name: string, sid: number}} */
	get me() {
		return this.#core.me;
	}

	/** Sends that aren't acknowledged yet. */
	get pending() {
		return this.#core.unacked.size;
	}

	/** That of the next op; its `ack`, its `error`, `unconfirmed` bear it. */
	get id() {
		return this.#core.id;
	}

	/** What a later `Trappe`, in a page that is loaded anew, takes as `saved`. Plain data, the session's secret in it. */
	save() {
		return this.#core.save();
	}

	/** Connects now: after `suspend` or an end, or instead of waiting. @param {Options["rooms"]} [rooms] to be in now */
	connect(rooms) {
		this.#do((core) => core.connect(now(), rooms));
	}

	/**
	 * Says something, once, whatever the connection does meanwhile. Settles at the acknowledgement: it is in the room's
	 * order, and on disk where the hub keeps history. Rejects with a `code`: `full` (the outbox is), `unconfirmed` (the
	 * session was lost: it may have been said), `ended`, or the hub's (`not-in-room`, `not-stored`, …). Whoever ignores
	 * the promise is told by the events `error` and `unconfirmed`.
	 * @param {string | Uint8Array} body
	 * @param {{room?: string}} [to] may be left out while in one room
	 * @returns {Promise<{room: string, epoch?: string, seq: number}>}
	 */
	send(body, { room } = {}) {
		return this.#promise((core) => core.send({ room, ...bodyOf(body) }));
	}

	/**
	 * Any op (docs/protocol.md §5); the event that answers it. Rejects with the hub's error, with `not-open`, `full`, or
	 * with `lost`: the connection broke, it may have been done.
	 * @param {{op: string} & Record<string, unknown>} op without `id`
	 */
	ask(op) {
		return this.#promise((core) => core.ask(op));
	}

	/** To one member only: never said again, `lost` if the connection breaks. @param {string | Uint8Array} body */
	direct(to, body) {
		return this.ask({ op: "msg", to, ...bodyOf(body) });
	}

	/** @param {{after?: string | number}} [from] the position after which to begin */
	join(room, { after } = {}) {
		return this.ask({ op: "join", room, after });
	}

	leave(room) {
		return this.ask({ op: "leave", room });
	}

	/** Takes a name, also in later sessions. */
	async nick(name) {
		const answer = await this.ask({ op: "nick", name });
		this.#core.options.name = answer.name;
		return answer;
	}

	/** Who is in a room: `members` (the first 100) and `count`. */
	who(room) {
		return this.ask({ op: "who", room });
	}

	/** The last `n` messages that are kept. They are events `msg` with `old`, too. @returns {Promise<object[]>} */
	async history(room, n = 10) {
		const all = [];
		const off = this.on("msg", (ev) => ev.old && all.push(ev));
		const answer = await this.ask({ op: "history", room, n }).finally(off);
		return all.filter((it) => it.room === answer.room).slice(-answer.count || all.length);
	}

	/** Sets a value of a room's state; `""` takes the key away. @param {{room?: string, v?: number}} [of] `v`: version */
	set(key, body, { room, v } = {}) {
		return this.ask({ op: "set", room, key, v, ...bodyOf(body) });
	}

	/** A value (the event `state`); without a key all, now and when one changes: as events `state`, over breaks too. */
	get(key, { room } = {}) {
		return this.ask({ op: "get", room, key });
	}

	/** A line that begins with `/`. Its answers are events. @returns {boolean} whether it was written */
	command(line) {
		if (this.open) this.#socket.send(line);
		return this.open;
	}

	/** Calls `listener` for events of a kind, or `*`. @returns {() => void} that takes it away */
	on(kind, listener) {
		const list = this.#listeners.get(kind) ?? new Set();
		this.#listeners.set(kind, list.add(listener));
		return () => list.delete(listener);
	}

	/** All events from here on; throws at the end if the hub refused, or the attempts were too many. */
	async *[Symbol.asyncIterator]() {
		if (this.state.over) return;
		const { feed = 10_000 } = this.options;
		const events = [];
		/** By room, what found no place; all but messages under no room. */
		const lost = new Map();
		let wake;
		const off = this.on("*", (ev) => {
			if (ev.over) events.push(...lost.values(), ev);
			else if (events.length < feed && !lost.size) events.push(ev);
			else {
				const { room, seq } = ev.ev === "msg" ? ev : {};
				const gap = lost.get(room) ?? { ev: "gap", room, from: seq, cause: "behind", missed: 0 };
				lost.set(room, { ...gap, to: seq, missed: gap.missed + 1 });
			}
			wake?.();
		});
		try {
			for (;;) {
				if (!events.length) events.push(...lost.values());
				if (events[0]?.cause === "behind") lost.clear();
				const ev = events.shift();
				if (ev) yield ev;
				else await new Promise((resume) => (wake = resume));
				if (!ev?.over) continue;
				if (/^(closed|quit)$/.test(ev.at)) return;
				throw failure({ ...ev, code: ev.at });
			}
		} finally {
			off();
		}
	}

	/** Takes no more sends, waits until all are acknowledged, quits. Rejects with `timeout`, or the code of the end. */
	drain({ timeout = 30_000 } = {}) {
		this.#drained ??= this.#promise((core) => {
			core.drain(now(), timeout);
			return "drain";
		}).finally(() => (this.#drained = undefined));
		return this.#drained;
	}

	/** Leaves at once, without a word. What wasn't acknowledged ends as `unconfirmed` or `ended`. */
	close() {
		this.#do((core) => core.close());
	}

	/** Leaves without a word; what waits is kept for `connect`. For a page that the browser puts aside. */
	suspend() {
		this.#do((core) => core.suspend());
	}

	#promise(input) {
		const promise = new Promise((...settle) => this.#do((core) => this.#settle.set(input(core), settle)));
		// Events tell it too: whoever ignores the promise shall not end the program.
		promise.catch(() => {});
		return promise;
	}

	/** Gives the machine an input, and does what it asks for. */
	#do(input) {
		input(this.#core);
		// A listener may have called.
		if (this.#busy) return;
		this.#busy = true;
		for (let effect; (effect = this.#core.out.shift()); ) this.#effect(effect);
		this.#busy = false;
		this.#alarm();
	}

	#effect([name, what, wrong, value]) {
		if (name === "write") this.#socket?.send(what);
		else if (name === "open") this.#connect();
		else if (name === "emit") this.#emit(what);
		else if (name === "settle") {
			const [done, fail] = this.#settle.get(what) ?? [];
			this.#settle.delete(what);
			if (wrong) fail?.(failure(wrong));
			else done?.(value);
		} else {
			const socket = this.#socket;
			this.#socket = undefined;
			socket?.close();
		}
	}

	#connect() {
		const socket = new WebSocket(this.url, "trappe.json.v1");
		this.#socket = socket;
		const mine = (input) => (ev) => socket === this.#socket && this.#do((core) => input(core, ev));
		socket.onopen = mine((core) => core.opened());
		socket.onmessage = mine((core, { data }) => core.heard(now(), data));
		// Of a connection that never was, Node tells an error alone.
		socket.onclose = socket.onerror = mine((core, { code }) => core.lost(now(), code));
	}

	#emit(ev) {
		for (const kind of [ev.ev, "*"]) for (const listener of this.#listeners.get(kind) ?? []) guarded(listener, ev);
	}

	/** One timer, for what is due next. */
	#alarm() {
		clearTimeout(this.#timer);
		const { due } = this.#core;
		const wake = () => this.#do((core) => core.wake(now()));
		if (due < Infinity) this.#timer = setTimeout(wake, Math.max(0, due - now()));
	}
}

/** Never goes back, as the time of day may. */
const now = () => performance.timeOrigin + performance.now();

const guarded = (listener, ev) => {
	try {
		listener(ev);
	} catch (wrong) {
		// Its own program's mistake: told as one, and nobody else misses the event.
		queueMicrotask(() => {
			throw wrong;
		});
	}
};
