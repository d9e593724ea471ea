// @ts-check
// The connection to a hub: session, resume, acknowledged sends, reconnecting (docs/protocol.md §5–§7). No DOM in here; what
// happens goes out through `onevent`, `onstate` and `onunconfirmed`.

/** @typedef {{ev: string, [field: string]: any}} HubEvent */
/** @typedef {{at: "connecting"|"open"|"waiting"|"superseded"|"left"|"closed", until?: number, why?: string, text?: string}} State */
/** @typedef {{id: number, room: string, text: string, sent?: boolean}} Send */
/** @typedef {{session?: string, rooms?: string[], unacked?: Send[]}} Saved */

/** A longer frame closes the connection (--max-message of the hub). */
export const FRAME_BYTES_MAX = 65536;
/** So many sends may wait for their acknowledgement. */
export const UNACKED_MAX = 100;
/** Messages that came ahead of a missing one; with more it is missed for good. */
const AHEAD_MAX = 1024;
const OPEN_MS_MAX = 10_000;

/** A delay with full jitter: not all clients come at once to a hub that is back. @param {number} attempt */
export const backoff = (attempt, random = Math.random) => Math.round(random() * Math.min(20_000, 500 * 2 ** attempt));

/** How far everything of a room has come: the position to go on from. */
export class Mark {
  /** @param {string} pos EPOCH@SEQ */
  constructor(pos) {
    this.move(pos);
  }
  move(/** @type {string} */ pos) {
    const [epoch, seq] = pos.split("@");
    this.epoch = epoch;
    this.seq = Number(seq);
    this.ahead = new Set();
  }
  /** An acknowledgement may overtake a message: numbers don't come in order. */
  had(/** @type {number} */ seq) {
    if (seq > this.seq) this.ahead.add(seq);
    if (this.ahead.size > AHEAD_MAX) this.seq = Math.min(...this.ahead) - 1;
    while (this.ahead.delete(this.seq + 1)) this.seq++;
  }
  /** Those up to `seq` won't come. */
  skip(/** @type {number} */ seq) {
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
   * @param {{url: string, rooms: string[], lang?: string, saved?: Saved, onevent: (ev: HubEvent) => void,
   *   onstate: (state: State) => void, onunconfirmed: (sends: Send[]) => void}} options `rooms`: those to enter
   */
  constructor({ saved = {}, rooms, ...options }) {
    this.options = options;
    this.session = saved.session;
    /** @type {Map<string, Mark|undefined>} */
    this.rooms = new Map(rooms.map((room) => [room, undefined]));
    /** @type {Map<number, Send>} */
    this.unacked = new Map(saved.unacked?.map((send) => [send.id, send]));
    /** @type {Map<number, {resolve: (ev: HubEvent) => void, reject: (ev: HubEvent) => void}>} */
    this.asked = new Map();
    // The ids of a session have to grow, over a reload too; time does.
    this.id = Math.max(Date.now(), ...[...this.unacked.keys()].map((id) => id + 1));
    this.attempt = 0;
    /** @type {State} */
    this.state = { at: "closed" };
  }

  get open() {
    return this.state.at === "open";
  }

  /** What a reloaded page needs to be the same member. @returns {Saved} */
  save() {
    return { session: this.session, rooms: [...this.rooms.keys()], unacked: [...this.unacked.values()] };
  }

  /** Connects now, also where the next attempt would be later. */
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

  /**
   * Says something in a room: once, whatever the connection does meanwhile; or `onunconfirmed` gives it back.
   * @param {string} room @param {string} text @returns {number} the id of its `ack`
   */
  send(room, text) {
    const send = { id: this.id++, room, text };
    this.unacked.set(send.id, send);
    if (this.open) this.#say(send);
    return send.id;
  }

  /**
   * Asks for any other op. @param {{op: string, [field: string]: any}} op
   * @returns {Promise<HubEvent>} what answers it; rejected with the error, or with the code `lost`
   */
  ask(op) {
    return new Promise((resolve, reject) => {
      if (!this.open) return reject({ ev: "error", code: "lost" });
      this.asked.set(this.id, { resolve, reject });
      this.#write({ ...op, id: this.id++ });
    });
  }

  /** A line that begins with `/`. @param {string} line */
  command(line) {
    if (this.open) this.socket?.send(line);
  }

  #write(/** @type {object} */ op) {
    this.socket?.send(JSON.stringify(op));
  }

