// The client against a real hub, end to end: `TRAPPE=path node --test live.test.mjs`. Nothing here waits for time.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { Hub, Relay } from "../../crates/trappe/tests/page/hub.mjs";
import { Trappe, bytesOf } from "./trappe.js";

const ended = [];
after(() => {
  for (const end of ended) end();
});

async function hub(...args) {
  const it = await Hub.start("--quiet", ...args);
  ended.push(() => it.drop());
  return it;
}

const folder = () => {
  const path = mkdtempSync(join(tmpdir(), "client-"));
  ended.unshift(() => rmSync(path, { recursive: true, force: true }));
  return path;
};

const client = (at, options) => {
  const it = new Trappe(`ws://127.0.0.1:${at.port}/ws`, options);
  ended.push(() => it.close());
  return it;
};

/** The first event of a kind that `wanted` accepts. */
const event = (it, kind, wanted = () => true) =>
  new Promise((resolve) => {
    const off = it.on(kind, (ev) => {
      if (!wanted(ev)) return;
      off();
      resolve(ev);
    });
  });

async function opened(at, options) {
  const it = client(at, options);
  await event(it, "hello");
  return it;
}

/** What a promise was rejected with. */
const wrong = (promise) => promise.then(() => assert.fail("it wasn't refused"), (error) => error);

test("what is said is acknowledged, heard once, told apart, and set", async () => {
  const server = await hub();
  const alice = await opened(server, { name: "alice" });
  const bob = await opened(server, { name: "bob", rooms: ["lobby", "jardin"] });
  const heard = event(bob, "msg");
  const { room, epoch, seq } = await alice.send("bonjour");
  assert.equal(room, "lobby");
  assert.equal(seq, 1);
  assert.match(epoch, /^\w{10}$/);
  const { from, text } = await heard;
  assert.deepEqual({ from, text }, { from: "alice", text: "bonjour" });

  const bytes = event(bob, "msg");
  await alice.send(Uint8Array.of(0xff, 0, 0x41));
  assert.deepEqual([...bytesOf(await bytes)], [0xff, 0, 0x41]);

  const direct = event(bob, "direct");
  await alice.direct("bob", "psst");
  assert.equal((await direct).text, "psst");
  assert.equal((await wrong(alice.direct("nobody", "psst"))).code, "no-such-member");

  assert.equal((await alice.get()).count, 0);
  const value = event(alice, "state");
  await bob.set("score", "3", { room: "lobby" });
  assert.equal((await value).text, "3");
  assert.equal((await bob.get("score", { room: "lobby" })).text, "3");

  assert.equal((await wrong(bob.send("où ?"))).code, "which-room");
  await alice.join("jardin");
  assert.equal((await bob.send("ici", { room: "jardin" })).seq, 1);
  assert.deepEqual((await alice.who("jardin")).members.map((it) => it.name).sort(), ["alice", "bob"]);
  await alice.leave("jardin");
  assert.equal((await wrong(alice.send("encore", { room: "jardin" }))).code, "not-in-room");
  assert.equal((await alice.nick("carla")).name, "carla");
  assert.deepEqual((await bob.history("lobby", 1)).map((it) => it.seq), [2]);
  assert.deepEqual(await bob.history("jardin", 5).then((all) => all.map((it) => it.own)), [true]);
  assert.deepEqual(await (await opened(server, { rooms: ["neu"] })).history("neu"), []);
  await bob.drain();
  assert.equal(bob.state.at, "quit");
  assert.equal((await wrong(bob.send("trop tard"))).code, "ended");
});

