// @ts-check
// A conversation: its head, its messages, the composer.

import { Component, html } from "./preact.js";
import { parts, t } from "./words.js";
import { Follow } from "./follow.js";
import { bdi, rowsOf } from "./rows.js";

/** More messages than this within a second aren't read out one by one. */
const ALOUD_MAX = 5;

class Composer extends Component {
  input = (/** @type {InputEvent} */ ev) => {
    this.props.it.draft = ev.target.value;
    this.setState({ wrong: undefined });
  };

  key = (/** @type {KeyboardEvent} */ ev) => {
    if (ev.key === "Enter" && !ev.shiftKey && !ev.isComposing) this.send(ev);
  };

  send = (ev) => {
    ev.preventDefault();
    const { it, chat } = this.props;
    const wrong = chat.say(it.draft);
    if (!wrong) it.draft = "";
    this.setState({ wrong });
    chat.changed();
    this.base.querySelector("textarea").focus();
  };

  componentDidMount() {
    this.base.querySelector("textarea").focus({ preventScroll: true });
  }

  componentDidUpdate(props) {
    if (props.it === this.props.it) return;
    this.setState({ wrong: undefined });
  }

  render({ it }, { wrong }) {
    const label = t(it.kind === "room" ? "say-room" : "say-direct", { name: it.name });
    return html`<form class="composer" onSubmit=${this.send}>
      ${wrong && html`<p class="note wrong" role="alert">${t(wrong.id, wrong)}</p>`}
      <textarea id="say" rows=${Math.min(8, it.draft.split("\n").length)} dir="auto" aria-label=${label} placeholder=${label}
        value=${it.draft} onInput=${this.input} onKeyDown=${this.key} enterkeyhint="send" autocomplete="off"></textarea>
      <button class="main">${t("send")}</button>
    </form>`;
  }
}

class Log extends Component {
  recent = 0;
  since = 0;

  shouldComponentUpdate(next) {
    return next.it !== this.props.it || next.v !== this.props.v || next.self !== this.props.self;
  }

  /** A flood isn't read out. */
  live(it) {
    const now = Date.now();
    if (now - this.since > 1000) {
      this.flood = this.since && it.v - this.recent > ALOUD_MAX;
      this.recent = it.v;
      this.since = now;
    }
    return this.flood ? "off" : "polite";
  }

  end = (/** @type {boolean} */ atEnd) => {
    const { it, chat } = this.props;
    if (!atEnd) it.hold();
    else if (it.window().after) it.shift(1);
    else it.follow();
    chat.seen();
    chat.changed();
  };

  newest = () => {
    const { it, chat } = this.props;
    it.follow();
    chat.seen();
    chat.changed();
  };

  render({ it, chat, self }) {
    const { rows, before, after } = it.window();
    const older = before || chat.hasOlder(it);
    return html`<div class="loghold">
      <${Follow} class="log" role="log" label=${t("log", { name: it.name })} live=${this.live(it)} following=${!it.anchor} onend=${this.end}>
        ${it.passed > 0 && !before && html`<p class="event">${t("passed", { count: it.passed })}</p>`}
        ${older && html`<p class="event"><button class="quiet" disabled=${it.asking} onClick=${() => chat.older(it)}>${t("older")}</button></p>`}
        ${it.asking && html`<p class="event soon">${t("loading")}</p>`}
        ${!it.rows.length && !it.asking && html`<${Empty} it=${it} open=${chat.hub.open} />`}
        ${rowsOf({ rows, fresh: it.fresh, self, onagain: (row) => chat.again(it, row), onunfold: () => it.hold() })}
      <//>
      ${(after > 0 || it.below > 0) &&
      html`<button class="below" onClick=${this.newest}>${it.below ? t("below", { count: it.below }) : t("newest")} ↓</button>`}
    </div>`;
  }
}

const Empty = ({ it, open }) =>
  html`<div class="empty">
    ${it.kind === "direct"
      ? html`<p>${parts("empty-direct", { name: bdi(it.name) })}</p>`
      : html`<p class="lead">${t(open ? "empty-room" : "empty-offline")}</p>
          <p>${t("empty-nc")}</p>
          <p><code>nc ${location.hostname} ${location.port || 80}</code></p>`}
  </div>`;

/** The column of the conversation. */
export function Talk({ chat, seewire }) {
  const it = chat.active;
  if (!it) return html`<div class="empty">${chat.hub.open && html`<p class="lead">${t("nowhere")}</p>`}</div>`;
  const room = it.kind === "room";
  return html`<div class="head">
      <h2 id="where" dir="auto">${room ? "# " : ""}<bdi>${it.name}</bdi></h2>
      <p class="dim">${room ? t("members", { count: it.count }) : t("direct-only")}</p>
      <span class="grow"></span>
      ${!room && seewire && html`<button class="quiet" onClick=${() => seewire(it.name)}>${t("see-wire")}</button>`}
      <button class="quiet" disabled=${room && !chat.hub.open} onClick=${() => chat.leave(it)}>${t(room ? "leave" : "close")}</button>
    </div>
    <${Log} key=${`${it.kind}${it.name}`} it=${it} v=${it.v} self=${chat.me.name} chat=${chat} />
    <${Composer} it=${it} chat=${chat} />`;
}
