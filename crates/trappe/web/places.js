// @ts-check
// Where one can be: rooms, direct conversations, who is here.

import { Component, html } from "./preact.js";
import { t } from "./words.js";

const Badge = ({ count }) =>
  count > 0 && html`<span class="badge"><span aria-hidden="true">${count > 99 ? "99+" : count}</span><span class="sr">${t("unread", { count })}</span></span>`;

const Count = ({ count }) =>
  count !== undefined && html`<span class="dim" aria-hidden="true">${count}</span><span class="sr">, ${t("members", { count })}</span>`;

const Place = ({ chat, it, count, go }) =>
  html`<li><button class="place" aria-current=${it === chat.active ? "true" : undefined} onClick=${() => go(it)}>
    <span class="label" dir="auto">${it.kind === "room" ? "# " : ""}<bdi>${it.name}</bdi></span>
    <${Count} count=${count} />
    <${Badge} count=${it.unread} />
  </button></li>`;

class Join extends Component {
  go = (/** @type {SubmitEvent} */ ev) => {
    ev.preventDefault();
    const name = (this.state.name ?? "").trim().replace(/^#/, "");
    if (!name) return;
    this.setState({ name: "" });
    this.props.enter(name);
  };

  render({ wrong, off }, { name = "" }) {
    return html`<form class="join" onSubmit=${this.go}>
      <input aria-label=${t("join-label")} placeholder=${t("join-hint")} value=${name} maxlength="64" autocomplete="off" autocapitalize="off"
        spellcheck=${false} onInput=${(ev) => this.setState({ name: ev.target.value })} />
      <button class="plain" disabled=${off}>${t("join")}</button>
      ${wrong && html`<p class="note wrong" role="alert">${wrong}</p>`}
    </form>`;
  }
}

/** The column of places. `moved`: a conversation was chosen. */
export function Places({ chat, moved }) {
  const go = (it) => {
    chat.show(it);
    moved();
  };
  const enter = async (name) => {
    await chat.enter(name);
    if (!chat.roomProblem) moved();
  };
  const rooms = chat.list.filter(({ kind }) => kind === "room");
  const directs = chat.list.filter(({ kind }) => kind === "direct");
  const counts = new Map(chat.rooms.map(({ room, members }) => [room, members]));
  const others = chat.rooms.filter(({ room }) => !chat.conversations.has(`#${room}`)).slice(0, 50);
  const here = chat.active?.kind === "room" ? chat.active : undefined;
  return html`
    <h2>${t("rooms")}</h2>
    <ul>${rooms.map((it) => html`<${Place} key=${it.name} ...${{ chat, it, go }} count=${it === here ? it.count : counts.get(it.name)} />`)}</ul>
    ${others.length > 0 &&
    html`<h3>${t("rooms-other")}</h3>
      <ul>${others.map(({ room, members }) => html`<li key=${room}><button class="place other" onClick=${() => enter(room)}>
        <span class="label" dir="auto"># <bdi>${room}</bdi></span><${Count} count=${members} />
      </button></li>`)}</ul>`}
    <${Join} enter=${enter} wrong=${chat.roomProblem} off=${!chat.hub.open} />
    ${directs.length > 0 &&
    html`<h2>${t("directs")}</h2>
      <ul>${directs.map((it) => html`<${Place} key=${it.name} ...${{ chat, it, go }} />`)}</ul>`}
    ${here && html`<${Here} here=${here} self=${chat.me.sid} open=${({ name, sid }) => go(chat.direct(name, sid))} />`}`;
}

const Here = ({ here, self, open }) =>
  html`<h2>${t("here")}</h2>
    <ul class="members">
      ${[...here.members].sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true })).slice(0, 200).map((one) =>
        html`<li key=${one.sid}>${one.sid === self
          ? html`<span class="place"><span class="label"><bdi>${one.name}</bdi></span><span class="dim">${t("you")}</span></span>`
          : html`<button class="place" title=${t("write-to", { name: one.name })} onClick=${() => open(one)}><span class="label"><bdi>${one.name}</bdi></span></button>`}</li>`)}
    </ul>
    ${here.count > here.members.length && html`<p class="dim more">${t("here-more", { count: here.count - here.members.length })}</p>`}`;