test("five times killed under load, each acknowledged message is heard once by everybody, in order", async () => {
  const server = await hub("--data", folder());
  const names = ["alice", "bob", "carl"];
  const members = await Promise.all(names.map((name) => opened(server, { name })));
  const [alice] = members;
  const heard = members.map((it) => {
    const list = [];
    it.on("msg", (ev) => ev.own || list.push(ev));
    return list;
  });
  const acked = [];
  const unconfirmed = [];
  let stop = false;
  const speaking = members.flatMap((it, who) =>
    Array.from({ length: 16 }, async (_, line) => {
      for (let n = 0; !stop; n += 1) {
        const text = `${names[who]} ${line} ${n}`;
        await it.send(text).then(
          ({ epoch, seq }) => acked.push({ who, text, epoch, seq }),
          ({ code }) => unconfirmed.push({ code, text }),
        );
      }
    }),
  );
  for (let round = 0; round < 5; round += 1) {
    const before = acked.length;
    while (acked.length < before + 300) await event(alice, "ack");
    await server.kill();
    const back = members.map((it) => event(it, "hello"));
    await server.restart();
    for (const hello of await Promise.all(back)) assert.equal(hello.resumed, true);
  }
  stop = true;
  await Promise.all(speaking);
  // Of each room's order, what comes after all of it.
  const last = members.map((it) => event(it, "msg", ({ text }) => text === "fin"));
  const teller = await opened(server, { name: "teller" });
  await teller.send("fin");
  await Promise.all(last);

  assert.deepEqual(unconfirmed, []);
  assert.equal(new Set(acked.map(({ epoch }) => epoch)).size, 1);
  for (const [who, list] of heard.entries()) {
    const texts = list.map((ev) => ev.text);
    assert.equal(new Set(texts).size, texts.length, "something was passed on twice");
    for (let i = 1; i < list.length; i += 1) assert.ok(list[i].seq > list[i - 1].seq, "out of order");
    const there = new Set(texts);
    for (const it of acked) if (it.who !== who) assert.ok(there.has(it.text), `${names[who]} missed ${it.text}`);
  }
  assert.ok(acked.length > 1500, `${acked.length} acknowledged`);
});

test("a session that is gone leaves what was on its way unconfirmed, and says the rest", async () => {
  const server = await hub();
  const alice = await opened(server);
  // The relay takes what is said and passes nothing back: it is on its way for ever.
  const deaf = net.createServer((near) => {
    const far = net.connect(server.port, "127.0.0.1");
    near.pipe(far);
    far.on("data", (bytes) => deaf.muted || near.write(bytes));
    for (const socket of [near, far]) socket.on("error", () => {});
    near.on("close", () => far.destroy());
    far.on("close", () => near.destroy());
  });
  deaf.listen(0, "127.0.0.1");
  await once(deaf, "listening");
  ended.push(() => deaf.close());
  const bob = await opened({ port: deaf.address().port }, { name: "bob" });
  deaf.muted = true;
  const came = event(alice, "msg");
  const sent = bob.send("un");
  await came;
  const told = event(bob, "unconfirmed");
  const waiting = event(bob, "link", ({ at }) => at === "waiting");
  await server.kill();
  await waiting;
  const later = bob.send("deux");
  deaf.muted = false;
  await server.restart();
  assert.equal((await wrong(sent)).code, "unconfirmed");
  assert.equal((await told).text, "un");
  assert.equal((await later).seq, 1);
});

test("a connection that is cut in the middle of a drain is made again, and nothing is lost or doubled", async () => {
  const server = await hub();
  const relay = await Relay.to(server);
  ended.push(() => relay.drop());
  const alice = await opened(server, { name: "alice" });
  const texts = [];
  alice.on("msg", (ev) => texts.push(ev.text));
  const bob = await opened(relay, { name: "bob" });
  const sends = Array.from({ length: 500 }, (_, n) => bob.send(`${n}`));
  const drained = bob.drain();
  assert.equal((await wrong(bob.send("trop tard"))).code, "draining");
  const gone = event(alice, "leave", ({ from }) => from === "bob");
  relay.cut();
  await drained;
  await Promise.all(sends);
  await gone;
  assert.deepEqual(texts, Array.from({ length: 500 }, (_, n) => `${n}`));
});

