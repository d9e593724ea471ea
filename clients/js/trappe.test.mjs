// The laws of the client's machine, without a network and without a clock: `node --test trappe.test.mjs`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Machine, Mark, Trappe, backoff, bytesOf } from "./trappe.js";

/** As trappe.js has them. */
const [AHEAD_MAX, IDS_MAX, SIDS_MAX, ROOMS_MAX, WINDOW, ASKED_MAX] = [1024, 1024, 4096, 64, 1000, 1000];
const FRAME_MAX = 1 << 20;
const EPOCH = "aaaaaaaaaa";

/** A machine, what it asked for, and the hub that a test plays. */
class Stage {
  now = 1_000_000;
  wrote = [];
  told = [];
  settled = new Map();
  sockets = 0;
  closed = 0;

  constructor(options) {
    this.machine = new Machine(this.now, { random: () => 1, ...options });
  }

  /** Gives it an input, and takes what it asks for. */
  do(input) {
    const result = input(this.machine);
    for (const [name, what, wrong, value] of this.machine.out.splice(0)) {
      if (name === "open") this.sockets += 1;
      else if (name === "close") this.closed += 1;
      else if (name === "write") this.wrote.push(JSON.parse(what));
      else if (name === "emit") this.told.push(what);
      else this.settled.set(what, wrong ? wrong.code : value);
    }
    return result;
  }

  hear(...events) {
    for (const ev of events) this.do((it) => it.heard(this.now, typeof ev === "string" ? ev : JSON.stringify(ev)));
    return this;
  }

  /** Connects, and is greeted: in `lobby` at 0, unless told otherwise. */
  greet({ rooms = [{ room: "lobby", pos: `${EPOCH}@0` }], ...fields } = {}) {
    this.do((it) => it.connect(this.now));
    this.do((it) => it.opened());
    const { id } = this.wrote.findLast(({ op }) => op === "hello");
    return this.hear({ ev: "hello", session: "s", sid: 1, name: "me", rooms, id, ...fields });
  }

  /** Loses the connection, and is greeted again. */
  again(fields = { resumed: true }, code = 1006) {
    this.do((it) => it.lost(this.now, code));
    return this.greet(fields);
  }

  send(text, room) {
    return this.do((it) => it.send({ room, text }));
  }

  /** What was due up to then is done. */
  pass(ms) {
    const until = this.now + ms;
    while (this.machine.due <= until) {
      this.now = this.machine.due;
      this.do((it) => it.wake(this.now));
    }
    this.now = until;
  }

  /** What of some kind was told, or written, since this was asked last. */
  take(kind) {
    const list = this.told.filter((it) => it.ev === kind);
    this.told = this.told.filter((it) => it.ev !== kind);
    return list;
  }

  ops(kind) {
    const list = this.wrote.filter((it) => it.op === kind);
    this.wrote = this.wrote.filter((it) => it.op !== kind);
    return list;
  }

  get seqs() {
    return this.take("msg").map((it) => it.seq);
  }

  get at() {
    return this.machine.state.at;
  }
}

const greeted = (options, fields) => new Stage(options).greet(fields);
const msg = (seq, fields) => ({ ev: "msg", room: "lobby", seq, from: "bob", sid: 2, text: `${seq}`, ...fields });
const ack = (seq, id) => ({ ev: "ack", room: "lobby", seq, id });
const live = (seq, epoch = EPOCH) => ({ ev: "live", room: "lobby", pos: `${epoch}@${seq}` });
const gap = (fields) => ({ ev: "gap", room: "lobby", ...fields });

