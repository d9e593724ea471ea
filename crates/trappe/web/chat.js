// @ts-check
// The chat without its looks: which conversations there are, what the hub's events do to them, what a person does. No DOM.

import { FRAME_BYTES_MAX, Hub, UNACKED_MAX } from "./hub.js";
import { Conversation, ROWS_MAX } from "./model.js";
import { meaning } from "./commands.js";

/** @typedef {import("./hub.js").HubEvent} HubEvent */

const HISTORY = 50;
const DIRECTS_MAX = 50;
/** Rooms of more members than this are told of no arrivals (the hub stops at 50): they are asked. */
const CROWD = 40;
export const ASK_EVERY_MS = 10_000;

const epochOf = (/** @type {string} */ pos) => pos.split("@")[0];

export class Chat {
  /**
   * @param {{url: string, lang: string, saved: any, name: string|null, room: string, changed: () => void,
   *   named: (name: string) => void}} options `room`: the one of the address; `saved`: what `save` gave.
   */
  constructor(options) {
    const { url, lang, saved, room } = options;
    this.options = options;
    this.changed = options.changed;
    /** @type {Map<string, Conversation>} By `#room` and `@name`. */
    this.conversations = new Map();
    /** @type {Conversation|undefined} */
    this.active = undefined;
    this.wanted = room;
    this.lastActive = saved?.active;
    this.me = { name: "", sid: 0 };
    this.wish = options.name ?? "";
    this.visible = true;
    /** @type {{room: string, members: number}[]} */
    this.rooms = [];
    /** What is wrong with the name, or the room, that was asked for; in the hub's words. */
    this.nameProblem = "";
    this.roomProblem = "";
    this.ids = -1;
    this.hub = new Hub({
      url,
      lang,
      saved,
      enter: saved?.rooms?.length ? saved.rooms : room ? [] : ["lobby"],
      onevent: (ev) => this.#heard(ev),
      onstate: () => this.changed(),
      onunconfirmed: (sends) => {
        for (const { id, room } of sends) this.conversations.get(`#${room}`)?.change(id, { state: "unconfirmed" });
      },
    });
    for (const { id, room, text } of saved?.unacked ?? []) {
      this.#room(room).push({ type: "msg", own: true, text, from: "", state: "pending", id });
    }
  }

  save() {
    return { ...this.hub.save(), active: this.active?.kind === "room" ? this.active.name : undefined };
  }

  get list() {
    return [...this.conversations.values()];
  }

  get unread() {
    return this.list.reduce((sum, it) => sum + it.unread, 0);
  }

  // What a person does.

  /** Says what the composer holds. @param {string} text @returns {{id: string, [more: string]: any}|undefined} what is wrong */
  say(text) {
    const it = this.active;
    if (!it || !text.trim()) return undefined;
    it.follow();
    it.fresh = 0;
    const what = meaning(text, it.kind === "room" ? it.name : undefined);
    if (what.do === "refuse") return { id: "no-command", word: what.word };
    if (what.do === "say" || what.do === "me") return this.#say(it, what.text);
    if (what.do === "msg") return this.#say(this.direct(what.to), what.text);
    if (!this.hub.open) return { id: "not-now" };
    if (what.do === "raw") this.hub.command(what.line);
    else this.hub.ask(what.op).then((ev) => this.#tell(ev, it), (ev) => this.#wrong(ev, it));
    return undefined;
  }

  /** @param {Conversation} it @param {string} text */
  #say(it, text) {
    const bytes = new TextEncoder().encode(JSON.stringify({ op: "send", room: it.name, id: this.hub.id, text })).length;
    if (bytes > FRAME_BYTES_MAX) return { id: "too-long", bytes, limit: FRAME_BYTES_MAX };
    const row = { type: /** @type {"msg"} */ ("msg"), own: true, from: this.me.name, sid: this.me.sid, text };
    if (it.kind === "room") {
      if (!this.hub.free) return { id: "too-many", count: UNACKED_MAX };
      it.push({ ...row, state: "pending", id: this.hub.send(it.name, text) });
    } else {
      if (!this.hub.open) return { id: "not-now" };
      const id = this.ids--;
      it.push({ ...row, state: "pending", id });
      this.hub.ask({ op: "msg", to: it.name, text }).then(
        () => it.confirm(id),
        (ev) => it.change(id, ev.code === "lost" ? { state: "unconfirmed" } : { state: "failed", why: ev.text }),
      ).then(this.changed);
    }
    this.changed();
    return undefined;
  }

  /** Says a message again that didn't arrive, or may not have. @param {Conversation} it @param {import("./model.js").Row} row */
  again(it, row) {
    const wrong = this.#say(it, row.text ?? "");
    if (!wrong) it.remove(row.key);
    this.changed();
  }

