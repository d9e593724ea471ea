// axe-core finds nothing, in whatever state the page is: light and dark, wide and narrow, in both languages.

import { scenario } from "./harness.mjs";

const LOOKS = [
  { name: "light", colorScheme: "light" },
  { name: "dark", colorScheme: "dark" },
  { name: "narrow", colorScheme: "light", width: 375, height: 720 },
  { name: "narrow-dark-en", colorScheme: "dark", width: 375, height: 720, locale: "en-GB" },
  { name: "light-en", colorScheme: "light", locale: "en-GB" },
];

await scenario("access", async (stage) => {
  const hub = await stage.hub("--lang", "fr");
  const pages = [];
  for (const { name, ...look } of LOOKS) {
    const page = await stage.open(hub, look);
    pages.push([name, page]);
    await page.locator('#page[data-state="open"] textarea').waitFor();
    await stage.axe(page, `${name}-empty`);
  }
  const members = [];
  for (const name of ["bob", "carole", "d".repeat(32)]) members.push(await stage.member(hub, name));
  members[1].say("/join jardin");
  for (let n = 1; n <= 30; n += 1) members[0].say(`message ${n}, <b>et</b> שלום 👋`);
  members[2].say("x".repeat(5000));
  for (const [name, page] of pages) {
    await page.locator(".log").getByText("message 30,").waitFor();
    const tabs = page.locator("nav.tabs button");
    if (await tabs.first().isVisible()) {
      for (const tab of ["talk", "places", "hub"]) {
        await page.locator(`nav.tabs button[data-tab=${tab}]`).click();
        if (tab === "hub") await page.getByRole("grid").waitFor();
        await stage.axe(page, `${name}-busy-${tab}`);
        await stage.fits(page, `${name} ${tab}`);
      }
    } else {
      await page.getByRole("grid").waitFor();
      await stage.axe(page, `${name}-busy`);
    }
    await page.getByRole("gridcell", { name: "bob" }).click();
    const wire = page.getByRole("region", { name: /bob/ });
    // The wire shows what is said from now on; "now" is when the hub has begun to watch.
    await wire.getByText(/déjà envoyés|sent so far/).waitFor();
    members[0].say("café au lait");
    await wire.getByRole("article").first().waitFor();
    await stage.axe(page, `${name}-wire`);
    await stage.fits(page, `${name} wire`);
  }
  for (const [, page] of pages) stage.expect(page, /WebSocket|ERR_/);
  await hub.kill();
  for (const [name, page] of pages) {
    await page.locator('#page[data-state="waiting"]').waitFor();
    await stage.axe(page, `${name}-disconnected`);
  }
});
