// Users of the console, and tokens for programs that use the same API.

import { path } from "../../shared/api.js";
import { destroy, formDialog } from "../../shared/dialog.js";
import { h } from "../../shared/dom.js";
import { field } from "../../shared/form.js";
import { when } from "../../shared/format.js";
import { t, tx } from "../../shared/i18n.js";
import { button, empty, heading, panel, table, toast } from "../../shared/ui.js";
import { secretDialog } from "../secret.js";

const ROLES = ["owner", "operator", "support", "auditor"];
const roleField = (value) => field({ name: "role", label: t("users.role"), kind: "select", required: true, choices: ROLES.map((one) => [one, `${tx("role", one)}: ${t(`role.${one}_may`)}`]), value });

export default async function users(ctx) {
  const [people, tokens] = await Promise.all([ctx.api.all("/v1/users"), ctx.api.all("/v1/tokens")]);
  const peopleList = table({
    caption: t("users.people"),
    rows: people,
    columns: [
      { label: t("users.user"), cell: (row) => h("span", {}, h("b", {}, row.user), row.user === ctx.self.user ? h("span", { class: "chip info" }, t("users.you")) : null) },
      { label: t("users.role"), cell: (row) => tx("role", row.role) },
      { label: t("col.created"), cell: (row) => when(row.created_at) },
      { label: t("users.last_login"), cell: (row) => when(row.last_login_at) },
      { label: t("col.actions"), cell: (row) => (row.user === ctx.self.user ? h("span", { class: "faint" }, "\u2013") : button(t("users.remove"), { small: true, kind: "danger", on: () => removeUser(ctx, row) })) },
    ],
  });
  const addToken = () => button(t("tokens.add"), { mark: "plus", small: true, on: () => newToken(ctx) });
  const tokenList = table({
    caption: t("tokens.title"),
    rows: tokens,
    empty: empty(t("tokens.none"), addToken()),
    columns: [
      { label: t("keys.name"), cell: (row) => h("b", {}, row.name) },
      { label: t("users.role"), cell: (row) => tx("role", row.role) },
      { label: t("col.created"), cell: (row) => when(row.created_at) },
      { label: t("tokens.expires"), cell: (row) => when(row.expires_at) },
      { label: t("tokens.used"), cell: (row) => when(row.last_used_at) },
      { label: t("col.actions"), cell: (row) => button(t("tokens.revoke"), { small: true, kind: "danger", on: () => removeToken(ctx, row) }) },
    ],
  });
  return h(
    "div",
    { class: "page" },
    heading(t("nav.users"), { lead: t("users.lead"), actions: button(t("users.add"), { kind: "primary", mark: "plus", on: () => newUser(ctx) }) }),
    panel(t("users.people"), {}, peopleList.element),
    panel(t("tokens.title"), { note: t("tokens.note"), actions: tokens.length ? addToken() : null }, tokenList.element),
  );
}

async function newUser(ctx) {
  const made = await formDialog(t("users.add"), {
    fields: [
      field({ name: "user", label: t("users.user"), required: true, maxlength: "64" }),
      roleField("support"),
      field({ name: "password", label: t("users.password"), kind: "password", required: true, autocomplete: "new-password", hint: t("users.password_hint"), check: (value) => (value.length < 12 ? t("password.short") : null) }),
    ],
    label: t("users.add"),
    submit: (values) => ctx.api.post("/v1/users", values),
  });
  if (!made) return;
  toast(t("saved"));
  ctx.again();
}

async function removeUser(ctx, row) {
  const done = await destroy(t("users.remove_title", { name: row.user }), {
    effects: [t("users.effect_tokens"), t("users.effect_audit")],
    label: t("users.remove"),
    submit: ({ reason }) => ctx.api.delete(path("users", row.user), { reason }).then(() => true),
  });
  if (!done) return;
  toast(t("users.removed"));
  ctx.again();
}

async function newToken(ctx) {
  const made = await formDialog(t("tokens.add"), {
    fields: [
      field({ name: "name", label: t("keys.name"), required: true, maxlength: "64", hint: t("tokens.name_hint") }),
      roleField("operator"),
      field({ name: "expires_in_days", label: t("tokens.days"), kind: "whole", required: true, value: "90", unit: t("days") }),
    ],
    label: t("tokens.create"),
    submit: (values) => ctx.api.post("/v1/tokens", { name: values.name, role: values.role, expires_in_days: Number(values.expires_in_days) }),
  });
  if (!made) return;
  await secretDialog(t("tokens.shown_once"), { lead: t("tokens.shown_lead"), secrets: [[t("tokens.token"), made.token]] });
  ctx.again();
}

async function removeToken(ctx, row) {
  const done = await destroy(t("tokens.revoke_title", { name: row.name }), {
    effects: [t("tokens.effect")],
    label: t("tokens.revoke"),
    submit: ({ reason }) => ctx.api.delete(path("tokens", row.id), { reason }).then(() => true),
  });
  if (!done) return;
  toast(t("tokens.revoked"));
  ctx.again();
}
