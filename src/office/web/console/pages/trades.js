// Trades of all accounts, filtered, with both sides and both fees.

import { h } from "../../shared/dom.js";
import { field } from "../../shared/form.js";
import { num, sideOf, when } from "../../shared/format.js";
import { t } from "../../shared/i18n.js";
import { csvButton, empty, heading, pagedTable, panel } from "../../shared/ui.js";
import { asked, filterBar } from "../filters.js";
import { anything } from "./orders.js";

export default async function trades(ctx) {
  const markets = await ctx.markets();
  const of = (row) => markets.find((one) => one.id === row.market) ?? {};
  const query = asked(ctx.query, ["market", "account", "from", "to"]);
  const fields = [
    field({ name: "market", label: t("col.market"), kind: "select", required: true, choices: [["", t("filter.all")], ...markets.map((one) => [one.id, one.symbol])], value: ctx.query.market }),
    field({ name: "account", label: t("col.account"), kind: "whole", value: ctx.query.account }),
    field({ name: "from", label: t("filter.from"), kind: "datetime-local", value: ctx.query.from }),
    field({ name: "to", label: t("filter.to"), kind: "datetime-local", value: ctx.query.to }),
  ].map(anything);
  const party = (account, order, fee, row) =>
    h(
      "span",
      { class: "party" },
      h("span", {}, h("a", { href: `#/accounts/${encodeURIComponent(account)}` }, account), " ", h("a", { class: "faint", href: `#/orders/${encodeURIComponent(row.market)}/${encodeURIComponent(order)}` }, `#${order}`)),
      h("span", { class: "faint" }, t("trades.fee"), " ", num(fee, of(row).quote)),
    );
  const list = pagedTable({
    caption: t("nav.trades"),
    load: (after) => ctx.api.get("/v1/trades", { ...query, after }),
    empty: empty(t("trades.none")),
    columns: [
      { label: t("col.trade"), cell: (row) => `${row.symbol} #${row.id}` },
      { label: t("col.at"), cell: (row) => when(row.at) },
      { label: t("trades.taker"), cell: (row) => sideOf(row.taker_side) },
      { label: t("col.price"), num: true, cell: (row) => num(row.price, of(row).quote) },
      { label: t("col.qty"), num: true, cell: (row) => num(row.qty, of(row).base) },
      { label: t("col.notional"), num: true, cell: (row) => num(row.notional, of(row).quote) },
      { label: t("trades.buyer"), cell: (row) => party(row.buyer, row.buyer_order, row.buyer_fee, row) },
      { label: t("trades.seller"), cell: (row) => party(row.seller, row.seller_order, row.seller_fee, row) },
    ],
  });
  return h("div", { class: "page" }, heading(t("nav.trades"), { lead: t("trades.lead") }), panel(null, {}, filterBar(ctx, "#/trades", fields, csvButton(ctx.api, "/v1/trades", () => query, "trades")), list));
}
