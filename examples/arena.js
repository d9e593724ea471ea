// The arena's page: the shared state of a room, drawn at the browser's own pace. No library, no build.
//
// A value may come thirty times a second, or late, or not at all: it only replaces what is known of its key. The page
// draws when the browser wants to draw, from what is known then. So a tab that nobody sees draws nothing, and one that
// is seen again shows the latest at once. Whatever comes from others ends in a text node, never in markup.

/** The arena, in the units of arena.py. */
const WIDTH = 1000;
const HEIGHT = 600;
/** How long a bot may take to where its value says it is, in ms: as long as there was between two values. */
const STEP = { min: 8, max: 250 };
/** How long until it is tried again to reach the hub, in ms; doubled with each try. */
const RETRY = { min: 250, max: 4000 };
/** How many lines of what is said are kept. */
const SAID_MAX = 50;
/** How often the numbers and the table change, in ms: nobody reads faster. */
const TELL_EVERY = 500;

const hub = new URLSearchParams(location.search).get("hub") || `${location.hostname}:5566`;
const $ = (id) => document.getElementById(id);
const canvas = $("arena");
const pen = canvas.getContext("2d");

/**
 * What is known: of each key its value, when it came, and, where the value is a place, from where it goes there.
 * @type {Map<string, {seq: number, text: string, at: number, hue: number, from?: Place, to?: Place, takes: number}>}
 * @typedef {{x: number, y: number}} Place
 */
const values = new Map();
/** When a value came last; how many have come since the numbers were told. */
let [lastAt, count] = [-Infinity, 0];

/** Where something is at `now`: between the last two places that were told. */
function place({ from, to, at, takes }, now) {
  const part = Math.min(Math.max((now - at) / takes, 0), 1);
  return { x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part };
}

/** A colour of its own for each key, the same in each browser. */
const hueOf = (key) => [...key].reduce((hue, letter) => (hue * 31 + letter.codePointAt(0) * 137) % 360, 7);

/** One value of the room's state. */
function learn({ seq, key, text, b64 }) {
  const now = performance.now();
  const known = values.get(key);
  count += 1;
  lastAt = now;
  if (known && seq < known.seq) return;
  if (text === "") return void values.delete(key);
  const [, x, y] = /^(-?\d+(?:\.\d+)?),(-?\d+(?:\.\d+)?)$/.exec(text ?? "") ?? [];
  const to = x === undefined ? undefined : { x: Number(x), y: Number(y) };
  values.set(key, {
    seq,
    text: text ?? `${(b64.length * 3) >> 2} bytes`,
    at: now,
    hue: known?.hue ?? hueOf(key),
    from: known?.to ? place(known, now) : to,
    to,
    takes: Math.min(Math.max(now - (known?.at ?? 0), STEP.min), STEP.max),
  });
}

// What the browser draws, and when it wants to.

const style = getComputedStyle(document.documentElement);
const night = matchMedia("(prefers-color-scheme: dark)");
const colour = (hue, dark) => `hsl(${hue} 55% ${dark ? 70 : 42}%)`;
/** Around the arena, so that nothing at its walls is cut off, in px. */
const MARGIN = { x: 24, top: 24, bottom: 10 };

function draw(now) {
  requestAnimationFrame(draw);
  const { clientWidth, clientHeight } = canvas;
  const unit = { x: (clientWidth - 2 * MARGIN.x) / WIDTH, y: (clientHeight - MARGIN.top - MARGIN.bottom) / HEIGHT };
  pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  pen.clearRect(0, 0, clientWidth, clientHeight);
  pen.font = "11px system-ui, sans-serif";
  pen.textAlign = "center";
  for (const [key, value] of values) {
    if (!value.to) continue;
    const at = place(value, now);
    const [x, y] = [MARGIN.x + at.x * unit.x, MARGIN.top + at.y * unit.y];
    pen.fillStyle = colour(value.hue, night.matches);
    pen.beginPath();
    pen.arc(x, y, 5, 0, 2 * Math.PI);
    pen.fill();
    pen.fillStyle = style.color;
    pen.fillText(key, x, y - 9);
  }
}

