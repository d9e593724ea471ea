// The top of the page: how the connection is, who one is, what is shown.

import { Component, html } from "./preact.js";
import { t } from "./words.js";
import { Badge, Do, Field, bdi } from "./follow.js";

/** The hatch, a little open. */
const glyph = html`<svg class="glyph" viewBox="0 0 32 32" aria-hidden="true"><path d="M4 27h24M7 27V13l18-8v22" /><path class="door" d="M11 27V15.6l10-4.4V27" /></svg>`;

class Name extends Component {
	edit = () => this.setState({ editing: true });

	done = () => {
		this.props.chat.nameProblem = "";
		this.setState({ editing: false });
	};

	take = async (name) => {
		const { chat } = this.props;
		if (name === chat.me.name || (await chat.rename(name))) this.done();
	};

	componentDidUpdate(_props, { editing }) {
		if (editing === this.state.editing) return;
		const it = this.base.querySelector("input, button");
		it.focus();
		it.select?.();
	}

	render({ chat: { me, hub, nameProblem } }, { editing }) {
		return html`<div onKeyDown=${(ev) => ev.key === "Escape" && this.done()}>${editing
			? html`<${Field} label="name-label" button="name-take" value=${me.name} go=${this.take} wrong=${nameProblem}><${Do} as="plain" id="cancel" go=${this.done} /><//>`
			: html`<button class="plain" disabled=${!hub.open} title=${t("name-change")} onClick=${this.edit}><span class="sr">${t("name-is")} </span>${bdi(me.name || "…")}</button>`}</div>`;
	}
}

export function Head({ chat, view, panel, choose, toggle }) {
	const { at } = chat.hub.state;
	const tab = (id) => html`<button class="tab" data-tab=${id} aria-pressed=${`${view === id}`} onClick=${() => choose(id)}>
		${t(`tab-${id}`)} ${id === "places" && html`<${Badge} count=${chat.unread} />`}</button>`;
	const skip = (ev) => {
		ev.preventDefault();
		choose("talk");
		requestAnimationFrame(() => document.getElementById("say")?.focus());
	};
	return html`<a class="skip" href="#say" onClick=${skip}>${t("skip")}</a>
		<h1>${glyph}trappe</h1>
		<p class=${`link ${at}`}><span class="dot"></span>${t(at === "open" || at === "connecting" ? at : "not-open")}</p>
		<${Name} chat=${chat} />
		<nav class="tabs" aria-label=${t("views")}>${["talk", "places", "hub"].map(tab)}</nav>
		<${Do} as="plain panel" id="panel" aria-pressed=${`${panel}`} go=${toggle} />`;
}

/** What is wrong, and what can be done. */
export function Banner({ chat: { hub } }) {
	const { at, why, until = 0, text } = hub.state;
	const button = { waiting: "now", refused: "now", superseded: "take-back", quit: "come-back" }[at];
	const known = /^(lost|never|shutdown|slow)$/.test(why);
	return html`<div role="status">${button && html`<div class="banner"><p>
		<b>${button !== "now" ? t(at) : known ? t(`why-${why}`) : text || t("why-lost")}</b>${" "}
		${at === "waiting" && html`<span aria-hidden="true">${t("next-try", { seconds: Math.max(0, Math.ceil((until - Date.now()) / 1000)) })}</span>`}</p>
		<${Do} as="main" id=${button} go=${() => hub.connect()} /></div>`}</div>`;
}
