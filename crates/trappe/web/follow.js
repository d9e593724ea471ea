// A list that stays at its end while more comes, and where it is while somebody reads further up. And other small parts.

import { Component, html } from "./preact.js";
import { t } from "./words.js";

const NEAR_PX = 40;

/** A name, or whatever else somebody chose. */
export const bdi = (text) => html`<bdi>${text}</bdi>`;

/** A button: `id` of its words, `go`. */
export const Do = ({ id, go, as = "quiet", vars, ...rest }) => html`<button type="button" class=${as} onClick=${go} ...${rest}>${t(id, vars)}</button>`;

/** How many are unread. */
export const Badge = ({ count }) =>
  count > 0 && html`<span class="badge"><span aria-hidden="true">${count > 99 ? "99+" : count}</span><span class="sr">${t("unread", { count })}</span></span>`;

/** `following`: whether it stays at its end; `onend(at)`: the reader came there, or left. */
export class Follow extends Component {
  atEnd = true;

  componentDidMount() {
    this.sizes = new ResizeObserver(() => this.settle());
    this.sizes.observe(this.base);
  }

  componentWillUnmount() {
    this.sizes.disconnect();
  }

  /** What is at the top now has to be there afterwards. */
  getSnapshotBeforeUpdate() {
    const { scrollTop, children } = this.base;
    const first = !this.props.following && [...children].find((it) => it.dataset.key && it.offsetTop + it.offsetHeight > scrollTop);
    return first && { first, above: scrollTop - first.offsetTop };
  }

  componentDidUpdate(_props, _state, held) {
    if (held?.first?.isConnected) this.base.scrollTop = held.first.offsetTop + held.above;
    this.settle();
  }

  settle() {
    if (this.props.following) this.base.scrollTop = this.base.scrollHeight;
  }

  moved = () => {
    const { scrollHeight, scrollTop, clientHeight } = this.base;
    const atEnd = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    if (atEnd !== this.atEnd) this.props.onend((this.atEnd = atEnd));
  };

  render({ following, onend, children, ...rest }) {
    return html`<div role="log" tabindex="0" onScroll=${this.moved} ...${rest}>${children}</div>`;
  }
}
