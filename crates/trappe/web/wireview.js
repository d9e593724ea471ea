// @ts-check
// The wire of a member: its messages as bytes and characters, where the reads were cut, and why each ended.

import { Component, html } from "./preact.js";
import { parts, t } from "./words.js";
import { Follow } from "./follow.js";
import { bdi } from "./rows.js";
import { amount, bytes, millisOf } from "./format.js";
import { SHOWN_BYTES, asText, characters, dump } from "./wire.js";

/** Events in the document at first; the others come on demand. */
const DRAWN = 60;
/** So wide a view has 16 bytes a row, in characters of its font. */
const WIDE_CHARS = 84;
const ENDS = ["newline", "pause", "eof", "read", "length", "nul", "text", "binary", "datagram"];
const REFUSALS = ["too-long", "unfinished"];

/** A time between two reads, with the precision that it has. */
const after = (ms) => (ms < 1000 ? t("ms", { ms }) : t("s", { s: (ms / 1000).toFixed(1) }));

class Message extends Component {
  shouldComponentUpdate(next, state) {
    return next.width !== this.props.width || state.all !== this.state.all;
  }

  render({ it, width, onunfold }, { all }) {
    const end = it.end ?? it.refused;
    const known = ENDS.includes(end) ? `end-${end}` : REFUSALS.includes(end) ? `refused-${end}` : "end-other";
    const shown = all ? it.bytes : it.bytes.subarray(0, SHOWN_BYTES);
    const rows = dump(shown, characters(shown, it.decoding), it.cuts ?? [], width);
    return html`<article class=${`frame${it.refused ? " refused" : ""}`} data-key=${it.key}>
      <p class="by"><time>${millisOf(it.time)}</time> <span class=${`badge-end end-${end}`}>${t(`${known}-name`)}</span>
        <span class="dim">${t("sizes", { size: amount(it.size ?? it.bytes.length), at: it.at })}</span></p>
      <p class="why">${t(known)}</p>
      ${rows.length > 0 && html`<div class="dump" role="group" aria-label=${t("dump")}>
        ${rows.map(({ at, parts: row, begin }) => html`<div class="dump-row" key=${at}><span class="offset">${at.toString().padStart(4, "0")}</span>
          <span class="hex" style=${{ width: `${width * 3}ch` }}>${row.map(({ hex, cut, read }) => html`<span class=${`${cut ? "cut " : ""}r${read % 2}`}>${hex}</span>`)}</span>
          <span class="chars" style=${{ width: `${width + 1}ch` }}>${row.map(({ text, cut, read }) => html`<span class=${`${cut ? "cut " : ""}r${read % 2}`}>${text}</span>`)}</span>
          ${begin.length > 0 && html`<span class="read">${begin.length > 2 ? t("reads-row", { from: begin[0], to: begin.at(-1) }) : begin.map((n) => t("read-row", { n })).join(" ")}</span>`}</div>`)}
      </div>`}
      ${it.bytes.length > shown.length && html`<button class="quiet" onClick=${() => { onunfold(); this.setState({ all: true }); }}>${t("bytes-all", { count: it.bytes.length })}</button>`}
      ${it.reads.length > 0 && html`<p class="dim">${t("reads", { count: it.reads.length })} ${it.reads.slice(0, 12).map(({ len, after: ms }, i) => (i ? t("read-after", { len: amount(len), after: after(ms) }) : t("read-first", { len: amount(len) }))).join(", ")}${it.reads.length > 12 ? " …" : ""}</p>`}
      ${it.decoding && it.decoding !== "utf-8" && html`<p class="dim">${t("decoding", { decoding: it.decoding })}</p>`}
      ${it.shortened && html`<p class="dim">${t("shortened", { count: it.bytes.length })}</p>`}
      ${it.masked && html`<p class="dim">${t("masked")}</p>`}
    </article>`;
  }
}

