// What a page of these tests can do: open the doors of the hub `at` (`host:port`), and print what comes through.
var at;
var socket = (format, room) => new Promise((done) => {
  const ws = new WebSocket(`ws://${at}/ws?room=${room}`, `trappe.${format}.v1`);
  ws.binaryType = "arraybuffer";
  ws.onopen = () => done(ws);
  ws.onmessage = ({ data }) =>
    console.log(format, typeof data === "string" ? data : `bytes ${new Uint8Array(data)}`);
  ws.onclose = ({ code, reason, wasClean }) => {
    console.log("closed", JSON.stringify({ code, reason, wasClean }));
    done(null);
  };
});
var events = (room) => new Promise((done) => {
  const source = new EventSource(`http://${at}/rooms/${room}/events`);
  source.onopen = () => done(source);
  source.onmessage = ({ data, lastEventId }) => console.log("sse", lastEventId, data);
  source.onerror = () => source.readyState === EventSource.CLOSED && done(null);
});
var post = (room, init) =>
  fetch(`http://${at}/rooms/${room}/messages`, { method: "POST", ...init }).then(
    async (answer) => (answer.type === "opaque" ? {} : { status: answer.status, ...(await answer.json()) }),
    () => null,
  );
var link = (crossOrigin) => {
  const link = Object.assign(document.createElement("link"), { rel: "preconnect", crossOrigin });
  link.href = `http://${at}`;
  document.head.append(link);
};
