// The live hub: numbers, charts, members, rooms.

import { Component, html } from "./preact.js";
import { amount, bytes, t } from "./words.js";
import { Do, Sized, bdi } from "./follow.js";
import { pick } from "./meters.js";
import { WireView } from "./wireview.js";

const [WIDTH, HEIGHT] = [240, 48];
const ROOMS_SHOWN = 50;

function Chart({ meters, what }) {
	const now = meters.samples.at(-1)?.[what] ?? 0;
	const most = meters.greatest(what);
	return html`<figure>
		<figcaption><span>${t(what)}</span> <b>${amount(now)}</b></figcaption>
		<svg viewBox=${`0 -2 ${WIDTH} ${HEIGHT + 4}`} preserveAspectRatio="none" role="img" aria-label=${t("chart", { what: t(what), now, most })}>
			<path d=${`M0 ${HEIGHT}H${WIDTH}M0 0H${WIDTH}`} /><path class="curve" d=${meters.line(what, WIDTH, HEIGHT)} /></svg>
		<p class="dim n" aria-hidden="true">${t("most", { most: amount(most) })}</p>
	</figure>`;
}

const ROW_PX = 32;
const SPARE = 4;

/** Field to sort by, its sentence, what a cell shows. */
const COLUMNS = [
	["sort", "col-name", ({ name, slow }) => [bdi(name), slow && html` <b class="flag">▲ ${t("slow")}</b>`]],
	["lag", "col-lag", ({ lag }) => amount(lag), "n"],
	["in_rate", "col-in", (it) => bytes(it.in_rate), "n"],
	["out_rate", "col-out", (it) => bytes(it.out_rate), "n"],
	["transport", "col-transport", ({ transport }) => transport],
	["address", "col-address", ({ address }) => address],
	["where", "rooms", ({ where }) => bdi(where)],
];

/** The members, as a grid; only what can be seen is in the document. */
class Members extends Sized {
	state = { filter: "", column: 0, down: false, top: 0, height: 320, sid: 0, col: 0 };

	sized() {
		this.setState({ height: this.grid.clientHeight });
	}

	get grid() {
		return this.base.querySelector(".grid");
	}

	/** Sorted for new data, not for scrolling. */
	list() {
		const { filter, column, down } = this.state;
		const by = `${column} ${down} ${filter}`;
		if (this.of !== this.props.members || this.by !== by) this.picked = pick(this.props.members, filter, COLUMNS[column][0], down);
		this.of = this.props.members;
		this.by = by;
		return this.picked;
	}

	sort(column) {
		this.setState({ column, down: column === this.state.column ? !this.state.down : !!COLUMNS[column][3] });
	}

	/** Makes a row the active one, and brings it into sight; -1 is the head. */
	go(to, col = this.state.col) {
		const list = this.list();
		const row = Math.max(-1, Math.min(list.length - 1, to));
		this.setState({ sid: list[row]?.sid ?? 0, col: Math.max(0, Math.min(COLUMNS.length - 1, col)) });
		const { grid } = this;
		const space = grid.clientHeight - 2 * ROW_PX;
		grid.scrollTop = Math.max(0, Math.min(row * ROW_PX, Math.max(grid.scrollTop, row * ROW_PX - space)));
	}

	key = (ev) => {
		const list = this.list();
		const { sid, col, height } = this.state;
		const row = list.findIndex((it) => it.sid === sid);
		const page = Math.floor(height / ROW_PX) - 2;
		const enter = () => (row < 0 ? this.sort(col) : this.props.open(list[row].name));
		const act = {
			ArrowDown: () => this.go(row + 1),
			ArrowUp: () => this.go(row - 1),
			PageDown: () => this.go(row + page),
			PageUp: () => this.go(Math.max(0, row - page)),
			ArrowLeft: () => this.go(row, col - 1),
			ArrowRight: () => this.go(row, col + 1),
			Home: () => this.go(ev.ctrlKey ? 0 : row, 0),
			End: () => this.go(ev.ctrlKey ? list.length : row, COLUMNS.length),
			Enter: enter,
			" ": enter,
		}[ev.key];
		if (!act) return;
		ev.preventDefault();
		act();
	};

