// @ts-check
// Times and amounts, as they are written in the page's language.

import { lang } from "./words.js";

const clock = new Intl.DateTimeFormat(lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const exact = new Intl.DateTimeFormat(lang, { dateStyle: "full", timeStyle: "medium" });
const day = new Intl.DateTimeFormat(lang, { weekday: "long", day: "numeric", month: "long" });
const fine = new Intl.DateTimeFormat(lang, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23",
});

export const timeOf = (/** @type {number} */ at) => clock.format(at);
export const exactOf = (/** @type {number} */ at) => exact.format(at);
export const dateOf = (/** @type {number} */ at) => day.format(at);
export const millisOf = (/** @type {number} */ at) => fine.format(at);

const plain = new Intl.NumberFormat(lang, { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat(lang, { notation: "compact", maximumFractionDigits: 1 });

/** A count; from ten thousand on rounded, as it would only flicker. @param {number} n */
export const amount = (n) => (n < 10_000 ? plain : short).format(n);

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"].map(
  // English abbreviates a byte only in the narrow form, French only in the short one.
  (unit, i) => new Intl.NumberFormat(lang, { style: "unit", unit, unitDisplay: i || lang === "fr" ? "short" : "narrow", maximumFractionDigits: 1 }),
);

/** An amount of bytes. @param {number} n */
export function bytes(n) {
  let unit = 0;
  for (; n >= 1000 && unit < UNITS.length - 1; n /= 1000) unit++;
  return UNITS[unit].format(unit ? n : Math.round(n));
}