new ResizeObserver(() => {
  canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
  canvas.height = Math.round(canvas.clientHeight * devicePixelRatio);
}).observe(canvas);

// The numbers and the table.

const { compare } = new Intl.Collator("en", { numeric: true });
/** The rows that are there. @type {Map<string, HTMLTableRowElement>} */
const rows = new Map();
let toldAt = performance.now();

/** How long ago, in words. */
const ago = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 1000)} s`);

function rowOf(key, hue) {
  const row = document.createElement("tr");
  const dot = document.createElement("span");
  dot.className = "dot";
  dot.style.background = `light-dark(${colour(hue, false)}, ${colour(hue, true)})`;
  row.insertCell().append(dot, key);
  row.insertCell();
  row.insertCell().className = "age";
  rows.set(key, row);
  return row;
}

function tell() {
  const now = performance.now();
  $("rate").textContent = String(Math.round((count * 1000) / Math.max(now - toldAt, 1)));
  $("age").textContent = lastAt > 0 ? ago(now - lastAt) : "–";
  [toldAt, count] = [now, 0];
  for (const [key, row] of rows) {
    if (values.has(key)) continue;
    row.remove();
    rows.delete(key);
  }
  [...values.keys()].sort(compare).forEach((key, index) => {
    const { hue, text, at } = values.get(key);
    const row = rows.get(key) ?? rowOf(key, hue);
    row.cells[1].textContent = text;
    row.cells[2].textContent = ago(now - at);
    if ($("who").rows[index] !== row) $("who").insertBefore(row, $("who").rows[index] ?? null);
  });
}

// The hub.

/** @type {WebSocket} */
let socket;
let wait = RETRY.min;

function connect() {
  socket = new WebSocket(`ws://${hub}/ws?room=arena`, "trappe.json.v1");
  socket.onopen = () => {
    wait = RETRY.min;
    // Without notices of who comes and goes; with our own words; with the room's state, all of it and each change.
    ask({ op: "quiet", on: true }, { op: "echo", on: true }, { op: "get" });
    connected(true);
  };
  socket.onmessage = ({ data }) => hear(JSON.parse(data));
  socket.onclose = () => {
    connected(false);
    setTimeout(connect, wait);
    wait = Math.min(2 * wait, RETRY.max);
  };
}

const ask = (...ops) => ops.forEach((op) => socket.send(JSON.stringify(op)));

function connected(is) {
  const how = `trappe server --allow-origin ${location.origin}`;
  $("state").textContent = is ? `in the room arena of ${hub}` : `no hub at ${hub} yet; start one: ${how}`;
  $("form").querySelector("button").disabled = !is;
}

function hear(event) {
  if (event.ev === "state") learn(event);
  // What follows is all that there is: whatever was known of an earlier life of the hub has ended.
  else if (event.ev === "ack" && event.op === "get") values.clear();
  else if (event.ev === "msg") say(event.from, event.text ?? "(bytes)");
  else if (event.ev === "error") say(`! ${event.code}`, event.text);
}

function say(who, words) {
  const said = $("said");
  const name = document.createElement("b");
  name.append(who);
  const line = document.createElement("p");
  line.append(name, ` ${words}`);
  const atEnd = said.scrollHeight - said.scrollTop - said.clientHeight < 40;
  said.append(line);
  if (said.children.length > SAID_MAX) said.firstChild.remove();
  if (atEnd) said.scrollTop = said.scrollHeight;
}

$("form").onsubmit = (event) => {
  event.preventDefault();
  const text = $("words").value.trim();
  if (!text || socket.readyState !== WebSocket.OPEN) return;
  ask({ op: "send", text });
  $("words").value = "";
};

connected(false);
connect();
requestAnimationFrame(draw);
setInterval(tell, TELL_EVERY);
// A tab that is seen again shows at once what is so now.
document.addEventListener("visibilitychange", () => document.hidden || tell());
