// For who runs the nodes: which node has which tenants, how long its lease lasts, and where the time goes.

import { h, fill } from "../../shared/dom.js";
import { count, micros, millis } from "../../shared/format.js";
import { t, tx } from "../../shared/i18n.js";
import { chip, empty, errorBox, heading, panel, table } from "../../shared/ui.js";

const AGAIN_MS = 2000;

export default async function nodes(ctx) {
  const box = h("div", { class: "page-part" });
  const show = (data) => fill(box, nodeTable(data.items ?? data.nodes ?? []), stageTable(data.stages ?? []));
  show(await ctx.api.get("/v1/nodes"));
  const timer = setInterval(async () => {
    try {
      show(await ctx.api.get("/v1/nodes"));
    } catch (error) {
      if (error.status !== 401) fill(box, errorBox(error));
    }
  }, AGAIN_MS);
  ctx.onLeave(() => clearInterval(timer));
  return h("div", { class: "page" }, heading(t("nav.nodes"), { lead: t("nodes.lead") }), box);
}

function lease(row) {
  if (!row.lease_ms) return h("span", { class: "faint" }, t("nodes.no_lease"));
  const part = Math.max(0, Math.min(100, (100 * (row.lease_left_ms ?? 0)) / row.lease_ms));
  return h("span", { class: "lease" }, h("span", { class: `bar ${part < 25 ? "low" : ""}`, "aria-hidden": "true", vars: { "--fill": `${part}%` } }), h("span", { class: "num" }, `${count(row.lease_left_ms)} / ${millis(row.lease_ms)}`));
}

function nodeTable(items) {
  const list = table({
    caption: t("nav.nodes"),
    rows: items,
    empty: empty(t("nodes.none")),
    columns: [
      { label: t("nodes.node"), cell: (row) => h("b", {}, row.node) },
      { label: t("col.state"), cell: (row) => chip("node", row.state) },
      { label: t("nodes.lease"), cell: lease },
      { label: t("nodes.renewal"), num: true, cell: (row) => h("span", { class: "num" }, micros(row.renewal_p99_us)) },
      { label: t("nav.tenants"), cell: (row) => (Array.isArray(row.tenants) ? row.tenants.join(", ") || "\u2013" : count(row.tenants)) },
      { label: t("nodes.lag"), num: true, cell: (row) => h("span", { class: "num" }, count(row.journal_lag), h("span", { class: "unit" }, ` ${t("overview.batches")}`)) },
      { label: t("nodes.address"), cell: (row) => h("code", {}, row.address ?? "\u2013") },
      { label: t("nodes.incarnation"), num: true, cell: (row) => h("span", { class: "num faint" }, count(row.incarnation)) },
    ],
  });
  return panel(t("nodes.title"), {}, list.element);
}

function stageTable(stages) {
  const cell = (name) => (row) => h("span", { class: "num" }, micros(row[name]));
  const most = Math.max(1, ...stages.map((one) => one.p99_us ?? 0));
  const list = table({
    caption: t("nodes.stages"),
    rows: stages,
    empty: empty(t("nodes.no_stages")),
    columns: [
      { label: t("nodes.stage"), cell: (row) => h("b", {}, tx("stage", row.stage)) },
      { label: t("nodes.share"), cell: (row) => h("span", { class: "bar wide", "aria-hidden": "true", vars: { "--fill": `${(100 * (row.p99_us ?? 0)) / most}%` } }) },
      { label: "p50", num: true, cell: cell("p50_us") },
      { label: "p99", num: true, cell: cell("p99_us") },
      { label: "p99.9", num: true, cell: cell("p999_us") },
    ],
  });
  return panel(t("nodes.stages"), { note: t("nodes.stages_note") }, list.element);
}
