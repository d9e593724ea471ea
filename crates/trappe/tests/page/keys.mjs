// Everything by the keyboard alone: to write, to be called otherwise, to go to a room, to see a member's wire
// and come back.

import { Wrong, check, scenario } from "./harness.mjs";
import { composer, connected, hears, live, wire } from "./chat.mjs";

/** More stops than the page has. */
const STOPS_MAX = 80;

/** Goes on by Tab until the focus is on `target`. */
async function tabTo(page, target, key = "Tab") {
  const handle = await target.elementHandle();
  for (let stop = 0; stop < STOPS_MAX; stop += 1) {
    if (await handle.evaluate((it) => it === document.activeElement)) {
      // Who goes by keys has to see where they are.
      const seen = await handle.evaluate((it) => it.matches(":focus-visible") && getComputedStyle(it).outlineStyle);
      check(seen && seen !== "none", `no ring is seen around ${target}`);
      return;
    }
    await page.keyboard.press(key);
  }
  throw new Wrong(`${target} is not reached by ${key}`);
}

await scenario("keys", async (stage) => {
  const hub = await stage.hub();
  const bob = await stage.member(hub, "bob");
  const page = await stage.open(hub);
  await connected(page);
  // The composer has the focus from the beginning.
  await page.keyboard.type("par les touches");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("deux lignes");
  await page.keyboard.press("Enter");
  await bob.line("deux lignes");
  check((await composer(page).inputValue()) === "", "what was said is gone from the composer");

  await tabTo(page, page.getByRole("button", { name: /^votre nom/ }), "Shift+Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("textbox", { name: /^votre nom/ }).waitFor();
  await page.keyboard.press("Control+a");
  await page.keyboard.type("alice");
  await page.keyboard.press("Enter");
  const name = page.getByRole("button", { name: "votre nom : alice" });
  await name.waitFor();
  check(await name.evaluate((it) => it === document.activeElement), "the focus is back on the name");

  await tabTo(page, page.getByRole("textbox", { name: /^nom du salon/ }));
  await page.keyboard.type("jardin");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "# jardin" }).waitFor();
  await bob.ask("/join jardin");
  await tabTo(page, composer(page));
  await page.keyboard.type("ici");
  await page.keyboard.press("Enter");
  await bob.line("<alice> ici");

  await tabTo(page, live(page).getByRole("grid"));
  const wanted = live(page).getByRole("row").filter({ hasText: "bob" });
  for (let row = 0; !/active/.test((await wanted.getAttribute("class")) ?? ""); row += 1) {
    check(row < 5, "the arrows don't come to bob");
    await page.keyboard.press("ArrowDown");
  }
  await page.keyboard.press("Enter");
  // What is said from now on is shown; "now" is when the hub has begun to watch.
  await wire(page, "bob").getByText(/déjà envoyés/).waitFor();
  bob.say("sur le fil");
  await wire(page, "bob").getByRole("article").first().waitFor();
  await stage.shot(page, "wire");
  await tabTo(page, wire(page, "bob").getByRole("button", { name: "Fermer" }));
  await page.keyboard.press("Enter");
  await live(page).getByRole("grid").waitFor();
  await tabTo(page, composer(page), "Shift+Tab");
  bob.say("de retour");
  await hears(page, "de retour");
});
