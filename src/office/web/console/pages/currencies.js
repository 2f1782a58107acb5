// Currencies: the list, the wizard for a new one, and what may change later.

import { Dec, group } from "../../shared/decimal.js";
import { formDialog, wizard } from "../../shared/dialog.js";
import { h, fill } from "../../shared/dom.js";
import { field } from "../../shared/form.js";
import { num } from "../../shared/format.js";
import { t, tx } from "../../shared/i18n.js";
import { button, chip, empty, facts, heading, panel, table, toast } from "../../shared/ui.js";

const STATUSES = ["listed", "hidden", "delisting"];
const statusChoices = () => STATUSES.map((one) => [one, tx("state", one)]);

export default async function currencies(ctx) {
  const items = await ctx.api.all("/v1/currencies");
  const add = () => (ctx.can("manage") ? button(t("currency.add"), { kind: "primary", mark: "plus", on: () => newCurrency(ctx, items) }) : null);
  const list = table({
    caption: t("nav.currencies"),
    rows: items,
    empty: empty(t("currency.none"), add()),
    columns: [
      { label: t("col.code"), cell: (row) => h("b", {}, row.code) },
      { label: t("currency.unit"), num: true, cell: (row) => scaleExample(row.code, row.scale) },
      { label: t("currency.shown"), num: true, cell: (row) => t("currency.digits", { n: row.display_scale }) },
      { label: t("currency.min"), num: true, cell: (row) => bound(row.amount_min, row.code) },
      { label: t("currency.max"), num: true, cell: (row) => bound(row.amount_max, row.code) },
      { label: t("col.state"), cell: (row) => chip("state", row.status) },
      ...(ctx.can("manage") ? [{ label: t("col.actions"), cell: (row) => button(t("edit"), { small: true, on: () => edit(ctx, row) }) }] : []),
    ],
  });
  return h("div", { class: "page" }, heading(t("nav.currencies"), { lead: t("currency.lead"), actions: items.length ? add() : null }), panel(null, {}, list.element));
}

const bound = (text, code) => (!text || Dec.parse(text)?.isZero ? h("span", { class: "faint" }, t("no_bound")) : num(text, code));

/** "1 BTC = 100,000,000 units": what a scale means. */
function scaleExample(code, scale) {
  return h("span", { class: "num" }, t("currency.example", { code: code || t("currency.code_short"), units: group((10n ** BigInt(scale)).toString()) }));
}

const scaleFault = (value) => (/^\d+$/.test(value) && Number(value) <= 18 ? null : t("currency.scale_range"));

const boundFields = (code, row = {}) => [
  field({ name: "amount_min", label: t("currency.min"), kind: "decimal", unit: code, value: row.amount_min && !Dec.of(row.amount_min).isZero ? row.amount_min : "", hint: t("currency.bounds_hint") }),
  field({ name: "amount_max", label: t("currency.max"), kind: "decimal", unit: code, value: row.amount_max && !Dec.of(row.amount_max).isZero ? row.amount_max : "" }),
];

const body = (fields) => ({
  display_scale: Number(fields.display.value),
  status: fields.status.value,
  amount_min: fields.min.value || null,
  amount_max: fields.max.value || null,
});

function newCurrency(ctx, items) {
  const code = field({
    name: "code",
    label: t("currency.code"),
    required: true,
    maxlength: "8",
    placeholder: "USDT",
    hint: t("currency.code_hint"),
    check: (value) => (!/^[A-Z0-9]{1,8}$/.test(value) ? t("currency.code_wrong") : items.some((one) => one.code === value) ? t("currency.code_taken") : null),
  });
  code.input.addEventListener("input", () => (code.input.value = code.input.value.toUpperCase()));
  const scale = field({ name: "scale", label: t("currency.scale"), kind: "whole", required: true, value: "8", hint: t("currency.scale_hint"), check: scaleFault });
  const [min, max] = boundFields("");
  const display = field({ name: "display_scale", label: t("currency.display"), kind: "whole", required: true, value: "8", check: (value) => (Number(value) <= Number(scale.value) ? scaleFault(value) : t("currency.display_range")) });
  const status = field({ name: "status", label: t("col.state"), kind: "select", required: true, choices: statusChoices(), value: "listed" });
  const example = h("p", { class: "example", "aria-live": "polite" });
  const showExample = () => {
    const right = scaleFault(scale.value) === null;
    fill(example, right ? scaleExample(code.value, Number(scale.value)) : "\u2013");
    display.value = right ? scale.value : display.value;
    for (const one of [min, max]) one.unit(code.value);
  };
  scale.input.addEventListener("input", showExample);
  code.input.addEventListener("input", showExample);
  const all = { display, status, min, max };
  wizard(t("currency.add"), {
    label: t("currency.create"),
    steps: [
      { title: t("currency.step_code"), fields: [code] },
      {
        title: t("currency.step_scale"),
        fields: [scale],
        render: () => {
          showExample();
          return h("div", {}, example, h("p", { class: "warning" }, t("currency.forever")));
        },
      },
      { title: t("currency.step_limits"), fields: [min, max, display, status] },
    ],
    review: () =>
      facts([
        [t("col.code"), h("b", {}, code.value)],
        [t("currency.unit"), h("span", {}, scaleExample(code.value, Number(scale.value)), h("em", { class: "never" }, t("currency.never")))],
        [t("currency.shown"), t("currency.digits", { n: display.value })],
        [t("currency.min"), bound(min.value, code.value)],
        [t("currency.max"), bound(max.value, code.value)],
        [t("col.state"), chip("state", status.value)],
      ]),
    submit: () => ctx.api.post("/v1/currencies", { code: code.value, scale: Number(scale.value), ...body(all) }),
  }).then((made) => {
    if (!made) return;
    toast(t("currency.made", { code: code.value }));
    ctx.forget();
    ctx.again();
  });
}

async function edit(ctx, row) {
  const [min, max] = boundFields(row.code, row);
  const display = field({ name: "display_scale", label: t("currency.display"), kind: "whole", required: true, value: String(row.display_scale), check: (value) => (Number(value) <= row.scale ? scaleFault(value) : t("currency.display_range")) });
  const status = field({ name: "status", label: t("col.state"), kind: "select", required: true, choices: statusChoices(), value: row.status, hint: t("currency.status_hint") });
  const done = await formDialog(t("currency.edit", { code: row.code }), {
    lead: t("currency.edit_lead", { code: row.code }),
    fields: [status, display, min, max],
    label: t("save"),
    submit: () => ctx.api.put(`/v1/currencies/${encodeURIComponent(row.code)}`, body({ display, status, min, max })),
  });
  if (!done) return;
  toast(t("saved"));
  ctx.forget();
  ctx.again();
}
