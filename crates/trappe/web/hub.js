// @ts-check
// The connection to a hub: session, resume, acknowledged sends, reconnecting. No DOM in here: what happens goes out through
// `onevent`, `onstate` and `onunconfirmed`. docs/protocol.md §5–§7 is what it speaks.

/** @typedef {{ev: string, [field: string]: any}} HubEvent */
/** @typedef {{at: "connecting"|"open"|"waiting"|"superseded"|"left"|"closed", until?: number, why?: string, text?: string}} HubState */
/** @typedef {{id: number, room: string, text: string, sent: boolean}} Unacked */
/** @typedef {{session?: string, rooms?: string[], unacked?: Unacked[]}} Saved */

/** A frame longer than this closes the connection (the hub's --max-message). */
export const FRAME_BYTES_MAX = 65536;
/** So many sends may wait for their acknowledgement; the hub remembers 1024 of them. */
export const UNACKED_MAX = 100;
/** A connection that says nothing for so long is given up. */
const OPEN_MS_MAX = 10_000;
const BACKOFF_MS_MIN = 500;
const BACKOFF_MS_MAX = 20_000;
/** Messages that came ahead of one that is missing; more than this, and it is missed for good. */
const AHEAD_MAX = 1024;

/** How far everything of a room has come: the position to go on from. */
export class Mark {
  /** @param {string} pos EPOCH@SEQ */
  constructor(pos) {
    this.move(pos);
  }
  /** @param {string} pos */
  move(pos) {
    const [epoch, seq] = pos.split("@");
    this.epoch = epoch;
    this.seq = Number(seq);
    /** @type {Set<number>} */
    this.ahead = new Set();
  }
  /** An acknowledgement may overtake a message, so the numbers don't always come in order. @param {number} seq */
  had(seq) {
    if (seq <= this.seq) return;
    this.ahead.add(seq);
    if (this.ahead.size > AHEAD_MAX) this.seq = Math.min(...this.ahead) - 1;
    while (this.ahead.delete(this.seq + 1)) this.seq++;
  }
  /** @param {number} to The last of those that won't come. */
  skip(to) {
    if (to > this.seq) this.seq = to;
    for (const seq of this.ahead) if (seq <= this.seq) this.ahead.delete(seq);
    while (this.ahead.delete(this.seq + 1)) this.seq++;
  }
  toString() {
    return `${this.epoch}@${this.seq}`;
  }
}

/** A delay with full jitter: many clients of a hub that came back don't all come at once. */
export const backoff = (/** @type {number} */ attempt, random = Math.random) =>
  Math.round(random() * Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** attempt));

export class Hub {
  /**
   * @param {{url: string, lang?: string, saved?: Saved, enter?: string[], now?: () => number, random?: () => number,
   *   WebSocket?: typeof WebSocket, onevent: (ev: HubEvent) => void, onstate: (state: HubState) => void,
   *   onunconfirmed?: (sends: Unacked[]) => void}} options `enter`: the rooms to be in at first.
   */
  constructor(options) {
    this.options = { now: Date.now, random: Math.random, WebSocket: globalThis.WebSocket, ...options };
    const { enter } = options;
    const saved = options.saved ?? {};
    this.session = saved.session;
    /** @type {string|undefined} */
    this.name = undefined;
    /** @type {Map<string, Mark|undefined>} The rooms to be in, and how far each has come. */
    this.rooms = new Map((enter ?? saved.rooms ?? ["lobby"]).map((room) => [room, undefined]));
    /** @type {Map<number, Unacked>} */
    this.unacked = new Map((saved.unacked ?? []).map((send) => [send.id, send]));
    /** @type {Map<number, {resolve: (ev: HubEvent) => void, reject: (ev: HubEvent) => void}>} */
    this.asked = new Map();
    // The ids of a session have to grow, also over a reload: time does, and is ahead of a counter that began earlier.
    this.id = Math.max(this.options.now(), ...[...this.unacked.keys()].map((id) => id + 1));
    this.attempt = 0;
    /** @type {HubState} */
    this.state = { at: "closed" };
    /** @type {WebSocket|undefined} */
    this.socket = undefined;
    this.timer = undefined;
    this.helloId = -1;
    /** @type {HubEvent|undefined} */
    this.goodbye = undefined;
    /** @type {HubEvent|undefined} */
    this.first = undefined;
  }