test("a position is the number up to which everything has come, whatever the order", () => {
  const table = [
    ["nothing yet", [], 0],
    ["messages", [msg(1), msg(2)], 2],
    ["an acknowledgement that overtakes", [ack(3, 99), msg(1)], 1],
    ["and what it had overtaken", [ack(3, 99), msg(1), msg(2)], 3],
    ["a gap with numbers", [msg(1), gap({ from: 2, to: 9, cause: "slow" })], 9],
    ["a gap that an acknowledgement lies behind", [ack(10, 99), gap({ from: 1, to: 9, cause: "slow" })], 10],
    ["numbers never given", [gap({ from: 1, to: 131_072, cause: "unused" }), msg(131_073)], 131_073],
    ["a gap up to the oldest", [gap({ cause: "forgotten", oldest: `${EPOCH}@7` })], 6],
    ["what is asked for again", [msg(1), msg(2), msg(1, { old: true })], 2],
    ["another room's", [msg(1, { room: "jardin" })], 0],
  ];
  for (const [name, events, seq] of table) {
    assert.equal(greeted().hear(...events).machine.save().rooms[0].after, `${EPOCH}@${seq}`, name);
  }
  const other = greeted().hear(gap({ cause: "epoch", oldest: "bbbbbbbbbb@4" }));
  assert.equal(other.machine.save().rooms[0].after, "bbbbbbbbbb@3");
  assert.equal(greeted().hear(live(5, "cccccccccc")).machine.save().rooms[0].after, "cccccccccc@5");
});

test("a hole that never closes is given up after so many numbers", () => {
  const mark = new Mark(`${EPOCH}@0`);
  for (let seq = 2; seq <= AHEAD_MAX + 2; seq += 1) mark.had(seq);
  assert.equal(mark.seq, AHEAD_MAX + 2);
  assert.equal(mark.ahead.size, 0);
  mark.had(AHEAD_MAX + 4);
  mark.skip(AHEAD_MAX + 9);
  assert.equal(mark.ahead.size, 0);
  for (const bad of ["", "5", "aaa@", "a b@1", "aaa@-1", "aaa@1e3", `aaa@${"9".repeat(17)}`, undefined]) {
    assert.throws(() => new Mark(bad), /is no position/);
  }
});

test("a message that comes again is passed on once", () => {
  const table = [
    ["by its number", [msg(1), msg(1)], [1]],
    ["by its number, behind a hole", [msg(1), msg(3), msg(3)], [1, 3]],
    ["by its sender's id, under another number", [msg(1, { id: 7 }), msg(9, { id: 7 })], [1]],
    ["but not another sender's", [msg(1, { id: 7 }), msg(2, { id: 7, sid: 3 })], [1, 2]],
    ["nor without a sender", [msg(1, { id: 7, sid: undefined }), msg(2, { id: 7, sid: undefined })], [1, 2]],
    ["nor without an id", [msg(1), msg(2)], [1, 2]],
    ["and again where it was asked for", [msg(1, { id: 7 }), msg(1, { id: 7, old: true })], [1, 1]],
  ];
  for (const [name, events, seqs] of table) assert.deepEqual(greeted().hear(...events).seqs, seqs, name);
});

test("in a room's next life the same number and id are the same message, unless the hub forgot everybody", () => {
  const next = [gap({ cause: "epoch", oldest: "bbbbbbbbbb@1" }), live(0, "bbbbbbbbbb")];
  const said = msg(1, { id: 7 });
  const [resumed, anew] = [{ resumed: true }, { session: "t" }];
  const third = gap({ cause: "epoch", oldest: "cccccccccc@1" });
  const table = [
    ["a crash took the room, and its sender says it again", [[resumed, [...next, said]]], [1]],
    ["and it is told by `live` alone", [[resumed, [next[1], said]]], [1]],
    ["another has the number now", [[anew, [...next, said]]], [1, 1]],
    ["though it breaks before that is told", [[anew, []], [resumed, [...next, said]]], [1, 1]],
    ["but only once", [[anew, next], [resumed, [said]], [resumed, [third, said]]], [1, 1]],
    ["a session ran out, and later a crash took the room", [[anew, [live(1)]], [resumed, [...next, said]]], [1]],
  ];
  for (const [name, connections, seqs] of table) {
    const stage = greeted().hear(said);
    for (const [hello, events] of connections) {
      stage.again({ ...hello, rooms: [{ room: "lobby", pos: stage.machine.save().rooms[0].after }] });
      stage.hear(...events);
    }
    assert.deepEqual(stage.seqs, seqs, name);
  }
});

