// @ts-check
// The members as a grid, sorted and filtered, of which only what can be seen is in the document.

import { Component, html } from "./preact.js";
import { t } from "./words.js";
import { amount, bytes } from "./format.js";
import { pick } from "./meters.js";

const ROW_PX = 32;
const SPARE = 4;

/** @type {[import("./meters.js").Column, string][]} */
const COLUMNS = [
  ["sort", "col-name"],
  ["lag", "col-lag"],
  ["in_rate", "col-in"],
  ["out_rate", "col-out"],
  ["transport", "col-transport"],
  ["address", "col-address"],
  ["rooms", "col-rooms"],
];

const cell = {
  sort: (it) => html`<bdi>${it.name}</bdi>${it.slow && html` <span class="mark-slow">▲ ${t("slow")}</span>`}`,
  lag: (it) => amount(it.lag),
  in_rate: (it) => (it.in_rate ? bytes(it.in_rate) : "–"),
  out_rate: (it) => (it.out_rate ? bytes(it.out_rate) : "–"),
  transport: (it) => it.transport,
  address: (it) => it.address,
  rooms: (it) => html`<bdi>${it.rooms.join(", ")}</bdi>`,
};

const NUMBERS = ["lag", "in_rate", "out_rate"];

/** Props: `members`, `count` (more than are listed, it may be), `open(name)`. */
export class Members extends Component {
  state = { filter: "", column: /** @type {import("./meters.js").Column} */ ("sort"), down: false, top: 0, height: 320, sid: 0, col: 0 };

  componentDidMount() {
    this.sizes = new ResizeObserver(() => this.setState({ height: this.grid.clientHeight }));
    this.sizes.observe(this.grid);
  }

  componentWillUnmount() {
    this.sizes.disconnect();
  }

  /** Sorting is for new data, not for each scroll. */
  list() {
    const { members } = this.props;
    const { filter, column, down } = this.state;
    if (this.of !== members || this.by !== `${column} ${down} ${filter}`) {
      this.picked = pick(members, filter, column, down);
      this.of = members;
      this.by = `${column} ${down} ${filter}`;
    }
    return this.picked;
  }

  sort(column) {
    // Amounts are asked for from the greatest on.
    const down = column === this.state.column ? !this.state.down : NUMBERS.includes(column);
    this.setState({ column, down });
  }

  /** Makes a row the active one; -1 is the head. */
  go(row, col = this.state.col) {
    const list = this.list();
    const to = Math.max(-1, Math.min(list.length - 1, row));
    this.setState({ sid: list[to]?.sid ?? 0, col });
    const { scrollTop, clientHeight } = this.grid;
    const inner = clientHeight - ROW_PX;
    if (to * ROW_PX < scrollTop) this.grid.scrollTop = Math.max(0, to) * ROW_PX;
    else if ((to + 1) * ROW_PX > scrollTop + inner) this.grid.scrollTop = (to + 1) * ROW_PX - inner;
  }

  key = (/** @type {KeyboardEvent} */ ev) => {
    const list = this.list();
    const { sid, col, height } = this.state;
    const row = list.findIndex((it) => it.sid === sid);
    const page = Math.max(1, Math.floor(height / ROW_PX) - 2);
    const last = COLUMNS.length - 1;
    const moves = {
      ArrowDown: () => this.go(row + 1),
      ArrowUp: () => this.go(row - 1),
      PageDown: () => this.go(row + page),
      PageUp: () => this.go(Math.max(0, row - page)),
      ArrowLeft: () => this.go(row, Math.max(0, col - 1)),
      ArrowRight: () => this.go(row, Math.min(last, col + 1)),
      Home: () => this.go(ev.ctrlKey ? 0 : row, 0),
      End: () => this.go(ev.ctrlKey ? list.length - 1 : row, last),
      Enter: () => (row < 0 ? this.sort(COLUMNS[col][0]) : this.props.open(list[row].name)),
      " ": () => row < 0 && this.sort(COLUMNS[col][0]),
    };
    if (!moves[ev.key]) return;
    ev.preventDefault();
    moves[ev.key]();
  };

  render({ count, members, open }, { filter, column, down, top, height, sid, col }) {
    const list = this.list();
    const start = Math.max(0, Math.floor(top / ROW_PX) - SPARE);
    const rows = list.slice(start, Math.ceil((top + height) / ROW_PX) + SPARE);
    const active = sid === 0 || rows.some((it) => it.sid === sid) ? `cell-${sid}-${col}` : undefined;
    return html`<section class="members-live">
      <div class="head"><h3>${t("members-title")}</h3><span class="grow"></span>
        <input type="search" class="filter" aria-label=${t("filter")} placeholder=${t("filter")} value=${filter} onInput=${(ev) => this.setState({ filter: ev.target.value })} /></div>
      <div class="grid" role="grid" tabindex="0" aria-label=${t("members-grid")} aria-rowcount=${list.length + 1} aria-colcount=${COLUMNS.length}
        aria-activedescendant=${active} ref=${(grid) => (this.grid = grid)} onKeyDown=${this.key} onScroll=${(ev) => this.setState({ top: ev.target.scrollTop })}>
        <div role="rowgroup" class="grid-head"><div role="row" aria-rowindex="1" class="grid-row">
          ${COLUMNS.map(([id, name], i) => html`<div key=${id} role="columnheader" id=${`cell-0-${i}`} class=${`c-${id}${sid === 0 && col === i ? " active" : ""}`}
            aria-sort=${id === column ? (down ? "descending" : "ascending") : "none"} onClick=${() => this.sort(id)}>${t(name)}<span aria-hidden="true">${id === column ? (down ? " ↓" : " ↑") : ""}</span></div>`)}
        </div></div>
        <div role="rowgroup" class="grid-body" style=${{ height: `${list.length * ROW_PX}px` }}>
          ${rows.map((it, n) => html`<div key=${it.sid} role="row" aria-rowindex=${start + n + 2} class=${`grid-row${it.slow ? " slow" : ""}${it.sid === sid ? " active" : ""}`}
            style=${{ transform: `translateY(${(start + n) * ROW_PX}px)` }} onClick=${() => open(it.name)}>
            ${COLUMNS.map(([id], i) => html`<div key=${id} role="gridcell" id=${`cell-${it.sid}-${i}`} class=${`c-${id}${it.sid === sid && col === i ? " active" : ""}`}
              title=${id === "address" || id === "rooms" || id === "sort" ? (id === "rooms" ? it.rooms.join(", ") : id === "sort" ? it.name : it.address) : undefined}>${cell[id](it)}</div>`)}
          </div>`)}
        </div>
      </div>
      ${!list.length && html`<p class="dim">${t(filter ? "none-found" : "nobody")}</p>`}
      <p class="dim">${t("grid-hint")}${count > members.length ? ` ${t("members-more", { count: count - members.length })}` : ""}</p>
    </section>`;
  }
}
