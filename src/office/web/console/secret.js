// What is shown once: a private key, a token, a code. It closes only when somebody says that it is kept.

import { open } from "../shared/dialog.js";
import { h } from "../shared/dom.js";
import { field } from "../shared/form.js";
import { t } from "../shared/i18n.js";
import { button, copyButton, save } from "../shared/ui.js";

/** `secrets`: `[label, text, filename?]`. With `sure` it has to be confirmed that they were kept. */
export function secretDialog(title, { lead, secrets, after, sure = true }) {
  return open(
    title,
    (close) => {
      const kept = field({ name: "kept", label: t("secret.kept"), kind: "check" });
      const done = button(t("done"), { kind: "primary", disabled: sure, on: () => close(true) });
      kept.input.addEventListener("change", () => (done.disabled = !kept.value));
      return [
        h("p", { class: "dialog-lead" }, lead),
        secrets.map(([label, text, file]) =>
          h(
            "div",
            { class: "secret" },
            h("span", { class: "secret-label" }, label),
            h("code", { tabindex: "0" }, text),
            h("span", { class: "actions" }, copyButton(() => text), file ? button(t("secret.file"), { small: true, mark: "download", on: () => save(new Blob([`${text}\n`], { type: "text/plain" }), file) }) : null),
          ),
        ),
        after ?? null,
        sure ? kept.element : null,
        h("div", { class: "form-actions" }, done),
      ];
    },
    { sticky: sure, kind: "wide" },
  );
}