test("after a break what was here is not passed on again, though the hub says it again", () => {
  // Its own 2 isn't acknowledged yet: the position stays before it.
  const stage = greeted().hear(msg(1), msg(3, { id: 3 }), msg(4));
  assert.deepEqual(stage.seqs, [1, 3, 4]);
  const rooms = [{ room: "lobby", pos: `${EPOCH}@1` }];
  stage.ops("hello");
  stage.again({ resumed: true, rooms });
  assert.deepEqual(stage.ops("hello")[0].rooms, [{ room: "lobby", after: `${EPOCH}@1` }]);
  const old = true;
  stage.hear(msg(2, { own: true, old }), msg(3, { id: 3, old }), msg(4, { old }), msg(5, { old }));
  stage.hear(live(5), msg(6));
  // Its own would come out of order, and is no news.
  assert.deepEqual(stage.seqs, [5, 6]);
  // Asked for from here on.
  stage.hear(msg(3, { id: 3, old: true }));
  assert.deepEqual(stage.seqs, [3]);
});

test("what it said in a session that was forgotten does not come after what came after it", () => {
  const stage = greeted().hear(msg(2));
  stage.again({ session: "t", rooms: [{ room: "lobby", pos: `${EPOCH}@0` }] });
  const old = true;
  stage.hear(msg(1, { old }), msg(2, { old }), msg(3, { old }), live(3));
  assert.deepEqual(stage.seqs, [2, 3]);
});

test("ids are remembered up to their bounds, the oldest forgotten first", () => {
  const mark = new Mark(`${EPOCH}@0`);
  for (let id = 0; id <= IDS_MAX; id += 1) assert.equal(mark.again(1, id), false);
  assert.equal(mark.again(1, 1), true);
  assert.equal(mark.again(1, 0), false);
  for (let sid = 2; sid <= SIDS_MAX; sid += 1) mark.again(sid, 0);
  assert.equal(mark.again(1, IDS_MAX), true);
  mark.again(SIDS_MAX + 1, 0);
  assert.equal(mark.ids.size, SIDS_MAX);
  assert.equal(mark.again(2, 0), false);
});

test("a send waits for the hub, is said, said again after a break, and settles at its acknowledgement", () => {
  const stage = new Stage();
  const id = stage.send("un");
  assert.deepEqual(stage.ops("send"), []);
  stage.greet();
  const op = { op: "send", text: "un", id, room: "lobby" };
  assert.deepEqual(stage.ops("send"), [op]);
  stage.again();
  assert.deepEqual(stage.ops("send"), [op]);
  assert.equal(stage.settled.has(id), false);
  stage.hear(ack(5, id));
  assert.deepEqual(stage.settled.get(id), { room: "lobby", epoch: EPOCH, seq: 5 });
  stage.again();
  assert.deepEqual(stage.ops("send"), []);
});

test("without its session, what was written is unconfirmed, and what wasn't is said", () => {
  const stage = greeted();
  const written = stage.send("un");
  stage.do((it) => it.lost(stage.now, 1006));
  const waiting = stage.send("deux");
  stage.ops("send");
  stage.greet({ session: "t" });
  assert.deepEqual(stage.ops("send").map((it) => it.id), [waiting]);
  assert.equal(stage.settled.get(written), "unconfirmed");
  assert.deepEqual(stage.take("unconfirmed").map(({ id, room, text }) => [id, room, text]), [[written, "lobby", "un"]]);
});

test("an error ends its send; a number too old to be known leaves it unconfirmed", () => {
  for (const [code, told] of [["not-stored", "not-stored"], ["stale-id", "unconfirmed"]]) {
    const stage = greeted();
    const id = stage.send("un");
    stage.hear({ ev: "error", code, text: "…", op: "send", id });
    assert.equal(stage.settled.get(id), told);
    assert.equal(stage.machine.unacked.size, 0);
  }
});

