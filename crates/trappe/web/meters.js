// @ts-check
// What the hub says of itself each second, as rates over time. Pure.

/** So long a time a chart shows. */
export const SPAN_MS = 120_000;
/** With less than this between two samples, a line joins them. */
const HOLE_MS = 3500;

/** @typedef {{at: number, messages: number, deliveries: number, in: number, out: number}} Sample rates per second */

export class Meters {
  constructor() {
    /** @type {any} The newest state of the hub. */
    this.hub = undefined;
    /** @type {Sample[]} */
    this.samples = [];
    /** @type {any[]} The members, each with its own rates. */
    this.members = [];
    /** @type {any[]} */
    this.rooms = [];
  }

  /** @param {any} hub An event `hub`. */
  add(hub) {
    const at = Date.parse(hub.ts);
    const before = this.hub;
    const seconds = before ? (at - Date.parse(before.ts)) / 1000 : 0;
    // A hub that was started anew counts from nothing.
    const same = before && seconds > 0 && hub.up_s >= before.up_s;
    const rate = (/** @type {number} */ now, /** @type {number|undefined} */ then) =>
      same && then !== undefined ? Math.max(0, now - then) / seconds : 0;
    if (same) {
      this.samples.push({
        at,
        messages: rate(hub.messages, before.messages),
        deliveries: rate(hub.deliveries, before.deliveries),
        in: rate(hub.bytes_in, before.bytes_in),
        out: rate(hub.bytes_out, before.bytes_out),
      });
      while (this.samples[0].at < at - SPAN_MS) this.samples.shift();
    }
    const members = new Map(this.members.map((it) => [it.sid, it]));
    this.members = hub.member_list.map((/** @type {any} */ it) => {
      const old = members.get(it.sid);
      return { ...it, in_rate: rate(it.in, old?.in), out_rate: rate(it.out, old?.out), sort: old?.name === it.name ? old.sort : sortable(it.name) };
    });
    const rooms = new Map(this.rooms.map((it) => [it.room, it]));
    this.rooms = hub.room_list.map((/** @type {any} */ it) => ({ ...it, rate: rate(it.seq, rooms.get(it.room)?.seq) }));
    this.hub = hub;
  }

  get last() {
    return this.samples.at(-1);
  }

  /** The greatest of the time shown. @param {"messages"|"deliveries"} what */
  greatest(what) {
    return this.samples.reduce((max, it) => Math.max(max, it[what]), 0);
  }
}

/** A name as a key that sorts client-9 before client-10. @param {string} name */
export const sortable = (name) => name.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(12, "0"));

/**
 * The line of a chart as an SVG path.
 * @param {Sample[]} samples @param {"messages"|"deliveries"} what @param {number} width @param {number} height
 */
export function line(samples, what, width, height) {
  const end = samples.at(-1)?.at ?? 0;
  const max = samples.reduce((most, it) => Math.max(most, it[what]), 1e-9);
  let before = -Infinity;
  return samples
    .map((it) => {
      const pen = it.at - before < HOLE_MS ? "L" : "M";
      before = it.at;
      const x = width * (1 - (end - it.at) / SPAN_MS);
      return `${pen}${x.toFixed(1)} ${(height * (1 - it[what] / max)).toFixed(1)}`;
    })
    .join("");
}

/** How the members are sorted. @typedef {"sort"|"transport"|"address"|"rooms"|"lag"|"in_rate"|"out_rate"} Column */

/**
 * @param {any[]} members @param {string} filter @param {Column} column @param {boolean} down
 * @returns {any[]} those of which a name, an address, a transport or a room has the filter in it, sorted
 */
export function pick(members, filter, column, down) {
  const wanted = filter.trim().toLowerCase();
  const has = (/** @type {string} */ text) => text.toLowerCase().includes(wanted);
  const found = wanted
    ? members.filter((it) => has(it.name) || has(it.address) || has(it.transport) || it.rooms.some(has) || (it.slow && has("lent slow")))
    : [...members];
  const value = (/** @type {any} */ it) => (column === "rooms" ? it.rooms.join() : it[column]);
  const sign = down ? -1 : 1;
  return found.sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    return x < y ? -sign : x > y ? sign : a.sid - b.sid;
  });
}
