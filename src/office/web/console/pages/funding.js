// Credit, debit and transfer. Each carries the caller's own number, so that sending it twice moves the money once.

import { path } from "../../shared/api.js";
import { Dec } from "../../shared/decimal.js";
import { formDialog } from "../../shared/dialog.js";
import { h, fill } from "../../shared/dom.js";
import { field, reasonField } from "../../shared/form.js";
import { amount } from "../../shared/format.js";
import { t } from "../../shared/i18n.js";
import { toast } from "../../shared/ui.js";

/** A number for the request: the time in microseconds and a little chance. It stays the same while the dialog is open. */
const freshNumber = () => String(BigInt(Date.now()) * 1000n + BigInt(Math.floor(Math.random() * 1000)));

function moneyFields(account, currencies, out) {
  const available = (code) => account.balances?.find((one) => one.currency === code)?.available ?? "0";
  const currency = field({ name: "currency", label: t("col.currency"), kind: "select", required: true, choices: currencies.map((one) => [one.code, one.code]), value: (out ? account.balances?.[0]?.currency : null) ?? currencies[0]?.code });
  const money = field({
    name: "amount",
    label: t("fund.amount"),
    kind: "decimal",
    required: true,
    unit: currency.value || " ",
    check: (value) => {
      const typed = Dec.typed(value);
      if (!typed || typed.sign <= 0) return t("fund.positive");
      const scale = currencies.find((one) => one.code === currency.value)?.scale ?? 18;
      return Dec.of(typed.toString()).scale > scale ? t("fund.digits", { n: scale }) : null;
    },
  });
  const note = h("p", { class: "hint" });
  const show = () => {
    money.unit(currency.value);
    if (out) fill(note, t("fund.available", { value: `${amount(available(currency.value))} ${currency.value}` }));
  };
  currency.input.addEventListener("change", show);
  show();
  money.element.append(note);
  return [currency, money];
}

const keyFields = (business) => [
  field({ name: "business", label: t("fund.business"), required: true, value: business, maxlength: "16", hint: t("fund.business_hint") }),
  field({ name: "business_id", label: t("fund.business_id"), kind: "whole", required: true, value: freshNumber(), hint: t("fund.business_id_hint") }),
  reasonField(),
];

const named = (account) => (account.external_id ? `${account.external_id} (${account.id})` : account.id);

async function move(ctx, title, { fields, lead, label, kind, send, again }) {
  const answer = await formDialog(title, { fields, lead, label, kind, submit: send });
  if (!answer) return;
  toast(t(answer.repeated ? "fund.repeated" : "fund.done", { value: `${amount(answer.amount)} ${answer.currency}` }), answer.repeated ? "warn" : "good");
  ctx.forget();
  again();
}

export function credit(ctx, account, currencies, again) {
  return move(ctx, t("fund.credit_title", { name: named(account) }), {
    lead: t("fund.credit_lead"),
    fields: [...moneyFields(account, currencies, false), ...keyFields("deposit")],
    label: t("fund.credit"),
    kind: "primary",
    send: (values) => ctx.api.post("/v1/funding/credit", { account: account.id, ...values }),
    again,
  });
}

export function debit(ctx, account, currencies, again) {
  return move(ctx, t("fund.debit_title", { name: named(account) }), {
    lead: t("fund.debit_lead"),
    fields: [...moneyFields(account, currencies, true), ...keyFields("withdrawal")],
    label: t("fund.debit"),
    kind: "danger",
    send: (values) => ctx.api.post("/v1/funding/debit", { account: account.id, ...values }),
    again,
  });
}

export function transfer(ctx, account, currencies, again) {
  const found = h("p", { class: "hint", "aria-live": "polite" });
  const to = field({ name: "to", label: t("fund.to"), kind: "whole", required: true, hint: t("fund.to_hint"), check: (value) => (value === account.id ? t("fund.same") : null) });
  to.element.append(found);
  to.input.addEventListener("change", async () => {
    fill(found);
    if (!to.value) return;
    try {
      fill(found, t("fund.to_is", { name: named(await ctx.api.get(path("accounts", to.value))) }));
    } catch (error) {
      to.fail(error.text || error.code);
    }
  });
  return move(ctx, t("fund.transfer_title", { name: named(account) }), {
    lead: t("fund.transfer_lead"),
    fields: [to, ...moneyFields(account, currencies, true), ...keyFields("transfer")],
    label: t("fund.transfer"),
    kind: "primary",
    send: (values) => ctx.api.post("/v1/funding/transfer", { from: account.id, ...values }),
    again,
  });
}
