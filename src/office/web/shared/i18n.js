// Words. Every visible string stands in strings.en.js and strings.zh.js, under the same key.

export const LOCALES = ["en", "zh"];
/** What each language calls itself. */
export const LOCALE_NAMES = { en: "English", zh: "\u4e2d\u6587" };

let strings = {};
let current = "en";

export async function setLocale(locale) {
  current = LOCALES.includes(locale) ? locale : "en";
  strings = (await import(`./strings.${current}.js`)).default;
  if (globalThis.document) document.documentElement.lang = current === "zh" ? "zh-Hans" : "en";
}

export const locale = () => current;

/** The language to begin with: what was chosen, else the brand's, else the first of a list that there is. */
export function pickLocale(chosen, brand, others) {
  for (const wish of [chosen, brand, ...(others ?? [])]) {
    const found = LOCALES.find((one) => String(wish ?? "").toLowerCase().startsWith(one));
    if (found) return found;
  }
  return "en";
}

/** The string of a key, with `{name}` replaced. */
export function t(key, values = {}) {
  const text = strings[key];
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** The string for a value that the server names, such as a state; a value this page does not know is shown as it is. */
export function tx(group, value) {
  return strings[`${group}.${value}`] ?? String(value ?? "");
}
