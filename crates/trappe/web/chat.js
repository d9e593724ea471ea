// What the hub's events do to the conversations, and what a person can do. No DOM.

import { Trappe } from "./trappe.js";
import { Conversation } from "./model.js";
import { meaning } from "./commands.js";

/** A longer frame closes the connection. */
const FRAME_BYTES_MAX = 65536;
/** Messages that may wait for their acknowledgement. */
const UNACKED_MAX = 100;
const HISTORY = 50;
const DIRECTS_MAX = 50;
/** Rooms of more than 50 are told of no arrivals: the page asks. */
const CROWD = 40;
/** A burst of arrivals is one question. */
const WHO_MS = 100;

const epochOf = (pos) => pos.split("@")[0];
const nothing = () => {};

export class Chat {
	/** `saved`: what the hub's `save` gave; `room`: that of the address; `name`: the one wished for; `url`, `lang`: the hub's. */
	constructor({ saved, name, room, changed, named, url, lang }) {
		this.changed = changed;
		this.named = named;
		/** By `#room` and `@name`. */
		this.conversations = new Map();
		this.wanted = room;
		this.wish = name;
		this.me = { name: "", sid: 0 };
		this.visible = true;
		/** All rooms of the hub. */
		this.rooms = [];
		/** What the hub has against the name, or the room, asked for. */
		this.nameProblem = this.roomProblem = "";
		const rooms = saved?.rooms?.length ? saved.rooms.map((it) => it.room ?? it) : ["lobby"];
		// What is written before the hub answers waits for it.
		for (const name of rooms) this.active ??= this.#room(name);
		// Where it was doesn't matter: what was said before is asked for.
		this.hub = new Trappe(url, { lang, saved: { ...saved, rooms }, connect: false });
		this.hub.on("*", (ev) => this.#heard(ev));
		for (const { id, room, text } of saved?.unacked ?? []) this.#room(room).push({ type: "msg", own: true, state: "pending", id, text });
	}

	get all() {
		return [...this.conversations.values()];
	}

	of(kind) {
		return this.all.filter((it) => it.kind === kind);
	}

	get unread() {
		return this.all.reduce((sum, it) => sum + it.unread, 0);
	}

	/** Says, or does, what the composer holds. @returns what is wrong with it: a sentence's `id` and variables */
	say(text) {
		const it = this.active;
		if (!it || !text.trim()) return;
		it.follow();
		it.fresh = 0;
		const { say, to, raw, op, refused } = meaning(text, it.kind === "room" && it.name);
		if (refused) return { id: "no-command", word: refused };
		if (to) this.show(this.direct(to));
		if (say) return this.#say(this.active, say);
		if (!this.hub.open) return { id: "not-now" };
		if (raw) return this.hub.command(raw);
		this.#ask(op, ({ ev, id, ...fields }) => /who|state/.test(ev) && it.push({ type: "answer", op: ev, fields }), (ev) => this.#wrong(ev, it));
	}

	#say(it, text) {
		const { id } = this.hub;
		const bytes = new TextEncoder().encode(JSON.stringify({ op: "send", room: it.name, text, id })).length;
		if (bytes > FRAME_BYTES_MAX) return { id: "too-long", bytes, limit: FRAME_BYTES_MAX };
		if (this.hub.pending >= UNACKED_MAX) return { id: "too-many", count: UNACKED_MAX };
		if (!this.hub.open && (it.kind === "direct" || this.hub.state.over)) return { id: "not-now" };
		it.push({ type: "msg", own: true, state: "pending", from: this.me.name, sid: this.me.sid, text, id });
		if (it.kind === "room") this.hub.send(text, { room: it.name });
		else {
			// An error with a sentence is marked where errors are; without one, nobody knows.
			const lost = ({ code }) => code === "lost" && it.change(id, { state: "unconfirmed" });
			this.#ask({ op: "msg", to: it.name, text }, () => it.change(id, { state: undefined }), lost);
		}
		this.changed();
	}

