// What must fail a scenario does: the harness is tried on planted faults, as the rules of tidy are on planted text.

import { check, scenario } from "./harness.mjs";

/** Where the page's own policy lets nothing out, that is what is complained of. */
const BLOCKED = /to elsewhere|violates/;

/** What a page does wrong, and what is said of it. */
const FAULTS = [
  ["an error in the console", () => console.error("planted"), /error: planted/],
  ["a warning", () => console.warn("planted"), /warning: planted/],
  ["an uncaught error", () => void queueMicrotask(() => { throw new Error("planted"); }), /uncaught: Error: planted/],
  ["a promise that nobody looks after", () => void Promise.reject(new Error("planted")), /uncaught: Error: planted/],
  ["a dialog", () => alert("planted"), /a dialog: planted/],
  ["a request to elsewhere", () => fetch("http://elsewhere.example/").catch(() => {}), BLOCKED],
  ["a file that is not there", () => fetch("/nowhere").then(() => {}), /error: .*404/],
  ["a port where nobody is", () => fetch("http://127.0.0.1:9/").catch(() => {}), BLOCKED],
  ["a WebSocket to elsewhere", () => void new WebSocket("ws://elsewhere.example/"), BLOCKED],
];

await scenario("complaints", async (stage) => {
  const hub = await stage.hub();
  const fail = stage.complain;
  for (const [name, fault, wanted] of FAULTS) {
    const page = await stage.open(hub, { path: "/connect" });
    /** @type {string[]} */
    const complaints = [];
    const told = new Promise((done) => {
      stage.complain = (what) => {
        complaints.push(what);
        if (wanted.test(what)) done(true);
      };
    });
    await page.evaluate(fault);
    // A fault may be told of after the page has gone on; the deadline of the scenario ends a wait for one that isn't.
    await told;
    check(complaints.length > 0, name);
    await page.context().close();
  }
  stage.complain = fail;

  const page = await stage.open(hub, { path: "/connect", expected: [/planted/] });
  await page.evaluate(() => console.error("planted"));
  const wide = { width: "2000px", height: "1px" };
  await page.evaluate((style) => {
    const element = document.createElement("div");
    Object.assign(element.style, style);
    document.body.append(element, document.createElement("button"));
  }, wide);
  for (const [name, look] of [["fits", stage.fits], ["axe", stage.axe]]) {
    const said = await look.call(stage, page, "planted").then(() => "nothing", (error) => error.message);
    check(/sticks out|button-name/.test(said), `${name} said ${said}`);
  }
});