  /** What a reloaded page needs to be the same member. @returns {Saved} */
  save() {
    return { session: this.session, rooms: [...this.rooms.keys()], unacked: [...this.unacked.values()] };
  }

  get open() {
    return this.state.at === "open";
  }

  /** Connects at once, also where the next attempt would come later. */
  connect() {
    if (this.state.at === "open" || this.state.at === "connecting") return;
    clearTimeout(this.timer);
    this.#enter({ at: "connecting", why: this.state.why });
    const socket = new this.options.WebSocket(this.options.url, "trappe.json.v1");
    this.socket = socket;
    this.goodbye = undefined;
    this.timer = setTimeout(() => this.#lost(socket, 0), OPEN_MS_MAX);
    socket.onopen = () => {
      this.helloId = this.id++;
      const rooms = [...this.rooms].map(([room, mark]) => (mark ? { room, after: String(mark) } : { room }));
      // Only as the first op does hello take a session over.
      this.#write({ op: "hello", session: this.session, rooms, id: this.helloId });
      if (this.options.lang) this.#write({ op: "lang", lang: this.options.lang });
    };
    socket.onmessage = ({ data }) => {
      if (socket === this.socket && typeof data === "string") this.#heard(JSON.parse(data));
    };
    socket.onclose = ({ code }) => this.#lost(socket, code);
  }

  /** Leaves without a word; `connect` comes back. */
  close() {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = undefined;
    if (socket) socket.close(1000);
    this.#fail();
    this.#enter({ at: "closed" });
  }

  /**
   * Says something in a room. It is said once, whatever happens to the connection meanwhile, or given back by `onunconfirmed`.
   * @param {string} room @param {string} text @returns {number} its id, that of its `ack`
   */
  send(room, text) {
    const send = { id: this.id++, room, text, sent: false };
    this.unacked.set(send.id, send);
    if (this.open) this.#say(send);
    return send.id;
  }

  /** Whether one more send would be taken. */
  get free() {
    return this.unacked.size < UNACKED_MAX;
  }

  /**
   * Asks for any other op. @param {{op: string, [field: string]: any}} op
   * @returns {Promise<HubEvent>} the event that answers it; rejected with the error event, or `{code: "lost"}`
   */
  ask(op) {
    if (!this.open) return Promise.reject({ ev: "error", code: "lost" });
    const id = this.id++;
    return new Promise((resolve, reject) => {
      this.asked.set(id, { resolve, reject });
      this.#write({ ...op, id });
    });
  }

  /** A line that begins with `/`. @param {string} line @returns {boolean} whether it was sent */
  command(line) {
    if (this.open) this.socket?.send(line);
    return this.open;
  }

  /** Forgets a send that is not to be tried again. @param {number} id */
  drop(id) {
    this.unacked.delete(id);
  }

  #write(/** @type {object} */ op) {
    this.socket?.send(JSON.stringify(op));
  }

