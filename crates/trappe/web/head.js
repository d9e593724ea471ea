// @ts-check
// The top of the page: what it is, how the connection is, who one is, what is shown.

import { Component, html } from "./preact.js";
import { parts, t } from "./words.js";
import { bdi } from "./rows.js";

/** The hatch: a door in the floor, a little open. */
const Glyph = () =>
  html`<svg class="glyph" viewBox="0 0 32 32" aria-hidden="true"><path d="M5 27h22M7 27V13l18-8v22" /><path class="door" d="M11 27V15.6l10-4.4V27" /><path d="M17 20h.01" /></svg>`;

class Name extends Component {
  edit = () => this.setState({ editing: true, name: this.props.chat.me.name });

  done = () => {
    this.props.chat.nameProblem = "";
    this.setState({ editing: false });
  };

  take = async (/** @type {SubmitEvent} */ ev) => {
    ev.preventDefault();
    const name = this.state.name.trim();
    if (name && (name === this.props.chat.me.name || (await this.props.chat.rename(name)))) this.done();
  };

  componentDidUpdate(_props, state) {
    if (state.editing === this.state.editing) return;
    const it = this.base.querySelector("input") ?? this.base.querySelector("button");
    it?.focus();
    it?.select?.();
  }

  render({ chat }, { editing, name }) {
    if (!editing) {
      return html`<div class="name"><button class="plain" disabled=${!chat.hub.open} title=${t("name-change")} onClick=${this.edit}>
        <span class="sr">${t("name-is")} </span><bdi>${chat.me.name || "…"}</bdi>
      </button></div>`;
    }
    return html`<div class="name"><form onSubmit=${this.take} onKeyDown=${(ev) => ev.key === "Escape" && this.done()}>
      <input aria-label=${t("name-label")} value=${name} maxlength="64" autocomplete="nickname" spellcheck=${false}
        onInput=${(ev) => this.setState({ name: ev.target.value })} />
      <button class="main">${t("name-take")}</button>
      <button class="plain" type="button" onClick=${this.done}>${t("cancel")}</button>
      ${chat.nameProblem && html`<p class="note wrong" role="alert">${chat.nameProblem}</p>`}
    </form></div>`;
  }
}

/** @param {{chat: import("./chat.js").Chat, view: string, live: boolean, shown: boolean, choose: (view: string) => void, toggle: () => void}} props */
export function Head({ chat, view, live, shown, choose, toggle }) {
  const { at } = chat.hub.state;
  const tab = (id, unread = 0) =>
    html`<button class="tab" data-tab=${id} aria-pressed=${String(view === id)} onClick=${() => choose(id)}>
      ${t(`tab-${id}`)}${unread > 0 && html` <span class="badge">${unread > 99 ? "99+" : unread}<span class="sr"> ${t("unread-tab")}</span></span>`}
    </button>`;
  return html`
    <a class="skip" href="#say">${t("skip")}</a>
    <h1 class="mark"><${Glyph} />trappe</h1>
    <p class=${`link ${at}${at === "connecting" ? " soon" : ""}`}><span class="dot" aria-hidden="true"></span>${t(at === "open" ? "open" : at === "connecting" ? "connecting" : "not-open")}</p>
    <${Name} chat=${chat} />
    <nav class="tabs" aria-label=${t("views")}>${tab("talk")}${tab("places", chat.unread)}${tab("hub")}</nav>
    <button class="plain panel" aria-pressed=${String(shown)} onClick=${toggle}>${t("panel")}</button>`;
}

/** What is wrong with the connection, and what can be done. */
export function Banner({ chat }) {
  const { at, why, until = 0, text } = chat.hub.state;
  if (at === "open" || at === "closed" || at === "connecting") {
    return html`<div class="banner-hold" role="status">${at === "connecting" && why && html`<p class="banner soon">${t("connecting")}</p>`}</div>`;
  }
  const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
  const known = ["shutdown", "slow", "never", "lost"].includes(why ?? "") ? why : "refused";
  const button = { waiting: "now", superseded: "take-back", left: "come-back" }[at];
  return html`<div class="banner-hold" role="status"><div class="banner">
    <p><b>${t(at === "waiting" ? `why-${known}` : `at-${at}`)}</b>${" "}
      ${known === "refused" && text && html`<span dir="auto">${text}</span>${" "}`}
      ${at === "waiting" && html`<span aria-hidden="true">${t("next-try", { seconds })}</span>`}</p>
    <button class="main" onClick=${() => chat.hub.connect()}>${t(button)}</button>
  </div></div>`;
}
