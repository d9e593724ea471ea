// The client against a hub that is cut, crashes and forgets what it hadn't kept, at random. `SEED=7 node --test
// chance.test.mjs` repeats a run. The hub is a model of docs/protocol.md §6; the real one is in live.test.mjs.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Machine } from "./trappe.js";

const RUNS = 100;
const STEPS = 600;
const CLIENTS = 3;
/** Numbers that a crash leaves unused. */
const RESERVED = 100;
const EPOCH = "aaaaaaaaaa";

/** Numbers from 0 up to 1 that a seed repeats (mulberry32). */
const chances = (seed) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
};

/** One room, kept on a disk that is behind. */
class Hub {
  log = [];
  next = 1;
  kept = 0;
  /** By session: its number, and the sends that it remembers. */
  sessions = new Map();

  say(session, { id, text }) {
    const { sid, sent } = session;
    if (!sent.has(id)) {
      sent.set(id, this.next);
      this.log.push({ seq: this.next, sid, id, text });
      this.next += 1;
    }
    session.unacked.push(id);
  }

  /** All that was said so far is on disk. */
  keep() {
    this.kept = this.log.length;
  }

  /** What wasn't on disk never was. */
  crash() {
    const last = this.log[this.kept - 1]?.seq ?? 0;
    this.log.length = this.kept;
    for (const session of this.sessions.values()) {
      session.unacked = [];
      for (const [id, seq] of session.sent) if (seq > last) session.sent.delete(id);
    }
    if (this.next > last + 1) this.next += RESERVED;
  }
}

/** A client, and its end of the hub. */
class Client {
  passed = [];
  acked = [];
  unconfirmed = 0;
  /** Frames on their way, or null: no connection. */
  up = null;
  down = null;

  constructor(hub, name, chance) {
    Object.assign(this, { hub, name, now: 1_000_000, said: 0 });
    this.machine = new Machine(this.now, { random: chance });
    this.do((it) => it.connect(this.now));
  }

  do(input) {
    input(this.machine);
    for (const [effect, what, wrong, value] of this.machine.out.splice(0)) {
      if (effect === "write") this.up?.push(JSON.parse(what));
      else if (effect === "close") this.up = this.down = null;
      else if (effect === "settle" && value?.seq) this.acked.push(this.texts.get(what));
      else if (effect === "settle" && wrong?.code === "unconfirmed") this.unconfirmed += 1;
      else if (effect === "emit" && what.ev === "msg") this.passed.push(what);
      else if (effect === "open") this.open();
    }
  }

  texts = new Map();

  say() {
    const text = `${this.name} ${(this.said += 1)}`;
    const { id } = this.machine;
    this.texts.set(id, text);
    this.do((it) => it.send({ text }));
  }

  open() {
    this.up = [];
    this.down = [];
    this.cursor = undefined;
    this.opening = true;
  }

  cut() {
    if (!this.up) return;
    this.up = this.down = null;
    if (this.session) this.session.unacked = [];
    this.do((it) => it.lost(this.now, 1006));
  }

  /** The hub reads one op. */
  read() {
    const op = this.up?.shift();
    if (op?.op === "send" && this.cursor !== undefined) this.hub.say(this.session, op);
    if (op?.op !== "hello") return;
    const known = this.hub.sessions.get(op.session);
    const token = known ? op.session : this.name;
    this.session = known ?? { sid: this.hub.sessions.size + 1, sent: new Map(), unacked: [] };
    this.hub.sessions.set(token, this.session);
    const after = op.rooms[0].after;
    this.cursor = after ? Number(after.split("@")[1]) : this.hub.next - 1;
    const rooms = [{ room: "lobby", pos: `${EPOCH}@${this.cursor}` }];
    const { sid } = this.session;
    this.down.push({ ev: "hello", session: token, sid, name: this.name, resumed: known && true, rooms, id: op.id });
    if (after) this.write(Infinity, true);
    if (after) this.down.push({ ev: "live", room: "lobby", pos: `${EPOCH}@${this.cursor}` });
  }

