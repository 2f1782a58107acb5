// Forms: labelled fields with hint, unit and error; what the API refuses is shown beside the button, as it is.

import { fill, freshId, h } from "./dom.js";
import { Dec } from "./decimal.js";
import { t } from "./i18n.js";
import { button, errorBox } from "./ui.js";

/**
 * One field. `kind`: text, password, select, decimal, whole, area, color, check, datetime-local. `check(value)` gives an error or nothing.
 */
export function field(options) {
  const { name, label, kind = "text", value = "", hint, unit, required, choices, check, placeholder, readonly, autocomplete = "off", rows = 3, maxlength } = options;
  const id = freshId(name);
  const about = [hint ? `${id}-hint` : null, `${id}-error`].filter(Boolean).join(" ");
  const common = { id, name, required, "aria-describedby": about, autocomplete, readonly, maxlength };
  const input = inputOf(kind, common, { value, choices, placeholder, rows });
  const problem = h("p", { class: "field-error", id: `${id}-error` });
  const element = h(
    "div",
    { class: `field ${kind === "check" ? "field-check" : ""}` },
    h("label", { for: id }, label, required || kind === "check" ? null : h("span", { class: "optional" }, t("form.optional"))),
    h("div", { class: "control" }, input, unit ? h("span", { class: "unit", "aria-hidden": "true" }, unit) : null),
    hint ? h("p", { class: "hint", id: `${id}-hint` }, hint) : null,
    problem,
  );
  const self = {
    name,
    element,
    input,
    get value() {
      if (kind === "check") return input.checked;
      const text = input.value.trim();
      if (kind === "decimal") return Dec.typed(text)?.toString() ?? text;
      return kind === "password" ? input.value : text;
    },
    set value(next) {
      if (kind === "check") input.checked = Boolean(next);
      else input.value = next ?? "";
    },
    fail(text) {
      problem.textContent = text ?? "";
      input.setAttribute("aria-invalid", text ? "true" : "false");
    },
    valid() {
      const text = fault(kind, self.value, required) ?? check?.(self.value) ?? null;
      self.fail(text);
      return !text;
    },
    unit(text) {
      const shown = element.querySelector(".control .unit");
      if (shown) shown.textContent = text;
    },
  };
  input.addEventListener("input", () => self.fail(null));
  return self;
}

function inputOf(kind, common, { value, choices, placeholder, rows }) {
  if (kind === "select") {
    const options = choices.map(([id, text]) => h("option", { value: id }, text));
    return h("select", { ...common, value: value || undefined }, options);
  }
  if (kind === "area") return h("textarea", { ...common, rows, placeholder, value });
  if (kind === "check") return h("input", { ...common, type: "checkbox", checked: Boolean(value) });
  const mode = { decimal: "decimal", whole: "numeric" }[kind];
  const type = ["password", "color", "datetime-local", "url"].includes(kind) ? kind : "text";
  return h("input", { ...common, type, inputmode: mode, placeholder, value, spellcheck: "false", autocapitalize: "off" });
}

function fault(kind, value, required) {
  if (required && value === "") return t("form.required");
  if (value === "" || value === true || value === false) return null;
  if (kind === "decimal" && !Dec.parse(value)) return t("form.decimal");
  if (kind === "whole" && !/^-?\d{1,20}$/.test(value)) return t("form.whole");
  return null;
}

export const valuesOf = (fields) => Object.fromEntries(fields.map((one) => [one.name, one.value]));

export function validate(fields) {
  const wrong = fields.filter((one) => !one.valid());
  wrong[0]?.input.focus();
  return wrong.length === 0;
}

/** A form around fields. `submit(values)` may throw an `ApiError`, which is shown. */
export function form({ fields, submit, label, kind = "primary", cancel, extra }) {
  const problem = h("div", { class: "form-problem" });
  const go = button(label, { kind, type: "submit" });
  const element = h(
    "form",
    { class: "form", novalidate: true, method: "dialog" },
    fields.map((one) => one.element),
    extra ?? null,
    problem,
    h("div", { class: "form-actions" }, cancel ? button(t("cancel"), { on: cancel }) : null, go),
  );
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (go.disabled || !validate(fields)) return;
    go.disabled = true;
    fill(problem);
    try {
      await submit(valuesOf(fields));
    } catch (error) {
      fill(problem, errorBox(error));
    }
    go.disabled = false;
    element.dispatchEvent(new CustomEvent("settled"));
  });
  return { element, go };
}

export const reasonField = (hint) => field({ name: "reason", label: t("field.reason"), required: true, hint: hint ?? t("field.reason_hint"), maxlength: "200" });
