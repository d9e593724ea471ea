// @ts-check
// The page's sentences, from the same catalogues as the server's (words/page-fr.ftl), which makes this module of them.

export const lang = document.documentElement.lang === "en" ? "en" : "fr";
const { default: words } = await import(`./words/${lang}.js`);
const plural = new Intl.PluralRules(lang);
const numbers = new Intl.NumberFormat(lang);

/** The parts of a sentence; a variable may be anything that can be drawn. @param {string} id @param {Record<string, any>} [vars] */
export const parts = (id, vars = {}) => fill(words[id] ?? [id], vars);

/** A sentence as a string. @param {string} id @param {Record<string, string|number>} [vars] */
export const t = (id, vars) => parts(id, vars).join("");

/** @param {any[]} list @param {Record<string, any>} vars @returns {any[]} */
const fill = (list, vars) =>
  list.flatMap((part) => {
    if (typeof part === "string") return part;
    const value = vars[part.$];
    if (!part.else) return typeof value === "number" ? numbers.format(value) : value;
    const chosen = part.when[value] ?? (typeof value === "number" && part.when[plural.select(value)]);
    return fill(chosen || part.else, vars);
  });
