// The arena of examples/: twenty bots by UDP over a network that loses every fifth datagram, seen by the page and by
// nc, and again after the hub was started anew.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

import { check, same, scenario, Wrong } from "./harness.mjs";
import { command, Netcat, TARGET } from "./hub.mjs";
import { Lines } from "./wait.mjs";

const ARENA = fileURLToPath(new URL("../../../../examples/arena.py", import.meta.url));
const BOTS = Array.from({ length: 20 }, (_, n) => `bot-${n + 1}`);

/** A process of the scenario's own, whose lines are heard; it ends with the scenario, however that ends. */
function start(program, args) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  process.once("exit", () => child.kill("SIGKILL"));
  const ended = new Promise((resolve) => child.once("exit", (code) => resolve(code)));
  return { child, ended, out: new Lines(child.stdout), err: new Lines(child.stderr) };
}

/** Starts a hub by the line that arena.py printed, word for word. */
async function startHub(line) {
  const [name, ...args] = line.split(" ");
  check(name === "trappe", `no command of ours: ${line}`);
  const hub = start(process.env.TRAPPE ?? `${TARGET}debug/trappe`, args);
  await hub.out.line((it) => /:\d+\D*$/.test(it));
  return hub;
}

/** What the page's table says: each key's value. */
const places = (page) =>
  page.evaluate(() =>
    Object.fromEntries(
      [...document.querySelectorAll("#who tr")].map(({ cells }) => [cells[0].textContent, cells[1].textContent]),
    ),
  );

/** Waits until the page's table has a place for each bot that is another than in `old`. */
async function allMoved(page, old = {}) {
  await page.waitForFunction(
    ([bots, old]) => {
      const rows = [...document.querySelectorAll("#who tr")];
      const now = new Map(rows.map(({ cells }) => [cells[0].textContent, cells[1].textContent]));
      return bots.every((bot) => /^\d+,\d+$/.test(now.get(bot) ?? "") && now.get(bot) !== old[bot]);
    },
    [BOTS, old],
  );
  return places(page);
}

/** The picture that the page has drawn. */
const picture = (page) => page.evaluate(() => document.querySelector("canvas").toDataURL());

await scenario("arena", async (stage) => {
  // Its port is free once it has ended, and the arena can be told it.
  const before = await stage.hub();
  const { port } = before;
  await before.stop();
  const python = command("python3");
  if (!python) throw new Wrong("there is no python3");
  const arena = start(python, [ARENA, "--hub", `127.0.0.1:${port}`, "--loss", "0.2", "--web", "0"]);
  const told = await arena.out.line("trappe server");
  const line = told.slice(told.indexOf("trappe server"));
  const url = new URL(/http\S+/.exec(await arena.out.line("the page:"))[0]);
  same(line, `trappe server --port ${port} --allow-origin ${url.origin}`, "how to start the hub");
  await arena.out.line("waiting for the hub");
  let hub = await startHub(line);
  await arena.out.line("all 20 bots are there");

  // The page is of another origin than the hub, and of another host: it comes in because the hub was told so.
  const expected = [new RegExp(`^a WebSocket to elsewhere: ws://127.0.0.1:${port}/`)];
  const path = url.pathname + url.search;
  const page = await stage.open({ url: url.origin }, { path, expected });
  await page.getByText(`in the room arena of 127.0.0.1:${port}`).waitFor();
  const first = await allMoved(page);
  same(Object.keys(first), BOTS, "the rows, in the order of numbers");
  await allMoved(page, first);
  const drawn = await picture(page);
  await page.waitForFunction((old) => document.querySelector("canvas").toDataURL() !== old, drawn);
  // 20 bots at 30 a second, of which a fifth is lost; the page gets each key's latest.
  await page.waitForFunction(() => Number(document.getElementById("rate").textContent) > 100);
  await page.waitForFunction(() => /^\d+ ms$/.test(document.getElementById("age").textContent));

  // Whoever is there may look, and talk.
  const netcat = Netcat.start({ port });
  process.once("exit", () => netcat.drop());
  await netcat.ask("/join arena");
  await netcat.ask("/nick carole");
  netcat.say("qui gagne ?");
  const said = page.getByRole("log");
  await said.getByText("qui gagne ?").waitFor();
  await page.getByRole("textbox").fill("<b>personne</b>");
  await page.keyboard.press("Enter");
  await netcat.line((it) => it.endsWith("> <b>personne</b>"));
  await said.getByText("<b>personne</b>").waitFor();
  netcat.say("/get");
  for (const bot of BOTS) await netcat.line((it) => new RegExp(`^=${bot}= \\d+,\\d+$`).test(it));
  netcat.say("/set <b>gras x");
  await netcat.line("! bad-key");
  netcat.say("/set gras <b>x</b>");
  await page.getByRole("cell", { name: "<b>x</b>" }).waitFor();
  netcat.say("/set gras ");
  await page.getByRole("cell", { name: "<b>x</b>" }).waitFor({ state: "detached" });
  // A page that the browser has put to sleep, and that wakes up, shows the latest.
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Page.setWebLifecycleState", { state: "frozen" });
  for (let n = 1; n <= 1000; n += 1) netcat.say(`/set compte ${n}`);
  await netcat.ask("/me compte");
  await devtools.send("Page.setWebLifecycleState", { state: "active" });
  await page.getByRole("cell", { name: "1000", exact: true }).waitFor();
  netcat.say("/set compte ");
  // The bots bear their names as members too.
  const who = netcat.heard.all.length;
  await netcat.ask("/who");
  const members = netcat.heard.all.slice(who).join(" ");
  check(BOTS.every((bot) => new RegExp(`\\b${bot}\\b`).test(members)), members);

  await stage.axe(page, "wide");
  await stage.fits(page, "wide");
  await page.emulateMedia({ colorScheme: "dark" });
  await page.setViewportSize({ width: 375, height: 800 });
  await stage.axe(page, "narrow-dark");
  await stage.fits(page, "narrow");

  // A hub that was started again knows nothing. Bots and page come back by themselves, and ask again.
  const over = stage.expect(page, /WebSocket connection to .* failed/);
  hub.child.kill("SIGTERM");
  await hub.ended;
  await page.getByText("no hub at").waitFor();
  hub = await startHub(line);
  await page.getByText(`in the room arena of 127.0.0.1:${port}`).waitFor();
  await allMoved(page, await places(page));
  over();

  // The end takes the bots' values away.
  arena.child.kill("SIGINT");
  same(await arena.ended, 0, `arena.py's exit code: ${arena.err.all.join(" ")}`);
  await page.waitForFunction(() => document.querySelectorAll("#who tr").length === 0);
  hub.child.kill("SIGTERM");
});
