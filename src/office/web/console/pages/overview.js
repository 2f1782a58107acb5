// The first page: is everything open, how much is going on, and does the money add up.

import { h, fill } from "../../shared/dom.js";
import { amount, brief, change, count, digitsOf, num, when } from "../../shared/format.js";
import { t } from "../../shared/i18n.js";
import { chip, empty, errorBox, heading, link, panel, stat, table } from "../../shared/ui.js";

const AGAIN_MS = 10_000;

export default async function overview(ctx) {
  const page = h("div", { class: "page" });
  const [first, markets] = await Promise.all([ctx.api.get("/v1/overview"), ctx.markets()]);
  const numbers = h("div", {});
  const show = (data) => fill(numbers, stats(data), volume(data), money(data));
  show(first);
  const timer = setInterval(async () => {
    try {
      show(await ctx.api.get("/v1/overview"));
    } catch (error) {
      if (error.status !== 401) fill(numbers, errorBox(error));
    }
  }, AGAIN_MS);
  ctx.onLeave(() => clearInterval(timer));
  page.append(heading(t("nav.overview"), { lead: t("overview.lead") }), numbers, marketCards(ctx, markets, first));
  return page;
}

function stats(data) {
  return h(
    "div",
    { class: "stats" },
    stat(t("overview.markets_open"), h("span", { class: "num" }, `${count(data.markets_open)} / ${count(data.markets)}`)),
    stat(t("overview.open_orders"), h("span", { class: "num" }, count(data.open_orders))),
    stat(t("overview.trades"), h("span", { class: "num" }, count(data.trades_24h)), t("overview.day")),
    stat(t("overview.accounts"), h("span", { class: "num" }, count(data.accounts))),
    data.history
      ? stat(t("overview.history"), h("span", { class: "num" }, count(data.history.lag_batches), h("span", { class: "unit" }, ` ${t("overview.batches")}`)), when(data.history.at, { short: true }))
      : null,
  );
}

function volume(data) {
  if (!data.volume_24h?.length) return null;
  return panel(t("overview.volume"), { note: t("overview.volume_note") }, h("div", { class: "volumes" }, data.volume_24h.map((one) => num(one.amount, one.currency, { kind: "big" }))));
}

function money(data) {
  const sound = (data.money ?? []).every((one) => one.sound);
  return panel(
    t("overview.money"),
    { note: t("overview.money_note") },
    data.money?.length
      ? [
          h("p", { class: `verdict ${sound ? "good" : "bad"}` }, h("span", { "aria-hidden": "true" }, sound ? "\u25cf" : "\u25a0"), " ", t(sound ? "overview.sound" : "overview.unsound")),
          table({
            caption: t("overview.money"),
            rows: data.money,
            columns: [
              { label: t("col.currency"), cell: (row) => row.currency },
              { label: t("overview.credits"), num: true, cell: (row) => num(row.credits, row.currency) },
              { label: t("overview.debits"), num: true, cell: (row) => num(row.debits, row.currency) },
              { label: t("overview.balances"), num: true, cell: (row) => num(row.balances, row.currency) },
              { label: t("overview.fees"), num: true, cell: (row) => num(row.fees, row.currency) },
              { label: t("overview.check"), cell: (row) => h("span", { class: row.sound ? "up" : "down" }, row.sound ? `\u25cf ${t("overview.equal")}` : `\u25a0 ${t("overview.unequal")}`) },
              { label: t("col.at"), cell: (row) => when(row.at, { short: true }) },
            ],
          }).element,
        ]
      : empty(t("overview.no_money"), link(t("overview.to_accounts"), "#/accounts", { kind: "button" })),
  );
}

function marketCards(ctx, markets, data) {
  if (!markets.length) {
    const next = !ctx.can("manage") ? null : link(t("overview.first_currency"), "#/currencies", { kind: "button primary" });
    return panel(t("nav.markets"), {}, empty(t(data.markets === 0 ? "overview.no_markets" : "empty.list"), next));
  }
  const cards = new Map();
  const grid = h("div", { class: "market-cards" });
  for (const market of markets) {
    const last = h("span", { class: "num big" });
    const moved = h("span", {});
    const traded = h("span", { class: "faint", title: t("market.volume_base") });
    const draw = (ticker) => {
      fill(last, amount(ticker.last_price, digitsOf(market.tick_size)), h("span", { class: "unit" }, ` ${market.quote}`));
      fill(moved, change(ticker.change_24h));
      fill(traded, brief(ticker.volume_24h, market.base));
    };
    draw(market);
    cards.set(market.id, draw);
    grid.append(h("a", { class: "market-card", href: `#/markets/${market.id}` }, h("span", { class: "card-line" }, h("b", {}, market.symbol), chip("state", market.state)), last, h("span", { class: "card-line" }, moved, traded)));
  }
  if (ctx.live) ctx.onLeave(ctx.live.allTickers((ticker) => cards.get(ticker.market)?.(ticker)));
  return panel(t("nav.markets"), {}, grid);
}
