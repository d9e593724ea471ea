// Two thousand members, and a thousand messages a second: the page stays quick, its document small, and it
// says what it passed over.

import { check, scenario } from "./harness.mjs";
import { composer, connected, live, log, say } from "./chat.mjs";

const MEMBERS = 2000;
const MESSAGES = 4000;
/** Generous: a machine with two busy cores; a page that draws each message would take many times as long. */
const FRAME_MS_MAX = 2000;
const ELEMENTS_MAX = 4000;

await scenario("crowd", async (stage) => {
  const hub = await stage.hub("--quiet");
  const page = await stage.open(hub);
  await connected(page);
  const crowd = [];
  for (let n = 0; n < MEMBERS; n += 100) {
    const some = Array.from({ length: 100 }, (_, i) => stage.member(hub, `m${n + i}`));
    crowd.push(...(await Promise.all(some)));
  }
  const grid = live(page).getByRole("grid");
  await page.waitForFunction(
    ([it, count]) => Number(it.getAttribute("aria-rowcount")) >= count,
    [await grid.elementHandle(), MEMBERS],
  );
  const rows = await grid.getByRole("row").count();
  check(rows < 80, `${rows} rows of the table are in the document`);
  await live(page).getByRole("searchbox").fill("m1000");
  await grid.getByRole("gridcell", { name: "m1000", exact: true }).waitFor();
  await live(page).getByRole("searchbox").fill("");
  await stage.shot(page, "table");

  // The longest time between two frames, from here on.
  await page.evaluate(() => {
    globalThis.longest = 0;
    let before = performance.now();
    const frame = (now) => {
      globalThis.longest = Math.max(globalThis.longest, now - before);
      before = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  const [one] = crowd;
  for (const member of crowd.slice(1)) member.drop();
  const text = Array.from({ length: MESSAGES }, (_, n) => `message ${n}`).join("\n");
  one.send(`${text}\n`);
  // While they come one can write, and is heard.
  await composer(page).pressSequentially("au milieu");
  await say(page, "au milieu de tout");
  await one.line("au milieu de tout");
  await one.ask("/why");
  one.say("le dernier");
  await log(page).getByText("le dernier", { exact: true }).waitFor();
  const longest = await page.evaluate(() => globalThis.longest);
  const elements = await page.evaluate(() => document.querySelectorAll("*").length);
  console.log(`longest frame ${Math.round(longest)} ms, ${elements} elements`);
  check(longest < FRAME_MS_MAX, `${Math.round(longest)} ms without a frame`);
  check(elements < ELEMENTS_MAX, `${elements} elements in the document`);
  // Read up to the beginning of what is kept: it says how many it passed over.
  const older = log(page).getByRole("button", { name: "Montrer les précédents" });
  const passed = log(page).getByText(/messages plus anciens que cette page ne garde plus/);
  for (let n = 0; n < 10 && !(await passed.isVisible()); n += 1) {
    await older.or(passed).first().waitFor();
    if (await older.isVisible()) await older.click();
  }
  await passed.waitFor();
  await stage.shot(page, "passed");
});
