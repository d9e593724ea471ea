// The live hub: members by transport, charts that move, who is slow; and the wire: where reads were cut, why
// messages ended.

import { check, scenario } from "./harness.mjs";
import { connected, live, openWire } from "./chat.mjs";

await scenario("live", async (stage) => {
  const hub = await stage.hub("--lag", "1MiB,64MiB");
  const page = await stage.open(hub);
  await connected(page);
  const panel = live(page);
  const grid = panel.getByRole("grid", { name: "membres du hub" });
  const alice = await stage.member(hub, "alice");
  await grid.getByRole("gridcell", { name: "alice" }).waitFor();
  await panel.getByText(/tcp\s*1/).first().waitFor();
  await panel.getByText(/ws\s*1/).first().waitFor();

  // The charts move, in words too.
  const chart = panel.getByRole("img", { name: /^Messages par seconde/ });
  const curve = chart.locator("path").last();
  await page.waitForFunction((it) => it.getAttribute("d").length > 10, await curve.elementHandle());
  const before = await curve.getAttribute("d");
  for (let n = 0; n < 200; n += 1) alice.say(`mesure ${n}`);
  await page.waitForFunction(
    ([it, old]) => it.getAttribute("d") !== old,
    [await curve.elementHandle(), before],
  );
  await page.waitForFunction(
    (it) => !/ 0 au plus/.test(it.getAttribute("aria-label")),
    await chart.elementHandle(),
  );

  // One that doesn't read is marked, by a word.
  const deaf = await stage.member(hub, "sourd");
  deaf.deaf();
  const slow = grid.getByRole("row").filter({ hasText: "sourd" }).getByText("lent");
  // More than the kernel takes between the two: told of until it is seen.
  const block = `${"x".repeat(60_000)}\n`.repeat(20);
  let seen = false;
  const watching = slow.waitFor().then(() => (seen = true));
  for (let n = 0; !seen && n < 40; n += 1) {
    await Promise.race([watching, alice.ask(block)]);
  }
  await watching;
  await stage.shot(page, "slow");
  deaf.drop();

  // The wire of somebody who never ends a line, then does, then leaves.
  const nc = await stage.connect(hub);
  nc.send("/nick fil\n");
  await nc.line("fil");
  const wire = await openWire(page, "fil");
  await wire.getByText(/déjà envoyés/).waitFor();
  nc.send("une ");
  // The hub has read the first part before the second is written: the page tells of it.
  await wire.getByText(/octets lus que rien n'a encore finis/).waitFor();
  nc.send("ligne é\n");
  const last = wire.getByRole("article").last();
  await wire.getByText("Un \\n l'a fini.").waitFor();
  await last.getByText("lecture 1", { exact: false }).first().waitFor();
  const bytes = (await last.getByRole("group").textContent()) ?? "";
  check(bytes.replace(/\s/g, "").includes("c3a9"), `the bytes of é: ${bytes}`);
  check((await last.locator(".cut").count()) > 0, "the cut between the reads is marked");
  await stage.shot(page, "wire");
  nc.send("sans fin de ligne");
  nc.end();
  await wire.getByText(/La fin du flux l'a fini/).waitFor();
  await wire.getByText("Ce membre n'est plus là.").waitFor();
  await wire.getByRole("button", { name: "Fermer" }).click();

  const quiet = await stage.connect(hub);
  quiet.send("premier");
  const [, number] = /<(client-\d+)>/.exec(await alice.line("premier"));
  await grid.getByRole("gridcell", { name: number }).waitFor();
  const other = await openWire(page, number);
  await other.getByText(/déjà envoyés/).waitFor();
  quiet.send("sans fin");
  await other.getByText(/Un silence l'a fini/).waitFor();
});