	render({ count, members, open }, { filter, column, down, top, height, sid, col }) {
		const list = this.list();
		const start = Math.max(0, Math.floor(top / ROW_PX) - SPARE);
		const rows = list.slice(start, Math.ceil((top + height) / ROW_PX) + SPARE);
		const active = (!sid || rows.some((it) => it.sid === sid)) && `cell-${sid}-${col}`;
		const cell = (role, its, i, content, rest) =>
			html`<div key=${i} role=${role} id=${`cell-${its}-${i}`} class=${`${COLUMNS[i][3] ?? ""} ${its === sid && i === col ? "active" : ""}`} ...${rest}>${content}</div>`;
		return html`<section>
			<div class="head"><h3 class="grow">${t("col-members")}</h3>
				<input type="search" aria-label=${t("filter")} placeholder=${t("filter")} value=${filter} onInput=${(ev) => this.setState({ filter: ev.target.value })} /></div>
			<div class="grid" role="grid" tabindex="0" aria-label=${t("members-grid")} aria-rowcount=${list.length + 1} aria-activedescendant=${active || undefined}
				onKeyDown=${this.key} onScroll=${(ev) => this.setState({ top: ev.target.scrollTop })}>
				<div role="rowgroup" class="grid-head"><div role="row" class="row" aria-rowindex="1">
					${COLUMNS.map(([, id], i) => cell("columnheader", 0, i, [t(id), i === column && html`<span aria-hidden="true"> ${down ? "↓" : "↑"}</span>`],
						{ onClick: () => this.sort(i), "aria-sort": i !== column ? "none" : down ? "descending" : "ascending" }))}
				</div></div>
				<div role="rowgroup" class="grid-body" style=${{ height: `${list.length * ROW_PX}px` }}>
					${rows.map((it, n) => html`<div key=${it.sid} role="row" class=${`row ${it.sid === sid ? "active" : ""}`} aria-rowindex=${start + n + 2}
						style=${{ top: `${(start + n) * ROW_PX}px` }} onClick=${() => open(it.name)}>${COLUMNS.map(([, , show], i) => cell("gridcell", it.sid, i, show(it)))}</div>`)}
				</div>
			</div>
			<p class="dim">${t(list.length ? "grid-hint" : "none-found")} ${count > members.length && t("more", { count: count - members.length })}</p>
		</section>`;
	}
}

function Rooms({ rooms, count }) {
	const shown = rooms.slice(0, ROOMS_SHOWN);
	return html`<section><h3>${t("rooms")}</h3>
		<div class="scroll" tabindex="0" role="group" aria-label=${t("rooms")}><table>
			<thead><tr>${["col-room", "col-members", "messages-all", "col-rate"].map((id) => html`<th scope="col">${t(id)}</th>`)}</tr></thead>
			<tbody>${shown.map(({ room, members, seq, rate }) => html`<tr key=${room}><th scope="row">${bdi(room)}</th>${[members, seq, rate].map((n) => html`<td>${amount(n)}</td>`)}</tr>`)}</tbody>
		</table></div>
		${count > shown.length && html`<p class="dim">${t("more", { count: count - shown.length })}</p>`}
	</section>`;
}

function Hub({ live, meters: { hub, members, rooms, samples } }) {
	const { in: read, out } = samples.at(-1) ?? { in: 0, out: 0 };
	const numbers = [["col-members", amount(hub.members)], ["rooms", amount(hub.rooms)], ["bytes-in", `${bytes(read)}/s`],
		["bytes-out", `${bytes(out)}/s`], ["missed", hub.missed && amount(hub.missed)], ["refused", hub.refused && amount(hub.refused)]];
	return html`<div>
		<dl class="numbers">${numbers.map(([id, value]) => value !== 0 && html`<div key=${id}><dt>${t(id)}</dt><dd>${value}</dd></div>`)}</dl>
		<div class="charts"><${Chart} meters=${live.meters} what="messages" /><${Chart} meters=${live.meters} what="deliveries" /></div>
		<p>${t("by-transport")} ${Object.entries(hub.transports).map(([name, count]) => html`<span class="dim" key=${name}> ${name} </span><b>${amount(count)}</b>`)}</p>
		<${Members} members=${members} count=${hub.members} open=${(name) => live.watch(name)} />
		<${Rooms} rooms=${rooms} count=${hub.rooms} /></div>`;
}

function State({ live: { allowed, state, meters }, again }) {
	const { hostname, port } = location;
	if (!allowed) {
		return html`<div class="empty"><p class="lead">${t("live-local")}</p><p>${t("live-local-how")}<br />
			<code>ssh -L ${port || 80}:localhost:${port || 80} ${hostname}</code></p></div>`;
	}
	if (state.at === "refused") {
		return html`<div class="empty"><p class="lead">${state.code === "too-many-watchers" ? t("live-full") : state.text || state.code}</p>
			<p><${Do} as="main" id="now" go=${again} /></p></div>`;
	}
	const id = state.at === "lost" ? "live-lost" : !meters.hub && "live-connecting";
	return html`<p class="note soon" role="status">${id && t(id)}</p>`;
}

export class Panel extends Component {
	shouldComponentUpdate({ v }) {
		return v !== this.props.v;
	}

	render({ live }) {
		const { allowed, state, wire, meters } = live;
		const content = wire ? html`<${WireView} key=${wire.member} ...${{ live, wire }} />` : meters.hub && html`<${Hub} ...${{ live, meters }} />`;
		return html`<h2>${t("panel")}</h2><${State} live=${live} again=${() => live.open()} />${allowed && state.at !== "refused" && content}`;
	}
}
