// @ts-check
// A list that stays at its end while more comes, and where it is while somebody reads further up.

import { Component, html } from "./preact.js";

const NEAR_PX = 40;

/** Props: `class`, `label`, `role`, `live`, `following`, `onend(atEnd)`: the reader came to the end, or left it; children. */
export class Follow extends Component {
  atEnd = true;

  componentDidMount() {
    this.sizes = new ResizeObserver(() => this.settle());
    this.sizes.observe(this.base);
    this.settle();
  }

  componentWillUnmount() {
    this.sizes.disconnect();
  }

  getSnapshotBeforeUpdate() {
    const list = this.base;
    if (this.props.following) return null;
    const first = [...list.children].find((it) => it.offsetTop + it.offsetHeight > list.scrollTop && it.dataset.key);
    return first && { first, top: first.offsetTop - list.scrollTop };
  }

  componentDidUpdate(_props, _state, held) {
    if (held?.first.isConnected) this.base.scrollTop = held.first.offsetTop - held.top;
    this.settle();
  }

  settle() {
    if (this.props.following) this.base.scrollTop = this.base.scrollHeight;
  }

  moved = () => {
    const { scrollHeight, scrollTop, clientHeight } = this.base;
    const atEnd = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    if (atEnd === this.atEnd) return;
    this.atEnd = atEnd;
    this.props.onend(atEnd);
  };

  render({ label, role, live, children, ...props }) {
    return html`<div class=${props.class} role=${role} aria-label=${label} aria-live=${live} tabindex="0" onScroll=${this.moved}>
      ${children}
    </div>`;
  }
}