  /** The hub writes what this one hasn't heard, and what is acknowledged. */
  write(count, old) {
    if (this.cursor === undefined || !this.down) return;
    for (const it of this.hub.log.filter(({ seq }) => seq > this.cursor).slice(0, count)) {
      if (it.seq > this.cursor + 1) this.gap(it.seq - 1);
      const own = it.sid === this.session.sid;
      if (!own || old) this.down.push({ ev: "msg", room: "lobby", from: "x", ...it, old, own: own || undefined });
      this.cursor = it.seq;
    }
    if (old && this.cursor < this.hub.next - 1) this.gap(this.hub.next - 1);
  }

  gap(to) {
    this.down.push({ ev: "gap", room: "lobby", from: this.cursor + 1, to, cause: "unused" });
    this.cursor = to;
  }

  acknowledge() {
    const last = this.hub.log[this.hub.kept - 1]?.seq ?? 0;
    const done = this.session?.unacked.filter((id) => this.session.sent.get(id) <= last) ?? [];
    if (!done.length || !this.down) return;
    this.session.unacked = this.session.unacked.filter((id) => !done.includes(id));
    for (const id of done) this.down.push({ ev: "ack", room: "lobby", seq: this.session.sent.get(id), id });
  }

  /** The client hears one frame. */
  hear() {
    if (this.opening) {
      this.opening = false;
      return this.do((it) => it.opened());
    }
    const frame = this.down?.shift();
    if (frame) this.do((it) => it.heard(this.now, JSON.stringify(frame)));
  }

  /** So long that it tries again. */
  wait() {
    if (this.machine.state.at !== "waiting") return;
    this.now = this.machine.due;
    this.do((it) => it.wake(this.now));
  }
}

function run(seed) {
  const chance = chances(seed);
  const hub = new Hub();
  const clients = Array.from({ length: CLIENTS }, (_, n) => new Client(hub, `c${n}`, chance));
  const settle = () => {
    for (let quiet = 0; quiet < 20; quiet += 1) {
      hub.keep();
      for (const it of clients) {
        for (const act of ["wait", "hear", "read", "acknowledge"]) it[act]();
        it.write(Infinity);
        while (it.up?.length) it.read();
        while (it.down?.length) it.hear();
      }
    }
  };
  // Each has its session and its place before anything breaks.
  settle();
  for (let step = 0; step < STEPS; step += 1) {
    const it = clients[Math.floor(chance() * CLIENTS)];
    const dice = chance();
    if (dice < 0.2) it.say();
    else if (dice < 0.45) it.hear();
    else if (dice < 0.65) it.read();
    else if (dice < 0.8) it.write(3);
    else if (dice < 0.9) it.acknowledge();
    else if (dice < 0.94) it.wait();
    else if (dice < 0.97) hub.keep();
    else if (dice < 0.99) it.cut();
    else {
      hub.crash();
      for (const each of clients) each.cut();
    }
  }
  settle();
  const kept = hub.log.map(({ text }) => text);
  assert.equal(new Set(kept).size, kept.length, "kept twice");
  for (const it of clients) {
    assert.equal(it.machine.unacked.size, 0, `${it.name} waits`);
    assert.equal(it.unconfirmed, 0);
    assert.equal(it.acked.length, it.said, `${it.name}: not all acknowledged`);
    const theirs = it.passed.filter(({ own }) => !own).map(({ text }) => text);
    assert.equal(new Set(theirs).size, theirs.length, `${it.name} had one twice`);
    const seqs = it.passed.map(({ seq }) => seq);
    assert.ok(seqs.every((seq, i) => !i || seq > seqs[i - 1]), `${it.name}: out of order`);
    const had = new Set(theirs);
    for (const other of clients) {
      if (other !== it) for (const text of other.acked) assert.ok(had.has(text), `${it.name} missed ${text}`);
    }
  }
}

test("whatever is cut and whatever crashes, what is acknowledged is passed on once, in order", () => {
  const seeds = process.env.SEED ? [Number(process.env.SEED)] : Array.from({ length: RUNS }, (_, n) => n + 1);
  for (const seed of seeds) {
    try {
      run(seed);
    } catch (error) {
      error.message = `SEED=${seed}: ${error.message}`;
      throw error;
    }
  }
});
