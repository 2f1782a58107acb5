// One market: its live book, depth, trades, rules, the history of its state, and the switch that halts it.

import { Dec } from "../../shared/decimal.js";
import { depthChart } from "../../shared/depth.js";
import { formDialog } from "../../shared/dialog.js";
import { h, fill } from "../../shared/dom.js";
import { follow } from "../../shared/feed.js";
import { field } from "../../shared/form.js";
import { amount, brief, change, count, digitsOf, num, when } from "../../shared/format.js";
import { t, tx } from "../../shared/i18n.js";
import { path } from "../../shared/api.js";
import { groupings, ladder, throttled } from "../../shared/ladder.js";
import { button, chip, empty, facts, heading, link, panel, stat, table, toast } from "../../shared/ui.js";
import { changeState } from "./market_state.js";

const TRADES_SHOWN = 24;

export async function marketPage(ctx, id) {
  const [market, trades] = await Promise.all([ctx.api.get(path("markets", id)), ctx.api.get("/v1/trades", { market: id, limit: 40 })]);
  const view = { market, state: h("span", {}), switches: h("div", { class: "actions" }), stats: h("div", { class: "stats tight" }), states: h("div", {}) };
  const depth = depthChart(market);
  const rows = ladder({ market, depth: 12 });
  const list = h("div", { class: "trade-list" });
  const proof = h("span", { class: "proof" });
  showState(ctx, view, market.state);
  showStats(view, market);
  showTrades(list, trades.items, market);
  loadStates(ctx, view);

  let draw = () => {};
  if (ctx.live) {
    draw = throttled(() => {
      rows.update(feed.book, feed.trades[0]);
      depth.draw(feed.book);
      showTrades(list, feed.trades, market);
      if (feed.ticker) showStats(view, { ...market, ...feed.ticker });
      fill(proof, feed.book.proven === null ? "" : feed.book.proven ? `\u25cf ${t("market.proven")}` : `\u25a0 ${t("market.differs")}`);
      proof.className = `proof ${feed.book.proven === false ? "down" : ""}`;
    });
    const feed = follow(ctx.live, market, {
      levels: 0,
      trades: trades.items,
      changed: draw,
      onState: (state) => {
        if (state === view.now) return;
        showState(ctx, view, state);
        loadStates(ctx, view);
      },
    });
    ctx.onLeave(() => feed.stop());
  }
  ctx.onLeave(() => depth.stop());

  const step = h("select", { "aria-label": t("ladder.group"), class: "small", on: { change: (event) => { rows.group(event.target.value); draw(); } } }, groupings(market.tick_size).map((one) => h("option", { value: one }, amount(one))));
  return h(
    "div",
    { class: "page" },
    heading(market.symbol, { back: { href: "#/markets", label: t("nav.markets") }, actions: [view.state, view.switches] }),
    view.stats,
    h(
      "div",
      { class: "market-grid" },
      panel(t("ladder.title"), { actions: [proof, step], kind: "flush" }, rows.element),
      h("div", { class: "stack" }, panel(t("depth.title"), {}, depth.element), rules(ctx, market)),
      panel(t("market.recent"), { kind: "flush", actions: link(t("market.all_trades"), `#/trades?market=${encodeURIComponent(id)}`) }, list),
    ),
    panel(t("market.history"), {}, view.states),
  );
}

function showStats(view, now) {
  const { market } = view;
  const digits = digitsOf(market.tick_size);
  const price = (text) => num(text, market.quote, { digits: text ? digits : null });
  fill(
    view.stats,
    stat(t("market.last"), price(now.last_price), change(now.change_24h)),
    stat(t("market.bid"), price(now.best_bid)),
    stat(t("market.ask"), price(now.best_ask)),
    stat(t("market.volume_base"), brief(now.volume_24h, market.base)),
    stat(t("market.volume"), brief(now.quote_volume_24h, market.quote)),
  );
}

