// The page's sentences, which the hub makes of its catalogues (page-fr.ftl); how amounts and times are written.

export const lang = document.documentElement.lang === "en" ? "en" : "fr";
const { default: words } = await import(`./words/${lang}.js`);
const plural = new Intl.PluralRules(lang);
const whole = new Intl.NumberFormat(lang, { maximumFractionDigits: 0 });
const rounded = new Intl.NumberFormat(lang, { notation: "compact", maximumFractionDigits: 1 });

/** The parts of a sentence; a variable may be anything that can be drawn. */
export const parts = (id, vars = {}) => fill(words[id] ?? [id], vars);

/** A sentence. */
export const t = (id, vars) => parts(id, vars).join("");

const fill = (list, vars) =>
	list.flatMap((part) => {
		if (typeof part === "string") return part;
		const value = vars[part.$];
		if (!part.else) return typeof value === "number" ? whole.format(value) : value;
		return fill(part.when[value] ?? part.when[plural.select(value)] ?? part.else, vars);
	});

/** A great one would only flicker. */
export const amount = (n) => (n < 10_000 ? whole : rounded).format(n);

export function bytes(n) {
	const unit = n < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(n) / 3));
	return `${(unit ? rounded : whole).format(n / 1000 ** unit)} ${["", "k", "M", "G"][unit]}${lang === "fr" ? "o" : "B"}`;
}

const format = (options) => {
	const it = new Intl.DateTimeFormat(lang, options);
	return (at) => it.format(at);
};
export const time = format({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
export const date = format({ weekday: "long", day: "numeric", month: "long" });
export const exact = format({ dateStyle: "full", timeStyle: "medium" });
export const millis = format({ hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23" });
