// Keys of the binary protocol: add, rotate, revoke. A private key is made in this browser and shown once.

import { path } from "../../shared/api.js";
import { destroy, formDialog } from "../../shared/dialog.js";
import { h } from "../../shared/dom.js";
import { field } from "../../shared/form.js";
import { when } from "../../shared/format.js";
import { t, tx } from "../../shared/i18n.js";
import { button, chip, copyButton, empty, heading, panel, table, toast } from "../../shared/ui.js";
import { canMakeKeys, makeKeys } from "../keypair.js";
import { secretDialog } from "../secret.js";

const PERMISSIONS = ["trade", "cancel", "market-data", "control", "funding", "drop-copy"];
const USUAL = ["trade", "cancel", "market-data"];
const DANGEROUS = ["control", "funding"];

export default async function keys(ctx) {
  const items = await ctx.api.all("/v1/keys");
  const add = () => button(t("keys.add"), { kind: "primary", mark: "plus", on: () => newKey(ctx) });
  const list = table({
    caption: t("nav.keys"),
    rows: items,
    empty: empty(t("keys.none"), add()),
    columns: [
      { label: t("keys.name"), cell: (row) => h("span", {}, h("b", {}, row.name || "\u2013"), h("span", { class: "faint" }, ` #${row.id}`)) },
      { label: t("keys.public"), cell: (row) => h("span", { class: "copyable" }, h("code", { title: row.public_key }, `${row.public_key.slice(0, 8)}\u2026${row.public_key.slice(-6)}`), copyButton(() => row.public_key)) },
      { label: t("keys.permissions"), cell: (row) => h("span", { class: "chips" }, row.permissions.map((one) => h("span", { class: `chip ${DANGEROUS.includes(one) ? "warn" : "quiet"}` }, tx("permission", one)))) },
      { label: t("keys.accounts"), cell: (row) => (row.accounts === "all" ? t("keys.all") : [].concat(row.accounts).join(", ")) },
      { label: t("col.state"), cell: (row) => chip("state", row.status) },
      { label: t("col.created"), cell: (row) => h("span", {}, when(row.created_at), row.created_by ? h("span", { class: "faint" }, ` ${row.created_by}`) : null) },
      { label: t("col.actions"), cell: (row) => actions(ctx, row) },
    ],
  });
  return h("div", { class: "page" }, heading(t("nav.keys"), { lead: t("keys.lead"), actions: items.length ? add() : null }), panel(null, {}, list.element));
}

function actions(ctx, row) {
  if (row.source === "config") return h("span", { class: "faint" }, t("keys.config"));
  if (row.status !== "active") return h("span", { class: "faint" }, "\u2013");
  return h("span", { class: "actions left" }, button(t("keys.rotate"), { small: true, on: () => rotate(ctx, row) }), button(t("keys.revoke"), { small: true, kind: "danger", on: () => revoke(ctx, row) }));
}

/** The field for the public key; empty means that the pair is made here, where the browser can. */
async function publicField() {
  const able = await canMakeKeys();
  return {
    able,
    field: field({
      name: "public_key",
      label: t("keys.public"),
      required: !able,
      hint: t(able ? "keys.paste_or_make" : "keys.paste"),
      maxlength: "64",
      check: (value) => (value && !/^[0-9a-f]{64}$/i.test(value) ? t("keys.public_wrong") : null),
    }),
  };
}

async function withPair(pasted, send) {
  if (pasted) return { answer: await send(pasted.toLowerCase()), secret: null };
  const pair = await makeKeys();
  return { answer: await send(pair.open), secret: pair.secret };
}

async function finish(ctx, result, name) {
  if (!result) return;
  if (result.secret) {
    await secretDialog(t("keys.secret_title"), {
      lead: t("keys.secret_lead"),
      secrets: [
        [t("keys.secret"), result.secret, `${name || "souk"}.key`],
        [t("keys.number"), String(result.answer?.id ?? "")],
      ],
    });
  } else toast(t("keys.made"));
  ctx.again();
}

async function newKey(ctx) {
  const open = await publicField();
  const permissions = PERMISSIONS.map((one) => field({ name: one, label: tx("permission", one), kind: "check", value: USUAL.includes(one), hint: t(`permission.${one}_hint`) }));
  const accounts = field({
    name: "accounts",
    label: t("keys.accounts"),
    hint: t("keys.accounts_hint"),
    placeholder: "1, 2",
    check: (value) => (value && !/^\d+(\s*,\s*\d+)*$/.test(value) ? t("keys.accounts_wrong") : null),
  });
  const name = field({ name: "name", label: t("keys.name"), required: true, maxlength: "64", hint: t("keys.name_hint") });
  const result = await formDialog(t("keys.add"), {
    fields: [name, open.field, accounts, ...permissions],
    label: t("keys.create"),
    submit: (values) =>
      withPair(values.public_key, (public_key) =>
        ctx.api.post("/v1/keys", {
          name: values.name,
          public_key,
          permissions: PERMISSIONS.filter((one) => values[one]),
          accounts: values.accounts ? values.accounts.split(/\s*,\s*/) : "all",
        }),
      ),
  });
  await finish(ctx, result, name.value);
}

async function rotate(ctx, row) {
  const open = await publicField();
  const overlap = field({ name: "overlap_s", label: t("keys.overlap"), kind: "whole", required: true, value: "3600", unit: t("seconds"), hint: t("keys.overlap_hint") });
  const result = await formDialog(t("keys.rotate_title", { name: row.name || row.id }), {
    lead: t("keys.rotate_lead"),
    fields: [open.field, overlap],
    label: t("keys.rotate"),
    submit: (values) => withPair(values.public_key, (public_key) => ctx.api.post(path("keys", row.id, "rotate"), { public_key, overlap_s: Number(values.overlap_s) })),
  });
  await finish(ctx, result, row.name);
}

async function revoke(ctx, row) {
  const done = await destroy(t("keys.revoke_title", { name: row.name || row.id }), {
    effects: [t("keys.effect_sessions"), t("keys.effect_orders"), t("keys.effect_forever")],
    label: t("keys.revoke"),
    submit: ({ reason }) => ctx.api.delete(path("keys", row.id), { reason }).then(() => true),
  });
  if (!done) return;
  toast(t("keys.revoked"));
  ctx.again();
}