	/** Says again what may not have arrived. */
	again(it, row) {
		if (!this.#say(it, row.text)) it.remove(row.key);
	}

	show(it) {
		if (this.active !== it && this.active) this.active.fresh = 0;
		this.active = it;
		it.v++;
		this.seen();
		this.ask();
		this.changed();
	}

	/** The newest messages are being looked at. */
	seen() {
		if (!this.active?.unread || !this.visible || this.active.anchor) return;
		this.active.unread = 0;
		this.changed();
	}

	look(visible) {
		this.visible = visible;
		if (!visible) return;
		this.seen();
		if (this.hub.state.at === "waiting") this.hub.connect();
		this.ask();
	}

	async enter(name) {
		this.roomProblem = this.wanted = "";
		const it = this.of("room").find((it) => it.name.toLowerCase() === name.toLowerCase());
		if (it) return this.show(it);
		await this.#ask({ op: "join", room: name }, nothing, ({ text = "" }) => (this.roomProblem = text));
	}

	leave(it) {
		if (it.kind === "direct") this.#forget(it);
		else this.#ask({ op: "leave", room: it.name }, nothing, (ev) => this.#wrong(ev, it));
	}

	direct(name, sid = 0) {
		const key = `@${name.toLowerCase()}`;
		const it = this.conversations.get(key) ?? new Conversation("direct", name);
		this.conversations.set(key, it);
		// A name may have gone to somebody else.
		if (sid && it.sid && it.sid !== sid) it.push({ type: "same-name", from: name });
		it.sid = sid || it.sid;
		const others = this.of("direct").filter((other) => other !== it && other !== this.active);
		if (others.length >= DIRECTS_MAX) this.#forget(others.find(({ unread }) => !unread) ?? others[0]);
		return it;
	}

	/** @returns whether it was given */
	async rename(name) {
		this.nameProblem = "";
		await this.#ask({ op: "nick", name }, nothing, ({ text = "" }) => (this.nameProblem = text));
		return !this.nameProblem;
	}

	/** Asks for what no event tells. */
	ask() {
		if (!this.hub.open || !this.visible) return;
		this.#ask({ op: "rooms" }, ({ rooms }) => (this.rooms = rooms));
		if (this.active?.count > CROWD) this.#who(this.active);
	}

	#ask(op, done = nothing, wrong = nothing) {
		return this.hub.ask(op).then(done, wrong).then(this.changed);
	}