  #say(/** @type {Send} */ send) {
    send.sent = true;
    this.#write({ op: "send", room: send.room, text: send.text, id: send.id });
  }

  #enter(/** @type {State} */ state) {
    this.state = state;
    this.options.onstate(state);
  }

  #heard(/** @type {HubEvent} */ ev) {
    const answers = ev.id !== undefined && ev.id === this.hello;
    if (ev.ev === "hello" && !answers) {
      // It comes by itself; our own hello is about to replace its session.
      this.first = ev;
      return;
    }
    if (ev.ev === "error" && answers && this.first) {
      // A room that can't be: the first session stays, and the hub takes it to the lobby.
      this.rooms.clear();
      this.#greeted(this.first);
      this.options.onevent(this.first);
    }
    if (ev.ev === "hello") this.#greeted(ev);
    if (ev.ev === "bye" || (ev.ev === "error" && !this.open)) this.goodbye = ev;
    this.#follow(ev);
    if (ev.ev !== "msg" || ev.own) this.unacked.delete(ev.id);
    // The messages of history bear the id of the op too, but aren't its answer; nor is a gap.
    const asked = ev.ev === "msg" || ev.ev === "gap" ? undefined : this.asked.get(ev.id);
    this.options.onevent(ev);
    if (!asked) return;
    this.asked.delete(ev.id);
    if (ev.ev === "error") asked.reject(ev);
    else asked.resolve(ev);
  }

  #greeted(/** @type {HubEvent} */ ev) {
    clearTimeout(this.timer);
    this.attempt = 0;
    this.session = ev.session;
    for (const { room, pos } of ev.rooms) if (!this.rooms.get(room)) this.rooms.set(room, new Mark(pos));
    this.#enter({ at: "open" });
    const sends = [...this.unacked.values()];
    // A new session doesn't know what the old one said: what was on its way may have been said, or not.
    const lost = ev.resumed ? [] : sends.filter(({ sent }) => sent);
    for (const { id } of lost) this.unacked.delete(id);
    this.options.onunconfirmed(lost);
    for (const send of sends) if (this.unacked.has(send.id)) this.#say(send);
  }

  /** Keeps the positions. */
  #follow(/** @type {HubEvent} */ ev) {
    const mark = this.rooms.get(ev.room);
    if (ev.own && ev.ev === "join") this.rooms.set(ev.room, new Mark(ev.pos));
    else if (ev.own && ev.ev === "leave") this.rooms.delete(ev.room);
    else if (!mark) return;
    else if (ev.ev === "msg" || (ev.ev === "ack" && ev.seq)) mark.had(ev.seq);
    else if (ev.ev === "live" && !ev.pos.startsWith(mark.epoch)) mark.move(ev.pos);
    else if (ev.ev === "gap" && ev.oldest) {
      const { epoch, seq } = new Mark(ev.oldest);
      if (epoch === mark.epoch) mark.skip(seq - 1);
      else mark.move(`${epoch}@${seq - 1}`);
    } else if (ev.ev === "gap" && ev.to) mark.skip(ev.to);
  }

  #fail() {
    for (const { reject } of this.asked.values()) reject({ ev: "error", code: "lost" });
    this.asked.clear();
  }

  #lost(/** @type {WebSocket} */ socket, /** @type {number} */ code) {
    if (socket !== this.socket) return;
    clearTimeout(this.timer);
    this.socket = undefined;
    socket.close();
    this.#fail();
    const { reason, code: why = this.session ? "lost" : "never", text } = this.goodbye ?? {};
    if (reason === "superseded") return this.#enter({ at: reason });
    if (reason === "quit") return this.#enter({ at: "left" });
    if (code === 1009) this.#refuseLongest();
    const delay = backoff(this.attempt++);
    this.timer = setTimeout(() => this.connect(), delay);
    this.#enter({ at: "waiting", until: Date.now() + delay, why: reason ?? why, text });
  }

  /** Something was too long for this hub; said again it would close the connection again. */
  #refuseLongest() {
    const sends = [...this.unacked.values()].filter(({ sent }) => sent);
    const [longest] = sends.sort((a, b) => b.text.length - a.text.length);
    if (!longest) return;
    this.unacked.delete(longest.id);
    this.options.onevent({ ev: "error", code: "too-long", id: longest.id });
  }
}