test("no more is on the wire than the hub remembers, and asked for at once", () => {
  const stage = greeted({ outbox: 5000 });
  const ids = Array.from({ length: WINDOW + 10 }, (_, n) => stage.send(`${n}`));
  assert.equal(stage.ops("send").length, WINDOW);
  // One that lags keeps the others from being written, though they are few.
  for (let n = 1; n < WINDOW; n += 1) stage.hear(ack(n + 1, ids[n]));
  assert.equal(stage.ops("send").length, 0);
  stage.hear(ack(1, ids[0]));
  assert.equal(stage.ops("send").length, 10);
  const asked = Array.from({ length: ASKED_MAX + 1 }, () => stage.do((it) => it.ask({ op: "ping" })));
  assert.equal(stage.settled.get(asked.at(-1)), "full");
  assert.equal(stage.ops("ping").length, ASKED_MAX);
});

test("the outbox has two bounds, and says which send it refused", () => {
  for (const options of [{ outbox: 2 }, { outboxText: 8 }]) {
    const stage = new Stage(options);
    const ids = ["aaaa", "bbbb", "c"].map((text) => stage.send(text));
    assert.deepEqual(ids.map((id) => stage.settled.get(id)), [undefined, undefined, "full"]);
    assert.deepEqual(stage.take("error").map(({ code, id }) => [code, id]), [["full", ids[2]]]);
    stage.greet().hear(ack(1, ids[0]));
    assert.equal(stage.settled.get(stage.send("dddd")), undefined);
  }
});

test("attempts come later and later, up to 20 s; one that works makes the next break the first", () => {
  const stage = greeted();
  const delay = () => {
    stage.do((it) => it.lost(stage.now, 1006));
    const ms = stage.machine.state.until - stage.now;
    stage.pass(ms);
    assert.equal(stage.at, "connecting");
    return ms;
  };
  assert.deepEqual(Array.from({ length: 8 }, delay), [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]);
  stage.do((it) => it.lost(stage.now, 1006));
  stage.greet();
  stage.pass(4999);
  stage.do((it) => it.lost(stage.now, 1006));
  assert.equal(stage.machine.state.until - stage.now, 20_000);
  stage.greet();
  stage.pass(5000);
  assert.equal(delay(), 500);
  for (let attempt = 0; attempt < 60; attempt += 1) {
    for (const random of [0, 0.5, 0.999]) {
      const ms = backoff(attempt, () => random);
      assert.ok(ms >= 0 && ms <= 20_000 && ms <= 500 * 2 ** attempt);
    }
  }
});

test("attempts in a row are limited", () => {
  for (const [retry, attempts] of [[0, 0], [1, 1], [3, 3]]) {
    const stage = greeted({ retry });
    const waiting = stage.send("un");
    const sockets = stage.sockets;
    while (!stage.machine.state.over) {
      stage.do((it) => it.lost(stage.now, 1006));
      stage.pass(20_000 - 10_000);
    }
    assert.equal(stage.at, "gave-up");
    assert.equal(stage.sockets - sockets, attempts);
    assert.equal(stage.settled.get(waiting), "unconfirmed");
    assert.equal(stage.machine.due, Infinity);
  }
});

test("a hub that is silent is asked, and then given up; so is one that doesn't greet", () => {
  const stage = greeted();
  stage.pass(59_999);
  assert.deepEqual(stage.ops("ping"), []);
  stage.pass(1);
  const [{ id }] = stage.ops("ping");
  stage.hear({ ev: "pong", id });
  stage.pass(60_000);
  assert.equal(stage.ops("ping").length, 1);
  stage.pass(9999);
  assert.equal(stage.at, "open");
  stage.pass(1);
  assert.deepEqual([stage.at, stage.machine.state.why], ["waiting", "silent"]);

  const mute = new Stage();
  mute.do((it) => it.connect(mute.now));
  mute.do((it) => it.opened());
  mute.hear({ ev: "hello", session: "s", sid: 1, name: "me", rooms: [] });
  mute.pass(10_000);
  assert.equal(mute.at, "waiting");
  assert.equal(mute.closed, 1);
});

