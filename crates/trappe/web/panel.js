// The live hub: numbers, charts, rooms. Members and the wire have files of their own.

import { Component, html } from "./preact.js";
import { amount, bytes, t } from "./words.js";
import { Do, bdi } from "./follow.js";
import { Members } from "./members.js";
import { WireView } from "./wireview.js";

const [WIDTH, HEIGHT] = [240, 48];
const ROOMS_SHOWN = 50;

/** A chart of the last two minutes, and the same in words. */
function Chart({ meters, what }) {
  const now = meters.samples.at(-1)?.[what] ?? 0;
  const most = meters.greatest(what);
  return html`<figure>
    <figcaption><span>${t(what)}</span> <b>${amount(now)}</b></figcaption>
    <svg viewBox=${`0 -2 ${WIDTH} ${HEIGHT + 4}`} preserveAspectRatio="none" role="img" aria-label=${t("chart", { what: t(what), now, most })}>
      <path d=${`M0 ${HEIGHT}H${WIDTH}M0 0H${WIDTH}`} /><path class="curve" d=${meters.line(what, WIDTH, HEIGHT)} /></svg>
    <p class="scale dim" aria-hidden="true"><span>${t("span")}</span><span>${t("most", { most: amount(most) })}</span></p>
  </figure>`;
}

const Transport = ({ name, count, sum }) =>
  html`<div><dt>${name}</dt><dd><span class="bar" aria-hidden="true"><span style=${{ width: `${(100 * count) / sum}%` }}></span></span> ${amount(count)}</dd></div>`;

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
    ["bytes-out", `${bytes(out)}/s`], ["missed", amount(hub.missed)], ["refused", amount(hub.refused)]];
  return html`<div class=${live.state.at === "open" ? "" : "stale"}>
    <dl class="numbers">${numbers.map(([id, value]) => html`<div key=${id}><dt>${t(id)}</dt><dd>${value}</dd></div>`)}</dl>
    <div class="charts"><${Chart} meters=${live.meters} what="messages" /><${Chart} meters=${live.meters} what="deliveries" /></div>
    <dl class="transports" aria-label=${t("by-transport")}>${Object.entries(hub.transports).map(([name, count]) => html`<${Transport} key=${name} ...${{ name, count }} sum=${hub.members || 1} />`)}</dl>
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
