// @ts-check
// The chat without its looks: what the hub's events do to the conversations, and what a person can do. No DOM.

import { FRAME_BYTES_MAX, Hub, UNACKED_MAX } from "./hub.js";
import { Conversation, ROWS_MAX } from "./model.js";
import { meaning } from "./commands.js";

/** @typedef {import("./hub.js").HubEvent} HubEvent */

const HISTORY = 50;
const DIRECTS_MAX = 50;
/** The hub tells rooms of more than 50 of no arrivals; then the page asks. */
const CROWD = 40;
/** A burst of arrivals is one question. */
const WHO_MS = 100;

const epochOf = (/** @type {string} */ pos) => pos.split("@")[0];
const nothing = () => {};

export class Chat {
  /**
   * @param {{url: string, lang: string, saved: any, name: string|null, room: string, changed: () => void,
   *   named: (name: string) => void}} options `room`: that of the address; `saved`: what `save` gave; `name`: the one wished for
   */
  constructor({ url, lang, saved, name, room, changed, named }) {
    this.changed = changed;
    this.named = named;
    /** @type {Map<string, Conversation>} By `#room` and `@name`. */
    this.conversations = new Map();
    /** @type {Conversation|undefined} */
    this.active = undefined;
    this.last = saved?.active;
    this.wanted = room;
    this.wish = name ?? "";
    this.me = { name: "", sid: 0 };
    this.visible = true;
    /** @type {{room: string, members: number}[]} All of the hub. */
    this.rooms = [];
    /** What is wrong with the name, or the room, that was asked for, as the hub says it. */
    this.nameProblem = this.roomProblem = "";
    this.hub = new Hub({
      url, lang, saved: saved ?? {},
      rooms: saved?.rooms?.length ? saved.rooms : room ? [] : ["lobby"],
      onevent: (ev) => this.#heard(ev),
      onstate: changed,
      onunconfirmed: (sends) => sends.forEach(({ id, room }) => this.#room(room).change(id, { state: "unconfirmed" })),
    });
    for (const { id, room, text } of saved?.unacked ?? []) this.#room(room).push({ type: "msg", own: true, state: "pending", id, text });
  }

  save() {
    return { ...this.hub.save(), active: this.active?.name };
  }

  /** @param {"room"|"direct"} kind */
  of(kind) {
    return [...this.conversations.values()].filter((it) => it.kind === kind);
  }

  get unread() {
    return [...this.conversations.values()].reduce((sum, { unread }) => sum + unread, 0);
  }

  /** Says, or does, what the composer holds. @param {string} text @returns {any} what is wrong with it: a sentence's `id`, its variables */
  say(text) {
    const it = this.active;
    if (!it || !text.trim()) return undefined;
    it.follow();
    it.fresh = 0;
    const { say, to, raw, op, refused } = meaning(text, it.kind === "room" ? it.name : undefined);
    if (refused) return { id: "no-command", word: refused };
    if (to) this.show(this.direct(to));
    if (say) return this.#say(to ? this.direct(to) : it, say);
    if (!this.hub.open) return { id: "not-now" };
    if (raw) this.hub.command(raw);
    else this.hub.ask(op).then(({ ev, id: _id, ...fields }) => ev === "who" && it.push({ type: "answer", op: ev, fields }), (ev) => this.#wrong(ev, it)).then(this.changed);
    return undefined;
  }

  #say(/** @type {Conversation} */ it, /** @type {string} */ text) {
    const bytes = new TextEncoder().encode(JSON.stringify({ op: "send", room: it.name, id: this.hub.id, text })).length;
    if (bytes > FRAME_BYTES_MAX) return { id: "too-long", bytes, limit: FRAME_BYTES_MAX };
    const row = { type: "msg", own: true, state: "pending", from: this.me.name, sid: this.me.sid, text };
    if (it.kind === "room") {
      if (this.hub.unacked.size >= UNACKED_MAX) return { id: "too-many", count: UNACKED_MAX };
      it.push({ ...row, id: this.hub.send(it.name, text) });
    } else {
      if (!this.hub.open) return { id: "not-now" };
      const { id } = this.hub;
      it.push({ ...row, id });
      this.hub.ask({ op: "msg", to: it.name, text }).then(
        () => it.change(id, { state: undefined }),
        // An error with its sentence has been marked as any other; without one, nobody knows.
        ({ code }) => code === "lost" && it.change(id, { state: "unconfirmed" }),
      ).then(this.changed);
    }
    this.changed();
    return undefined;
  }

  /** Says again what didn't arrive, or may not have. @param {Conversation} it @param {import("./model.js").Row} row */
  again(it, row) {
    if (!this.#say(it, row.text ?? "")) it.remove(row.key);
    this.changed();
  }

  /** @param {Conversation} it */
  show(it) {
    if (this.active && this.active !== it) this.active.fresh = 0;
    this.active = it;
    it.v++;
    this.seen();
    this.ask();
    this.changed();
  }

  /** The newest of the conversation is being looked at. */
  seen() {
    const it = this.active;
    if (!it?.unread || !this.visible || it.anchor) return;
    it.unread = 0;
    this.changed();
  }

  /** @param {boolean} visible Whether anybody sees the page. */
  look(visible) {
    this.visible = visible;
    if (!visible) return;
    this.seen();
    if (this.hub.state.at === "waiting") this.hub.connect();
    this.ask();
  }

  /** Goes to a room; the hub makes it if there is none. @param {string} name */
  async enter(name) {
    this.roomProblem = "";
    const it = this.of("room").find((it) => it.name.toLowerCase() === name.toLowerCase());
    this.wanted = "";
    if (it) return this.show(it);
    await this.hub.ask({ op: "join", room: name }).catch(({ text = "" }) => {
      this.roomProblem = text;
      // Somewhere one has to be.
      if (!this.hub.rooms.size) this.hub.ask({ op: "join", room: "lobby" }).catch(nothing);
      this.changed();
    });
  }

  /** Leaves a room, closes a direct conversation. @param {Conversation} it */
  leave(it) {
    if (it.kind === "direct") this.#forget(it);
    else this.hub.ask({ op: "leave", room: it.name }).catch((ev) => this.#wrong(ev, it));
  }

  /** The direct conversation with somebody. @param {string} name @param {number} [sid] */
  direct(name, sid = 0) {
    const key = `@${name.toLowerCase()}`;
    const it = this.conversations.get(key) ?? new Conversation("direct", name);
    this.conversations.set(key, it);
    // A name may go to somebody else, and so does what is said next.
    if (sid && it.sid && it.sid !== sid) it.push({ type: "same-name", from: name });
    it.sid = sid || it.sid;
    const others = this.of("direct").filter((other) => other !== it && other !== this.active);
    if (others.length >= DIRECTS_MAX) this.#forget(others.find(({ unread }) => !unread) ?? others[0]);
    return it;
  }

  /** Takes a name. @param {string} name @returns {Promise<boolean>} whether it was given */
  async rename(name) {
    this.nameProblem = "";
    await this.hub.ask({ op: "nick", name }).catch(({ text = "" }) => (this.nameProblem = text));
    this.changed();
    return !this.nameProblem;
  }

  /** More of what was said before. @param {Conversation} it */
  older(it) {
    it.hold();
    if (it.window().before) it.shift(-1);
    else this.#history(it, ROWS_MAX);
    this.changed();
  }

  /** Whether the hub may have older ones. @param {Conversation} it */
  hasOlder(it) {
    const first = it.rows.find(({ seq, life }) => seq && life === it.life);
    return it.kind === "room" && this.hub.open && !it.passed && !it.complete && (first?.seq ?? 0) > 1;
  }

  /** Asks for what no event tells. */
  ask() {
    if (!this.hub.open || !this.visible) return;
    this.hub.ask({ op: "rooms" }).then(({ rooms }) => (this.rooms = rooms)).then(this.changed, nothing);
    if (this.active && this.active.count > CROWD) this.#who(this.active);
  }

  #room(/** @type {string} */ name) {
    const it = this.conversations.get(`#${name}`) ?? new Conversation("room", name);
    this.conversations.set(`#${name}`, it);
    return it;
  }

  #forget(/** @type {Conversation} */ it) {
    for (const [key, other] of this.conversations) if (other === it) this.conversations.delete(key);
    if (this.active === it) {
      this.active = undefined;
      const next = this.of("room")[0] ?? this.of("direct")[0];
      if (next) this.show(next);
    }
    this.changed();
  }

  #who(/** @type {Conversation} */ it) {
    it.who ??= setTimeout(() => {
      it.who = undefined;
      this.hub.ask({ op: "who", room: it.name }).then(({ members, count }) => Object.assign(it, { members, count, v: it.v + 1 })).then(this.changed, nothing);
    }, WHO_MS);
  }

