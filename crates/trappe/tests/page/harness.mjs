// What every scenario stands on: a real Chromium whose pages may complain of nothing; a real hub; pictures.

import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { command, Hub, Member, Netcat, Relay, TARGET } from "./hub.mjs";
import { PATIENCE, Wrong } from "./wait.mjs";

export { PATIENCE, Wrong };

/** All of a usual scenario, in ms; the Rust test that runs it waits a little longer before it ends the process. */
const DEADLINE = 80_000;

/** Where `cargo xtask test` puts the packages. */
const need = createRequire(join(process.env.NODE_MODULES ?? join(TARGET, "tools/node_modules"), "x.js"));
const { chromium } = need("playwright-core");

/** Loopback only: every other name is none, and nothing is looked up or reported elsewhere. Playwright adds its own. */
const FLAGS = [
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--no-proxy-server",
  "--lang=fr",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1",
];

/** A page that stops reading its stream ends that request itself; anything else that fails is a complaint. */
const ENDED_BY_PAGE = "net::ERR_ABORTED";

/**
 * Runs one scenario to its end, and the process with it: 0 if all held, else 1 after one line that says what did not.
 * @param {string} name
 * @param {(stage: Stage) => Promise<void>} play
 * @param {number} deadline in ms
 */
export async function scenario(name, play, deadline = DEADLINE) {
  const stage = new Stage(name);
  const over = new Promise((_, reject) => {
    stage.complain = (what) => reject(new Wrong(what));
    AbortSignal.timeout(deadline).addEventListener("abort", () =>
      reject(new Wrong(`not done after ${deadline / 1000} s`)),
    );
    process.once("SIGTERM", () => reject(new Wrong("ended from outside")));
  });
  const played = play(stage);
  // Once a complaint has decided, whatever the rest of the play runs into is of no interest.
  played.catch(() => {});
  over.catch(() => {});
  let code = 0;
  try {
    await Promise.race([played, over]);
    // What was complained about up to here may not have been told yet.
    await stage.settle();
    await Promise.race([Promise.resolve(), over]);
    console.log(`${name}: ok`);
  } catch (error) {
    code = 1;
    const told = error instanceof Wrong ? error.message : (error.stack ?? String(error));
    console.log(`${name}: ${told}`);
    await stage.tell();
  }
  await stage.clear();
  process.exit(code);
}

/** What a scenario plays with; all of it ends with it. */
export class Stage {
  /** Fails the scenario. @type {(what: string) => void} */
  complain = () => {};
  #name;
  #home = mkdtempSync(join(tmpdir(), "page-"));
  /** @type {Promise<import("playwright-core").Browser> | undefined} */
  #browser;
  /** @type {Map<import("playwright-core").Page, {console: string[], expected: RegExp[]}>} */
  #pages = new Map();
  /** Whatever must be ended at the end. @type {{drop(): void}[]} */
  #props = [];

  constructor(name) {
    this.#name = name;
  }

  /** Starts a hub. */
  async hub(...args) {
    return this.#keep(await Hub.start(...args));
  }

  /** A member with a bare socket and a name. */
  async member(hub, name) {
    return this.#keep(await Member.named(hub, name));
  }

  /** A bare socket that has said nothing. */
  async connect(hub) {
    return this.#keep(await Member.connect(hub));
  }

  /** A netcat. */
  netcat(hub) {
    return this.#keep(Netcat.start(hub));
  }

  /** Something between a page and the hub that can be cut. */
  async relay(hub) {
    return this.#keep(await Relay.to(hub));
  }

