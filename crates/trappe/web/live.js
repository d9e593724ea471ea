// @ts-check
// Watching the hub: one stream, open while somebody looks, of the hub alone or of a member's wire too. No DOM.

import { backoff } from "./hub.js";
import { Meters } from "./meters.js";
import { events } from "./stream.js";
import { Wire } from "./wire.js";

/** Nobody reads faster. */
const DRAW_EVERY_MS = 100;
const RETRY_MS = 1000;

export class Live {
  /** @param {{allowed: boolean, changed: () => void}} options `allowed`: whether the hub shows itself to this peer */
  constructor({ allowed, changed }) {
    this.allowed = allowed;
    this.changed = changed;
    /** @type {{at: "off"|"connecting"|"open"|"lost"|"refused", code?: string, text?: string}} */
    this.state = { at: "off" };
    this.meters = new Meters();
    /** @type {Wire|undefined} */
    this.wire = undefined;
    this.shown = false;
    this.attempt = 0;
    this.v = 0;
  }

  /** @param {boolean} shown Whether anybody sees it. */
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

  /** @param {string} [member] A name, or client-N; none: back to the hub alone. */
  watch(member) {
    this.wire = member === undefined ? undefined : new Wire(member);
    this.open();
    this.touch();
  }

  /** Something changed. */
  touch() {
    this.v++;
    this.changed();
  }

  #enter(/** @type {Live["state"]} */ state) {
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
      const { code, text } = /** @type {any} */ (wrong);
      if (!mine()) return;
      // A member that has left: what was seen of it stays, and the hub is still there. Failures of the network have no such code.
      if (code === "no-such-member" && wire) {
        wire.gone = true;
        this.#again(false);
      } else if (typeof code === "string") this.#enter({ at: "refused", code, text });
      else this.#again(true);
    }
  }

  #again(/** @type {boolean} */ lost) {
    if (lost) this.#enter({ at: "lost" });
    this.retry = setTimeout(() => this.#read(), lost ? RETRY_MS + backoff(this.attempt++) : 0);
  }
}
