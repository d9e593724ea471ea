// @ts-check
// What the hub says of itself each second, as rates; a chart's line; the members sorted. Pure.

export const SPAN_MS = 120_000;
/** Samples further apart aren't joined by a line. */
const HOLE_MS = 3500;

export class Meters {
  constructor() {
    /** @type {any} The newest event. */
    this.hub = undefined;
    /** @type {{at: number, messages: number, deliveries: number, in: number, out: number}[]} Rates a second. */
    this.samples = [];
    /** @type {any[]} With their rates. */
    this.members = [];
    /** @type {any[]} */
    this.rooms = [];
  }

  /** @param {any} hub An event `hub`. */
  add(hub) {
    const before = this.hub;
    const at = Date.parse(hub.ts);
    const seconds = before ? (at - Date.parse(before.ts)) / 1000 : 0;
    // A hub that was started anew counts from nothing.
    const same = seconds > 0 && hub.up_s >= before.up_s;
    const rate = (/** @type {number} */ now, /** @type {number} */ then = now) => (same ? Math.max(0, now - then) / seconds : 0);
    if (same) {
      const of = (/** @type {string} */ name) => rate(hub[name], before[name]);
      this.samples.push({ at, messages: of("messages"), deliveries: of("deliveries"), in: of("bytes_in"), out: of("bytes_out") });
      while (this.samples[0].at < at - SPAN_MS) this.samples.shift();
    }
    const members = new Map(this.members.map((it) => [it.sid, it]));
    this.members = hub.member_list.map((/** @type {any} */ it) => {
      const old = members.get(it.sid);
      const sort = old?.name === it.name ? old.sort : sortable(it.name);
      return { ...it, sort, where: it.rooms.join(", "), in_rate: rate(it.in, old?.in), out_rate: rate(it.out, old?.out) };
    });
    const rooms = new Map(this.rooms.map(({ room, seq }) => [room, seq]));
    this.rooms = hub.room_list.map((/** @type {any} */ it) => ({ ...it, rate: rate(it.seq, rooms.get(it.room)) }));
    this.hub = hub;
  }

  /** The greatest of the time shown. @param {"messages"|"deliveries"} what */
  greatest(what) {
    return Math.max(0, ...this.samples.map((it) => it[what]));
  }

  /** The line of a chart, as an SVG path. @param {"messages"|"deliveries"} what @param {number} width @param {number} height */
  line(what, width, height) {
    const end = this.samples.at(-1)?.at ?? 0;
    const most = this.greatest(what) || 1;
    let before = -Infinity;
    return this.samples.map((it) => {
      const pen = it.at - before < HOLE_MS ? "L" : "M";
      before = it.at;
      return `${pen}${(width * (1 - (end - it.at) / SPAN_MS)).toFixed(1)} ${(height * (1 - it[what] / most)).toFixed(1)}`;
    }).join("");
  }
}

/** A name as what sorts client-9 before client-10. @param {string} name */
const sortable = (name) => name.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(12, "0"));

/**
 * The members that have the filter in a field, sorted. @param {any[]} members @param {string} filter
 * @param {string} column A field of theirs. @param {boolean} down @returns {any[]}
 */
export function pick(members, filter, column, down) {
  const wanted = filter.trim().toLowerCase();
  const found = members.filter((it) => [it.name, it.transport, it.address, it.where].some((field) => field.toLowerCase().includes(wanted)));
  const sign = down ? -1 : 1;
  return found.sort((a, b) => (a[column] < b[column] ? -sign : a[column] > b[column] ? sign : a.sid - b.sid));
}