test("what no hub says ends the connection, and nothing else", () => {
  const table = [
    "", "{", "5", "null", "[]", '"msg"', "{}", '{"ev":7}', { ev: "notice", text: "x".repeat(FRAME_MAX) },
    { ev: "live", room: "lobby", pos: "?" }, { ev: "live", room: "lobby" },
    gap({ cause: "epoch", oldest: 7 }), { ev: "join", room: "x", own: true },
  ];
  for (const frame of table) {
    const stage = greeted().hear(frame);
    const { at, why } = stage.machine.state;
    assert.deepEqual([at, why], ["waiting", "bad-frame"], JSON.stringify(frame).slice(0, 60));
    assert.equal(stage.again().at, "open");
  }
  for (const data of [undefined, new ArrayBuffer(8), { size: 3 }]) {
    const stage = greeted();
    stage.do((it) => it.heard(stage.now, data));
    assert.equal(stage.at, "waiting");
  }
  // What it says of itself is taken for what it is.
  const odd = [
    msg("5"), msg(-1), msg(1e300), msg(null), { ev: "ack", room: "lobby", seq: {}, id: [] }, { ev: "unheard-of" },
    gap({ cause: "slow", from: 1, to: "z" }), { ev: "nick", own: true }, { ev: "error" },
  ];
  for (const ev of odd) assert.equal(greeted().hear(ev).at, "open", JSON.stringify(ev));
  const greedy = greeted();
  const join = (n) => ({ ev: "join", room: `r${n}`, pos: `${EPOCH}@0`, own: true });
  for (let n = 1; n < ROOMS_MAX; n += 1) assert.equal(greedy.hear(join(n)).at, "open");
  assert.equal(greedy.hear(join(ROOMS_MAX)).at, "waiting");
});

test("the end for good: another connection took the session over, the hub refused, or one quit", () => {
  const table = [
    [[{ ev: "bye", reason: "superseded", rooms: [] }], "superseded"],
    [[{ ev: "bye", reason: "quit", rooms: [] }], "quit"],
    [[{ ev: "bye", reason: "shutdown", rooms: [] }], "waiting"],
    [[{ ev: "bye", reason: "slow", rooms: [] }], "waiting"],
    [[], "waiting"],
  ];
  for (const [events, at] of table) {
    const stage = greeted();
    const id = stage.send("un");
    stage.hear(...events);
    if (!stage.machine.state.over) stage.do((it) => it.lost(stage.now, 1000));
    assert.equal(stage.at, at);
    assert.equal(stage.settled.get(id), at === "waiting" ? undefined : "unconfirmed");
  }
  const refused = new Stage();
  const id = refused.send("un");
  refused.do((it) => it.connect(refused.now));
  refused.do((it) => it.opened());
  const hello = refused.ops("hello")[0];
  refused.hear({ ev: "error", code: "bad-name", text: "…", op: "hello", id: hello.id });
  assert.deepEqual([refused.at, refused.machine.state.why], ["refused", "bad-name"]);
  assert.equal(refused.settled.get(id), "ended");
  assert.equal(refused.settled.get(refused.send("deux")), "ended");
  assert.equal(refused.take("error")[0].code, "bad-name");
  // An error that isn't the answer, such as `full`, is waited out.
  const full = new Stage();
  full.do((it) => it.connect(full.now));
  full.do((it) => it.opened());
  assert.equal(full.hear({ ev: "error", code: "full", text: "…" }).at, "connecting");
  full.do((it) => it.lost(full.now, 1000));
  assert.deepEqual([full.at, full.machine.state.why], ["waiting", "full"]);
  full.do((it) => it.connect(full.now));
  full.do((it) => it.opened());
  full.hear({ ev: "error", code: "full", text: "…" }).greet().do((it) => it.lost(full.now, 1006));
  assert.equal(full.machine.state.why, "lost");
});

test("a message that closes the connection is refused, the longest that was on its way", () => {
  const stage = greeted();
  const [short, long] = [stage.send("a"), stage.send("aaaa")];
  stage.ops("send");
  stage.again({ resumed: true }, 1009);
  assert.equal(stage.settled.get(long), "too-long");
  assert.deepEqual(stage.ops("send").map((it) => it.id), [short]);
});

