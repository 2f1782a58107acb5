// The tenant's brand: name, logo, colours, language, and where its trading page may be embedded, with a live preview.

import { h, fill } from "../../shared/dom.js";
import { field, form } from "../../shared/form.js";
import { LOCALES, LOCALE_NAMES, t } from "../../shared/i18n.js";
import { paint, palette } from "../../shared/theme.js";
import { button, heading, panel, toast } from "../../shared/ui.js";
import { brandMark } from "../shell.js";

const LOGO_BYTES = 32 * 1024;
const LOGO_KINDS = ["image/png", "image/svg+xml"];

export default async function brandPage(ctx) {
  const brand = (await ctx.api.get("/v1/brand")) ?? {};
  let logo = brand.logo || "";
  const f = {
    name: field({ name: "name", label: t("brand.name"), value: brand.name, required: true, maxlength: "64" }),
    color: colorField("color", brand.color || "#2757d6"),
    color_dark: colorField("color_dark", brand.color_dark || brand.color || "#6f9bff"),
    locale: field({ name: "locale", label: t("brand.locale"), kind: "select", required: true, choices: LOCALES.map((one) => [one, LOCALE_NAMES[one]]), value: brand.locale || "en" }),
    support_url: field({ name: "support_url", label: t("brand.support"), kind: "url", value: brand.support_url, placeholder: "https://", hint: t("brand.support_hint"), check: (value) => (value && !/^(https:\/\/|mailto:)/.test(value) ? t("brand.support_wrong") : null) }),
    embedders: field({ name: "embedders", label: t("brand.embedders"), kind: "area", value: (brand.embedders ?? []).join("\n"), hint: t("brand.embedders_hint"), check: (value) => (lines(value).every((one) => /^https?:\/\/[^\s/]+$/.test(one)) ? null : t("brand.embedders_wrong")) }),
  };
  const previews = h("div", { class: "previews" });
  const now = () => ({ name: f.name.value, logo, color: f.color.value, color_dark: f.color_dark.value });
  const show = () => fill(previews, preview(now(), "light"), preview(now(), "dark"));
  for (const one of Object.values(f)) one.input.addEventListener("input", show);
  const logoField = logoPicker(logo, (next) => {
    logo = next;
    show();
  });
  show();
  const editor = form({
    fields: [f.name, f.color, f.color_dark, f.locale, f.support_url, f.embedders],
    extra: logoField,
    label: t("brand.publish"),
    submit: async (values) => {
      const saved = await ctx.api.put("/v1/brand", { ...values, logo: logo || null, support_url: values.support_url || null, embedders: lines(values.embedders) });
      toast(t("brand.published"));
      ctx.brand(saved ?? now());
    },
  });
  return h("div", { class: "page" }, heading(t("nav.brand"), { lead: t("brand.lead") }), h("div", { class: "two" }, panel(t("brand.edit"), {}, editor.element), panel(t("brand.preview"), { note: t("brand.preview_note") }, previews)));
}

const lines = (text) => text.split(/\s+/).filter(Boolean);

const colorField = (name, value) => field({ name, label: t(`brand.${name}`), kind: "color", required: true, value });

function logoPicker(current, changed) {
  const problem = h("p", { class: "field-error" });
  const input = h("input", { type: "file", accept: LOGO_KINDS.join(","), id: "logo", class: "file", "aria-describedby": "logo-hint" });
  const remove = button(t("brand.no_logo"), { small: true, kind: "ghost", on: () => {
    input.value = "";
    remove.hidden = true;
    changed("");
  } });
  remove.hidden = !current;
  input.addEventListener("change", () => {
    const file = input.files[0];
    if (!file) return;
    const wrong = !LOGO_KINDS.includes(file.type) ? t("brand.logo_kind") : null;
    fill(problem, wrong ?? "");
    if (wrong) return;
    const reader = new FileReader();
    reader.onload = () => {
      if (reader.result.length > LOGO_BYTES) return fill(problem, t("brand.logo_big"));
      remove.hidden = false;
      return changed(reader.result);
    };
    reader.readAsDataURL(file);
  });
  return h("div", { class: "field" }, h("label", { for: "logo" }, t("brand.logo")), h("div", { class: "control plain" }, input, remove), h("p", { class: "hint", id: "logo-hint" }, t("brand.logo_hint")), problem);
}

function preview(brand, theme) {
  const box = h(
    "div",
    { class: "preview", data: { theme } },
    h("div", { class: "preview-top" }, brandMark(brand, brand.name)),
    h("div", { class: "preview-body" }, h("b", {}, "BTC-USDT"), h("span", { class: "num big" }, "43,125.37", h("span", { class: "unit" }, " USDT")), h("span", { class: "up num" }, "\u25b2 +1.24 %"), h("span", { class: "preview-link" }, t("brand.sample_link")), h("span", { class: "button primary" }, t("brand.sample_button"))),
  );
  paint(box, palette(brand, theme));
  return h("figure", {}, box, h("figcaption", { class: "faint" }, t(`theme.${theme}`)));
}
