// What the page weighs, where it comes from, and that nothing of it is inline.

import { check, same, scenario } from "./harness.mjs";
import { connected, live } from "./chat.mjs";

const WEIGHT_MAX = 100_000;
const POLICY = [
  "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
  "form-action 'none'", "base-uri 'none'", "frame-ancestors 'none'",
];

await scenario("weight", async (stage) => {
  const hub = await stage.hub();
  for (const [locale, lang] of [["fr-FR", "fr"], ["en-GB", "en"]]) {
    const page = await stage.open(hub, { locale, path: "/connect" });
    /** @type {Map<string, number>} */
    const sizes = new Map();
    const bodies = [];
    page.on("response", (response) => {
      const { pathname } = new URL(response.url());
      if (pathname === "/live") return;
      bodies.push(response.body().then((body) => sizes.set(pathname, body.length)));
    });
    const answer = await page.goto(`${hub.url}/`);
    const policy = answer.headers()["content-security-policy"] ?? "";
    same(policy.split(/;\s*/).filter(Boolean).sort(), [...POLICY].sort(), "the policy");
    check((await page.evaluate(() => document.documentElement.lang)) === lang, `the page isn't in ${lang}`);
    const source = await answer.text();
    check(!/\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)|javascript:/i.test(source), "something is inline");
    if (lang === "fr") {
      await connected(page);
      await live(page).getByRole("grid").waitFor();
    } else {
      await page.getByText("connected", { exact: true }).waitFor();
    }
    await Promise.all(bodies);
    const sum = [...sizes.values()].reduce((all, size) => all + size, 0);
    console.log(`${lang}: ${sum} bytes in ${sizes.size} files`);
    check(sizes.has("/page/main.js") && sizes.has(`/page/words/${lang}.js`), `what came: ${[...sizes.keys()]}`);
    check(sum <= WEIGHT_MAX, `the page weighs ${sum} bytes, ${WEIGHT_MAX} at most`);
  }
});
