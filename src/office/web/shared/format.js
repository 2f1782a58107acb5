// How numbers and times look: numbers with their unit, times in the user's zone with UTC on hover.

import { Dec, group } from "./decimal.js";
import { h } from "./dom.js";
import { locale, t } from "./i18n.js";

const MINUS = "\u2212";

/** A decimal text for people: grouped, with a true minus. `digits` fixes how many digits stand after the point. */
export function amount(text, digits = null) {
  if (text === null || text === undefined || text === "") return "\u2013";
  const value = text instanceof Dec ? text : Dec.parse(String(text));
  if (!value) return String(text);
  const plain = digits === null ? value.toString() : value.fixed(digits);
  return group(plain).replace("-", MINUS);
}

/** A number and its unit. `signed` gives a plus to what came in, and a colour to both. */
export function num(text, unit, { digits = null, signed = false, kind = "" } = {}) {
  if (text === null || text === undefined || text === "") return h("span", { class: "num faint" }, "\u2013");
  const shown = amount(text, digits);
  const sign = signed ? Dec.parse(String(text))?.sign ?? 0 : 0;
  const tone = signed && sign ? (sign > 0 ? " up" : " down") : "";
  return h("span", { class: `num ${kind}${tone}` }, signed && sign > 0 ? `+${shown}` : shown, unit ? h("span", { class: "unit" }, ` ${unit}`) : null);
}

/** A large number in few digits, for a glance; the whole of it on hover. */
export function brief(text, unit) {
  const value = text === null || text === undefined ? null : Dec.parse(String(text));
  if (!value) return num(null, unit);
  const digits = value.abs().lt(Dec.of("1000")) ? 4 : 2;
  const element = num(value.truncate(digits), unit);
  element.title = `${amount(value)} ${unit}`;
  return element;
}

export const count = (value) => (value === null || value === undefined ? "\u2013" : group(String(value)));

/** Parts per million as per cent: 500 -> "0.05 %". */
export const percentOfPpm = (ppm) => `${amount(new Dec(BigInt(ppm), 4))} %`;

/** Digits after the point of a tick or lot: what prices or quantities are shown with. */
export const digitsOf = (step) => Dec.parse(String(step ?? ""))?.toString().split(".")[1]?.length ?? 0;

const tag = () => (locale() === "zh" ? "zh-CN" : "en-GB");

function format(date, options) {
  return new Intl.DateTimeFormat(tag(), options).format(date);
}

const DAY = { year: "numeric", month: "short", day: "2-digit" };
const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };

/** `<time>` in the user's zone; the UTC original, to the microsecond, on hover. `short` leaves the day out. */
export function when(text, { short = false } = {}) {
  if (!text) return h("span", { class: "faint" }, "\u2013");
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return h("span", {}, String(text));
  const shown = short ? format(date, CLOCK) : `${format(date, DAY)}, ${format(date, CLOCK)}`;
  return h("time", { datetime: text, title: `${String(text).replace("T", " ").replace(/Z$/, "")} UTC`, class: "time" }, shown);
}

/** What a `datetime-local` field says, as the API wants it. */
export const toUtc = (local) => (local ? new Date(local).toISOString() : "");

export function micros(us) {
  if (us === null || us === undefined) return "\u2013";
  return us >= 10_000 ? `${amount(new Dec(BigInt(Math.round(us / 100)), 1))} ms` : `${group(String(us))} \u00b5s`;
}

export const millis = (ms) => (ms === null || ms === undefined ? "\u2013" : `${group(String(ms))} ms`);

/** A change as a signed percentage with an arrow, so that it does not speak by colour alone. */
export function change(text) {
  const value = text === null || text === undefined ? null : Dec.parse(String(text));
  if (!value) return h("span", { class: "faint num" }, "\u2013");
  const percent = value.fixed(2);
  const sign = value.sign;
  const arrow = sign > 0 ? "\u25b2 " : sign < 0 ? "\u25bc " : "";
  return h(
    "span",
    { class: `num ${sign > 0 ? "up" : sign < 0 ? "down" : "faint"}` },
    h("span", { class: "arrow", "aria-hidden": "true" }, arrow),
    `${sign > 0 ? "+" : ""}${percent.replace("-", MINUS)} %`,
  );
}

/** Buy or sell: a word with a shape, and a colour. */
export function sideOf(side) {
  const buy = side === "buy";
  return h("span", { class: `side ${buy ? "up" : "down"}` }, h("span", { "aria-hidden": "true", class: "arrow" }, buy ? "\u25b2" : "\u25bc"), ` ${t(buy ? "side.buy" : "side.sell")}`);
}
