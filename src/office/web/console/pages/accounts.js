// Accounts: the list and the search by the platform's own user id; one account is a page of its own.

import { formDialog } from "../../shared/dialog.js";
import { h } from "../../shared/dom.js";
import { field } from "../../shared/form.js";
import { count } from "../../shared/format.js";
import { t, tx } from "../../shared/i18n.js";
import { button, chip, empty, heading, pagedTable, panel, toast } from "../../shared/ui.js";
import { asked, filterBar } from "../filters.js";
import { accountPage } from "./account.js";
import { anything } from "./orders.js";

export const FEE_ACCOUNT = "4294967295";
const STATES = ["active", "cancel-only", "frozen"];

export default async function accounts(ctx, id) {
  if (id) return accountPage(ctx, id);
  const query = asked(ctx.query, ["external_id", "status"]);
  const searched = Object.keys(query).length > 0;
  const add = () => (ctx.can("accounts") ? button(t("account.add"), { kind: "primary", mark: "plus", on: () => newAccount(ctx) }) : null);
  const fields = [
    field({ name: "external_id", label: t("account.external"), value: ctx.query.external_id, placeholder: t("account.search") }),
    field({ name: "status", label: t("col.state"), kind: "select", required: true, choices: [["", t("filter.all")], ...STATES.map((one) => [one, tx("state", one)])], value: ctx.query.status }),
  ].map(anything);
  const list = pagedTable({
    caption: t("nav.accounts"),
    load: (after) => ctx.api.get("/v1/accounts", { ...query, after }),
    href: (row) => `#/accounts/${encodeURIComponent(row.id)}`,
    empty: searched ? empty(t("account.not_found")) : empty(t("account.none"), add()),
    columns: [
      { label: t("col.account"), cell: (row) => row.id },
      { label: t("account.external"), cell: (row) => (row.id === FEE_ACCOUNT ? h("span", { class: "chip info" }, t("account.fee")) : row.external_id || "\u2013") },
      { label: t("col.state"), cell: (row) => chip("state", row.status) },
      { label: t("account.fee_group"), num: true, cell: (row) => count(row.fee_group) },
      { label: t("account.stp_group"), num: true, cell: (row) => (row.stp_group ? count(row.stp_group) : "\u2013") },
    ],
  });
  return h("div", { class: "page" }, heading(t("nav.accounts"), { lead: t("account.lead"), actions: add() }), panel(null, {}, filterBar(ctx, "#/accounts", fields), list));
}

async function newAccount(ctx) {
  const made = await formDialog(t("account.add"), {
    lead: t("account.add_lead"),
    fields: [
      field({ name: "external_id", label: t("account.external"), required: true, hint: t("account.external_hint") }),
      field({ name: "id", label: t("col.id"), kind: "whole", hint: t("account.id_hint") }),
      field({ name: "fee_group", label: t("account.fee_group"), kind: "whole", value: "0", required: true, hint: t("account.fee_group_hint") }),
      field({ name: "stp_group", label: t("account.stp_group"), kind: "whole", value: "0", required: true, hint: t("account.stp_group_hint") }),
    ],
    label: t("account.create"),
    submit: (values) =>
      ctx.api.post("/v1/accounts", {
        external_id: values.external_id,
        ...(values.id ? { id: values.id } : {}),
        fee_group: Number(values.fee_group),
        stp_group: Number(values.stp_group),
      }),
  });
  if (!made) return;
  toast(t("account.made", { id: made.id }));
  ctx.go(`#/accounts/${encodeURIComponent(made.id)}`);
}