test("a drain waits for what was sent, over breaks, then says goodbye; or gives up", () => {
  const stage = greeted();
  const id = stage.send("un");
  stage.do((it) => it.drain(stage.now, 5000));
  assert.equal(stage.settled.get(stage.send("deux")), "draining");
  assert.deepEqual(stage.ops("quit"), []);
  stage.again();
  assert.equal(stage.settled.get(stage.send("trois")), "draining");
  stage.hear(ack(1, id));
  const [quit] = stage.ops("quit");
  stage.hear({ ev: "bye", reason: "quit", rooms: [], id: quit.id });
  assert.equal(stage.at, "quit");
  assert.deepEqual([stage.settled.has("drain"), stage.settled.get("drain")], [true, undefined]);

  const late = greeted();
  const unheard = late.send("un");
  late.do((it) => it.drain(late.now, 5000));
  late.pass(2000);
  late.again();
  late.pass(3000);
  assert.equal(late.settled.get("drain"), "timeout");
  assert.deepEqual([late.settled.get(unheard), late.at], ["unconfirmed", "closed"]);

  const lost = greeted();
  lost.do((it) => it.drain(lost.now, 5000));
  lost.do((it) => it.lost(lost.now, 1006));
  assert.deepEqual([lost.at, lost.settled.has("drain"), lost.settled.get("drain")], ["quit", true, undefined]);

  const cut = greeted();
  cut.send("un");
  cut.do((it) => it.drain(cut.now, 5000));
  cut.do((it) => it.close());
  assert.equal(cut.settled.get("drain"), "ended");
});

test("who enters after a position has all after it, though told where the room is", () => {
  const stage = greeted();
  stage.do((it) => it.ask({ op: "join", room: "Jardin", after: 2 }));
  const [{ id }] = stage.ops("join");
  stage.hear({ ev: "join", room: "jardin", from: "me", sid: 1, pos: `${EPOCH}@9`, id, own: true });
  const at = (room) => stage.machine.save().rooms.find((it) => it.room === room)?.after;
  assert.equal(at("jardin"), `${EPOCH}@2`);
  stage.hear(msg(3, { room: "jardin", old: true }));
  assert.equal(at("jardin"), `${EPOCH}@3`);
  stage.hear({ ev: "leave", room: "jardin", from: "me", sid: 1, own: true });
  assert.equal(at("jardin"), undefined);
});

test("a machine that is made of what was saved is the same member, and its ids go on growing", () => {
  const stage = greeted({ name: "me" }).hear(msg(1));
  const id = stage.send("un");
  const saved = JSON.parse(JSON.stringify(stage.machine.save()));
  const anew = new Stage({ saved });
  anew.now = 0;
  assert.ok(anew.send("deux") > id);
  anew.do((it) => it.connect(anew.now));
  anew.do((it) => it.opened());
  const [hello] = anew.ops("hello");
  assert.equal(hello.session, "s");
  assert.deepEqual(hello.rooms, [{ room: "lobby", after: `${EPOCH}@1` }]);
  const rooms = hello.rooms.map(({ room, after }) => ({ room, pos: after }));
  anew.hear({ ev: "hello", session: "s", sid: 1, name: "me", resumed: true, rooms, id: hello.id });
  assert.deepEqual(anew.ops("send").map((it) => it.text), ["un", "deux"]);
  // Also where nothing waits, and a clock that was set back.
  const later = new Machine(0, { saved: greeted().machine.save() });
  assert.ok(later.id > 1_000_000);
});

