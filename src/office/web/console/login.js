// The login: tenant, user, password. An empty tenant is for who runs the nodes.

import { h, icon } from "../shared/dom.js";
import { field, form } from "../shared/form.js";
import { t } from "../shared/i18n.js";
import { tenantSlot } from "../shared/session.js";
import { languageSwitch, themeSwitch } from "../shared/switches.js";

export function loginPage({ api, message, done, language }) {
  const fields = [
    field({ name: "tenant", label: t("login.tenant"), value: tenantSlot.get() ?? "", hint: t("login.tenant_hint"), autocomplete: "organization" }),
    field({ name: "user", label: t("login.user"), required: true, autocomplete: "username" }),
    field({ name: "password", label: t("login.password"), kind: "password", required: true, autocomplete: "current-password" }),
  ];
  const card = h(
    "main",
    { class: "login-card" },
    h("div", { class: "mark", "aria-hidden": "true" }, icon("markets")),
    h("h1", {}, t("login.title")),
    h("p", { class: "lead" }, t("login.lead")),
    message ? h("p", { class: "notice", role: "status" }, message) : null,
    form({
      fields,
      label: t("login.go"),
      submit: async (values) => {
        const answer = await api.post("/v1/login", values);
        tenantSlot.set(values.tenant || null);
        await done(answer);
      },
    }).element,
  );
  return h("div", { class: "login" }, h("div", { class: "login-switches" }, languageSwitch(language), themeSwitch()), card);
}