  #history(/** @type {Conversation} */ it, /** @type {number} */ n) {
    it.asking = true;
    it.v++;
    const done = () => {
      it.asking = false;
      it.loaded = true;
      it.complete ||= n === ROWS_MAX;
      it.v++;
      this.changed();
    };
    this.hub.ask({ op: "history", room: it.name, n }).then(done, done);
  }

  #wrong(/** @type {HubEvent} */ { code, text }, it = this.active) {
    if (code !== "lost") it?.push({ type: "error", code, text });
    this.changed();
  }

  #heard(/** @type {HubEvent} */ ev) {
    const it = this.conversations.get(`#${ev.room}`);
    const on = this.#on[ev.ev];
    if (on) on(ev, it);
    // The answer to a command as it is; what the page asked has an id.
    else if (ev.id === undefined && ev.ev !== "bye") {
      const { ev: op, ...fields } = ev;
      this.active?.push({ type: "answer", op, fields });
    }
    this.changed();
  }

  /** What each event does. @type {Record<string, (ev: HubEvent, it: Conversation|undefined) => void>} */
  #on = {
    hello: ({ name, sid, rooms }) => {
      this.me = { name, sid };
      if (this.wish && this.wish !== name) this.hub.ask({ op: "nick", name: this.wish }).catch((ev) => this.#wrong(ev));
      for (const { room, pos } of rooms) {
        const it = this.#room(room);
        // After a break the position is still that of before; the gap tells of another life.
        if (!it.epoch) it.begin(epochOf(pos));
        if (!it.loaded) this.#history(it, HISTORY);
        this.#who(it);
      }
      this.active ??= this.conversations.get(`#${this.last}`) ?? this.of("room")[0];
      if (this.wanted) this.enter(this.wanted);
      this.ask();
    },
    msg: ({ ev: type, room, ...fields }) => {
      const it = this.#room(room);
      const { seq, id, own, old } = fields;
      if (own) it.confirm(id, seq);
      const row = it.merge({ ...fields, type, seq });
      if (row && !own && (!old || (it.loaded && seq > it.high))) this.#arrived(it, row);
      it.high = Math.max(it.high, seq);
    },
    direct: ({ ev: _ev, ...fields }) => {
      const it = this.direct(fields.from, fields.sid);
      this.#arrived(it, it.push({ ...fields, type: "msg" }));
    },
    ack: ({ id, seq }, it) => {
      if (!it || !seq) return;
      it.confirm(id, seq);
      it.high = Math.max(it.high, seq);
    },
    error: (ev) => {
      // A number too old to be known may have been said.
      const fields = ev.code === "stale-id" ? { state: /** @type {const} */ ("unconfirmed") } : { state: /** @type {const} */ ("failed"), why: ev.text };
      const found = ev.id !== undefined && [...this.conversations.values()].some((it) => it.change(ev.id, fields));
      if (!found && (ev.id === undefined || ev.op === "hello")) this.#wrong(ev);
    },
    gap: ({ from, to, cause, oldest }, it) => {
      if (oldest) it?.begin(epochOf(oldest));
      if (!it || cause === "epoch") return;
      const fields = { type: "gap", cause, count: to ? to - from + 1 : 0 };
      if (from) it.merge({ ...fields, seq: from });
      else it.push(fields);
    },
    live: ({ pos }, it) => it?.begin(epochOf(pos)),
    history: nothing,
    notice: ({ text }) => this.active?.push({ type: "notice", text }),
    join: ({ room, from, own, pos, members }) => {
      const it = this.#room(room);
      this.#who(it);
      if (!own) return void it.push({ type: "joined", from });
      it.begin(epochOf(pos));
      it.count = members;
      if (!it.loaded) this.#history(it, HISTORY);
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
        this.active?.push({ type: "renamed-own", name });
        return;
      }
      it?.push({ type: "renamed", from, name });
      const [old, now] = [`@${from.toLowerCase()}`, `@${name.toLowerCase()}`];
      const direct = this.conversations.get(old);
      if (direct?.sid !== sid || this.conversations.has(now)) return;
      this.conversations.delete(old);
      this.conversations.set(now, direct);
      direct.name = name;
      direct.push({ type: "renamed", from, name });
    },
  };

  #arrived(/** @type {Conversation} */ it, /** @type {import("./model.js").Row} */ row) {
    if (it === this.active && it.anchor) it.below++;
    else if (it === this.active && this.visible) return;
    it.unread++;
    it.fresh ||= row.key;
  }
}
