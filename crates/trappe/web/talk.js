// A conversation. What somebody wrote goes into text nodes, in elements of their own direction.

import { Component, html } from "./preact.js";
import { bytes, date, exact, parts, t, time } from "./words.js";
import { Do, Follow, bdi } from "./follow.js";

/** Messages of one person within this time stand under one name. */
const TOGETHER_MS = 300_000;
const FOLD_CHARS = 2000;
const FOLD_LINES = 40;
const HEX_BYTES = 24;

/** Control characters as their symbols, so that an escape sequence is seen as what it is. */
const visible = (text) =>
	text.replace(/\r\n/g, "\n").replace(/[\0-\x08\x0b-\x1f\x7f]/g, (it) => (it === "\x7f" ? "␡" : String.fromCharCode(0x2400 + it.charCodeAt(0))));

/** The beginning of a long message, no character cut. */
const fold = (text) => text.split("\n", FOLD_LINES).join("\n").slice(0, FOLD_CHARS).replace(/[\ud800-\udbff]$/, "");

class Message extends Component {
	shouldComponentUpdate(next, state) {
		const { row, first, self } = this.props;
		return next.row !== row || next.first !== first || next.self !== self || state !== this.state;
	}

	unfold = () => {
		this.props.onunfold();
		this.setState({ all: true });
	};

	body({ text, b64 }) {
		if (b64 !== undefined) {
			const raw = atob(b64.slice(0, (HEX_BYTES / 3) * 4));
			const size = (b64.length / 4) * 3 - /=*$/.exec(b64)[0].length;
			const hex = [...raw].map((it) => it.charCodeAt(0).toString(16).padStart(2, "0")).join(" ");
			return html`<p class="said dim">${t("bytes-said", { size: bytes(size) })} <code>${hex}${size > raw.length && " …"}</code></p>`;
		}
		const short = this.state.all ? text : fold(text);
		const folded = short.length < text.length;
		return html`<p class="said" dir="auto">${visible(short)}${folded && "…"}</p>
			${folded && html`<${Do} id="unfold" vars=${{ count: text.length }} go=${this.unfold} />`}`;
	}

	render({ row, first, self, again }) {
		const { from = self, at, state } = row;
		const clock = html`<time class=${first ? "" : "aside"} dateTime=${new Date(at).toISOString()} title=${exact(at)}>${time(at)}</time>`;
		return html`<div class=${`msg ${first ? "first" : ""} ${row.own || from === self ? "own" : ""} ${state ?? ""}`} data-key=${row.key}>
			<p class=${first ? "by" : "sr"}><b>${bdi(from)}</b> ${first && clock}</p>
			${!first && clock}
			${this.body(row)}
			${state === "pending" && html`<p class="note soon">${t("pending")}</p>`}
			${(state === "failed" || state === "unconfirmed") &&
			html`<p class="note wrong">${state === "failed" ? row.why || t("too-long-hub") : t(state)} <${Do} id="again" go=${() => again(row)} /></p>`}
		</div>`;
	}
}

const plain = (value) => (Array.isArray(value) ? value.map((it) => Object.values(it).join(" ")).join(", ") : value);

function sentence(row) {
	const { type, text = "", fields = {}, count = 0 } = row;
	// The names of fields are the protocol's and aren't translated.
	if (type === "answer") return [row.op, Object.entries(fields).map(([name, value]) => [` · ${name} `, html`<b>${bdi(plain(value))}</b>`])];
	if (type === "notice" || type === "error") return html`<span dir="auto">${visible(text)}</span>${row.code && html` <code>${row.code}</code>`}`;
	if (type === "gap") return t(`gap-${row.cause}`, { count });
	return parts(type === "left" && text ? "left-saying" : type, { name: bdi(row.name ?? row.from), old: bdi(row.from), text: bdi(visible(text)) });
}

/** The rows of a window, and what stands between them. */
function rowsOf({ rows, fresh, ...rest }) {
	let before;
	return rows.map((row) => {
		const { type, key, from, sid, at, day } = row;
		const divider = (kind, text) => html`<p class=${`divider ${kind}`} key=${kind + key}><span>${text}</span></p>`;
		const newDay = before?.day !== day;
		const first = newDay || before.type !== "msg" || before.from !== from || before.sid !== sid || at - before.at > TOGETHER_MS;
		before = row;
		return [
			newDay && divider("day", date(at)),
			key === fresh && divider("fresh", t("fresh")),
			type === "msg"
				? html`<${Message} key=${key} ...${{ row, first, ...rest }} />`
				: type === "life"
					? divider("life", t("life"))
					: html`<p class=${`event ${type}`} key=${key} data-key=${key}>${sentence(row)}</p>`,
		];
	});
}

