// Where one can be: rooms, direct conversations, who is here.

import { html } from "./preact.js";
import { t } from "./words.js";
import { Badge, Field, bdi } from "./follow.js";

const Place = ({ kind, name, go, current, count, unread, ...rest }) =>
	html`<li><button class="place" aria-current=${current ? "true" : undefined} onClick=${go} ...${rest}>
		<span class="label" dir="auto">${kind === "room" && "# "}${bdi(name)}</span>
		${count !== undefined && html`<span class="dim" aria-hidden="true">${count}</span><span class="sr">, ${t("members", { count })}</span>`}
		<${Badge} count=${unread} />
	</button></li>`;

const ROOMS_SHOWN = 50;

/** The column of places; `moved`: a conversation was chosen. */
export function Places({ chat, moved }) {
	const show = (it) => {
		chat.show(it);
		moved();
	};
	const enter = async (name) => {
		await chat.enter(name.replace(/^#/, ""));
		if (!chat.roomProblem) moved();
		return !chat.roomProblem;
	};
	const here = chat.active?.kind === "room" && chat.active;
	const counts = new Map(chat.rooms.map(({ room, members }) => [room, members]));
	const list = (kind) => chat.of(kind).map((it) => {
		const { name, unread } = it;
		return html`<${Place} key=${name} ...${{ kind, name, unread }} current=${it === chat.active} count=${it === here ? it.count : counts.get(name)} go=${() => show(it)} />`;
	});
	const rooms = list("room");
	const directs = list("direct");
	const others = chat.rooms.filter(({ room }) => !chat.conversations.has(`#${room}`)).slice(0, ROOMS_SHOWN);
	return html`
		<h2>${t("rooms")}</h2>
		<ul>${rooms}</ul>
		${others.length > 0 && html`<h3>${t("rooms-other")}</h3>
		<ul>${others.map(({ room, members }) => html`<${Place} key=${room} kind="room" name=${room} count=${members} go=${() => enter(room)} />`)}</ul>`}
		<${Field} label="join-label" hint="join-hint" button="join" go=${enter} wrong=${chat.roomProblem} off=${!chat.hub.open} />
		${directs.length > 0 && html`<h2>${t("directs")}</h2><ul>${directs}</ul>`}
		${here && html`<${Here} here=${here} self=${chat.me.sid} write=${({ name, sid }) => show(chat.direct(name, sid))} />`}`;
}

function Here({ here: { members, count }, self, write }) {
	return html`<h2>${t("here")}</h2>
		<ul>${members.map((one) => one.sid === self
			? html`<li key=${one.sid} class="place"><span class="label">${bdi(one.name)}</span><span class="dim">${t("you")}</span></li>`
			: html`<${Place} key=${one.sid} name=${one.name} title=${t("write-to", one)} go=${() => write(one)} />`)}</ul>
		${count > members.length && html`<p class="dim">${t("more", { count: count - members.length })}</p>`}`;
}