const slim = {
  open: (it) => parts("wire-open", { name: bdi(it.name), transport: it.transport, address: it.address, at: it.at }),
  write: (it) => [
    it.room ? parts(it.from === it.to ? "wire-write-one" : "wire-write-many", { len: it.len, room: bdi(it.room), from: it.from ?? 0, to: it.to ?? 0 }) : t("wire-write", { len: it.len }),
    it.blocked && html` <span class="mark-slow">▲ ${t("blocked")}</span>`,
  ],
  gap: (it) => t("gap-slow", { count: it.to - it.from + 1 }),
  close: () => t("wire-close"),
  lost: (it) => t("wire-lost", { count: it.count }),
};

const Event = ({ it }) =>
  slim[it.ev] && html`<p class=${`slim ${it.ev}`} data-key=${it.key}>${it.ts && html`<time>${millisOf(it.time)}</time> `}${slim[it.ev](it)}</p>`;

/** Props: `live`, `wire`. */
export class WireView extends Component {
  state = { width: 8, following: true, all: false, copied: "" };

  componentDidMount() {
    this.sizes = new ResizeObserver(() => {
      const chars = this.base.clientWidth / (parseFloat(getComputedStyle(this.base).fontSize) * 0.5);
      this.setState({ width: chars > WIDE_CHARS ? 16 : 8 });
    });
    this.sizes.observe(this.base);
    this.base.querySelector("h3").focus();
  }

  componentWillUnmount() {
    this.sizes.disconnect();
  }

  copy = async () => {
    try {
      await navigator.clipboard.writeText(asText(this.props.wire.shown));
      this.setState({ copied: t("copied") });
    } catch {
      this.setState({ copied: t("not-copied") });
    }
  };

  render({ live, wire }, { width, following, all, copied }) {
    const list = wire.shown;
    const hidden = all ? 0 : Math.max(0, list.length - DRAWN);
    const unfold = () => this.setState({ following: false });
    const passed = wire.passed + wire.lost;
    return html`<section class="wire" aria-label=${t("wire-of", { name: wire.member })}>
      <div class="head"><h3 tabindex="-1">${parts("wire-of", { name: bdi(wire.member) })}</h3><span class="grow"></span>
        <button class="plain" aria-pressed=${String(!!wire.frozen)} onClick=${() => { wire.pause(); live.touch(); }}>${t(wire.frozen ? "continue" : "pause")}</button>
        <button class="plain" onClick=${this.copy}>${t("copy")}</button>
        <button class="plain" onClick=${() => live.unwatch()}>${t("close")}</button></div>
      <p class="dim" role="status">${copied || (wire.gone ? t("wire-gone") : wire.frozen ? t("frozen", { count: wire.since }) : t("wire-hint"))}
        ${wire.gone && html` <button class="quiet" onClick=${() => live.watch(wire.member)}>${t("watch-again")}</button>`}</p>
      <${Follow} class="wirelog" role="log" label=${t("wire-of", { name: wire.member })} live="off" following=${following} onend=${(atEnd) => this.setState({ following: atEnd })}>
        ${passed > 0 && html`<p class="slim">${t("wire-passed", { count: passed })}</p>`}
        ${hidden > 0 && html`<p class="slim"><button class="quiet" onClick=${() => this.setState({ all: true, following: false })}>${t("older-events", { count: hidden })}</button></p>`}
        ${!list.length && !wire.gone && html`<p class="event">${t("wire-empty")}</p>`}
        ${list.slice(hidden).map((it) => (it.ev === "message" ? html`<${Message} key=${it.key} ...${{ it, width }} onunfold=${unfold} />` : html`<${Event} key=${it.key} it=${it} />`))}
        ${!wire.frozen && wire.reads.length > 0 && html`<p class="slim pending" key="pending">${t("wire-pending", { reads: wire.reads.length, count: wire.pending })}</p>`}
      <//>
    </section>`;
  }
}
