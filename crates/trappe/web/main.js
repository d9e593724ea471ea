// @ts-check
// Puts the page together: the chat, the live hub, and when they are drawn.

import { html, render } from "./preact.js";
import { lang, t } from "./words.js";
import { ASK_EVERY_MS, Chat } from "./chat.js";
import { Banner, Head } from "./head.js";
import { Places } from "./places.js";
import { Talk } from "./talk.js";
import { Live } from "./live.js";
import { LivePanel } from "./panel.js";

const wide = matchMedia("(min-width: 1100px)");
const root = /** @type {HTMLElement} */ (document.getElementById("page"));

/** Storage may be forbidden; then nothing is remembered. @template T @param {() => T} use @returns {T|null} */
const storage = (use) => {
  try {
    return use();
  } catch {
    return null;
  }
};
const roomOf = () => {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
};

const page = { view: "talk", panel: storage(() => localStorage.getItem("trappe.panel")) !== "no" };

const chat = new Chat({
  url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`,
  lang,
  saved: storage(() => JSON.parse(sessionStorage.getItem("trappe") ?? "null")),
  name: storage(() => localStorage.getItem("trappe.name")),
  room: roomOf(),
  changed: () => draw(),
  named: (name) => storage(() => localStorage.setItem("trappe.name", name)),
});
const live = new Live({ allowed: document.documentElement.dataset.live === "yes", changed: () => draw() });

const choose = (/** @type {string} */ view) => {
  page.view = view;
  draw();
};
const toggle = () => {
  page.panel = !page.panel;
  storage(() => localStorage.setItem("trappe.panel", page.panel ? "yes" : "no"));
  draw();
};
const seeWire = (/** @type {string} */ name) => {
  page.panel = true;
  page.view = wide.matches ? page.view : "hub";
  live.watch(name);
  draw();
};

function Page() {
  const shown = wide.matches ? page.panel : page.view === "hub";
  root.dataset.view = page.view;
  root.dataset.panel = page.panel ? "yes" : "no";
  root.dataset.state = chat.hub.state.at;
  return html`
    <header class="top"><${Head} ...${{ chat, choose, toggle }} view=${page.view} live=${live.allowed} shown=${page.panel} /></header>
    <nav class="places" aria-label=${t("places")}><${Places} chat=${chat} moved=${() => choose("talk")} /></nav>
    <main class="talk"><${Banner} chat=${chat} /><${Talk} chat=${chat} seewire=${live.allowed && seeWire} /></main>
    <aside class="hub" aria-label=${t("panel")}>${shown && html`<${LivePanel} live=${live} v=${live.v} />`}</aside>`;
}

let due = false;
/** Draws with the next frame, however often it is called before. */
function draw() {
  if (due) return;
  due = true;
  // A hidden page has no frames; only its title is looked at.
  if (document.hidden) setTimeout(now, 250);
  else requestAnimationFrame(now);
}

let title = "";
function now() {
  due = false;
  const { unread, active } = chat;
  const next = `${unread ? `(${unread}) ` : ""}${active ? `${active.name} · ` : ""}trappe`;
  if (next !== title) document.title = title = next;
  if (document.hidden) return;
  live.show(wide.matches ? page.panel : page.view === "hub");
  const hash = active?.kind === "room" ? `#${encodeURIComponent(active.name)}` : location.hash;
  if (hash !== location.hash && !chat.wanted && (location.hash || active?.name !== "lobby")) history.replaceState(null, "", hash);
  render(html`<${Page} />`, root);
}

const keep = () => storage(() => sessionStorage.setItem("trappe", JSON.stringify(chat.save())));

document.addEventListener("visibilitychange", () => {
  chat.look(!document.hidden);
  if (document.hidden) {
    keep();
    live.show(false);
  }
  draw();
});
// A page that is kept to go back to would stay a member.
addEventListener("pagehide", () => {
  keep();
  chat.hub.close();
  live.show(false);
});
addEventListener("pageshow", (ev) => ev.persisted && chat.hub.connect());
addEventListener("online", () => chat.hub.state.at === "waiting" && chat.hub.connect());
addEventListener("hashchange", () => roomOf() && chat.enter(roomOf()));
wide.addEventListener("change", draw);
setInterval(() => chat.hub.state.at === "waiting" && draw(), 1000);
setInterval(() => chat.ask(), ASK_EVERY_MS);

chat.look(!document.hidden);
chat.hub.connect();
draw();
