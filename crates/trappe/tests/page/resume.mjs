// The connection alone is lost: the page resumes its session, and every message is there once.

import { same, scenario } from "./harness.mjs";
import { connected, hears, log, say, takeName } from "./chat.mjs";

await scenario("resume", async (stage) => {
  const hub = await stage.hub();
  const relay = await stage.relay(hub);
  const page = await stage.open(relay, { expected: [/WebSocket|ERR_/] });
  await connected(page);
  await takeName(page, "alice");
  const bob = await stage.member(hub, "bob");
  const all = [];
  for (const round of [1, 2, 3]) {
    for (const [who, words] of [["bob", `${round} avant`], ["alice", `${round} réponse`]]) {
      if (who === "bob") bob.say(words);
      else await say(page, words);
      await hears(page, words);
      all.push(words);
    }
    await bob.line(`<alice> ${round} réponse`);
    relay.cut();
    // From both sides while nobody hears: what the page says waits, and is said once.
    bob.say(`${round} pendant`);
    await say(page, `${round} de la page`);
    await bob.line(`<alice> ${round} de la page`);
    await hears(page, `${round} pendant`);
    all.push(`${round} pendant`, `${round} de la page`);
  }
  bob.say("fin");
  await hears(page, "fin");
  const shown = await log(page).locator("p[dir=auto]").allTextContents();
  same(shown, [...all, "fin"], "what the page shows");
  const heard = bob.heard.all.filter((line) => line.startsWith("<alice> "));
  same(heard, [1, 2, 3].flatMap((n) => [`<alice> ${n} réponse`, `<alice> ${n} de la page`]), "what bob heard");
  // The same member as before: whoever left and came back has its name and number.
  bob.say("/who");
  await bob.line("alice, bob");
});
