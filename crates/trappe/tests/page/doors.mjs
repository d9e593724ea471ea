// A page of the hub's own origin talks with a netcat over a WebSocket; a complaint of its console is a failure.

import { check, scenario } from "./harness.mjs";

await scenario("doors", async (stage) => {
  const hub = await stage.hub("--lang", "fr");
  const page = await stage.open(hub, { path: "/connect" });
  const netcat = stage.netcat(hub);
  await netcat.ask("/nick alice");
  const heard = page.evaluate(
    () =>
      new Promise((done) => {
        const socket = new WebSocket(`ws://${location.host}/ws?room=lobby`, "trappe.json.v1");
        socket.onopen = () => socket.send('{"op":"send","text":"de la page"}');
        socket.onmessage = ({ data }) => {
          const event = JSON.parse(data);
          if (event.ev === "msg") done(event.text);
        };
      }),
  );
  await netcat.line("de la page");
  netcat.say("du fil");
  check((await heard) === "du fil", "the page heard something else");
});
