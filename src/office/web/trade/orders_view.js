// Orders of the account: open ones with cancel, past ones, fills.

import { path } from "../shared/api.js";
import { Dec } from "../shared/decimal.js";
import { fill, h } from "../shared/dom.js";
import { amount, num, sideOf, when } from "../shared/format.js";
import { t, tx } from "../shared/i18n.js";
import { button, chip, empty, errorBox, loading, tabs, toast } from "../shared/ui.js";

const SHOWN = 50;

export function ordersView(context) {
  const { onLeave, store } = context;
  const body = h("div", {});
  let chosen = "open";
  const show = () => {
    if (chosen === "open") fill(body, openList(context, store.openOrders()));
    else loadPast(context, chosen, body);
  };
  onLeave(store.on("orders", () => chosen === "open" && show()));
  onLeave(store.on("past", () => chosen !== "open" && show()));
  const choice = tabs(
    t("trade.tab_orders"),
    [
      ["open", t("trade.open")],
      ["fills", t("trade.fills")],
      ["past", t("trade.past")],
    ],
    chosen,
    (next) => {
      chosen = next;
      show();
    },
  );
  return [h("h1", {}, t("trade.tab_orders")), choice, body];
}

/** Open orders as cards with a cancel button. */
export function openList(context, orders) {
  if (!orders.length) return empty(t("trade.no_open"));
  return h(
    "ul",
    { class: "rows" },
    orders.map((order) => {
      const market = context.store.market(order.market) ?? {};
      const cancel = button(t("trade.cancel"), { small: true, "aria-label": t("trade.cancel_order", { symbol: order.symbol, price: order.price ?? "" }) });
      cancel.addEventListener("click", async () => {
        cancel.disabled = true;
        try {
          context.store.takeOrder(await context.api.delete(path("me", "orders", order.market, order.id)));
          toast(t("trade.canceled"));
        } catch (error) {
          cancel.disabled = false;
          toast(`${error.code}: ${error.text} ${error.remedy}`, "bad");
        }
      });
      return h(
        "li",
        { class: "row order", data: { order: order.id } },
        h("span", { class: "row-line" }, h("span", {}, h("b", { class: "row-main" }, order.symbol), " ", sideOf(order.side)), num(order.price, market.quote, { kind: "row-main" })),
        h("span", { class: "row-line" }, h("span", { class: "progress" }, progress(order), h("span", { class: "num faint" }, `${amount(order.executed)} / ${amount(order.qty)} ${market.base ?? ""}`)), cancel),
        h("span", { class: "row-line small faint" }, when(order.created_at), `${tx("type", order.type)} ${tx("tif", order.time_in_force)}`),
      );
    }),
  );
}

function progress(order) {
  const qty = Dec.of(order.qty);
  const part = qty.isZero ? "0" : Dec.of(order.executed).mul(Dec.of("100")).div(qty, 0).toString();
  return h("span", { class: "bar", "aria-hidden": "true", vars: { "--fill": `${part}%` } });
}

async function loadPast(context, chosen, body) {
  if (!body.hasChildNodes()) fill(body, loading());
  try {
    const { items } = await context.api.get(chosen === "fills" ? "/v1/me/trades" : "/v1/me/orders", { limit: SHOWN });
    const rows = chosen === "fills" ? items : items.filter((one) => one.state !== "open");
    fill(body, rows.length ? h("ul", { class: "rows" }, rows.map((row) => (chosen === "fills" ? fillRow(context, row) : pastRow(context, row)))) : empty(t(chosen === "fills" ? "trade.no_fills" : "trade.no_past")));
  } catch (error) {
    fill(body, errorBox(error));
  }
}

function fillRow({ store }, row) {
  const market = store.market(row.market) ?? {};
  return h(
    "li",
    { class: "row" },
    h("span", { class: "row-line" }, h("span", {}, h("b", { class: "row-main" }, row.symbol), " ", sideOf(row.side)), num(row.price, market.quote, { kind: "row-main" })),
    h("span", { class: "row-line small" }, num(row.qty, market.base), num(row.notional, market.quote)),
    h("span", { class: "row-line small faint" }, when(row.at), h("span", {}, `${tx("liquidity", row.liquidity)} \u00b7 ${t("trade.fee")} `, num(row.fee, market.quote))),
  );
}

function pastRow({ store }, row) {
  const market = store.market(row.market) ?? {};
  return h(
    "li",
    { class: "row" },
    h("span", { class: "row-line" }, h("span", {}, h("b", { class: "row-main" }, row.symbol), " ", sideOf(row.side)), chip("state", row.state)),
    h("span", { class: "row-line small" }, h("span", {}, t("col.average"), " ", num(row.average_price, market.quote)), h("span", { class: "num" }, `${amount(row.executed)} / ${amount(row.qty)} ${market.base ?? ""}`)),
    h("span", { class: "row-line small faint" }, when(row.updated_at ?? row.created_at), row.reason ? tx("code", row.reason) : tx("type", row.type)),
  );
}
