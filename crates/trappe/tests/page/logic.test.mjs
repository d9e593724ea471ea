// Laws of the page's modules that need no browser: the wire's rows and cuts, bounds, positions, the chart's rates.

import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

// To a browser they are modules; to node 18 they are only where a package says so, and the page has none.
const copy = mkdtempSync(join(tmpdir(), "web-"));
after(() => rmSync(copy, { recursive: true }));
cpSync(fileURLToPath(new URL("../../web/", import.meta.url)), copy, { recursive: true, dereference: true });
writeFileSync(join(copy, "package.json"), '{"type":"module"}');
const web = (file) => import(pathToFileURL(join(copy, file)).href);

/** As wire.js has it. */
const EVENTS_MAX = 200;
const { Wire, characters, dump } = await web("wire.js");
const { Meters, pick } = await web("meters.js");
const { meaning } = await web("commands.js");
const { Mark, backoff } = await web("trappe.js");

/** A connection that a test plays the hub of. */
class Socket {
  sent = [];
  constructor() {
    Socket.last = this;
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {}
  hear(event) {
    this.onmessage({ data: JSON.stringify(event) });
  }
}
globalThis.WebSocket = Socket;
const { Chat } = await web("chat.js");

const bytesOf = (text) => new TextEncoder().encode(text);

test("any cut of the bytes gives the same bytes and characters, and each cut one part more", () => {
  const bytes = bytesOf("é☕ un\ndeux 👋 trois");
  const cells = characters(bytes);
  assert.equal(cells.length, bytes.length);
  const hex = Buffer.from(bytes).toString("hex");
  for (let cut = 1; cut < bytes.length; cut += 1) {
    for (const width of [8, 16]) {
      const rows = dump(bytes, cells, [cut], width);
      const parts = rows.flatMap((row) => row.parts);
      assert.equal(parts.map((it) => it.hex).join("").replaceAll(" ", ""), hex);
      assert.equal(parts.map((it) => it.text).join(""), cells.join(""));
      assert.equal(parts.filter((it) => it.cut).length, 1, `${cut}`);
      assert.deepEqual([...new Set(parts.map((it) => it.read))], [1, 2]);
    }
  }
});

test("bytes that are no UTF-8 have a cell each, whatever they are", () => {
  for (let first = 0; first < 256; first += 1) {
    for (const second of [0x00, 0x41, 0x80, 0xff]) {
      const bytes = Uint8Array.of(first, second, 0x42);
      for (const decoding of ["utf-8", "latin-1", "damaged", "binary"]) {
        assert.equal(characters(bytes, decoding).length, 3, `${first} ${second} ${decoding}`);
      }
    }
  }
});

test("a wire keeps so many events, and counts those that it passed over", () => {
  const wire = new Wire("alice");
  for (let n = 0; n < EVENTS_MAX + 17; n += 1) wire.add({ ev: "write", ts: "2026-11-26T09:00:00Z", sid: 1, len: n });
  wire.add({ ev: "lost", count: 5 });
  assert.equal(wire.events.length, EVENTS_MAX);
  assert.equal(wire.count - wire.events.length, 18);
});

test("reads belong to the messages that they brought bytes of", () => {
  const wire = new Wire("alice");
  const ts = "2026-11-26T09:00:00Z";
  wire.add({ ev: "read", ts, at: 0, len: 7 });
  wire.add({ ev: "read", ts, at: 7, len: 5 });
  wire.add({ ev: "message", ts, at: 0, len: 4, text: "abc", end: "newline" });
  wire.add({ ev: "message", ts, at: 4, len: 6, text: "defgh", end: "newline" });
  const lengths = wire.events.map(({ reads }) => reads.map(({ len }) => len));
  assert.deepEqual(lengths, [[4], [3, 3]]);
  assert.equal(wire.reads.length, 1);
});

test("a position moves only over what has come without a hole", () => {
  const mark = new Mark("aaaaaaaaaa@5");
  mark.had(7);
  assert.equal(`${mark}`, "aaaaaaaaaa@5");
  mark.had(6);
  assert.equal(`${mark}`, "aaaaaaaaaa@7");
  mark.had(3);
  mark.skip(10);
  mark.had(11);
  assert.equal(`${mark}`, "aaaaaaaaaa@11");
});

test("a delay is between nothing and its greatest, and never more", () => {
  for (let attempt = 0; attempt < 60; attempt += 1) {
    const delay = backoff(attempt);
    assert.ok(delay >= 0 && delay <= 20_000, `${delay}`);
  }
});

test("rates are of the time between two samples; a hub started anew counts from nothing", () => {
  const hub = (second, messages, up_s = second) => ({
    ts: new Date(second * 1000).toISOString(), up_s, messages, deliveries: 0, bytes_in: 0, bytes_out: 0,
    member_list: [], room_list: [],
  });
  const meters = new Meters();
  meters.add(hub(100, 10));
  meters.add(hub(102, 30));
  assert.equal(meters.samples.at(-1).messages, 10);
  meters.add(hub(103, 2, 1));
  assert.equal(meters.samples.length, 1);
  for (let n = 0; n < 500; n += 1) meters.add(hub(200 + n, n, 200 + n));
  assert.ok(meters.samples.length <= 121);
});

test("members are sorted as people count: 9 before 10", () => {
  const meters = new Meters();
  const one = (sid, name) => ({ sid, name, transport: "tcp", address: "a", rooms: ["lobby"], in: 0, out: 0, lag: 0 });
  meters.add({ ts: "2026-11-26T09:00:00Z", up_s: 1, member_list: [one(1, "m10"), one(2, "m9")], room_list: [] });
  assert.deepEqual(pick(meters.members, "", "sort", false).map(({ name }) => name), ["m9", "m10"]);
  assert.deepEqual(pick(meters.members, "M1", "sort", false).map(({ name }) => name), ["m10"]);
});

test("a hub that takes a late page to the lobby by itself is asked for what was said there", async () => {
  const chat = new Chat({ url: "ws://hub", saved: null, name: "", room: "", changed() {}, named() {} });
  chat.hub.connect();
  const socket = Socket.last;
  const me = { session: "s", sid: 1, name: "client-1" };
  // The hub has waited 200 ms for whose session it is; the page's own hello is only under way.
  socket.onopen();
  socket.hear({ ev: "hello", ...me, rooms: [] });
  socket.hear({ ev: "join", room: "lobby", from: "client-1", sid: 1, pos: "aaaaaaaaaa@5", members: 1, own: true });
  // What the page asked on that is refused before the answer comes.
  await new Promise(setImmediate);
  const { id } = socket.sent.find(({ op }) => op === "hello");
  socket.hear({ ev: "hello", ...me, rooms: [{ room: "lobby", pos: "aaaaaaaaaa@5" }], id });
  assert.ok(socket.sent.some(({ op, room }) => op === "history" && room === "lobby"), JSON.stringify(socket.sent));
  chat.hub.close();
});

test("what is missing has a sentence whatever its cause; numbers that were never given are no news", () => {
  const chat = new Chat({ url: "ws://hub", saved: null, name: "", room: "", changed() {}, named() {} });
  chat.hub.connect();
  const socket = Socket.last;
  socket.onopen();
  const { id } = socket.sent.find(({ op }) => op === "hello");
  socket.hear({ ev: "hello", session: "s", sid: 1, name: "client-1", rooms: [{ room: "lobby", pos: "e@9" }], id });
  let from = 1;
  for (const cause of ["slow", "forgotten", "not-stored", "damaged", "unused"]) {
    socket.hear({ ev: "gap", room: "lobby", from, to: from, cause });
    from += 1;
  }
  const gaps = chat.active.rows.filter((row) => row.type === "gap").map((row) => row.cause);
  assert.deepEqual([...new Set(gaps)], ["slow", "forgotten"]);
  assert.equal(gaps.length, 4);
  chat.hub.close();
});

test("a hub that refuses a room of the page's is asked once more without any", () => {
  const saved = { session: "s", rooms: ["une salle"] };
  const chat = new Chat({ url: "ws://hub", saved, name: "", room: "", changed() {}, named() {} });
  chat.hub.connect();
  for (const rooms of [[{ room: "une salle" }], []]) {
    const socket = Socket.last;
    socket.onopen();
    const hello = socket.sent.find(({ op }) => op === "hello");
    assert.deepEqual([hello.session, hello.rooms], ["s", rooms]);
    socket.hear({ ev: "error", code: "bad-name", text: "…", op: "hello", id: hello.id });
  }
  assert.equal(chat.hub.state.at, "refused");
  chat.hub.close();
});

test("commands of one room go as ops that name it; what is set is kept as it was typed", () => {
  const meant = (text) => JSON.parse(JSON.stringify(meaning(text, "jardin")));
  for (const [text, op] of [
    ["/get", { op: "get", room: "jardin" }],
    ["/get clé", { op: "get", room: "jardin", key: "clé" }],
    ["/set clé  deux mots ", { op: "set", room: "jardin", key: "clé", text: " deux mots " }],
    ["/set clé#7 x", { op: "set", room: "jardin", key: "clé", v: 7, text: "x" }],
    ["/set clé ", { op: "set", room: "jardin", key: "clé", text: "" }],
    ["/who", { op: "who", room: "jardin" }],
  ]) assert.deepEqual(meant(text), { op });
  assert.deepEqual(meant("/set clé"), { raw: "/set clé" });
});
