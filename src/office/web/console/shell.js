// The frame around every page: brand, navigation, freshness of the data, who is signed in.

import { h, icon } from "../shared/dom.js";
import { formDialog } from "../shared/dialog.js";
import { field } from "../shared/form.js";
import { t, tx } from "../shared/i18n.js";
import { languageSwitch, themeSwitch } from "../shared/switches.js";
import { button, iconButton, liveBadge, toast } from "../shared/ui.js";

export function brandMark(brand, fallback) {
  const name = brand?.name || fallback || "Souk";
  const logo = brand?.logo ? h("img", { src: brand.logo, alt: "", class: "logo" }) : h("span", { class: "logo letter", "aria-hidden": "true" }, [...name][0]?.toUpperCase());
  return h("span", { class: "brand-mark" }, logo, h("span", { class: "brand-name" }, name));
}

export function shell({ self, live, pages, signOut, language, api }) {
  const links = new Map(
    pages.map((page) => [page, h("a", { href: `#/${page}`, class: "nav-link" }, icon(page), h("span", {}, t(`nav.${page}`)))]),
  );
  const nav = h("nav", { class: "nav", "aria-label": t("nav.label"), id: "nav" }, [...links.values()]);
  const main = h("main", { class: "main", id: "main" });
  const toggle = iconButton(t("nav.menu"), "menu", () => open(!element.classList.contains("nav-open")), { "aria-expanded": "false", "aria-controls": "nav" });
  const veil = h("div", { class: "veil", on: { click: () => open(false) } });
  const side = h(
    "div",
    { class: "sidebar" },
    h("a", { href: `#/${pages[0]}`, class: "side-brand" }, brandMark(self.brand, self.tenant)),
    nav,
    h("div", { class: "side-foot" }, h("p", {}, self.user, h("span", { class: "role" }, tx("role", self.role))), h("div", { class: "side-actions" }, button(t("password.change"), { kind: "ghost", small: true, on: () => changePassword(api) }), button(t("login.leave"), { kind: "ghost", small: true, mark: "out", on: signOut }))),
  );
  const badge = live ? liveBadge(live) : null;
  const top = h(
    "header",
    { class: "top" },
    h("div", { class: "only-narrow" }, toggle),
    h("div", { class: "top-brand only-narrow" }, brandMark(self.brand, self.tenant)),
    h("div", { class: "top-tenant only-wide" }, self.tenant ? h("span", { class: "faint" }, t("tenant"), " ", h("b", {}, self.tenant)) : null, self.durability ? h("span", { class: "chip quiet" }, tx("durability", self.durability)) : null),
    h("div", { class: "top-right" }, badge, languageSwitch(language), themeSwitch()),
  );
  const skip = h("a", { href: "#main", class: "skip", on: { click: (event) => { event.preventDefault(); main.querySelector("h1")?.focus(); } } }, t("nav.skip"));
  const element = h("div", { class: "shell" }, skip, side, veil, h("div", { class: "content" }, top, main));

  function open(yes) {
    element.classList.toggle("nav-open", yes);
    toggle.setAttribute("aria-expanded", String(yes));
    if (yes) links.values().next().value?.focus();
  }
  element.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && element.classList.contains("nav-open")) {
      open(false);
      toggle.focus();
    }
  });
  return {
    element,
    main,
    stop: () => badge?.stop(),
    mark(page) {
      open(false);
      for (const [name, anchor] of links) {
        if (name === page) anchor.setAttribute("aria-current", "page");
        else anchor.removeAttribute("aria-current");
      }
    },
  };
}

async function changePassword(api) {
  const next = field({ name: "new_password", label: t("password.new"), kind: "password", required: true, autocomplete: "new-password", hint: t("password.hint"), check: (value) => (value.length < 12 ? t("password.short") : null) });
  const repeat = field({ name: "repeat", label: t("password.repeat"), kind: "password", required: true, autocomplete: "new-password", check: (value) => (value === next.value ? null : t("password.differs")) });
  const done = await formDialog(t("password.change"), {
    fields: [field({ name: "password", label: t("password.old"), kind: "password", required: true, autocomplete: "current-password" }), next, repeat],
    label: t("password.change"),
    submit: ({ password, new_password }) => api.put("/v1/self/password", { password, new_password }).then(() => true),
  });
  if (done) toast(t("password.done"));
}
