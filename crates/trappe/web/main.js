// Puts the page together: the chat, the live hub, and when they are drawn.

import { html, render } from "./preact.js";
import { lang, t } from "./words.js";
import { Chat } from "./chat.js";
import { Banner, Head } from "./head.js";
import { Places } from "./places.js";
import { Talk } from "./talk.js";
import { Live } from "./live.js";
import { Panel } from "./panel.js";

const ASK_EVERY_MS = 10_000;
const HIDDEN_DRAW_MS = 250;

const wide = matchMedia("(min-width: 1100px)");
const root = document.getElementById("page");

/** Storage may be forbidden; then nothing is remembered. */
const storage = (use) => {
	try {
		return use();
	} catch {
		return null;
	}
};
const room = () => storage(() => decodeURIComponent(location.hash.slice(1))) ?? "";

let view = "talk";
let panel = storage(() => localStorage.getItem("trappe.panel")) !== "no";
const shown = () => !document.hidden && (wide.matches ? panel : view === "hub");

const chat = new Chat({
	url: `${location.protocol.replace("http", "ws")}//${location.host}/ws`,
	lang,
	saved: storage(() => JSON.parse(sessionStorage.getItem("trappe"))),
	name: storage(() => localStorage.getItem("trappe.name")),
	room: room(),
	changed: () => draw(),
	named: (name) => storage(() => localStorage.setItem("trappe.name", name)),
});
const live = new Live({ allowed: document.documentElement.dataset.live === "yes", changed: () => draw() });

const choose = (next) => {
	view = next;
	draw();
};
const toggle = () => {
	panel = !panel;
	storage(() => localStorage.setItem("trappe.panel", panel ? "yes" : "no"));
	draw();
};
const seewire = (name) => {
	panel = true;
	if (!wide.matches) view = "hub";
	live.watch(name);
	draw();
};

const Page = () => html`
	<header><${Head} ...${{ chat, view, panel, choose, toggle }} /></header>
	<main>
		<nav class="places" aria-label=${t("places")}><${Places} chat=${chat} moved=${() => choose("talk")} /></nav>
		<section class="talk" aria-label=${t("tab-talk")}><${Banner} chat=${chat} /><${Talk} chat=${chat} seewire=${live.allowed && seewire} /></section>
		<aside class="hub" aria-label=${t("panel")}>${shown() && html`<${Panel} live=${live} v=${live.v} />`}</aside>
	</main>`;

let due = false;
/** Draws with the next frame, however often called. A hidden page has no frames, but a title. */
function draw() {
	if (due) return;
	due = true;
	if (document.hidden) setTimeout(drawNow, HIDDEN_DRAW_MS);
	else requestAnimationFrame(drawNow);
}

function drawNow() {
	due = false;
	const { unread, active, hub, wanted } = chat;
	document.title = `${unread ? `(${unread}) ` : ""}${active ? `${active.name} · ` : ""}trappe`;
	live.show(shown());
	if (document.hidden) return;
	if (active?.kind === "room" && !wanted && active.name !== (room() || "lobby")) history.replaceState(null, "", `#${encodeURIComponent(active.name)}`);
	Object.assign(root.dataset, { view, panel, state: hub.state.at });
	render(html`<${Page} />`, root);
}

const keep = () => storage(() => sessionStorage.setItem("trappe", JSON.stringify(chat.hub.save())));

document.addEventListener("visibilitychange", () => {
	chat.look(!document.hidden);
	keep();
	draw();
});
// A page that the browser keeps to go back to would stay a member.
addEventListener("pagehide", () => {
	keep();
	chat.hub.suspend();
	live.show(false);
});
addEventListener("pageshow", ({ persisted }) => persisted && chat.hub.connect());
addEventListener("hashchange", () => room() && chat.enter(room()));
wide.addEventListener("change", draw);
setInterval(() => chat.hub.state.at === "waiting" && draw(), 1000);
setInterval(() => chat.ask(), ASK_EVERY_MS);

chat.look(!document.hidden);
chat.hub.connect();
