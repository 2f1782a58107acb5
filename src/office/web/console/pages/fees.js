// Fees: the table of a market, by group of accounts, and what an order would pay.

import { path } from "../../shared/api.js";
import { Dec } from "../../shared/decimal.js";
import { formDialog } from "../../shared/dialog.js";
import { h, fill } from "../../shared/dom.js";
import { field } from "../../shared/form.js";
import { amount, num, percentOfPpm } from "../../shared/format.js";
import { t } from "../../shared/i18n.js";
import { button, empty, heading, link, panel, table, toast } from "../../shared/ui.js";

export default async function fees(ctx) {
  const markets = await ctx.markets();
  const head = heading(t("nav.fees"), { lead: t("fees.lead") });
  if (!markets.length) return h("div", { class: "page" }, head, panel(null, {}, empty(t("fees.no_market"), ctx.can("manage") ? link(t("market.add"), "#/markets", { kind: "button primary" }) : null)));
  const market = markets.find((one) => one.id === ctx.query.market) ?? markets[0];
  const items = (await ctx.api.get(path("markets", market.id, "fees"))).items;
  const pick = field({ name: "market", label: t("col.market"), kind: "select", required: true, choices: markets.map((one) => [one.id, one.symbol]), value: market.id });
  pick.input.addEventListener("change", () => ctx.go(`#/fees?market=${encodeURIComponent(pick.value)}`));
  const list = table({
    caption: t("nav.fees"),
    rows: items,
    columns: [
      { label: t("fees.group"), cell: (row) => (Number(row.group) === 0 ? t("fees.standard") : t("fees.group_n", { n: row.group })) },
      { label: t("fees.maker"), num: true, cell: (row) => rate(row.maker_ppm) },
      { label: t("fees.taker"), num: true, cell: (row) => rate(row.taker_ppm) },
      ...(ctx.can("manage") ? [{ label: t("col.actions"), cell: (row) => button(t("edit"), { small: true, on: () => edit(ctx, market, row) }) }] : []),
    ],
  });
  const add = ctx.can("manage") ? button(t("fees.add"), { mark: "plus", small: true, on: () => edit(ctx, market, null, items) }) : null;
  return h(
    "div",
    { class: "page" },
    head,
    h("div", { class: "narrow-form" }, pick.element),
    h("div", { class: "two" }, panel(t("fees.of", { symbol: market.symbol }), { actions: add, note: t("fees.note") }, list.element), panel(t("fees.what"), { note: t("fees.what_note") }, calculator(market, items))),
  );
}

const rate = (ppm) => h("span", { class: `num ${ppm < 0 ? "up" : ""}` }, percentOfPpm(ppm), h("span", { class: "unit" }, ` ${ppm} ppm`), ppm < 0 ? h("span", { class: "chip good" }, t("fees.rebate")) : null);

/** Rates of a group: its own, else those of everybody. */
const ratesOf = (items, group) => items.find((one) => Number(one.group) === group) ?? items.find((one) => Number(one.group) === 0);

function calculator(market, items) {
  const size = field({ name: "notional", label: t("fees.size"), kind: "decimal", value: "1000", unit: market.quote, required: true });
  const group = field({ name: "group", label: t("account.fee_group"), kind: "select", required: true, choices: items.map((one) => [String(one.group), Number(one.group) === 0 ? t("fees.standard") : t("fees.group_n", { n: one.group })]), value: String(items[0]?.group ?? 0) });
  const answer = h("div", { class: "answers", "aria-live": "polite" });
  const show = () => {
    const notional = Dec.typed(size.value);
    const rates = ratesOf(items, Number(group.value || 0));
    if (!notional || !rates) return fill(answer);
    const line = (label, ppm) => {
      const fee = notional.ppm(ppm, market.quote_scale ?? 8);
      return h("div", { class: "answer" }, h("span", {}, label), num(fee.toString(), market.quote, { kind: "big" }), h("span", { class: "faint" }, `${amount(notional)} ${market.quote} \u00d7 ${percentOfPpm(ppm)}`));
    };
    return fill(answer, line(t("fees.as_maker"), rates.maker_ppm), line(t("fees.as_taker"), rates.taker_ppm));
  };
  size.input.addEventListener("input", show);
  group.input.addEventListener("change", show);
  show();
  return h("div", { class: "form" }, size.element, group.element, answer);
}

async function edit(ctx, market, row, items) {
  const ppm = (name, hint) => field({ name, label: t(`market.${name}`), kind: "whole", required: true, unit: "ppm", value: row ? String(row[name]) : "", hint });
  const group = field({
    name: "group",
    label: t("account.fee_group"),
    kind: "whole",
    required: true,
    value: row ? String(row.group) : "",
    readonly: Boolean(row),
    hint: row ? undefined : t("account.fee_group_hint"),
    check: (value) => (!row && items.some((one) => String(one.group) === value) ? t("fees.exists") : null),
  });
  const done = await formDialog(t("fees.edit", { symbol: market.symbol }), {
    lead: t("fees.edit_lead"),
    fields: [group, ppm("maker_ppm", t("market.maker_ppm_hint")), ppm("taker_ppm", t("market.taker_ppm_hint"))],
    label: t("save"),
    submit: (values) => ctx.api.put(path("markets", market.id, "fees", values.group), { maker_ppm: Number(values.maker_ppm), taker_ppm: Number(values.taker_ppm) }),
  });
  if (!done) return;
  toast(t("saved"));
  ctx.again();
}