  /** Shows a conversation. @param {Conversation} it */
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
    if (!it || !this.visible || it.anchor || !it.unread) return;
    it.unread = 0;
    it.v++;
    this.changed();
  }

  /** @param {boolean} visible Whether anybody can see the page. */
  look(visible) {
    this.visible = visible;
    if (!visible) return;
    this.seen();
    if (this.hub.state.at === "waiting") this.hub.connect();
    this.ask();
  }

  /** Goes to a room, and makes it if there is none. @param {string} name */
  enter(name) {
    this.roomProblem = "";
    const it = this.list.find(({ kind, name: its }) => kind === "room" && its.toLowerCase() === name.toLowerCase());
    if (it) return this.show(it);
    this.wanted = name;
    return this.hub.ask({ op: "join", room: name }).catch((ev) => {
      this.roomProblem = ev.text ?? "";
      // Somewhere one has to be.
      if (!this.hub.rooms.size) this.hub.ask({ op: "join", room: "lobby" }).catch(() => {});
      this.changed();
    });
  }

  /** Leaves a room, or closes a direct conversation. @param {Conversation} it */
  leave(it) {
    if (it.kind === "direct") this.#forget(it);
    else this.hub.ask({ op: "leave", room: it.name }).catch((ev) => this.#wrong(ev, it));
  }

  /** The direct conversation with somebody. @param {string} name @param {number} [sid] */
  direct(name, sid) {
    const key = `@${name.toLowerCase()}`;
    const it = this.conversations.get(key) ?? new Conversation("direct", name);
    this.conversations.set(key, it);
    // A name may go to somebody else; what is said next goes to them.
    if (sid && it.sid && it.sid !== sid) it.push({ type: "same-name", from: name });
    it.sid = sid ?? it.sid;
    const directs = this.list.filter(({ kind }) => kind === "direct");
    if (directs.length > DIRECTS_MAX) {
      this.#forget(directs.find((other) => other !== it && other !== this.active && !other.unread) ?? directs[0]);
    }
    return it;
  }

  /** Takes a name. @param {string} name @returns {Promise<boolean>} whether it was given */
  async rename(name) {
    this.nameProblem = "";
    try {
      await this.hub.ask({ op: "nick", name });
    } catch (ev) {
      this.nameProblem = /** @type {any} */ (ev).text ?? "";
    }
    this.changed();
    return !this.nameProblem;
  }

  /** More of what was said before. @param {Conversation} it */
  older(it) {
    const { before } = it.window();
    it.hold();
    if (before) it.shift(-1);
    else if (this.hasOlder(it)) this.#history(it, ROWS_MAX);
    this.changed();
  }

  /** Whether the hub may have older ones. @param {Conversation} it */
  hasOlder(it) {
    const first = it.rows.find(({ type, life }) => type === "msg" && life === it.life);
    return it.kind === "room" && this.hub.open && !it.passed && !it.complete && !!first?.seq && first.seq > 1;
  }

  /** Asks for what no event tells. */
  ask() {
    if (!this.hub.open || !this.visible) return;
    this.hub.ask({ op: "rooms" }).then((ev) => {
      this.rooms = ev.rooms;
      this.changed();
    }, () => {});
    if (this.active?.kind === "room" && this.active.count > CROWD) this.#who(this.active);
  }

  // What the hub says.

  #room(/** @type {string} */ name) {
    const key = `#${name}`;
    const it = this.conversations.get(key) ?? new Conversation("room", name);
    this.conversations.set(key, it);
    return it;
  }

  #forget(/** @type {Conversation} */ it) {
    for (const [key, other] of this.conversations) if (other === it) this.conversations.delete(key);
    if (this.active === it) this.active = this.list.find(({ kind }) => kind === "room") ?? this.list[0];
    if (this.active) this.show(this.active);
    this.changed();
  }

  #who(/** @type {Conversation} */ it) {
    this.hub.ask({ op: "who", room: it.name }).then((ev) => {
      it.members = ev.members;
      it.count = ev.count;
      it.v++;
      this.changed();
    }, () => {});
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

  /** An answer to a command, in the conversation. @param {HubEvent} ev @param {Conversation|undefined} it */
  #tell(ev, it = this.active) {
    const { ev: type, id: _id, ...fields } = ev;
    if (type === "who" || type === "rooms" || type === "why") it?.push({ ...fields, type });
    else if (type === "pong") it?.push({ type: "notice", text: `pong ${ev.text}` });
    this.changed();
  }

  #wrong(/** @type {HubEvent} */ ev, it = this.active) {
    if (ev.code !== "lost") it?.push({ type: "error", code: ev.code, text: ev.text });
    this.changed();
  }

  #heard(/** @type {HubEvent} */ ev) {
    const it = ev.room ? this.conversations.get(`#${ev.room}`) : undefined;
    const { ev: type } = ev;
    if (type === "hello") this.#greeted(ev);
    else if (type === "msg") this.#message(this.#room(ev.room), ev);
    else if (type === "direct") this.#direct(ev);
    else if (type === "ack") this.#ack(ev, it);
    else if (type === "error") this.#error(ev);
    else if (type === "gap") this.#gap(ev, it);
    else if (type === "live") it?.begin(epochOf(ev.pos));
    else if (type === "join") this.#joined(ev);
    else if (type === "leave") this.#left(ev, it);
    else if (type === "nick") this.#renamed(ev, it);
    else if (type === "notice") this.active?.push({ type: "notice", text: ev.text });
    else if (ev.id === undefined) this.#tell(ev);
    this.changed();
  }

  #greeted(/** @type {HubEvent} */ ev) {
    this.me = { name: ev.name, sid: ev.sid };
    if (this.wish && this.wish !== ev.name) {
      this.hub.ask({ op: "nick", name: this.wish }).catch((wrong) => this.#wrong(wrong));
    }
    for (const { room, pos } of ev.rooms) {
      const it = this.#room(room);
      if (!it.epoch) it.begin(epochOf(pos));
      if (!it.loaded) this.#history(it, HISTORY);
      this.#who(it);
    }
    const last = this.lastActive && this.conversations.get(`#${this.lastActive}`);
    this.active ??= last || this.list.find(({ kind }) => kind === "room");
    if (this.wanted) this.enter(this.wanted);
    this.ask();
  }

  #message(/** @type {Conversation} */ it, /** @type {HubEvent} */ ev) {
    if (ev.own && ev.id !== undefined) it.confirm(ev.id, ev.seq);
    const { ev: type, room: _room, ...fields } = ev;
    const row = it.merge({ ...fields, type: "msg", seq: ev.seq });
    const isNew = !ev.old || (it.loaded && ev.seq > it.high);
    it.high = Math.max(it.high, ev.seq);
    if (row && isNew && !ev.own) this.#arrived(it, row);
  }

  #direct(/** @type {HubEvent} */ ev) {
    // What one says to oneself comes back as said by oneself.
    const it = this.direct(ev.from, ev.sid);
    const { ev: type, ...fields } = ev;
    this.#arrived(it, it.push({ ...fields, type: "msg" }));
  }

  #arrived(/** @type {Conversation} */ it, /** @type {import("./model.js").Row} */ row) {
    if (it === this.active && it.anchor) it.below++;
    if (it === this.active && this.visible && !it.anchor) return;
    it.unread++;
    it.fresh ||= row.key;
  }

  #ack(/** @type {HubEvent} */ ev, /** @type {Conversation|undefined} */ it) {
    if (!it || !ev.seq) return;
    it.confirm(ev.id, ev.seq);
    it.high = Math.max(it.high, ev.seq);
  }

  #error(/** @type {HubEvent} */ ev) {
    // A number too old to be known: it may have been said.
    const change = ev.code === "stale-id" ? { state: "unconfirmed" } : { state: "failed", why: ev.text };
    if (ev.id !== undefined && this.list.some((it) => it.change(ev.id, /** @type {any} */ (change)))) return;
    if (ev.id === undefined || ev.op === "hello") this.#wrong(ev);
  }

  #gap(/** @type {HubEvent} */ ev, /** @type {Conversation|undefined} */ it) {
    if (ev.oldest) it?.begin(epochOf(ev.oldest));
    if (!it || ev.cause === "epoch") return;
    const count = ev.from && ev.to ? ev.to - ev.from + 1 : 0;
    const fields = { type: /** @type {"gap"} */ ("gap"), cause: ev.cause, count };
    if (ev.from) it.merge({ ...fields, seq: ev.from });
    else it.push(fields);
  }

  #joined(/** @type {HubEvent} */ ev) {
    const it = this.#room(ev.room);
    if (!ev.own) {
      it.members = [...it.members.filter(({ sid }) => sid !== ev.sid), { name: ev.from, sid: ev.sid }];
      it.count++;
      it.push({ type: "joined", from: ev.from });
      return;
    }
    it.begin(epochOf(ev.pos));
    it.count = ev.members;
    if (!it.loaded) this.#history(it, HISTORY);
    this.#who(it);
    this.wanted = "";
    this.show(it);
  }

  #left(/** @type {HubEvent} */ ev, /** @type {Conversation|undefined} */ it) {
    if (!it) return;
    if (ev.own) {
      this.#forget(it);
      return;
    }
    it.members = it.members.filter(({ sid }) => sid !== ev.sid);
    it.count = Math.max(0, it.count - 1);
    it.push({ type: "left", from: ev.from, text: ev.text });
  }

  #renamed(/** @type {HubEvent} */ ev, /** @type {Conversation|undefined} */ it) {
    if (ev.own) {
      this.me = { ...this.me, name: ev.name };
      this.wish = ev.name;
      this.options.named(ev.name);
      this.active?.push({ type: "renamed", own: true, from: ev.from, name: ev.name });
    }
    for (const room of this.list) {
      if (room.members.some(({ sid }) => sid === ev.sid)) {
        room.members = room.members.map((one) => (one.sid === ev.sid ? { ...one, name: ev.name } : one));
        room.v++;
      }
    }
    const old = `@${ev.from.toLowerCase()}`;
    const direct = this.conversations.get(old);
    if (!ev.own && direct?.sid === ev.sid && !this.conversations.has(`@${ev.name.toLowerCase()}`)) {
      this.conversations.delete(old);
      direct.name = ev.name;
      this.conversations.set(`@${ev.name.toLowerCase()}`, direct);
      direct.push({ type: "renamed", from: ev.from, name: ev.name });
    }
    if (!ev.own) it?.push({ type: "renamed", from: ev.from, name: ev.name });
  }
}
