// @ts-check
// The live hub: its numbers, its charts, its rooms; the members and the wire have files of their own.

import { Component, html } from "./preact.js";
import { t } from "./words.js";
import { amount, bytes } from "./format.js";
import { line } from "./meters.js";
import { Members } from "./members.js";
import { WireView } from "./wireview.js";

const [WIDTH, HEIGHT] = [240, 48];
const ROOMS_SHOWN = 50;

/** A chart of the last two minutes, and the same in words. */
function Chart({ meters, what }) {
  const now = meters.last?.[what] ?? 0;
  const most = meters.greatest(what);
  return html`<figure class="chart">
    <figcaption><span>${t(what)}</span> <b>${amount(now)}</b></figcaption>
    <svg viewBox=${`0 -2 ${WIDTH} ${HEIGHT + 4}`} preserveAspectRatio="none" role="img" aria-label=${t(`${what}-chart`, { now: Math.round(now), most: Math.round(most) })}>
      <path class="floor" d=${`M0 ${HEIGHT}H${WIDTH}M0 0H${WIDTH}`} /><path class="curve" d=${line(meters.samples, what, WIDTH, HEIGHT)} />
    </svg>
    <p class="scale dim" aria-hidden="true"><span>${t("span")}</span><span>${t("most", { most: amount(most) })}</span></p>
  </figure>`;
}

const Figure = ({ name, value }) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`;

function Transports({ transports }) {
  const sum = Object.values(transports).reduce((a, b) => a + b, 0) || 1;
  return html`<dl class="transports" aria-label=${t("by-transport")}>
    ${Object.entries(transports).map(([name, count]) =>
      html`<div key=${name}><dt>${name}</dt><dd><span class="bar" aria-hidden="true"><span style=${{ width: `${(100 * count) / sum}%` }}></span></span><span>${amount(count)}</span></dd></div>`)}
  </dl>`;
}

function Rooms({ rooms, count }) {
  return html`<section><h3>${t("rooms")}</h3>
    <div class="scroll" tabindex="0" role="group" aria-label=${t("rooms")}>
      <table><thead><tr><th scope="col">${t("col-room")}</th><th scope="col" class="n">${t("col-members")}</th>
        <th scope="col" class="n">${t("col-last")}</th><th scope="col" class="n">${t("col-rate")}</th></tr></thead>
        <tbody>${rooms.slice(0, ROOMS_SHOWN).map((it) => html`<tr key=${it.room}><th scope="row"><bdi>${it.room}</bdi></th>
          <td class="n">${amount(it.members)}</td><td class="n">${amount(it.seq)}</td><td class="n">${amount(it.rate)}</td></tr>`)}</tbody></table>
    </div>
    ${count > Math.min(rooms.length, ROOMS_SHOWN) && html`<p class="dim">${t("rooms-more", { count: count - Math.min(rooms.length, ROOMS_SHOWN) })}</p>`}
  </section>`;
}

/** @param {{live: import("./live.js").Live}} props */
function Hub({ live }) {
  const { hub, members, rooms, last } = live.meters;
  const traffic = (n) => t("per-second", { amount: bytes(n ?? 0) });
  return html`<dl class="numbers">
      <${Figure} name=${t("members-now")} value=${amount(hub.members)} />
      <${Figure} name=${t("rooms")} value=${amount(hub.rooms)} />
      <${Figure} name=${t("traffic-in")} value=${traffic(last?.in)} />
      <${Figure} name=${t("traffic-out")} value=${traffic(last?.out)} />
      ${hub.missed > 0 && html`<${Figure} name=${t("missed")} value=${amount(hub.missed)} />`}
      ${hub.refused > 0 && html`<${Figure} name=${t("refused")} value=${amount(hub.refused)} />`}
    </dl>
    <div class="charts"><${Chart} meters=${live.meters} what="messages" /><${Chart} meters=${live.meters} what="deliveries" /></div>
    <${Transports} transports=${hub.transports} />
    <${Members} members=${members} count=${hub.members} open=${(name) => live.watch(name)} />
    <${Rooms} rooms=${rooms} count=${hub.rooms} />`;
}

function State({ live }) {
  const { at, code, text } = live.state;
  if (at === "refused") {
    const { hostname, port } = location;
    if (code === "local-only") {
      return html`<div class="empty"><p class="lead">${t("live-local")}</p><p>${t("live-local-how")}</p>
        <p><code>ssh -L ${port || 80}:localhost:${port || 80} ${hostname}</code></p></div>`;
    }
    return html`<div class="empty"><p class="lead">${code === "too-many-watchers" ? t("live-full") : text || t("live-refused")} ${code !== "too-many-watchers" && html`<code>${code}</code>`}</p>
      <p><button class="main" onClick=${() => live.open()}>${t("again-try")}</button></p></div>`;
  }
  if (at === "lost") return html`<p class="note wrong" role="status">${t("live-lost")}</p>`;
  return !live.meters.hub && html`<p class="event soon" role="status">${t("live-connecting")}</p>`;
}

export class LivePanel extends Component {
  shouldComponentUpdate(next) {
    return next.v !== this.props.v;
  }

  render({ live }) {
    const stale = live.state.at !== "open";
    return html`<h2>${t("panel")}</h2>
      <${State} live=${live} />
      ${live.state.at !== "refused" && (live.wire
        ? html`<${WireView} key=${live.wire.member} live=${live} wire=${live.wire} />`
        : live.meters.hub && html`<div class=${stale ? "stale" : ""}><${Hub} live=${live} /></div>`)}`;
  }
}
