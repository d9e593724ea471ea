// The wire of a member: its messages as bytes and characters, where the reads were cut, and why each ended.

import { Component, html } from "./preact.js";
import { amount, millis, parts, t } from "./words.js";
import { Do, Follow, Sized, bdi } from "./follow.js";
import { asText, characters, dump } from "./wire.js";

/** Events, and bytes of a message, in the document at first. */
const DRAWN = 30;
const SHOWN_BYTES = 128;
const READS_SHOWN = 12;
/** From here on there are 16 bytes a row. */
const WIDE_PX = 640;

const wait = (ms) => (ms < 1000 ? `${amount(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

class Message extends Component {
	shouldComponentUpdate(next, state) {
		return next.width !== this.props.width || state !== this.state;
	}

	all = () => {
		this.props.onunfold();
		this.setState({ all: true });
	};

	row({ at, begin, parts: row }, width) {
		const column = (what) => row.map((it) => html`<span class=${`r${it.read % 2} ${it.cut ? "cut" : ""}`}>${it[what]}</span>`);
		return html`<div key=${at}><span class="dim">${`${at}`.padStart(4, "0")}</span>
			<span style=${{ width: `${3 * width}ch` }}>${column("hex")}</span><bdo dir="ltr" style=${{ width: `${width}ch` }}>${column("text")}</bdo>
			<span class="flag">${begin.length > 0 && t("read-row", { n: begin.length > 2 ? `${begin[0]}–${begin.at(-1)}` : begin.join(", ") })}</span></div>`;
	}

	render({ it, width }, { all }) {
		const { bytes, decoding, reads, at, size = bytes.length } = it;
		const reason = it.end ?? it.refused;
		const why = t(`end-${reason}`);
		const shown = all ? bytes : bytes.subarray(0, SHOWN_BYTES);
		const notes = [
			decoding !== "utf-8" && decoding && t("decoding", { decoding }),
			it.shortened && t("shortened", { count: bytes.length }),
			it.masked && t("masked"),
		];
		return html`<article class=${it.refused ? "refused" : ""} data-key=${it.key}>
			<p><time>${millis(it.time)}</time> <b class="end">${reason}</b> <span class="dim">${t("sizes", { size, at })}</span></p>
			${!why.startsWith("end-") && html`<p>${why}</p>`}
			<div class="dump" role="group" aria-label=${t("dump")}>${dump(shown, characters(shown, decoding), it.cuts ?? [], width).map((row) => this.row(row, width))}</div>
			${bytes.length > shown.length && html`<${Do} id="bytes-all" vars=${{ count: bytes.length }} go=${this.all} />`}
			<p class="dim">${t("reads", { count: reads.length })} ${reads.slice(0, READS_SHOWN).map(({ len, after }, i) => t(i ? "read-after" : "read-first", { len, after: wait(after) })).join(", ")}${reads.length > READS_SHOWN && " …"}</p>
			${notes.map((text) => text && html`<p class="dim">${text}</p>`)}
		</article>`;
	}
}

/** Anything but a message is one line. */
const slim = {
	open: ({ name, transport, address, at }) => parts("wire-open", { name: bdi(name), transport, address, at }),
	write: ({ len, room, from, to, blocked }) => [
		room ? parts("wire-write-room", { len, room: bdi(room), from: `${from}`, to: `${to}` }) : len > 0 && t("wire-write", { len }),
		blocked && html` <b class="flag">▲ ${t("blocked")}</b>`,
	],
	gap: ({ from, to, cause }) => html`<b class="flag">${t(`gap-${cause}`, { count: to - from + 1 })}</b>`,
	close: () => t("wire-close"),
	lost: ({ count }) => html`<b class="flag">${t("wire-lost", { count })}</b>`,
};

const Slim = ({ it }) => slim[it.ev] && html`<p class="dim" data-key=${it.key}>${it.ts && millis(it.time)} ${slim[it.ev](it)}</p>`;

export class WireView extends Sized {
	state = { width: 8, following: true };

	componentDidMount() {
		super.componentDidMount();
		this.base.querySelector("h3").focus();
	}

	sized() {
		this.setState({ width: this.base.clientWidth > WIDE_PX ? 16 : 8 });
	}

	copy = () => {
		const { frozen, events } = this.props.wire;
		const say = (copied) => () => this.setState({ copied });
		navigator.clipboard.writeText(asText(frozen ?? events)).then(say("copied"), say("not-copied"));
	};

	pause = () => {
		this.props.wire.pause();
		this.props.live.touch();
	};

	unfold = () => this.setState({ following: false });

	render({ live, wire }, { width, following, all, copied }) {
		const { member, frozen, gone, reads } = wire;
		const list = frozen ?? wire.events;
		const hidden = all ? 0 : Math.max(0, list.length - DRAWN);
		const passed = wire.count - wire.events.length;
		const label = t("wire-of", { name: member });
		const status = copied ? t(copied) : frozen ? t("frozen", { count: wire.count - wire.then }) : t(gone ? "wire-gone" : "wire-hint");
		return html`<section aria-label=${label}>
			<div class="head"><h3 class="grow" tabindex="-1">${parts("wire-of", { name: bdi(member) })}</h3>
				<${Do} as="plain" id=${frozen ? "continue" : "pause"} go=${this.pause} /><${Do} as="plain" id="copy" go=${this.copy} />
				<${Do} as="plain" id="close" go=${() => live.watch()} /></div>
			<p class="dim" role="status">${status} ${gone && html`<${Do} id="watch-again" go=${() => live.watch(member)} />`}</p>
			<${Follow} class="wirelog" aria-label=${label} aria-live="off" following=${following} onend=${(at) => this.setState({ following: at })}>
				${passed > 0 && html`<p class="dim">${t("wire-passed", { count: passed })}</p>`}
				${hidden > 0 && html`<${Do} id="older" go=${() => this.setState({ all: true, following: false })} />`}
				${list.slice(hidden).map((it) => html`<${it.ev === "message" ? Message : Slim} key=${it.key} ...${{ it, width }} onunfold=${this.unfold} />`)}
				${!frozen && reads.length > 0 && html`<p class="dim">${t("wire-pending", { reads: reads.length, count: reads.reduce((sum, { len }) => sum + len, 0) })}</p>`}
			<//>
		</section>`;
	}
}
