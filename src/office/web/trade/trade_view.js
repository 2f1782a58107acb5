// One market: the order form beside the live book, the account's open orders below.

import { Dec } from "../shared/decimal.js";
import { fill, h } from "../shared/dom.js";
import { follow } from "../shared/feed.js";
import { amount, change, digitsOf } from "../shared/format.js";
import { t } from "../shared/i18n.js";
import { groupings, ladder, throttled } from "../shared/ladder.js";
import { chip, empty } from "../shared/ui.js";
import { orderForm } from "./order_form.js";
import { openList } from "./orders_view.js";

const LEVELS_SHOWN = 9;
const LEVELS_ASKED = 200;

export function tradeView(context) {
  const { store, live, place, onLeave } = context;
  const market = store.market(place.market);
  if (!market) return [h("h1", {}, t("trade.tab_trade")), empty(t("trade.no_markets"))];

  const picker = h("select", { class: "picker", "aria-label": t("col.market"), on: { change: () => context.go("trade", { market: picker.value }) } }, store.markets.filter((one) => !one.is_hidden || one === market).map((one) => h("option", { value: one.id }, one.symbol)));
  picker.value = market.id;
  const last = h("span", { class: "num last" });
  const moved = h("span", {});
  const state = h("span", {});
  const room = matchMedia("(min-width: 760px)");
  const rows = ladder({ market, depth: LEVELS_SHOWN, narrow: () => !room.matches, onPrice: (price) => form.price(price) });
  const step = h("select", { class: "small", "aria-label": t("ladder.group"), on: { change: () => { rows.group(step.value); draw(); } } }, groupings(market.tick_size).map((one) => h("option", { value: one }, amount(one))));
  const open = h("div", {});

  const showHead = () => {
    fill(last, amount(market.last_price, market.last_price ? digitsOf(market.tick_size) : null), h("span", { class: "unit" }, ` ${market.quote}`));
    fill(moved, change(market));
    fill(state, market.state === "continuous" ? null : chip("state", market.state));
  };
  const own = () => new Set(store.openOrders(market.id).filter((order) => order.price).map((order) => `${order.side} ${Dec.of(order.price)}`));
  const draw = throttled(() => {
    rows.update(feed.book, feed.trades[0] ?? (market.last_price ? { price: market.last_price } : null), own());
    form.book(feed.book);
  });
  const feed = follow(live, market, {
    levels: LEVELS_ASKED,
    changed: () => draw(),
    onState: (now) => {
      market.state = now;
      showHead();
      form.refresh();
    },
  });
  const form = orderForm(context, market);
  const showOpen = () => {
    fill(open, openList(context, store.openOrders(market.id)));
    draw();
  };

  onLeave(() => feed.stop());
  onLeave(store.on("ticker", ({ detail }) => detail === market && showHead()));
  onLeave(store.on("orders", showOpen));
  onLeave(store.on("balances", () => form.refresh()));
  showHead();
  showOpen();
  return [
    h("h1", { class: "hidden" }, market.symbol),
    h("div", { class: "market-head" }, picker, h("span", { class: "head-price" }, last, moved), state),
    h("div", { class: "trade-grid" }, h("section", { class: "panel form-panel", "aria-label": t("trade.form") }, form.element), h("section", { class: "panel flush book-panel", "aria-label": t("ladder.title") }, h("div", { class: "book-head" }, h("span", { class: "faint" }, t("ladder.title")), step), rows.element)),
    h("section", { class: "panel" }, h("h2", {}, t("trade.open_here")), open),
  ];
}
