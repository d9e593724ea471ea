// Two pages and an nc talk: names, who is here, unread marks, direct messages, history on entry.

import { check, same, scenario } from "./harness.mjs";
import { composer, connected, enter, hears, log, message, once, places, say, takeName } from "./chat.mjs";

await scenario("talk", async (stage) => {
  const hub = await stage.hub();
  const alice = await stage.open(hub);
  await connected(alice);
  check(await composer(alice).evaluate((it) => it === document.activeElement), "the first thing is to write");
  await takeName(alice, "alice");
  const bob = await stage.open(hub);
  await connected(bob);
  await takeName(bob, "bob");
  const netcat = stage.netcat(hub);
  await netcat.ask("/nick carole");

  await say(alice, "bonjour à tous");
  await netcat.line("<alice> bonjour à tous");
  await hears(bob, "bonjour à tous");
  await say(bob, "salut alice");
  await netcat.line("<bob> salut alice");
  await hears(alice, "salut alice");
  netcat.say("et moi ?");
  await hears(alice, "et moi ?");
  await hears(bob, "et moi ?");
  // Shown at once, then confirmed: in the end it is there once, on the page that said it too.
  await once(alice, "bonjour à tous");
  await once(bob, "salut alice");
  check((await log(alice).getByText("pas encore confirmé").count()) === 0, "all is confirmed");

  const names = async (page) => {
    for (const name of ["alice", "bob", "carole"]) {
      await places(page).getByRole("listitem").filter({ hasText: name }).first().waitFor();
    }
  };
  await names(alice);
  await names(bob);

  // Another room: what is said meanwhile in the first one is marked as unread, in the title too.
  await enter(bob, "jardin");
  netcat.say("tu es parti ?");
  await places(bob).getByRole("button", { name: /lobby.*1 message non lu/ }).waitFor();
  await bob.waitForFunction(() => document.title.startsWith("(1) "));
  await places(bob).getByRole("button", { name: /lobby/ }).click();
  await hears(bob, "tu es parti ?");
  await bob.waitForFunction(() => !document.title.startsWith("("));

  // To one alone.
  await places(alice).getByRole("button", { name: "carole" }).click();
  await alice.getByRole("textbox", { name: "Écrire à carole seulement" }).waitFor();
  await say(alice, "un secret");
  await netcat.line("-alice- un secret");
  netcat.say("/msg alice je le garde");
  await hears(alice, "je le garde");
  netcat.say("voilà");
  await hears(bob, "voilà");
  check((await bob.getByText("je le garde").count()) === 0, "bob has heard what was private");

  // Who comes later is shown what was said.
  const dave = await stage.open(hub);
  await connected(dave);
  for (const text of ["bonjour à tous", "salut alice", "et moi ?", "voilà"]) await hears(dave, text);
  const said = await log(dave).locator("p[dir=auto]").allTextContents();
  same(said, ["bonjour à tous", "salut alice", "et moi ?", "tu es parti ?", "voilà"], "the order of history");
  check((await message(dave, "un secret").count()) === 0, "what was private is in no history");
  await stage.shot(alice, "direct");
  await stage.shot(bob, "room");
});
