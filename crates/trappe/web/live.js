// @ts-check
// Watching the hub: one stream, open while somebody looks, of the hub alone or of a member's wire too. No DOM.

import { backoff } from "./hub.js";
import { Meters } from "./meters.js";
import { events } from "./stream.js";
import { Wire } from "./wire.js";

/** So often the panel is drawn at most; faster nobody reads. */
const DRAW_EVERY_MS = 100;

export class Live {
  /** @param {{allowed: boolean, changed: () => void}} options `allowed`: whether the hub shows it to this peer. */
  constructor({ allowed, changed }) {
    this.changed = changed;
    /** @type {{at: "off"|"connecting"|"open"|"lost"|"refused", code?: string, text?: string}} */
    this.state = allowed ? { at: "off" } : { at: "refused", code: "local-only" };
    this.meters = new Meters();
    /** @type {Wire|undefined} */
    this.wire = undefined;
    /** What is wrong with the member that was to be watched. */
    this.problem = "";
    this.shown = false;
    this.v = 0;
    this.attempt = 0;
    /** @type {AbortController|undefined} */
    this.stream = undefined;
    this.retry = undefined;
    this.due = undefined;
  }

  /** @param {boolean} shown Whether anybody can see it. */
  show(shown) {
    if (shown === this.shown) return;
    this.shown = shown;
    if (shown) this.open();
    else this.#close({ at: "off" });
  }

  /** Opens the stream anew, after a refusal too. */
  open() {
    this.#close({ at: "connecting" });
    if (this.shown) this.#read();
  }

  /** @param {string} member A name, or client-N. */
  watch(member) {
    this.wire = new Wire(member);
    this.problem = "";
    if (this.state.at !== "refused" || this.state.code !== "local-only") this.open();
  }

  /** Back to the hub alone. */
  unwatch() {
    this.wire = undefined;
    this.problem = "";
    this.open();
  }

  /** Something of the panel's own changed. */
  touch() {
    this.v++;
    this.changed();
  }

  #close(/** @type {Live["state"]} */ state) {
    clearTimeout(this.retry);
    this.stream?.abort();
    this.stream = undefined;
    if (this.state.code !== "local-only") this.state = state;
    this.touch();
  }

  async #read() {
    if (this.state.code === "local-only") return;
    const { wire } = this;
    const stream = new AbortController();
    this.stream = stream;
    const watching = wire && !wire.gone ? `?member=${encodeURIComponent(wire.member)}` : "";
    try {
      for await (const list of events(`/live${watching}`, stream.signal)) {
        if (stream !== this.stream) return;
        this.attempt = 0;
        if (this.state.at !== "open") this.state = { at: "open" };
        for (const ev of list) {
          if (ev.ev === "hub") this.meters.add(ev);
          else wire?.add(ev);
        }
        this.due ??= setTimeout(() => {
          this.due = undefined;
          this.touch();
        }, DRAW_EVERY_MS);
      }
      // Its member has left, or the hub stops.
      if (stream === this.stream) this.#again(wire?.gone ? 0 : backoff(this.attempt++));
    } catch (err) {
      if (stream === this.stream) this.#failed(/** @type {any} */ (err), wire);
    }
  }

  #failed(/** @type {{code?: string|number, text?: string}} */ { code, text = "" }, /** @type {Wire|undefined} */ wire) {
    if (typeof code !== "string") return this.#again(1000 + backoff(this.attempt++));
    if (code === "no-such-member" && wire) {
      // It may be gone for a while: what was seen of it stays.
      wire.gone = true;
      this.problem = text;
      return this.#again(0);
    }
    this.state = { at: "refused", code, text };
    this.touch();
  }

  #again(/** @type {number} */ delay) {
    if (this.state.at !== "lost") this.state = { at: delay ? "lost" : "connecting" };
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.#read(), delay);
    this.touch();
  }
}
