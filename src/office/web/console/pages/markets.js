// Markets: the list with live prices; one market is a page of its own.

import { h, fill } from "../../shared/dom.js";
import { amount, brief, change, digitsOf, num } from "../../shared/format.js";
import { t } from "../../shared/i18n.js";
import { button, chip, empty, heading, link, panel, table } from "../../shared/ui.js";
import { openMarketWizard } from "./market_wizard.js";
import { marketPage } from "./market.js";

export default async function markets(ctx, id) {
  if (id) return marketPage(ctx, id);
  ctx.forget();
  const [items, currencies] = await Promise.all([ctx.markets(), ctx.currencies()]);
  const add = () => {
    if (!ctx.can("manage")) return null;
    if (currencies.length < 2) return link(t("market.needs_currencies"), "#/currencies", { kind: "button primary" });
    return button(t("market.add"), { kind: "primary", mark: "plus", on: () => openMarketWizard(ctx, { markets: items, currencies }) });
  };
  const cells = new Map();
  const live = (row, kind, draw) => {
    const cell = h("span", {});
    cells.set(`${row.id}/${kind}`, (ticker) => fill(cell, draw(ticker)));
    fill(cell, draw(row));
    return cell;
  };
  const price = (row, text) => num(text, row.quote, { digits: text ? digitsOf(row.tick_size) : null });
  const list = table({
    caption: t("nav.markets"),
    rows: items,
    href: (row) => `#/markets/${encodeURIComponent(row.id)}`,
    empty: empty(t("market.none"), add()),
    columns: [
      { label: t("col.market"), cell: (row) => h("b", {}, row.symbol) },
      { label: t("col.state"), cell: (row) => chip("state", row.state) },
      { label: t("market.last"), num: true, cell: (row) => live(row, "last", (now) => price(row, now.last_price)) },
      { label: t("market.change"), num: true, cell: (row) => live(row, "change", (now) => change(now.change_24h)) },
      { label: t("market.bid"), num: true, cell: (row) => live(row, "bid", (now) => price(row, now.best_bid)) },
      { label: t("market.ask"), num: true, cell: (row) => live(row, "ask", (now) => price(row, now.best_ask)) },
      { label: t("market.volume"), num: true, cell: (row) => live(row, "volume", (now) => brief(now.quote_volume_24h, row.quote)) },
      { label: t("market.smallest"), num: true, cell: (row) => h("span", { class: "num" }, amount(row.smallest_order), h("span", { class: "unit" }, ` ${row.quote}`)) },
    ],
  });
  if (ctx.live) {
    ctx.onLeave(
      ctx.live.allTickers((ticker) => {
        for (const kind of ["last", "change", "bid", "ask", "volume"]) cells.get(`${ticker.market}/${kind}`)?.(ticker);
      }),
    );
  }
  return h("div", { class: "page" }, heading(t("nav.markets"), { lead: t("market.lead"), actions: items.length ? add() : null }), panel(null, {}, list.element));
}
