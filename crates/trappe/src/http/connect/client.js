// @WHAT@
// @JAVASCRIPT@
const hub = new WebSocket(
  "ws://@ADDRESS@/ws?room=" + encodeURIComponent("@ROOM@"),
  "trappe.json.v1",
);
const say = (text) => hub.send(JSON.stringify({ op: "send", text }));

hub.onmessage = ({ data }) => {
  const event = JSON.parse(data);
  if (event.ev === "msg") console.log(`<${event.from}> ${event.text ?? event.b64}`);
  if (event.ev === "error") console.log(`! ${event.code} ${event.text}`);
};
hub.onclose = ({ code, reason }) => console.log("*", code, reason);
hub.onopen = () => {
  if (!globalThis.process?.argv) return say("bonjour");
  if (process.argv[2]) say(process.argv[2]);
  process.stdin.setEncoding("utf8");
  process.stdin.on("data", (typed) => typed.trim() && say(typed.trim()));
};