/** With more changes a second they aren't read out. */
const ALOUD_MAX = 8;

class Composer extends Component {
	componentDidMount() {
		this.base.querySelector("textarea").focus({ preventScroll: true });
	}

	input = (ev) => {
		this.props.it.draft = ev.target.value;
		this.setState({ wrong: null });
	};

	key = (ev) => ev.key === "Enter" && !ev.shiftKey && !ev.isComposing && this.send(ev);

	send = (ev) => {
		ev.preventDefault();
		const { it, chat } = this.props;
		const wrong = chat.say(it.draft);
		if (!wrong) it.draft = "";
		this.setState({ wrong });
		chat.changed();
		this.base.querySelector("textarea").focus();
	};

	render({ it }, { wrong }) {
		const label = t(`say-${it.kind}`, { name: it.name });
		return html`<form class="composer" onSubmit=${this.send}>
			${wrong && html`<p class="note wrong" role="alert">${t(wrong.id, wrong)}</p>`}
			<textarea id="say" rows=${Math.min(8, it.draft.split("\n").length)} dir="auto" aria-label=${label} placeholder=${label}
				value=${it.draft} onInput=${this.input} onKeyDown=${this.key} enterkeyhint="send"></textarea>
			<button class="main">${t("send")}</button>
		</form>`;
	}
}

class Log extends Component {
	shouldComponentUpdate(next) {
		return next.v !== this.props.v || next.self !== this.props.self;
	}

	live(v) {
		const now = Date.now();
		if (!(now - this.since < 1000)) {
			this.flood = v - this.v > ALOUD_MAX;
			this.since = now;
			this.v = v;
		}
		return this.flood ? "off" : "polite";
	}

	end = (atEnd) => {
		const { it, chat } = this.props;
		if (!atEnd) it.hold();
		else if (it.window().after) it.shift(1);
		else it.follow();
		chat.seen();
		chat.changed();
	};

	older = () => {
		const { it, chat } = this.props;
		it.hold();
		it.shift(-1);
		chat.changed();
	};

	newest = () => {
		this.props.it.follow();
		this.end(true);
	};

	render({ it, chat, self }) {
		const { rows, before, after } = it.window();
		return html`<div class="loghold">
			<${Follow} class="log" aria-label=${t("log", { name: it.name })} aria-live=${this.live(it.v)} following=${!it.anchor} onend=${this.end}>
				${it.passed > 0 && !before && html`<p class="event">${t("passed", { count: it.passed })}</p>`}
				${before > 0 && html`<p class="event"><${Do} id="older" go=${this.older} /></p>`}
				${it.asking && html`<p class="event soon">${t("loading")}</p>`}
				${!it.rows.length && !it.asking && html`<${Empty} it=${it} />`}
				${rowsOf({ rows, fresh: it.fresh, self, again: (row) => chat.again(it, row), onunfold: () => it.hold() })}
			<//>
			${(after > 0 || it.below > 0) && html`<${Do} as="below" id="below" vars=${{ count: it.below }} go=${this.newest} />`}
		</div>`;
	}
}

const Empty = ({ it }) => {
	if (it.kind === "direct") return html`<div class="empty"><p>${parts("empty-direct", { name: bdi(it.name) })}</p></div>`;
	const nc = `nc ${location.hostname} ${location.port || 80}`;
	return html`<div class="empty"><p class="lead">${t("empty-room")}</p><p>${t("empty-nc")}<br /><code>${nc}</code></p></div>`;
};

export function Talk({ chat, seewire }) {
	const it = chat.active;
	if (!it) return html`<div class="empty">${chat.hub.open && html`<p class="lead">${t("nowhere")}</p>`}</div>`;
	const { kind, name, count, v } = it;
	const room = kind === "room";
	return html`<div class="head">
			<h2 dir="auto">${room && "# "}${bdi(name)}</h2>
			<p class="dim grow">${t(room ? "members" : "direct-only", { count })}</p>
			${!room && seewire && html`<${Do} id="see-wire" go=${() => seewire(name)} />`}
			<${Do} id=${room ? "leave" : "close"} disabled=${room && !chat.hub.open} go=${() => chat.leave(it)} />
		</div>
		<${Log} key=${kind + name} ...${{ it, v, chat }} self=${chat.me.name} />
		<${Composer} key=${name + kind} it=${it} chat=${chat} />`;
}