  #say(/** @type {Unacked} */ send) {
    send.sent = true;
    this.#write({ op: "send", room: send.room, text: send.text, id: send.id });
  }

  #enter(/** @type {HubState} */ state) {
    this.state = state;
    this.options.onstate(state);
  }

  #heard(/** @type {HubEvent} */ ev) {
    if (ev.ev === "hello") {
      // The one that comes by itself is of a session that our own hello is about to replace.
      if (ev.id !== this.helloId) {
        this.first = ev;
        return;
      }
      this.#greeted(ev);
    }
    if (ev.ev === "error" && ev.id === this.helloId && this.first) {
      // A room that the hub won't have: it is the first session then, and the hub takes it to the lobby.
      this.rooms.clear();
      this.#greeted(this.first);
      this.options.onevent(this.first);
    }
    this.#follow(ev);
    if (ev.ev === "bye") this.goodbye = ev;
    if (ev.ev === "error" && !this.open) this.goodbye ??= { ...ev, reason: ev.code };
    if (ev.id !== undefined && (ev.own || ev.ev !== "msg")) this.#answered(ev);
    this.options.onevent(ev);
  }

  #greeted(/** @type {HubEvent} */ ev) {
    clearTimeout(this.timer);
    this.attempt = 0;
    this.session = ev.session;
    this.name = ev.name;
    const sends = [...this.unacked.values()];
    // Another session doesn't know what the old one said: what was on its way may have been said, or not.
    const unconfirmed = ev.resumed ? [] : sends.filter((send) => send.sent);
    for (const { id } of unconfirmed) this.unacked.delete(id);
    this.#enter({ at: "open" });
    if (unconfirmed.length) this.options.onunconfirmed?.(unconfirmed);
    for (const send of sends) if (!unconfirmed.includes(send)) this.#say(send);
  }

  /** Keeps the positions. */
  #follow(/** @type {HubEvent} */ ev) {
    const mark = this.rooms.get(ev.room);
    if (ev.ev === "hello") {
      for (const { room, pos } of ev.rooms) if (!this.rooms.get(room)) this.rooms.set(room, new Mark(pos));
    } else if (ev.ev === "msg" || (ev.ev === "ack" && ev.seq)) {
      mark?.had(ev.seq);
    } else if (ev.ev === "gap") {
      if (ev.oldest && mark) {
        const [epoch, seq] = ev.oldest.split("@");
        if (epoch === mark.epoch) mark.skip(Number(seq) - 1);
        else mark.move(`${epoch}@${Number(seq) - 1}`);
      } else if (ev.to) mark?.skip(ev.to);
    } else if (ev.ev === "live" && mark && !ev.pos.startsWith(mark.epoch)) {
      mark.move(ev.pos);
    } else if (ev.ev === "join" && ev.own) {
      this.rooms.set(ev.room, new Mark(ev.pos));
    } else if (ev.ev === "leave" && ev.own) {
      this.rooms.delete(ev.room);
    } else if (ev.ev === "nick" && ev.own) {
      this.name = ev.name;
    }
  }

  #answered(/** @type {HubEvent} */ ev) {
    if (this.unacked.has(ev.id)) this.unacked.delete(ev.id);
    // What comes before the last event of an answer (the messages of history) isn't the answer.
    const asked = ev.ev === "msg" || ev.ev === "gap" ? undefined : this.asked.get(ev.id);
    if (!asked) return;
    this.asked.delete(ev.id);
    if (ev.ev === "error") asked.reject(ev);
    else asked.resolve(ev);
  }

  #fail() {
    const asked = [...this.asked.values()];
    this.asked.clear();
    for (const { reject } of asked) reject({ ev: "error", code: "lost" });
  }

  #lost(/** @type {WebSocket} */ socket, /** @type {number} */ code) {
    if (socket !== this.socket) return;
    clearTimeout(this.timer);
    this.socket = undefined;
    socket.close();
    this.#fail();
    const { reason, text } = this.goodbye ?? {};
    if (reason === "superseded" || reason === "quit") {
      this.#enter({ at: reason === "quit" ? "left" : "superseded", text });
      return;
    }
    // Too long for this hub: said again it would only close the connection again.
    if (code === 1009) this.#refuseLongest();
    const why = reason ?? (this.session === undefined ? "never" : "lost");
    const delay = backoff(this.attempt++, this.options.random);
    this.timer = setTimeout(() => this.connect(), delay);
    this.#enter({ at: "waiting", until: this.options.now() + delay, why, text });
  }

  #refuseLongest() {
    const sends = [...this.unacked.values()].filter((send) => send.sent);
    const longest = sends.sort((a, b) => b.text.length - a.text.length)[0];
    if (!longest) return;
    this.unacked.delete(longest.id);
    this.options.onevent({ ev: "error", code: "too-long", id: longest.id, text: "" });
  }
}
