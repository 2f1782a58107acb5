// One account: its balances, its statement, its status, and the money that goes in and out.

import { path } from "../../shared/api.js";
import { destroy, formDialog } from "../../shared/dialog.js";
import { h } from "../../shared/dom.js";
import { field, reasonField } from "../../shared/form.js";
import { count, num, when } from "../../shared/format.js";
import { t, tx } from "../../shared/i18n.js";
import { button, chip, csvButton, empty, heading, link, pagedTable, panel, stat, table, toast } from "../../shared/ui.js";
import { credit, debit, transfer } from "./funding.js";
import { FEE_ACCOUNT } from "./accounts.js";
import { asked, filterBar } from "../filters.js";
import { anything } from "./orders.js";

export async function accountPage(ctx, id) {
  const [account, currencies, markets] = await Promise.all([ctx.api.get(path("accounts", id)), ctx.currencies(), ctx.markets()]);
  const fee = account.id === FEE_ACCOUNT;
  const again = () => ctx.again();
  const fund = ctx.can("manage") && ctx.self.custody !== "external"
    ? h("div", { class: "actions" }, fee ? null : button(t("fund.credit"), { kind: "primary", on: () => credit(ctx, account, currencies, again) }), fee ? null : button(t("fund.debit"), { on: () => debit(ctx, account, currencies, again) }), button(t("fund.transfer"), { on: () => transfer(ctx, account, currencies, again) }))
    : null;
  return h(
    "div",
    { class: "page" },
    heading(fee ? t("account.fee") : account.external_id || t("account.title", { id: account.id }), { back: { href: "#/accounts", label: t("nav.accounts") }, actions: [chip("state", account.status), fund] }),
    h(
      "div",
      { class: "stats tight" },
      stat(t("col.account"), account.id),
      stat(t("overview.open_orders"), h("a", { href: `#/orders?account=${encodeURIComponent(account.id)}&state=open` }, h("span", { class: "num" }, count(account.open_orders)))),
      stat(t("account.fee_group"), count(account.fee_group)),
      stat(t("account.stp_group"), account.stp_group ? count(account.stp_group) : "\u2013"),
    ),
    h("div", { class: "two wide-left" }, balances(ctx, account), fee ? null : statusPanel(ctx, account)),
    statement(ctx, account, currencies, markets),
  );
}

function balances(ctx, account) {
  const rows = account.balances ?? [];
  const list = table({
    caption: t("account.balances"),
    rows,
    empty: empty(t(ctx.self.custody === "external" ? "account.balances_kept" : ctx.can("manage") ? "account.no_balances_fund" : "account.no_balances")),
    columns: [
      { label: t("col.currency"), cell: (row) => h("b", {}, row.currency) },
      { label: t("balance.total"), num: true, cell: (row) => num(row.total, row.currency) },
      { label: t("balance.available"), num: true, cell: (row) => num(row.available, row.currency) },
      { label: t("balance.held"), num: true, cell: (row) => num(row.held, row.currency) },
    ],
  });
  return panel(t("account.balances"), {}, list.element);
}

function statusPanel(ctx, account) {
  const to = (status, label, kind) => (account.status === status ? null : button(label, { kind, on: () => setStatus(ctx, account, status) }));
  const code = ctx.can("manage") ? button(t("account.code"), { small: true, on: () => tradeCode(ctx, account) }) : null;
  return panel(
    t("account.status"),
    { actions: code },
    h("p", {}, chip("state", account.status)),
    h("p", { class: "note" }, t(`account.means_${account.status === "cancel-only" ? "cancel_only" : account.status}`)),
    ctx.can("accounts")
      ? h("div", { class: "actions left" }, to("active", t("account.activate"), "primary"), to("cancel-only", t("state.cancel-only"), ""), to("frozen", t("account.freeze"), "danger"), button(t("account.groups"), { kind: "ghost", on: () => groups(ctx, account) }))
      : null,
    h("p", {}, link(t("account.orders"), `#/orders?account=${encodeURIComponent(account.id)}`), " \u00b7 ", link(t("account.trades"), `#/trades?account=${encodeURIComponent(account.id)}`)),
  );
}

const named = (account) => (account.external_id ? `${account.external_id} (${account.id})` : account.id);

