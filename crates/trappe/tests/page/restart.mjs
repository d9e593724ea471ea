// The hub is killed and started again: the page says so, comes back by itself, and talk goes on.

import { check, scenario } from "./harness.mjs";
import { composer, connected, hears, log, message, say, takeName } from "./chat.mjs";

await scenario("restart", async (stage) => {
  const hub = await stage.hub();
  const page = await stage.open(hub);
  await connected(page);
  await takeName(page, "alice");
  await say(page, "avant");
  await hears(page, "avant");
  await log(page).getByText("pas encore confirmé").waitFor({ state: "detached" });

  const over = stage.expect(page, /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_INCOMPLETE|ERR_EMPTY|WebSocket/);
  await hub.kill();
  await page.getByText("pas connecté", { exact: true }).waitFor();
  await page.getByRole("status").getByText(/La connexion au hub est perdue/).waitFor();
  await stage.shot(page, "disconnected");
  await composer(page).fill("écrit pendant la coupure");
  check((await composer(page).inputValue()) === "écrit pendant la coupure", "one can write meanwhile");
  await hub.restart();
  await connected(page);
  over();

  const netcat = stage.netcat(hub);
  await netcat.ask("/nick bob");
  check((await composer(page).inputValue()) === "écrit pendant la coupure", "the draft is still there");
  await composer(page).press("Enter");
  await netcat.line("<alice> écrit pendant la coupure");
  netcat.say("te revoilà");
  await hears(page, "te revoilà");
  await hears(page, "écrit pendant la coupure");
  // What was said to the hub of before stays, apart from what its new life counts from 1 on.
  await hears(page, "avant");
  await log(page).getByText(/le hub a redémarré/).first().waitFor();
  const order = await log(page).locator("p[dir=auto]").allTextContents();
  check(order.indexOf("avant") < order.indexOf("te revoilà"), `the order: ${order}`);
  check((await message(page, "te revoilà").count()) === 1, "it comes once");
  await stage.shot(page, "back");
});