  #keep(prop) {
    this.#props.push(prop);
    return prop;
  }

  /**
   * Opens a page of `hub` (or of a relay to it) in a browser of its own: nothing is shared with other pages.
   * @param {{url: string}} hub
   * @param {{path?: string, width?: number, height?: number, headers?: Record<string, string>,
   *   locale?: string, colorScheme?: "light" | "dark", reducedMotion?: "reduce" | "no-preference",
   *   before?: string, expected?: RegExp[]}} [options] `before` is a script that runs before those of the page;
   *   `expected` are complaints that are none here
   */
  async open(hub, options = {}) {
    const { path = "/", width = 1440, height = 900, headers, before, expected = [] } = options;
    const { locale = "fr-FR", colorScheme = "light", reducedMotion = "reduce" } = options;
    const browser = await this.#launched();
    const context = await browser.newContext({
      viewport: { width, height },
      extraHTTPHeaders: headers,
      locale,
      colorScheme,
      reducedMotion,
      serviceWorkers: "block",
    });
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    this.#watch(page, new URL(hub.url).host, expected);
    if (before) await context.addInitScript(before);
    await page.goto(hub.url + path);
    return page;
  }

  async #launched() {
    const executablePath = command("chromium");
    if (!executablePath) throw new Wrong("there is no chromium: apt-get install chromium");
    this.#browser ??= chromium.launch({
      executablePath,
      args: FLAGS,
      env: { ...process.env, HOME: this.#home },
      timeout: 60_000,
      // They are ended below, in an order of ours.
      handleSIGINT: false,
      handleSIGTERM: false,
    });
    return this.#browser;
  }

  /** Makes every complaint of the page, and every request to elsewhere, a failure. */
  #watch(page, host, expected) {
    const known = { console: [], expected: [...expected] };
    this.#pages.set(page, known);
    const complain = (what) => {
      known.console.push(what);
      if (!known.expected.some((it) => it.test(what))) this.complain(`the page: ${what}`);
    };
    page.on("console", (message) => {
      const told = `${message.type()}: ${message.text()} (${message.location().url})`;
      if (message.type() === "error" || message.type() === "warning") complain(told);
      else known.console.push(told);
    });
    page.on("pageerror", (error) => complain(`uncaught: ${error.stack ?? error}`));
    page.on("crash", () => complain("it crashed"));
    page.on("dialog", (dialog) => {
      complain(`a dialog: ${dialog.message()}`);
      dialog.dismiss().catch(() => {});
    });
    page.on("popup", () => complain("a window of its own"));
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (url.host !== host) complain(`a request to elsewhere: ${url}`);
    });
    page.on("websocket", (socket) => {
      const url = new URL(socket.url());
      if (url.host !== host) complain(`a WebSocket to elsewhere: ${url}`);
    });
    page.on("requestfailed", (request) => {
      const why = request.failure()?.errorText ?? "";
      if (why !== ENDED_BY_PAGE) complain(`a request failed: ${request.url()}: ${why}`);
    });
  }

  /**
   * From now on complaints of `page` that match are none; call what it gives when that is over.
   * @param {import("playwright-core").Page} page
   * @param {...RegExp} patterns
   */
  expect(page, ...patterns) {
    const { expected } = this.#pages.get(page);
    expected.push(...patterns);
    return () => {
      expected.splice(0, expected.length, ...expected.filter((it) => !patterns.includes(it)));
    };
  }

  /** What the console of `page` has shown so far. */
  console(page) {
    return [...this.#pages.get(page).console];
  }

  /** Writes a picture of the page where a developer can look at it. */
  async shot(page, name) {
    const folder = process.env.SCREENSHOTS ?? join(TARGET, "screenshots");
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `${this.#name}-${name}.png`);
    await page.screenshot({ path: file, animations: "disabled", caret: "initial" });
    return file;
  }

  /** Fails if axe-core finds anything wrong in the page as it is now, and writes a picture of it. */
  async axe(page, name) {
    await this.shot(page, name);
    // Typed into the console, so to say: the page's own policy, which forbids inline scripts, has no say in it.
    await page.evaluate(AXE);
    const violations = await page.evaluate(async () => {
      const found = await globalThis.axe.run(document, { resultTypes: ["violations"] });
      return found.violations.map(({ id, impact, help, nodes }) => ({
        rule: `${id} (${impact}): ${help}`,
        nodes: nodes.map((node) => `${node.target.join(" ")}: ${node.html.slice(0, 200)}`),
        more: nodes.map((node) => node.failureSummary)[0],
      }));
    });
    if (violations.length > 0) {
      const lines = violations.map(({ rule, nodes, more }) => [rule, ...nodes.slice(0, 5), more].join("\n    "));
      throw new Wrong(`axe-core in ${name}:\n  ${lines.join("\n  ")}`);
    }
  }

  /** Fails if the page can be scrolled sideways, and says what sticks out. */
  async fits(page, name) {
    const out = await page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      if (scrollWidth <= clientWidth) return null;
      const wide = [...document.querySelectorAll("body *")].filter(
        (it) => it.getBoundingClientRect().right > clientWidth + 1,
      );
      const names = wide.slice(0, 5).map((it) => `${it.tagName}.${it.getAttribute("class")}`);
      return `${scrollWidth} px in ${clientWidth}: ${names.join(", ")}`;
    });
    if (out) throw new Wrong(`${name} sticks out sideways: ${out}`);
  }

  /** Waits until every page has told what it has to tell: it answers after that. */
  async settle() {
    for (const page of this.#pages.keys()) {
      if (!page.isClosed()) await page.evaluate(() => 0);
    }
  }

  /** After a failure: the consoles of the pages, and a picture of each. */
  async tell() {
    let number = 0;
    for (const [page, { console: lines }] of this.#pages) {
      number += 1;
      console.log(`console of page ${number}:`);
      for (const line of lines.slice(-40)) console.log(`    ${line}`);
      if (page.isClosed()) continue;
      const picture = await this.shot(page, `failed-${number}`).catch((error) => error.message);
      console.log(`picture of page ${number}: ${picture}`);
    }
  }

  /** Ends everything. */
  async clear() {
    const browser = await this.#browser?.catch(() => undefined);
    await browser?.close().catch(() => {});
    for (const prop of this.#props) prop.drop();
    rmSync(this.#home, { recursive: true, force: true, maxRetries: 5 });
  }
}

const AXE = readFileSync(need.resolve("axe-core/axe.min.js"), "utf8");

/** Fails unless `holds`. */
export function check(holds, why) {
  if (!holds) throw new Wrong(why);
}

/** Fails unless both are the same as JSON. */
export function same(found, wanted, what) {
  const [left, right] = [JSON.stringify(found), JSON.stringify(wanted)];
  check(left === right, `${what}: ${left} instead of ${right}`);
}
