// The rows of a conversation. What somebody wrote goes into text nodes, in elements of their own direction.

import { Component, html } from "./preact.js";
import { bytes, date, exact, parts, t, time } from "./words.js";
import { Do, bdi } from "./follow.js";

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

/** What a row says that isn't a message. */
function sentence(row) {
  const { type, text = "", fields = {}, count = 0 } = row;
  // An answer to a command: names of fields are the protocol's own and aren't translated.
  if (type === "answer") return [row.op, Object.entries(fields).map(([name, value]) => [` · ${name} `, html`<b>${bdi(plain(value))}</b>`])];
  if (type === "notice" || type === "error") return html`<span dir="auto">${visible(text)}</span>${row.code && html` <code>${row.code}</code>`}`;
  if (type === "gap") return t(`gap-${row.cause}`, { count });
  return parts(type === "left" && text ? "left-saying" : type, { name: bdi(row.name ?? row.from), old: bdi(row.from), text: bdi(visible(text)) });
}

/** The rows of a window, and what stands between them: days, lives of the room, where the unread begin. */
export function rowsOf({ rows, fresh, ...rest }) {
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
          : html`<p class=${`event ${type}`} key=${key} data-key=${key} title=${exact(at)}>${sentence(row)}</p>`,
    ];
  });
}