test("a full outbox refuses, and what it holds is said once there is a hub", async () => {
  const server = await hub();
  await server.kill();
  const bob = client(server, { outbox: 3, outboxText: 12 });
  const sends = [bob.send("un"), bob.send("deux")];
  assert.equal((await wrong(bob.send("beaucoup trop"))).code, "full");
  sends.push(bob.send("trois"));
  assert.equal((await wrong(bob.send("4"))).code, "full");
  assert.equal(bob.pending, 3);
  await server.restart();
  assert.deepEqual((await Promise.all(sends)).map(({ seq }) => seq), [1, 2, 3]);
});

test("attempts are limited: none, or two in a row, and then the end says why", async () => {
  const server = await hub();
  for (const retry of [0, 2]) {
    const bob = await opened(server, { retry });
    let attempts = 0;
    bob.on("link", ({ at }) => (attempts += at === "connecting"));
    const over = event(bob, "link", (ev) => ev.over);
    await server.kill();
    const { at, why } = await over;
    assert.deepEqual({ at, why, attempts }, { at: "gave-up", why: "lost", attempts: retry });
    assert.equal((await wrong(bob.send("un"))).code, "ended");
    await server.restart();
    bob.connect();
    assert.equal((await bob.send("un")).room, "lobby");
    bob.close();
  }
});

test("a hub that stops is waited for; one that refuses, or another that takes the session, is the end", async () => {
  const server = await hub();
  const bob = await opened(server);
  const waiting = event(bob, "link", ({ at }) => at === "waiting");
  const back = event(bob, "hello");
  await server.stop();
  assert.equal((await waiting).why, "shutdown");
  await server.restart();
  await back;
  const over = event(bob, "link", (ev) => ev.over);
  const other = await opened(server, { saved: bob.save() });
  assert.equal((await over).at, "superseded");
  assert.equal(other.me.sid, bob.me.sid);
  const refused = client(server, { rooms: ["no room"] });
  const [{ code }, { at, why }] = await Promise.all([event(refused, "error"), event(refused, "link", (ev) => ev.over)]);
  assert.deepEqual({ code, at, why }, { code: "bad-name", at: "refused", why: "bad-name" });
  await assert.rejects(async () => {
    const again = client(server, { rooms: ["no room"] });
    for await (const ev of again) assert.notEqual(ev.ev, "hello");
  }, { code: "refused" });
});

test("a message that is too long for the hub is refused, and nothing else", async () => {
  const server = await hub();
  const bob = await opened(server);
  const long = bob.send("x".repeat(70_000));
  assert.equal((await wrong(long)).code, "too-long");
  assert.equal((await bob.send("court")).seq, 1);
});

test("a page that is loaded anew goes on where it was", async () => {
  const server = await hub();
  const alice = await opened(server);
  const bob = await opened(server, { name: "bob" });
  const first = event(bob, "msg");
  await alice.send("un");
  await first;
  const saved = JSON.parse(JSON.stringify(bob.save()));
  bob.suspend();
  await alice.send("deux");
  const anew = client(server, { saved });
  const heard = await event(anew, "msg");
  assert.equal(heard.text, "deux");
  assert.equal(anew.me.name, "bob");
});

test("state that is followed is followed again after a break", async () => {
  const server = await hub();
  const relay = await Relay.to(server);
  ended.push(() => relay.drop());
  const alice = await opened(server);
  const bob = await opened(relay);
  await bob.get();
  const back = event(bob, "hello");
  relay.cut();
  await back;
  const value = event(bob, "state", ({ text }) => text === "2");
  await alice.set("k", "2");
  assert.equal((await value).key, "k");
});

test("all events come by `for await`, which ends with the connection", async () => {
  const server = await hub();
  const alice = await opened(server);
  const bob = client(server);
  const texts = [];
  for await (const ev of bob) {
    if (ev.ev === "hello") for (const text of ["a", "b", "c"]) alice.send(text);
    if (ev.ev === "msg") texts.push(ev.text);
    if (texts.length === 3) bob.close();
  }
  assert.deepEqual(texts, ["a", "b", "c"]);
});
