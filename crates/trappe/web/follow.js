// Small parts; and a list that stays at its end while more comes, but not while somebody reads further up.

import { Component, html } from "./preact.js";
import { t } from "./words.js";

const NEAR_PX = 40;

/** Whatever somebody chose. */
export const bdi = (text) => html`<bdi>${text}</bdi>`;

/** A button: `id` of its words, `go`. */
export const Do = ({ id, go, as = "quiet", vars, ...rest }) => html`<button type="button" class=${as} onClick=${go} ...${rest}>${t(id, vars)}</button>`;

export const Badge = ({ count }) =>
	count > 0 && html`<span class="badge"><span aria-hidden="true">${count > 99 ? "99+" : count}</span><span class="sr">${t("unread", { count })}</span></span>`;

/** One line to fill in: `go(text)` says whether it is done with. */
export const Field = ({ label, hint, button, value = "", off, wrong, go, children }) => {
	const submit = async (ev) => {
		ev.preventDefault();
		const [it] = ev.target;
		if (it.value.trim() && (await go(it.value.trim()))) it.value = "";
	};
	return html`<form class="field" onSubmit=${submit}>
		<input aria-label=${t(label)} placeholder=${hint && t(hint)} defaultValue=${value} maxlength="64" autocomplete="off" autocapitalize="off" spellcheck=${false} />
		<button class="plain" disabled=${off}>${t(button)}</button>${children}
		${wrong && html`<p class="note wrong" role="alert">${wrong}</p>`}
	</form>`;
};

/** Knows when its size changes: `sized`. */
export class Sized extends Component {
	componentDidMount() {
		this.sizes = new ResizeObserver(() => this.sized());
		this.sizes.observe(this.base);
	}

	componentWillUnmount() {
		this.sizes.disconnect();
	}
}

/** `following`: whether it stays at its end; `onend(at)`: the reader came there, or left. */
export class Follow extends Sized {
	atEnd = true;

	/** What is at the top now has to be there afterwards. */
	getSnapshotBeforeUpdate() {
		const { scrollTop, children } = this.base;
		const first = !this.props.following && [...children].find((it) => it.dataset.key && it.offsetTop + it.offsetHeight > scrollTop);
		return first && { first, above: scrollTop - first.offsetTop };
	}

	componentDidUpdate(_props, _state, held) {
		if (held?.first?.isConnected) this.base.scrollTop = held.first.offsetTop + held.above;
		this.sized();
	}

	sized() {
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
