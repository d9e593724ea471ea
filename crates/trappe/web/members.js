// The members as a grid, sorted and filtered, of which only what can be seen is in the document.

import { Component, html } from "./preact.js";
import { amount, bytes, t } from "./words.js";
import { bdi } from "./follow.js";
import { pick } from "./meters.js";

const ROW_PX = 32;
const SPARE = 4;

const traffic = (n) => (n ? bytes(n) : "–");
/** Field to sort by, its sentence, what a cell shows; those that are numbers sort from the greatest on. */
const COLUMNS = [
  ["sort", "col-name", ({ name, slow }) => [bdi(name), slow && html` <b class="flag">▲ ${t("slow")}</b>`]],
  ["lag", "col-lag", ({ lag }) => amount(lag), "n"],
  ["in_rate", "col-in", (it) => traffic(it.in_rate), "n"],
  ["out_rate", "col-out", (it) => traffic(it.out_rate), "n"],
  ["transport", "col-transport", ({ transport }) => transport],
  ["address", "col-address", ({ address }) => address],
  ["where", "rooms", ({ where }) => bdi(where)],
];

/** `members`, `count` (of which not all may be listed), `open(name)`. */
export class Members extends Component {
  state = { filter: "", column: 0, down: false, top: 0, height: 320, sid: 0, col: 0 };

  componentDidMount() {
    this.grid = this.base.querySelector(".grid");
    this.sizes = new ResizeObserver(() => this.setState({ height: this.grid.clientHeight }));
    this.sizes.observe(this.grid);
  }

  componentWillUnmount() {
    this.sizes.disconnect();
  }

  /** Sorted for new data, not for each scroll. */
  list() {
    const { filter, column, down } = this.state;
    const by = `${column} ${down} ${filter}`;
    if (this.of !== this.props.members || this.by !== by) this.picked = pick(this.props.members, filter, COLUMNS[column][0], down);
    this.of = this.props.members;
    this.by = by;
    return this.picked;
  }

  sort(column) {
    this.setState({ column, down: column === this.state.column ? !this.state.down : !!COLUMNS[column][3] });
  }

  /** Makes a row the active one, and brings it into sight; -1 is the head. */
  go(to, col = this.state.col) {
    const list = this.list();
    const row = Math.max(-1, Math.min(list.length - 1, to));
    this.setState({ sid: list[row]?.sid ?? 0, col: Math.max(0, Math.min(COLUMNS.length - 1, col)) });
    const { grid } = this;
    const space = grid.clientHeight - 2 * ROW_PX;
    grid.scrollTop = Math.max(0, Math.min(row * ROW_PX, Math.max(grid.scrollTop, row * ROW_PX - space)));
  }

  key = (ev) => {
    const list = this.list();
    const { sid, col, height } = this.state;
    const row = list.findIndex((it) => it.sid === sid);
    const page = Math.floor(height / ROW_PX) - 2;
    const enter = () => (row < 0 ? this.sort(col) : this.props.open(list[row].name));
    const act = {
      ArrowDown: () => this.go(row + 1),
      ArrowUp: () => this.go(row - 1),
      PageDown: () => this.go(row + page),
      PageUp: () => this.go(Math.max(0, row - page)),
      ArrowLeft: () => this.go(row, col - 1),
      ArrowRight: () => this.go(row, col + 1),
      Home: () => this.go(ev.ctrlKey ? 0 : row, 0),
      End: () => this.go(ev.ctrlKey ? list.length : row, COLUMNS.length),
      Enter: enter,
      " ": enter,
    }[ev.key];
    if (!act) return;
    ev.preventDefault();
    act();
  };

  render({ count, members, open }, { filter, column, down, top, height, sid, col }) {
    const list = this.list();
    const start = Math.max(0, Math.floor(top / ROW_PX) - SPARE);
    const rows = list.slice(start, Math.ceil((top + height) / ROW_PX) + SPARE);
    const active = (!sid || rows.some((it) => it.sid === sid)) && `cell-${sid}-${col}`;
    const cell = (role, its, i, content, rest) =>
      html`<div key=${i} role=${role} id=${`cell-${its}-${i}`} class=${`${COLUMNS[i][3] ?? ""} ${its === sid && i === col ? "active" : ""}`} ...${rest}>${content}</div>`;
    return html`<section>
      <div class="head"><h3 class="grow">${t("col-members")}</h3>
        <input type="search" aria-label=${t("filter")} placeholder=${t("filter")} value=${filter} onInput=${(ev) => this.setState({ filter: ev.target.value })} /></div>
      <div class="grid" role="grid" tabindex="0" aria-label=${t("members-grid")} aria-rowcount=${list.length + 1} aria-activedescendant=${active || undefined}
        onKeyDown=${this.key} onScroll=${(ev) => this.setState({ top: ev.target.scrollTop })}>
        <div role="rowgroup" class="grid-head"><div role="row" class="row" aria-rowindex="1">
          ${COLUMNS.map(([, id], i) => cell("columnheader", 0, i, [t(id), i === column && html`<span aria-hidden="true"> ${down ? "↓" : "↑"}</span>`],
            { onClick: () => this.sort(i), "aria-sort": i !== column ? "none" : down ? "descending" : "ascending" }))}
        </div></div>
        <div role="rowgroup" class="grid-body" style=${{ height: `${list.length * ROW_PX}px` }}>
          ${rows.map((it, n) => html`<div key=${it.sid} role="row" class=${`row ${it.sid === sid ? "active" : ""}`} aria-rowindex=${start + n + 2}
            style=${{ top: `${(start + n) * ROW_PX}px` }} onClick=${() => open(it.name)}>${COLUMNS.map(([, , show], i) => cell("gridcell", it.sid, i, show(it)))}</div>`)}
        </div>
      </div>
      <p class="dim">${t(list.length ? "grid-hint" : "none-found")} ${count > members.length && t("more", { count: count - members.length })}</p>
    </section>`;
  }
}