	#room(name) {
		const it = this.conversations.get(`#${name}`) ?? new Conversation("room", name);
		this.conversations.set(`#${name}`, it);
		return it;
	}

	#forget(it) {
		for (const [key, other] of this.conversations) if (other === it) this.conversations.delete(key);
		if (this.active !== it) return;
		this.active = this.of("room")[0] ?? this.all[0];
		if (this.active) this.show(this.active);
		this.changed();
	}

	#who(it) {
		it.who ??= setTimeout(() => {
			it.who = undefined;
			this.#ask({ op: "who", room: it.name }, ({ members, count }) => {
				members.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
				Object.assign(it, { members, count, v: it.v + 1 });
			});
		}, WHO_MS);
	}

	/** What was said before, the first time. */
	#history(it) {
		if (it.loaded) return;
		it.asking = true;
		const done = (loaded) => Object.assign(it, { asking: false, loaded, v: it.v + 1 });
		this.#ask({ op: "history", room: it.name, n: HISTORY }, () => done(true), () => done(false));
	}

	#wrong({ code, text }, it = this.active) {
		if (!/^(lost|not-open)$/.test(code)) it?.push({ type: "error", code, text });
	}

	#heard({ ev, ...fields }) {
		const on = this.#on[ev];
		if (on) on(fields, this.conversations.get(`#${fields.room}`));
		// The answer to a command as it is; what the page asked has an id.
		else if (fields.id === undefined && ev !== "bye") this.active?.push({ type: "answer", op: ev, fields });
		this.changed();
	}

	/** What each event does. */
	#on = {
		// It won't have one of the rooms: once more without.
		link: ({ at }) => at === "refused" && this.hub.save().rooms.length && this.hub.connect([]),
		unconfirmed: ({ id }, it) => it?.change(id, { state: "unconfirmed" }),
		hello: ({ name, sid, rooms }) => {
			this.me = { name, sid };
			if (this.wish && this.wish !== name) this.#ask({ op: "nick", name: this.wish }, nothing, (ev) => this.#wrong(ev));
			for (const { room, pos } of rooms) {
				const it = this.#room(room);
				// After a break this is the position of before; the gap tells of another life.
				if (!it.epoch) it.begin(epochOf(pos));
				this.#history(it);
				this.#who(it);
			}
			this.active ??= this.of("room")[0];
			if (this.wanted) this.enter(this.wanted);
			this.ask();
		},
		msg: ({ room, ...fields }) => {
			const it = this.#room(room);
			const { seq, id, own, old } = fields;
			if (own) it.confirm(id, seq);
			const row = it.merge({ ...fields, type: "msg" });
			if (row && !own && (!old || (it.loaded && seq > it.high))) this.#arrived(it, row);
			it.high = Math.max(it.high, seq);
		},
		direct: (fields) => {
			const it = this.direct(fields.from, fields.sid);
			this.#arrived(it, it.push({ ...fields, type: "msg" }));
		},
		ack: ({ id, seq }, it) => {
			if (!it) return;
			it.confirm(id, seq);
			it.high = Math.max(it.high, seq);
		},
		error: (ev) => {
			// A number too old to be known may have been said; what waits for a hub that one left hasn't, but may be again.
			const fields = /^(stale-id|ended)$/.test(ev.code) ? { state: "unconfirmed" } : { state: "failed", why: ev.text };
			const found = ev.id !== undefined && this.all.some((it) => it.change(ev.id, fields));
			if (!found && (ev.id === undefined || ev.op === "hello")) this.#wrong(ev);
		},
		gap: ({ from, to, cause, oldest }, it) => {
			if (oldest) it?.begin(epochOf(oldest));
			const fields = { type: "gap", cause: cause === "slow" ? cause : "forgotten", count: to ? to - from + 1 : 0, seq: from };
			if (!/epoch|state|unused/.test(cause)) it?.[from ? "merge" : "push"](fields);
		},
		live: ({ pos }, it) => it?.begin(epochOf(pos)),
		history: nothing,
		notice: ({ text }) => this.active?.push({ type: "notice", text }),
		join: ({ room, from, own, pos, members }) => {
			const it = this.#room(room);
			this.#who(it);
			if (!own) return it.push({ type: "joined", from });
			it.begin(epochOf(pos));
			it.count = members;
			this.#history(it);
			this.show(it);
		},
		leave: ({ from, own, text }, it) => {
			if (!it) return;
			if (own) return this.#forget(it);
			this.#who(it);
			it.push({ type: "left", from, text });
		},
		nick: ({ from, sid, name, own }, it) => {
			for (const room of this.of("room")) if (own || room === it) this.#who(room);
			if (own) {
				this.me = { name, sid };
				this.wish = name;
				this.named(name);
				return this.active?.push({ type: "renamed-own", name });
			}
			it?.push({ type: "renamed", from, name });
			const direct = this.conversations.get(`@${from.toLowerCase()}`);
			if (direct?.sid !== sid || this.conversations.has(`@${name.toLowerCase()}`)) return;
			this.conversations.delete(`@${from.toLowerCase()}`);
			this.conversations.set(`@${name.toLowerCase()}`, direct);
			direct.name = name;
		},
	};

	#arrived(it, row) {
		if (it === this.active && it.anchor) it.below++;
		else if (it === this.active && this.visible) return;
		it.unread++;
		it.fresh ||= row.key;
	}
}
