// @ts-check
// The rows of a conversation. Whatever somebody wrote goes into text nodes, in an element of its own direction.

import { Component, html } from "./preact.js";
import { parts, t } from "./words.js";
import { FOLD_CHARS } from "./model.js";
import { bytes, dateOf, exactOf, timeOf } from "./format.js";

/** Messages of one person within this time stand under one name. */
const TOGETHER_MS = 5 * 60_000;
const FOLD_LINES = 40;
const HEX_BYTES = 24;

export const bdi = (/** @type {string|undefined} */ name) => html`<bdi>${name}</bdi>`;

/** Control characters as their symbols, so that an escape sequence is seen as what it is. @param {string} text */
const visible = (text) =>
  text.replace(/\r\n/g, "\n").replace(/[\0-\x08\x0b-\x1f\x7f]/g, (it) => String.fromCharCode(it === "\x7f" ? 0x2421 : 0x2400 + it.charCodeAt(0)));

/** The beginning of a long message. @param {string} text */
function fold(text) {
  let end = Math.min(text.length, FOLD_CHARS);
  for (let at = -1, lines = 0; lines < FOLD_LINES; lines++) {
    at = text.indexOf("\n", at + 1);
    if (at < 0 || at > end) break;
    if (lines === FOLD_LINES - 1) end = at;
  }
  if (end < text.length && text.codePointAt(end - 1) > 0xffff) end--;
  return text.slice(0, end);
}

/** Rows that are equal are not drawn again. */
class Message extends Component {
  shouldComponentUpdate(next, state) {
    const { row, first, self } = this.props;
    return next.row !== row || next.first !== first || next.self !== self || state.unfolded !== this.state.unfolded;
  }

  unfold = () => {
    this.props.onunfold();
    this.setState({ unfolded: true });
  };

  body(row) {
    if (row.b64 !== undefined) {
      const raw = atob(row.b64.slice(0, Math.ceil(HEX_BYTES / 3) * 4));
      const hex = [...raw].map((it) => it.charCodeAt(0).toString(16).padStart(2, "0")).join(" ");
      const size = (row.b64.length / 4) * 3 - (row.b64.match(/=*$/)?.[0].length ?? 0);
      return html`<p class="said dim">${t("bytes-said", { size: bytes(size) })} <code>${hex}${size > raw.length ? " …" : ""}</code></p>`;
    }
    const short = this.state.unfolded ? row.text : fold(row.text);
    return html`<p class="said" dir="auto">${visible(short)}${short.length < row.text.length && "…"}</p>
      ${short.length < row.text.length &&
      html`<button class="quiet" onClick=${this.unfold}>${t("unfold", { count: row.text.length })}</button>`}`;
  }

  render({ row, first, self, onagain }) {
    const own = row.own || row.from === self;
    return html`<div class=${`msg${first ? " first" : ""}${own ? " own" : ""}${row.state ? ` ${row.state}` : ""}`} data-key=${row.key}>
      ${first
        ? html`<p class="by"><b><bdi>${row.from || self}</bdi></b> <time dateTime=${new Date(row.at).toISOString()} title=${exactOf(row.at)}>${timeOf(row.at)}</time></p>`
        : html`<span class="sr">${bdi(row.from || self)}</span><time class="aside" title=${exactOf(row.at)}>${timeOf(row.at)}</time>`}
      ${this.body(row)}
      ${row.state === "pending" && html`<p class="note soon">${t("pending")}</p>`}
      ${(row.state === "unconfirmed" || row.state === "failed") &&
      html`<p class="note wrong">
        ${row.state === "unconfirmed" ? t("unconfirmed") : row.why || t("too-long-hub")} ${" "}
        <button class="quiet" onClick=${() => onagain(row)}>${t("again")}</button>
      </p>`}
    </div>`;
  }
}

const sentence = {
  joined: (row) => parts("joined", { name: bdi(row.from) }),
  left: (row) => (row.text ? parts("left-saying", { name: bdi(row.from), text: html`<bdi>${visible(row.text)}</bdi>` }) : parts("left", { name: bdi(row.from) })),
  renamed: (row) => (row.own ? parts("renamed-own", { name: bdi(row.name) }) : parts("renamed", { old: bdi(row.from), name: bdi(row.name) })),
  "same-name": (row) => parts("same-name", { name: bdi(row.from) }),
  gap: (row) => t(row.cause === "slow" ? "gap-slow" : "gap-forgotten", { count: row.count }),
  notice: (row) => visible(row.text),
  error: (row) => html`<span dir="auto">${visible(row.text)}</span> <code>${row.code}</code>`,
  who: (row) => [...parts("who-answer", { count: row.count, room: bdi(row.room) }), " ", list(row.members.map(({ name }) => bdi(name)), row.count)],
  rooms: (row) => [t("rooms-answer", { count: row.count }), " ", list(row.rooms.map(({ room, members }) => [bdi(room), ` (${members})`]), row.count)],
  why: (row) => parts("why-answer", {
    name: bdi(row.name), transport: row.transport, address: row.address, since: row.since_s,
    lag: row.rooms.reduce((sum, { lag }) => sum + lag, 0), missed: row.missed, refused: row.refused,
  }),
};

const list = (items, count) => [items.map((it, i) => [i ? ", " : "", it]), count > items.length && " " + t("and-more", { count: count - items.length })];

/**
 * The rows of the window, with what stands between them: days, lives of the room, where the unread begin.
 * @param {{rows: import("./model.js").Row[], fresh: number, self: string, onagain: Function, onunfold: Function}} props
 */
export function rowsOf({ rows, fresh, self, onagain, onunfold }) {
  let before;
  return rows.flatMap((row) => {
    const out = [];
    const newDay = before?.day !== row.day;
    if (newDay) out.push(html`<p class="divider" key=${`d${row.key}`}><span>${dateOf(row.at)}</span></p>`);
    if (row.key === fresh) out.push(html`<p class="divider fresh" key="fresh"><span>${t("fresh")}</span></p>`);
    if (row.type === "life") out.push(html`<p class="divider life" key=${row.key}><span>${t("life")}</span></p>`);
    else if (row.type === "msg") {
      const first = newDay || before?.type !== "msg" || before.from !== row.from || before.sid !== row.sid || row.at - before.at > TOGETHER_MS;
      out.push(html`<${Message} key=${row.key} ...${{ row, first, self, onagain, onunfold }} />`);
    } else {
      out.push(html`<p class=${`event ${row.type}`} key=${row.key} data-key=${row.key} title=${exactOf(row.at)}>${sentence[row.type](row)}</p>`);
    }
    before = row;
    return out;
  });
}
