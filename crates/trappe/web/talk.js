// A conversation: its head, its messages, the composer.

import { Component, html } from "./preact.js";
import { parts, t } from "./words.js";
import { Do, Follow, bdi } from "./follow.js";
import { rowsOf } from "./rows.js";

/** More changes than this within a second aren't read out one by one. */
const ALOUD_MAX = 8;

class Composer extends Component {
  componentDidMount() {
    this.base.querySelector("textarea").focus({ preventScroll: true });
  }

  input = (ev) => {
    this.props.it.draft = ev.target.value;
    this.setState({ wrong: undefined });
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
        value=${it.draft} onInput=${this.input} onKeyDown=${this.key} enterkeyhint="send" autocomplete="off"></textarea>
      <button class="main">${t("send")}</button>
    </form>`;
  }
}

class Log extends Component {
  shouldComponentUpdate(next) {
    return next.v !== this.props.v || next.self !== this.props.self || next.more !== this.props.more;
  }

  /** A flood isn't read out. */
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

  newest = () => {
    this.props.it.follow();
    this.end(true);
  };

  render({ it, chat, self, more }) {
    const { rows, before, after } = it.window();
    return html`<div class="loghold">
      <${Follow} class="log" aria-label=${t("log", { name: it.name })} aria-live=${this.live(it.v)} following=${!it.anchor} onend=${this.end}>
        ${it.passed > 0 && !before && html`<p class="event">${t("passed", { count: it.passed })}</p>`}
        ${(before > 0 || more) && html`<p class="event"><${Do} id="older" disabled=${it.asking} go=${() => chat.older(it)} /></p>`}
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

/** The column of the conversation. */
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
    <${Log} key=${kind + name} ...${{ it, v, chat }} self=${chat.me.name} more=${chat.hasOlder(it)} />
    <${Composer} key=${name + kind} it=${it} chat=${chat} />`;
}
