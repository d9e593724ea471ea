// A page that nobody sees, and a panel that is put away, stop the live stream; they take it up again.

import { same, scenario } from "./harness.mjs";
import { connected, live } from "./chat.mjs";

/** Says that the page is hidden, or isn't, as a browser does where another tab is in front. */
const look = (page, state) =>
  page.evaluate((state) => {
    Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
    Object.defineProperty(document, "hidden", { value: state === "hidden", configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, state);

await scenario("hidden", async (stage) => {
  const hub = await stage.hub();
  const page = await stage.open(hub);
  const streams = [];
  page.on("request", (request) => request.url().endsWith("/live") && streams.push(request));
  await connected(page);
  await live(page).getByRole("grid").waitFor();
  const ended = () => page.waitForEvent("requestfailed", (request) => request.url().endsWith("/live"));
  const begun = () => page.waitForRequest((request) => request.url().endsWith("/live"));
  for (const [put, take] of [
    [() => look(page, "hidden"), () => look(page, "visible")],
    [
      () => page.getByRole("button", { name: "Le hub en direct" }).click(),
      () => page.getByRole("button", { name: "Le hub en direct" }).click(),
    ],
  ]) {
    await Promise.all([ended(), put()]);
    const before = streams.length;
    await Promise.all([begun(), take()]);
    same(streams.length, before + 1, "streams");
    await live(page).getByRole("grid").waitFor();
  }
});