test("a name is taken, and taken again in a session that is new; so is state that was followed", () => {
  const stage = greeted({ name: "alice" });
  const [nick] = stage.ops("nick");
  assert.equal(nick.name, "alice");
  stage.hear({ ev: "nick", from: "me", sid: 1, name: "alice", id: nick.id, own: true });
  stage.do((it) => it.ask({ op: "get", room: "LOBBY" }));
  const [{ id }] = stage.ops("get");
  stage.hear({ ev: "ack", op: "get", count: 0, id });
  stage.again({ resumed: true, name: "alice" });
  assert.deepEqual(stage.ops("nick"), []);
  assert.equal(stage.ops("get").length, 1);
  // By a command, perhaps.
  stage.hear({ ev: "nick", from: "alice", sid: 1, name: "bob", own: true });
  stage.again({});
  assert.deepEqual(stage.ops("nick").map((it) => it.name), ["bob"]);
});

test("what was asked on a connection that broke is lost, and what is asked on none isn't asked", () => {
  const stage = greeted();
  const id = stage.do((it) => it.ask({ op: "who" }));
  stage.do((it) => it.lost(stage.now, 1006));
  assert.equal(stage.settled.get(id), "lost");
  assert.equal(stage.settled.get(stage.do((it) => it.ask({ op: "who" }))), "not-open");
});

test("a gap says how many messages are missing: none, where no numbers were given", () => {
  const gaps = [gap({ from: 1, to: 3, cause: "slow" }), gap({ from: 4, to: 99, cause: "unused" })];
  assert.deepEqual(greeted().hear(...gaps).take("gap").map((it) => it.missed), [3, 0]);
});

/** A socket that a test plays the hub of. */
class Socket {
  sent = [];
  constructor() {
    Socket.last = this;
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {}
  hear(...events) {
    for (const ev of events) this.onmessage({ data: JSON.stringify(ev) });
  }
  greet() {
    this.onopen();
    const rooms = [{ room: "lobby", pos: `${EPOCH}@0` }];
    this.hear({ ev: "hello", session: "s", sid: 1, name: "me", rooms, id: this.sent[0].id });
  }
}

test("a `for await` that is too slow is told what it missed, in its place, and of the end", async () => {
  globalThis.WebSocket = Socket;
  const hub = new Trappe("ws://hub", { feed: 4 });
  const events = hub[Symbol.asyncIterator]();
  const first = events.next();
  Socket.last.greet();
  // The feed holds open, hello and two messages; then it is full.
  assert.equal((await first).value.at, "open");
  Socket.last.hear(...[1, 2, 3, 4, 5].map((seq) => msg(seq)), { ev: "notice", text: "…" });
  const told = [];
  for (let n = 0; n < 6; n += 1) told.push((await events.next()).value);
  const kinds = told.map(({ ev, seq, from, to, missed }) => [ev, seq ?? from, to, missed]);
  assert.deepEqual(kinds.slice(-2), [["gap", 4, 5, 2], ["gap", undefined, undefined, 1]]);
  Socket.last.hear(msg(6), { ev: "bye", reason: "superseded", rooms: [] });
  Socket.last.onclose({ code: 1008 });
  assert.equal((await events.next()).value.seq, 6);
  assert.equal((await events.next()).value.ev, "bye");
  assert.equal((await events.next()).value.at, "superseded");
  await assert.rejects(events.next(), { code: "superseded" });
});

test("a listener that throws keeps nobody else from hearing, and may call the hub", () => {
  globalThis.WebSocket = Socket;
  const { queueMicrotask } = globalThis;
  const thrown = [];
  globalThis.queueMicrotask = (task) => thrown.push(task);
  const hub = new Trappe("ws://hub");
  const heard = [];
  hub.on("msg", ({ seq }) => {
    hub.send(`re ${seq}`);
    throw new Error("its own");
  });
  hub.on("msg", ({ seq }) => heard.push(seq));
  Socket.last.greet();
  Socket.last.hear(msg(1));
  assert.deepEqual(heard, [1]);
  assert.equal(Socket.last.sent.at(-1).text, "re 1");
  globalThis.queueMicrotask = queueMicrotask;
  assert.equal(thrown.length, 1);
  assert.throws(thrown[0], /its own/);
  hub.close();
  assert.deepEqual([...bytesOf({ b64: "/wBB" }), ...bytesOf({ text: "é" })], [0xff, 0, 0x41, 0xc3, 0xa9]);
});
