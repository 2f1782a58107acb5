// The line of filters above a list. What is filtered stands in the address, so that a list can be linked to and reloaded.

import { h } from "../shared/dom.js";
import { validate } from "../shared/form.js";
import { toUtc } from "../shared/format.js";
import { t } from "../shared/i18n.js";
import { button } from "../shared/ui.js";

export function filterBar(ctx, address, fields, actions) {
  const go = (values) => {
    const search = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== ""));
    const text = search.toString();
    ctx.go(text ? `${address}?${text}` : address);
  };
  const bar = h(
    "form",
    { class: "filters", role: "search", "aria-label": t("filter.label"), method: "dialog", novalidate: true },
    fields.map((one) => one.element),
    h("div", { class: "filter-actions" }, button(t("filter.apply"), { kind: "primary", small: true, type: "submit" }), Object.keys(ctx.query).length ? button(t("filter.clear"), { kind: "ghost", small: true, on: () => ctx.go(address) }) : null, actions ?? null),
  );
  bar.addEventListener("submit", (event) => {
    event.preventDefault();
    if (validate(fields)) go(Object.fromEntries(fields.map((one) => [one.name, one.value])));
  });
  return bar;
}

/** The filters of the address as the API wants them: times in UTC. */
export function asked(query, names) {
  const out = {};
  for (const name of names) {
    const value = query[name];
    if (value) out[name] = name === "from" || name === "to" ? toUtc(value) : value;
  }
  return out;
}
