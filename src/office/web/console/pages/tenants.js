// For who runs the nodes: the tenants, and nothing of what is theirs.

import { h } from "../../shared/dom.js";
import { count } from "../../shared/format.js";
import { t, tx } from "../../shared/i18n.js";
import { empty, heading, panel, table } from "../../shared/ui.js";

export default async function tenants(ctx) {
  const list = table({
    caption: t("nav.tenants"),
    rows: await ctx.api.all("/v1/tenants"),
    empty: empty(t("tenants.none")),
    columns: [
      { label: t("tenants.name"), cell: (row) => h("b", {}, row.name) },
      { label: t("col.id"), num: true, cell: (row) => row.id },
      { label: t("tenants.custody"), cell: (row) => tx("custody", row.custody) },
      { label: t("nav.markets"), num: true, cell: (row) => h("span", { class: "num" }, count(row.markets)) },
      { label: t("nav.accounts"), num: true, cell: (row) => h("span", { class: "num" }, count(row.accounts)) },
    ],
  });
  return h("div", { class: "page" }, heading(t("nav.tenants"), { lead: t("tenants.lead") }), panel(null, {}, list.element));
}
