// Orders of all accounts, filtered; one order with its timeline; canceling for somebody else.

import { path } from "../../shared/api.js";
import { destroy } from "../../shared/dialog.js";
import { h, fill } from "../../shared/dom.js";
import { field } from "../../shared/form.js";
import { amount, num, sideOf, when } from "../../shared/format.js";
import { t, tx } from "../../shared/i18n.js";
import { button, chip, csvButton, empty, facts, heading, pagedTable, panel, toast } from "../../shared/ui.js";
import { asked, filterBar } from "../filters.js";

const STATES = ["open", "filled", "canceled", "rejected"];
const NAMES = ["market", "account", "state", "from", "to"];

export default async function orders(ctx, market, id) {
  if (id) return orderPage(ctx, market, id);
  const markets = await ctx.markets();
  const query = asked(ctx.query, NAMES);
  const fields = [
    field({ name: "market", label: t("col.market"), kind: "select", required: true, choices: [["", t("filter.all")], ...markets.map((one) => [one.id, one.symbol])], value: ctx.query.market }),
    field({ name: "account", label: t("col.account"), kind: "whole", value: ctx.query.account }),
    field({ name: "state", label: t("col.state"), kind: "select", required: true, choices: [["", t("filter.all")], ...STATES.map((one) => [one, tx("state", one)])], value: ctx.query.state }),
    field({ name: "from", label: t("filter.from"), kind: "datetime-local", value: ctx.query.from }),
    field({ name: "to", label: t("filter.to"), kind: "datetime-local", value: ctx.query.to }),
  ].map(anything);
  const list = pagedTable({ ...orderColumns(markets), load: (after) => ctx.api.get("/v1/orders", { ...query, after }) });
  return h("div", { class: "page" }, heading(t("nav.orders"), { lead: t("orders.lead") }), panel(null, {}, filterBar(ctx, "#/orders", fields, csvButton(ctx.api, "/v1/orders", () => query, "orders")), list));
}

/** A filter may be empty, and does not say that it is optional. */
export function anything(one) {
  one.valid = () => true;
  one.element.querySelector(".optional")?.remove();
  return one;
}

export function orderColumns(markets) {
  const of = (row) => markets.find((one) => one.id === row.market) ?? {};
  return {
    caption: t("nav.orders"),
    href: (row) => row.id && `#/orders/${encodeURIComponent(row.market)}/${encodeURIComponent(row.id)}`,
    empty: empty(t("orders.none")),
    columns: [
      { label: t("col.order"), cell: (row) => (row.id ? `${row.symbol} #${row.id}` : row.symbol) },
      { label: t("col.at"), cell: (row) => when(row.created_at) },
      { label: t("col.account"), cell: (row) => h("a", { href: `#/accounts/${encodeURIComponent(row.account)}` }, row.account) },
      { label: t("col.side"), cell: (row) => sideOf(row.side) },
      { label: t("col.type"), cell: (row) => h("span", { class: "nowrap" }, `${tx("type", row.type)} ${tx("tif", row.time_in_force)}`) },
      { label: t("col.price"), num: true, cell: (row) => num(row.price, of(row).quote) },
      { label: t("col.qty"), num: true, cell: (row) => num(row.qty, of(row).base) },
      { label: t("col.executed"), num: true, cell: (row) => num(row.executed, of(row).base) },
      { label: t("col.average"), num: true, cell: (row) => num(row.average_price, of(row).quote) },
      { label: t("col.state"), cell: (row) => h("span", { title: row.reason ? tx("code", row.reason) : undefined }, chip("state", row.state)) },
    ],
  };
}

async function orderPage(ctx, market, id) {
  const box = h("div", { class: "page" });
  const show = async () => {
    const [order, of] = await Promise.all([ctx.api.get(path("orders", market, id)), ctx.market(market)]);
    const canCancel = order.state === "open" && ctx.can("accounts");
    fill(
      box,
      heading(`${order.symbol} #${order.id}`, {
        back: { href: "#/orders", label: t("nav.orders") },
        actions: [chip("state", order.state), canCancel ? button(t("orders.cancel"), { kind: "danger", on: () => cancelFor(ctx, order, of, show) }) : null],
      }),
      h("div", { class: "two" }, panel(t("orders.facts"), {}, orderFacts(order, of)), panel(t("orders.timeline"), {}, timeline(order, of))),
    );
  };
  await show();
  return box;
}

const orderFacts = (order, of) =>
  facts([
    [t("col.market"), h("a", { href: `#/markets/${encodeURIComponent(order.market)}` }, order.symbol)],
    [t("col.account"), h("a", { href: `#/accounts/${encodeURIComponent(order.account)}` }, order.account)],
    [t("col.side"), sideOf(order.side)],
    [t("col.type"), `${tx("type", order.type)} ${tx("tif", order.time_in_force)}`],
    [t("col.price"), num(order.price, of.quote)],
    [t("col.qty"), num(order.qty, of.base)],
    [t("col.executed"), num(order.executed, of.base)],
    [t("col.leaves"), num(order.leaves, of.base)],
    [t("col.average"), num(order.average_price, of.quote)],
    [t("orders.client_id"), order.client_id && order.client_id !== "0" ? order.client_id : "\u2013"],
    order.reason ? [t("field.reason"), tx("code", order.reason)] : null,
    [t("orders.created"), when(order.created_at)],
    [t("orders.updated"), when(order.updated_at)],
  ]);

function timeline(order, of) {
  if (!order.events?.length) return empty(t("orders.no_events"));
  return h(
    "ol",
    { class: "timeline" },
    order.events.map((event) =>
      h(
        "li",
        { data: { what: event.what } },
        h("div", { class: "event-head" }, h("b", {}, tx("event", event.what)), when(event.at), h("span", { class: "faint num" }, t("orders.seq", { n: event.seq }))),
        h("div", { class: "event-facts" }, event.price ? [t("col.price"), " ", num(event.price, of.quote)] : null, event.qty ? [t("col.qty"), " ", num(event.qty, of.base)] : null, event.leaves ? [t("col.leaves"), " ", num(event.leaves, of.base)] : null, event.reason ? h("span", {}, tx("code", event.reason)) : null),
      ),
    ),
  );
}

async function cancelFor(ctx, order, of, show) {
  const done = await destroy(t("orders.cancel_title", { id: order.id, symbol: order.symbol }), {
    lead: t("orders.cancel_lead", { account: order.account }),
    effects: [t("orders.cancel_effect", { qty: `${amount(order.leaves)} ${of.base ?? ""}` }), t("orders.cancel_kept", { qty: `${amount(order.executed)} ${of.base ?? ""}` })],
    label: t("orders.cancel"),
    submit: ({ reason }) => ctx.api.delete(path("orders", order.market, order.id), { reason }),
  });
  if (!done) return;
  toast(t("orders.canceled"));
  await show();
}
