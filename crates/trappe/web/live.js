// Watching the hub, while somebody looks: one stream, perhaps with a wire. No DOM.

import { backoff } from "./trappe.js";
import { Meters } from "./meters.js";
import { Wire } from "./wire.js";

const DRAW_EVERY_MS = 100;
const RETRY_MS = 1000;

export class Live {
	/** `allowed`: whether the hub shows itself to this peer. */
	constructor({ allowed, changed }) {
		this.allowed = allowed;
		this.changed = changed;
		/** `at`: connecting, open, lost, refused (with `code` and `text`). */
		this.state = {};
		this.meters = new Meters();
		this.wire = undefined;
		this.shown = false;
		this.attempt = 0;
		this.v = 0;
	}

	show(shown) {
		if (shown === this.shown) return;
		this.shown = shown;
		this.open();
	}

	/** Opens the stream anew, also after a refusal; or closes it, if nobody looks. */
	open() {
		clearTimeout(this.retry);
		this.stream?.abort();
		this.stream = undefined;
		if (this.shown && this.allowed) this.#read();
	}

	/** Watches a member's wire (a name, or client-N), or none. */
	watch(member) {
		this.wire = member && new Wire(member);
		this.open();
		this.touch();
	}

	touch() {
		this.v++;
		this.changed();
	}

	#enter(state) {
		this.state = state;
		this.touch();
	}

	async #read() {
		const { wire } = this;
		const stream = new AbortController();
		this.stream = stream;
		const mine = () => stream === this.stream;
		if (this.state.at !== "lost") this.#enter({ at: "connecting" });
		try {
			const member = wire && !wire.gone ? `?member=${encodeURIComponent(wire.member)}` : "";
			for await (const list of events(`/live${member}`, stream.signal)) {
				if (!mine()) return;
				this.attempt = 0;
				if (this.state.at !== "open") this.#enter({ at: "open" });
				for (const ev of list) {
					if (ev.ev === "hub") this.meters.add(ev);
					else wire?.add(ev);
				}
				this.due ??= setTimeout(() => {
					this.due = undefined;
					this.touch();
				}, DRAW_EVERY_MS);
			}
			if (mine()) this.#again(!wire?.gone);
		} catch (wrong) {
			const { code, text } = (wrong);
			if (!mine()) return;
			// A member that has left: what was seen of it stays. Failures of the network have no code of letters.
			if (code === "no-such-member" && wire) {
				wire.gone = true;
				this.#again(false);
			} else if (typeof code === "string") this.#enter({ at: "refused", code, text });
			else this.#again(true);
		}
	}

	#again(lost) {
		if (lost) this.#enter({ at: "lost" });
		this.retry = setTimeout(() => this.#read(), lost ? RETRY_MS + backoff(this.attempt++) : 0);
	}
}

/** No event is longer. */
const CHARS_MAX = 8_000_000;

/** What a stream says, some events at a time; throws the hub's error. Unlike EventSource, fetch knows why it is refused. */
async function* events(url, signal) {
	const response = await fetch(url, { signal, headers: { accept: "text/event-stream" } });
	if (!response.ok || !response.body) throw await response.json();
	const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = "";
	for (;;) {
		const { value, done } = await reader.read();
		if (done) return;
		rest += value;
		const end = rest.lastIndexOf("\n\n") + 1;
		if (end) yield rest.slice(0, end).split("\n").filter((line) => line.startsWith("data:")).map((line) => JSON.parse(line.slice(5)));
		rest = rest.slice(end);
		if (rest.length > CHARS_MAX) throw { code: "too-long" };
	}
}