function showTrades(list, trades, market) {
  if (!trades.length) return fill(list, empty(t("market.no_trades")));
  const [price, qty] = [digitsOf(market.tick_size), digitsOf(market.lot_size)];
  fill(
    list,
    h(
      "table",
      { class: "ladder ticks" },
      h("caption", { class: "hidden" }, t("market.recent")),
      h("thead", {}, h("tr", {}, h("th", { scope: "col", class: "left" }, t("col.price"), h("span", { class: "unit" }, ` ${market.quote}`)), h("th", { scope: "col", class: "right" }, t("col.qty"), h("span", { class: "unit" }, ` ${market.base}`)), h("th", { scope: "col", class: "right" }, t("col.time")))),
      h(
        "tbody",
        {},
        trades.slice(0, TRADES_SHOWN).map((trade) => {
          const buy = trade.taker_side === "buy";
          return h("tr", {}, h("td", { class: `left num ${buy ? "up" : "down"}` }, h("span", { class: "arrow", "aria-label": t(buy ? "side.buy" : "side.sell") }, buy ? "\u25b2" : "\u25bc"), ` ${amount(trade.price, price)}`), h("td", { class: "right num" }, amount(trade.qty, qty)), h("td", { class: "right" }, when(trade.at, { short: true })));
        }),
      ),
    ),
  );
}

function rules(ctx, market) {
  const end = (text, unit) => (text && !Dec.of(text).isZero ? num(text, unit) : h("span", { class: "faint" }, t("no_bound")));
  const range = (from, to, unit) => h("span", {}, end(from, unit), " \u2026 ", end(to, unit));
  const edit = ctx.can("manage") ? button(t("market.edit_limits"), { small: true, on: () => editLimits(ctx, market) }) : null;
  return panel(
    t("market.rules"),
    { actions: [link(t("nav.fees"), `#/fees?market=${encodeURIComponent(market.id)}`), edit] },
    facts([
      [t("market.tick_size"), num(market.tick_size, market.quote)],
      [t("market.lot_size"), num(market.lot_size, market.base)],
      [t("market.smallest"), num(market.smallest_order, market.quote)],
      [t("market.prices"), range(market.price_min, market.price_max, market.quote)],
      [t("market.qtys"), range(market.qty_min, market.qty_max, market.base)],
      [t("market.notionals"), range(market.notional_min, market.notional_max, market.quote)],
      [t("market.account_orders_max"), count(market.account_orders_max)],
      [t("col.id"), market.id],
    ]),
  );
}

async function editLimits(ctx, market) {
  const names = { price_min: market.quote, price_max: market.quote, qty_min: market.base, qty_max: market.base, notional_min: market.quote, notional_max: market.quote };
  const fields = Object.entries(names).map(([name, unit]) => field({ name, label: t(`market.${name}`), kind: "decimal", unit, value: market[name] ?? "" }));
  fields.push(field({ name: "account_orders_max", label: t("market.account_orders_max"), kind: "whole", required: true, value: String(market.account_orders_max ?? "") }));
  const done = await formDialog(t("market.edit_limits_of", { symbol: market.symbol }), {
    lead: t("market.edit_limits_lead"),
    fields,
    label: t("save"),
    submit: (values) => {
      const body = Object.fromEntries(Object.keys(names).map((name) => [name, values[name] || null]));
      return ctx.api.put(path("markets", market.id, "limits"), { ...body, account_orders_max: Number(values.account_orders_max) });
    },
  });
  if (!done) return;
  toast(t("saved"));
  ctx.forget();
  ctx.again();
}

function showState(ctx, view, state) {
  view.now = state;
  fill(view.state, chip("state", state));
  if (!ctx.can("manage")) return;
  const to = (next, label, kind, mark) => (state === next ? null : button(label, { kind, mark, on: () => changeState(ctx, view.market, state, next, (now) => { showState(ctx, view, now); loadStates(ctx, view); }) }));
  fill(view.switches, to("continuous", t("market.resume"), "primary", "play"), to("cancel-only", t("state.cancel-only"), "", null), to("halted", t("market.halt"), "danger", "pause"));
}

async function loadStates(ctx, view) {
  try {
    const { items } = await ctx.api.get(path("markets", view.market.id, "states"));
    const list = table({
      caption: t("market.history"),
      rows: items,
      compact: true,
      empty: empty(t("market.no_history")),
      columns: [
        { label: t("col.at"), cell: (row) => when(row.at) },
        { label: t("col.state"), cell: (row) => chip("state", row.state) },
        { label: t("field.reason"), cell: (row) => row.reason || "\u2013" },
        { label: t("col.by"), cell: (row) => row.by || tx("by", "system") },
      ],
    });
    fill(view.states, list.element);
  } catch (error) {
    if (error.status !== 401) fill(view.states, empty(`${error.code}: ${error.text}`));
  }
}