const change = (ctx, account, values) =>
  ctx.api.put(path("accounts", account.id), { status: account.status, fee_group: account.fee_group, stp_group: account.stp_group, ...values });

async function setStatus(ctx, account, status) {
  const name = named(account);
  const submit = ({ reason }) => change(ctx, account, { status, reason });
  const done =
    status === "active"
      ? await formDialog(t("account.activate_title", { name }), { lead: t("account.means_active"), fields: [reasonField()], label: t("account.activate"), submit })
      : await destroy(t(status === "frozen" ? "account.freeze_title" : "account.only_title", { name }), {
          effects: [t(status === "frozen" ? "account.means_frozen" : "account.means_cancel_only"), t("account.effect_orders", { n: count(account.open_orders) })],
          label: status === "frozen" ? t("account.freeze") : t("state.cancel-only"),
          submit,
        });
  if (!done) return;
  toast(t("account.now", { name, state: tx("state", status) }));
  ctx.again();
}

async function groups(ctx, account) {
  const done = await formDialog(t("account.groups_title", { name: named(account) }), {
    lead: t("account.groups_lead"),
    fields: [
      field({ name: "fee_group", label: t("account.fee_group"), kind: "whole", value: String(account.fee_group ?? 0), required: true, hint: t("account.fee_group_hint") }),
      field({ name: "stp_group", label: t("account.stp_group"), kind: "whole", value: String(account.stp_group ?? 0), required: true, hint: t("account.stp_group_hint") }),
      reasonField(),
    ],
    label: t("save"),
    submit: (values) => change(ctx, account, { fee_group: Number(values.fee_group), stp_group: Number(values.stp_group), reason: values.reason }),
  });
  if (!done) return;
  toast(t("saved"));
  ctx.again();
}

async function tradeCode(ctx, account) {
  const { secretDialog } = await import("../secret.js");
  try {
    const answer = await ctx.api.post("/v1/codes", { account: account.id });
    const address = `${location.origin}/trade/#code=${answer.code}`;
    await secretDialog(t("account.code"), { lead: t("account.code_lead", { name: named(account) }), secrets: [[t("account.code_link"), address]], after: h("p", {}, t("account.code_until"), " ", when(answer.expires_at, { short: true })), sure: false });
  } catch (error) {
    toast(`${error.code}: ${error.text}`, "bad");
  }
}

function statement(ctx, account, currencies, markets) {
  const mine = (account.balances ?? []).map((one) => one.currency);
  const choices = [...new Set([...mine, ...currencies.map((one) => one.code)])];
  const currency = ctx.query.currency ?? choices[0];
  if (!currency) return panel(t("account.statement"), {}, empty(t("account.no_statement")));
  const query = { ...asked(ctx.query, ["from", "to"]), currency, order: "newest" };
  const fields = [
    field({ name: "currency", label: t("col.currency"), kind: "select", required: true, choices: choices.map((one) => [one, one]), value: currency }),
    field({ name: "from", label: t("filter.from"), kind: "datetime-local", value: ctx.query.from }),
    field({ name: "to", label: t("filter.to"), kind: "datetime-local", value: ctx.query.to }),
  ].map(anything);
  const route = path("accounts", account.id, "statement");
  const symbol = (market) => markets.find((one) => one.id === market)?.symbol ?? market;
  const list = pagedTable({
    caption: t("account.statement"),
    load: (after) => ctx.api.get(route, { ...query, after }),
    empty: empty(t("account.no_statement")),
    columns: [
      { label: t("col.at"), cell: (row) => when(row.at) },
      { label: t("statement.kind"), cell: (row) => tx("kind", row.kind) },
      { label: t("statement.change"), num: true, cell: (row) => num(row.change, row.currency, { signed: true }) },
      { label: t("statement.after"), num: true, cell: (row) => num(row.total, row.currency) },
      { label: t("statement.reference"), cell: (row) => [row.market ? `${symbol(row.market)} ` : "", row.reference ?? ""] },
      { label: t("statement.sequence"), num: true, cell: (row) => h("span", { class: "faint" }, row.sequence) },
    ],
  });
  return panel(t("account.statement"), { note: t("account.statement_note") }, filterBar(ctx, `#/accounts/${encodeURIComponent(account.id)}`, fields, csvButton(ctx.api, route, () => query, `statement-${account.id}`)), list);
}
