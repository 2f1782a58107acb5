// Opening a market, step by step. The server says at each change what the smallest order would be.

import { wizard } from "../../shared/dialog.js";
import { h, fill } from "../../shared/dom.js";
import { field } from "../../shared/form.js";
import { amount, count, num, percentOfPpm } from "../../shared/format.js";
import { t, tx } from "../../shared/i18n.js";
import { errorBox, facts, toast } from "../../shared/ui.js";

const WAIT_MS = 250;
const STATES = ["halted", "continuous", "cancel-only"];
const DEFAULT_OPEN_ORDERS = "10000";

export async function openMarketWizard(ctx, { markets, currencies }) {
  const f = fields(markets, currencies);
  const preview = livePreview(ctx, f);
  const made = await wizard(t("market.add"), {
    label: t("market.open"),
    steps: [
      { title: t("market.step_pair"), lead: t("market.pair_lead"), fields: [f.base, f.quote, f.symbol] },
      { title: t("market.step_steps"), lead: t("market.steps_lead"), fields: [f.tick_size, f.lot_size], render: preview.render, check: preview.right },
      { title: t("market.step_limits"), lead: t("market.limits_lead"), fields: [f.price_min, f.price_max, f.qty_min, f.qty_max, f.notional_min, f.notional_max, f.account_orders_max], render: preview.render, check: preview.right },
      { title: t("market.step_fees"), lead: t("market.fees_lead"), fields: [f.maker_ppm, f.taker_ppm, f.state], render: preview.render, check: preview.right },
    ],
    review: () => review(f, preview.last()),
    submit: () => ctx.api.post("/v1/markets", body(f)),
  });
  if (!made) return;
  toast(t("market.made", { symbol: made.symbol ?? f.symbol.value }));
  ctx.forget();
  ctx.go(made.id ? `#/markets/${encodeURIComponent(made.id)}` : "#/markets");
}

function fields(markets, currencies) {
  const open = currencies.filter((one) => one.status !== "delisting");
  const choices = open.map((one) => [one.code, one.code]);
  const decimal = (name, required = false, hint, value = "") => field({ name, label: t(`market.${name}`), kind: "decimal", required, hint, value, unit: " " });
  const rate = (name, value) => field({ name, label: t(`market.${name}`), kind: "whole", required: true, value, unit: "ppm", hint: t(`market.${name}_hint`) });
  const f = {
    base: field({ name: "base", label: t("market.base"), kind: "select", required: true, choices, value: choices[0]?.[0], hint: t("market.base_hint") }),
    quote: field({ name: "quote", label: t("market.quote"), kind: "select", required: true, choices, value: choices[1]?.[0], hint: t("market.quote_hint"), check: (value) => (value === f.base.value ? t("market.same") : null) }),
    symbol: field({ name: "symbol", label: t("market.symbol"), required: true, maxlength: "24", check: (value) => (markets.some((one) => one.symbol === value) ? t("market.symbol_taken") : null) }),
    tick_size: decimal("tick_size", true, t("market.tick_hint"), "0.01"),
    lot_size: decimal("lot_size", true, t("market.lot_hint"), "0.0001"),
    price_min: decimal("price_min"),
    price_max: decimal("price_max"),
    qty_min: decimal("qty_min"),
    qty_max: decimal("qty_max"),
    notional_min: decimal("notional_min", false, t("market.notional_hint")),
    notional_max: decimal("notional_max"),
    account_orders_max: field({ name: "account_orders_max", label: t("market.account_orders_max"), kind: "whole", value: DEFAULT_OPEN_ORDERS, hint: t("market.account_orders_hint") }),
    maker_ppm: rate("maker_ppm", "500"),
    taker_ppm: rate("taker_ppm", "1000"),
    state: field({ name: "state", label: t("market.state_first"), kind: "select", required: true, choices: STATES.map((one) => [one, tx("state", one)]), value: "halted", hint: t("market.state_hint") }),
  };
  let own = false;
  f.symbol.input.addEventListener("input", () => (own = true));
  const pair = () => {
    if (!own) f.symbol.value = `${f.base.value}-${f.quote.value}`;
    for (const name of ["tick_size", "price_min", "price_max", "notional_min", "notional_max"]) f[name].unit(f.quote.value);
    for (const name of ["lot_size", "qty_min", "qty_max"]) f[name].unit(f.base.value);
  };
  f.base.input.addEventListener("change", pair);
  f.quote.input.addEventListener("change", pair);
  pair();
  return f;
}

function body(f) {
  const values = { base: f.base.value, quote: f.quote.value, symbol: f.symbol.value, tick_size: f.tick_size.value, lot_size: f.lot_size.value, state: f.state.value };
  for (const name of ["price_min", "price_max", "qty_min", "qty_max", "notional_min", "notional_max"]) if (f[name].value !== "") values[name] = f[name].value;
  if (f.account_orders_max.value !== "") values.account_orders_max = Number(f.account_orders_max.value);
  values.maker_ppm = Number(f.maker_ppm.value);
  values.taker_ppm = Number(f.taker_ppm.value);
  return values;
}

/** Asks the server what the market would be, a moment after each change. A refusal keeps the wizard on its step. */
function livePreview(ctx, f) {
  const box = h("div", { class: "preview-box", "aria-live": "polite" });
  let last = null;
  let turn = 0;
  let timer = null;
  const ask = async () => {
    const mine = (turn += 1);
    try {
      const answer = await ctx.api.post("/v1/markets/preview", body(f));
      if (mine !== turn) return true;
      last = answer;
      fill(box, h("p", {}, t("market.preview"), " ", num(answer.smallest_order, f.quote.value, { kind: "strong" })), h("p", { class: "hint" }, t("market.preview_note", { units: amount(String(answer.lot_units)), base: f.base.value, notional: amount(String(answer.notional_unit)), quote: f.quote.value })));
      return true;
    } catch (error) {
      if (mine !== turn) return true;
      last = null;
      fill(box, errorBox(error));
      return false;
    }
  };
  for (const one of Object.values(f)) {
    one.input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(ask, WAIT_MS);
    });
  }
  return {
    last: () => last,
    render: () => {
      ask();
      return box;
    },
    right: ask,
  };
}

function review(f, preview) {
  const range = (from, to, unit) => {
    if (!from.value && !to.value) return h("span", { class: "faint" }, t("no_bound"));
    return h("span", {}, num(from.value, unit), " \u2026 ", num(to.value, unit));
  };
  return facts([
    [t("col.market"), h("b", {}, f.symbol.value)],
    [t("market.pair"), h("span", {}, `${f.base.value} / ${f.quote.value}`, h("em", { class: "never" }, t("currency.never")))],
    [t("market.tick_size"), h("span", {}, num(f.tick_size.value, f.quote.value), h("em", { class: "never" }, t("currency.never")))],
    [t("market.lot_size"), h("span", {}, num(f.lot_size.value, f.base.value), h("em", { class: "never" }, t("currency.never")))],
    preview ? [t("market.smallest"), num(preview.smallest_order, f.quote.value)] : null,
    [t("market.prices"), range(f.price_min, f.price_max, f.quote.value)],
    [t("market.qtys"), range(f.qty_min, f.qty_max, f.base.value)],
    [t("market.notionals"), range(f.notional_min, f.notional_max, f.quote.value)],
    [t("market.account_orders_max"), count(f.account_orders_max.value || null)],
    [t("market.maker_ppm"), percentOfPpm(f.maker_ppm.value)],
    [t("market.taker_ppm"), percentOfPpm(f.taker_ppm.value)],
    [t("market.state_first"), tx("state", f.state.value)],
  ]);
}
