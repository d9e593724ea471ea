// Names and messages full of markup, escapes and long words stay text: nothing runs, nothing sticks out.

import { check, scenario } from "./harness.mjs";
import { connected, log, places, say, takeName } from "./chat.mjs";

/** What sets `window.harm`, should any of it ever be more than text. */
const MARKUP = [
  "<img src=x onerror=\"window.harm='img'\">",
  "</script><script>window.harm='script'</script>",
  "<svg onload=\"window.harm='svg'\"></svg>",
  "\"><iframe srcdoc=\"<script>parent.harm='frame'</script>\">",
  "javascript:window.harm='link'",
  "${window.harm='template'} {{window.harm='mustache'}}",
  "&lt;b&gt; &amp; &#60;i&#62;",
];
const STRANGE = [
  "ANSI \u001b[31mrouge\u001b[0m \u001b]0;titre\u0007 \u0008",
  "bidi \u202e\u2066à l'envers\u2069 zéro\u200b\u200d\ufeff largeur",
  "שלום עולם, مرحبا بالعالم (RTL) 123",
  "👩‍👩‍👧‍👦 🇫🇷 ☕️ z̵̢̛a͜l̸g̡o͘",
];
/** As long as a frame of the page may be, in one word. */
const LONG = "mot".repeat(20_000);
const WIDTHS = [1440, 1024, 375];

await scenario("markup", async (stage) => {
  const hub = await stage.hub();
  const page = await stage.open(hub);
  await connected(page);
  // The longest name that there is, of wide letters; what isn't a name stays text where the hub says so.
  await takeName(page, "Щ".repeat(32));
  for (const name of MARKUP.slice(0, 3)) {
    await page.getByRole("button", { name: /^votre nom/ }).click();
    await page.getByRole("textbox", { name: /^votre nom/ }).fill(name);
    await page.getByRole("button", { name: "Prendre ce nom" }).click();
    await page.getByRole("banner").getByRole("alert").waitFor();
    await page.getByRole("button", { name: "Annuler" }).click();
  }
  const bob = await stage.member(hub, "bob");
  const rooms = await stage.member(hub, "carole");
  await rooms.ask(`/join ${"М".repeat(32)}`);
  await places(page).getByText("bob", { exact: true }).waitFor();

  for (const text of MARKUP) {
    bob.say(text);
    await log(page).getByText(text, { exact: true }).waitFor();
    await say(page, `moi ${text}`);
    await log(page).getByText(`moi ${text}`, { exact: true }).waitFor();
    await bob.line(`moi ${text}`);
  }
  // They are text nodes: what was typed is what is there, and no element came of it.
  const elements = await log(page).evaluate((it) => it.querySelectorAll("img, script, svg, iframe, b b, i, a").length);
  check(elements === 0, `${elements} elements came of text`);
  for (const text of STRANGE) {
    bob.say(text);
    await log(page).getByText(text.split(" ")[0], { exact: false }).first().waitFor();
  }
  const shown = await log(page).textContent();
  check(!shown.includes("\u001b") && shown.includes("␛[31mrouge"), "an escape is shown as what it is");
  bob.say(`/me <b>se lève</b>`);
  await log(page).getByText("<b>se lève</b>").waitFor();
  bob.say(LONG);
  const unfold = log(page).getByRole("button", { name: /Tout montrer/ });
  await unfold.waitFor();
  for (const state of ["folded", "unfolded"]) {
    if (state === "unfolded") await unfold.click();
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 800 });
      await stage.fits(page, `${state}, ${width} px`);
      await stage.shot(page, `${state}-${width}`);
    }
    await page.setViewportSize({ width: 1440, height: 900 });
  }
  check((await page.evaluate(() => globalThis.harm)) === undefined, "something of it was executed");
});
