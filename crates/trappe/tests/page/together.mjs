// The page among members of other kinds (tests/it/client_together.rs): it says what it is told to on standard input,
// and at the end tells everything that it shows. The hub isn't its own: its port is the argument.
//
// `say 3 7` says `page 3` up to `page 6`; `end` waits for `fin`, and ends.

import { createInterface } from "node:readline";

import { check, PATIENCE, scenario } from "./harness.mjs";
import { composer, connected, log, message, say, takeName } from "./chat.mjs";

/** Five kills, and a machine that does much else. */
const DEADLINE = 200_000;

/** For what waits until others have had their turn too. */
const LONG = { timeout: 4 * PATIENCE };

/** What the log has in the document now, in order. */
const drawn = (page) =>
  log(page)
    .locator("[data-key]")
    .evaluateAll((rows) =>
      rows.map((row) => {
        const words = (part) => row.querySelector(part)?.textContent.trim();
        const { key } = row.dataset;
        if (!row.classList.contains("msg")) return { key, event: row.textContent.trim() };
        return { key, from: words("b"), text: words(".said"), note: words(".note") };
      }),
    );

/** Everything that the page has, the oldest first: it draws the newest, and those before where it is asked to. */
async function shown(page) {
  const older = page.getByRole("button", { name: "Montrer les précédents" });
  const rows = await drawn(page);
  while ((await older.count()) > 0) {
    const [{ key }] = rows;
    await older.click();
    await page.waitForFunction((key) => document.querySelector("[data-key]").dataset.key !== key, key);
    const more = await drawn(page);
    const known = more.findIndex((row) => row.key === key);
    check(known > 0, `${more.length} rows, and row ${key} at ${known}`);
    rows.unshift(...more.slice(0, known));
  }
  return rows;
}

const play = async (stage) => {
  const url = `http://127.0.0.1:${process.argv[2]}`;
  const page = await stage.open({ url }, { expected: [/WebSocket|ERR_/] });
  const now = page.getByRole("button", { name: "Essayer maintenant" });
  const pending = log(page).getByText("pas encore confirmé");
  await connected(page);
  await takeName(page, "page");
  await say(page, "page est là");
  await pending.waitFor({ state: "detached" });
  console.log("ready");

  let ends = false;
  for await (const line of createInterface({ input: process.stdin })) {
    const [word, from, to] = line.split(" ");
    ends = word === "end";
    if (ends) break;
    for (let n = Number(from); n < Number(to); n += 1) {
      await say(page, `page ${n}`);
      // Now and then who sits there is impatient; or else the page comes back by itself.
      if (n % 2 && (await now.isVisible())) await now.click({ timeout: 1000 }).catch(() => {});
    }
  }
  check(ends, "the test has gone");
  await message(page, "fin").waitFor(LONG);
  await pending.first().waitFor({ state: "detached", ...LONG });
  await stage.shot(page, "end");
  const lives = await log(page).locator(".divider.life").count();
  console.log(`shown ${JSON.stringify({ rows: await shown(page), lives })}`);
};

await scenario("together", play, DEADLINE);
