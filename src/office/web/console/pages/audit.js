// The audit log: who did what, from where, why, and how it ended; and whether the chain of hashes holds.

import { h, fill } from "../../shared/dom.js";
import { field } from "../../shared/form.js";
import { count, when } from "../../shared/format.js";
import { t, tx } from "../../shared/i18n.js";
import { csvButton, empty, errorBox, heading, pagedTable, panel } from "../../shared/ui.js";
import { checkChain } from "../chain.js";
import { asked, filterBar } from "../filters.js";
import { anything } from "./orders.js";

export default async function audit(ctx) {
  const query = asked(ctx.query, ["user", "from", "to"]);
  const fields = [
    field({ name: "user", label: t("users.user"), value: ctx.query.user }),
    field({ name: "from", label: t("filter.from"), kind: "datetime-local", value: ctx.query.from }),
    field({ name: "to", label: t("filter.to"), kind: "datetime-local", value: ctx.query.to }),
  ].map(anything);
  const list = pagedTable({
    caption: t("nav.audit"),
    load: (after) => ctx.api.get("/v1/audit", { ...query, after }),
    empty: empty(t("audit.none")),
    columns: [
      { label: t("audit.number"), cell: (row) => h("span", { class: "num" }, `#${row.number}`) },
      { label: t("col.at"), cell: (row) => when(row.at) },
      { label: t("users.user"), cell: (row) => h("span", {}, h("b", {}, row.user), h("span", { class: "faint" }, ` ${tx("role", row.role)}`)) },
      { label: t("audit.action"), cell: (row) => h("span", {}, tx("action", row.action), row.target ? h("code", {}, ` ${row.target}`) : null) },
      { label: t("field.reason"), cell: (row) => row.reason || "\u2013" },
      { label: t("audit.outcome"), cell: (row) => outcome(row.outcome) },
      { label: t("audit.from"), cell: (row) => h("span", { class: "faint" }, row.address || "\u2013") },
      { label: t("audit.details"), cell: (row) => details(row) },
    ],
  });
  const chain = h("div", {});
  showChain(ctx, chain);
  return h("div", { class: "page" }, heading(t("nav.audit"), { lead: t("audit.lead") }), panel(t("audit.chain"), { note: t("audit.chain_note") }, chain), panel(null, {}, filterBar(ctx, "#/audit", fields, csvButton(ctx.api, "/v1/audit", () => query, "audit")), list));
}

function outcome(text) {
  const [tone, shape] = { done: ["good", "\u25cf"], begun: ["quiet", "\u25cb"] }[text] ?? ["warn", "\u25b2"];
  return h("span", { class: `chip ${tone}` }, h("span", { class: "shape", "aria-hidden": "true" }, shape), tx("outcome", text));
}

function details(row) {
  const request = typeof row.request === "string" ? row.request : JSON.stringify(row.request ?? null, null, 1);
  return h("details", {}, h("summary", {}, t("audit.show")), h("pre", {}, request), h("p", { class: "faint" }, t("audit.hash"), " ", h("code", {}, row.hash)));
}

async function showChain(ctx, box) {
  fill(box, h("p", { class: "faint" }, t("audit.checking")));
  try {
    const result = await checkChain(ctx.api);
    const tone = { true: "good", false: "bad" }[result.holds] ?? "";
    const says = { true: t("audit.holds", { n: count(result.entries) }), false: t("audit.broken", { n: result.at }) }[result.holds] ?? t("audit.not_told");
    fill(
      box,
      h("p", { class: `verdict ${tone}` }, tone ? h("span", { "aria-hidden": "true" }, tone === "good" ? "\u25cf " : "\u25a0 ") : null, says),
      result.newest ? h("p", { class: "note" }, t("audit.newest"), " ", h("code", { class: "wrap" }, result.newest)) : null,
    );
  } catch (error) {
    if (error.status !== 401) fill(box, errorBox(error));
  }
}
