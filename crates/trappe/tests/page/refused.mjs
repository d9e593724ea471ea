// Where the live hub isn't shown, the page says why and what to do; and where all places are taken. Talk goes on.

import { check, scenario } from "./harness.mjs";
import { connected, hears, live, say } from "./chat.mjs";

/** Places for watchers (limits.rs). */
const PLACES = 16;

await scenario("refused", async (stage) => {
  const hub = await stage.hub("--open");
  const page = await stage.open(hub, { headers: { "X-Forwarded-For": "192.0.2.1" } });
  const streams = [];
  page.on("request", (request) => request.url().includes("/live") && streams.push(request.url()));
  await connected(page);
  await live(page).getByText(/ne se voit que sur sa propre machine/).waitFor();
  await live(page).getByText(/ssh -L/).waitFor();
  await say(page, "tout de même");
  await hears(page, "tout de même");
  check(streams.length === 0, "it asked for what it can't have");
  await stage.axe(page, "elsewhere");

  const watchers = [];
  for (let n = 0; n < PLACES; n += 1) {
    const watcher = await stage.connect(hub);
    watcher.send("GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    await watcher.line('"ev":"hub"');
    watchers.push(watcher);
  }
  const late = await stage.open(hub, { expected: [/status of 503/] });
  await connected(late);
  await live(late).getByText(/Toutes les places pour regarder le hub sont prises/).waitFor();
  await stage.axe(late, "full");
  watchers[0].drop();
  const again = live(late).getByRole("button", { name: "Essayer maintenant" });
  const shown = live(late).getByRole("grid");
  // The hub learns of a watcher's end when it next writes to it, within a second or two.
  for (let n = 0; n < 20 && !(await shown.isVisible()); n += 1) {
    const answered = late.waitForResponse((response) => response.url().endsWith("/live"));
    await Promise.all([answered, again.click()]);
    await shown.or(again).first().waitFor();
  }
  await shown.waitFor();
});
