// Dialogs: modal, the focus stays in, Escape closes, and the focus goes back where it was.

import { freshId, h } from "./dom.js";
import { t } from "./i18n.js";
import { field, form, reasonField, validate } from "./form.js";
import { button, errorBox, iconButton } from "./ui.js";

const STOPS = "a[href], button:not([disabled]), input:not([disabled]), select:not([disabled]), textarea:not([disabled]), [tabindex='0']";

function trap(dialog, event) {
  if (event.key !== "Tab") return;
  const stops = [...dialog.querySelectorAll(STOPS)].filter((one) => one.offsetParent !== null);
  const [first, last] = [stops[0], stops[stops.length - 1]];
  const leaving = event.shiftKey ? document.activeElement === first : document.activeElement === last;
  if (!leaving) return;
  event.preventDefault();
  (event.shiftKey ? last : first).focus();
}

/** Opens a dialog; `build(close)` gives its content. The promise is what `close` was given, or null. */
export function open(title, build, { kind = "", sticky = false } = {}) {
  const before = document.activeElement;
  const id = freshId("dialog");
  return new Promise((resolve) => {
    let result = null;
    const close = (value = null) => {
      result = value;
      dialog.close();
    };
    const dialog = h(
      "dialog",
      { class: `dialog ${kind}`, "aria-labelledby": id },
      h("header", { class: "dialog-head" }, h("h2", { id }, title), iconButton(t("close"), "close", () => close())),
    );
    dialog.append(h("div", { class: "dialog-body" }, build(close)));
    dialog.addEventListener("keydown", (event) => trap(dialog, event));
    dialog.addEventListener("cancel", (event) => {
      if (sticky) event.preventDefault();
    });
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog && !sticky) close();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      before?.focus?.();
      resolve(result);
    });
    document.body.append(dialog);
    dialog.showModal();
    const wish = dialog.querySelector("[autofocus]") ?? dialog.querySelector(".dialog-body input, .dialog-body select, .dialog-body textarea");
    wish?.focus();
  });
}

/** A dialog with fields and one button that does it; closes when it was done. */
export function formDialog(title, { fields, submit, label, kind = "primary", lead, effects, after }) {
  return open(
    title,
    (close) => [
      lead ? h("p", { class: "dialog-lead" }, lead) : null,
      effects ? h("ul", { class: "effects" }, effects.map((one) => h("li", {}, one))) : null,
      form({
        fields,
        label,
        kind,
        cancel: () => close(),
        extra: after,
        submit: async (values) => close((await submit(values)) ?? true),
      }).element,
    ],
    { kind: kind === "danger" ? "danger" : "" },
  );
}

/**
 * What a destructive action asks: it names the object, shows the effect, asks for a reason, and, where `type` is given, to type a name.
 */
export function destroy(title, { lead, effects, label, type, fields = [], submit }) {
  const typed = type
    ? field({
        name: "typed",
        label: t("dialog.type", { name: type }),
        required: true,
        check: (value) => (value === type ? null : t("dialog.type_wrong", { name: type })),
      })
    : null;
  return formDialog(title, { fields: [...fields, reasonField(), ...(typed ? [typed] : [])], submit, label, kind: "danger", lead, effects });
}

/** Steps one after the other, the last of which shows everything again. Steps: `{title, fields, render?, check?}`. */
export function wizard(title, { steps, review, label, submit }) {
  return open(title, (close) => {
    let at = 0;
    const problem = h("div", { class: "form-problem" });
    const body = h("div", { class: "wizard-body" });
    const marks = h("ol", { class: "wizard-steps" }, [...steps.map((step) => step.title), t("wizard.review")].map((name) => h("li", {}, h("span", {}, name))));
    const back = button(t("wizard.back"), { on: () => go(at - 1) });
    const next = button(t("wizard.next"), { kind: "primary", type: "submit" });
    const last = steps.length;
    const show = () => {
      [...marks.children].forEach((mark, index) => {
        mark.className = index < at ? "done" : "";
        if (index === at) mark.setAttribute("aria-current", "step");
        else mark.removeAttribute("aria-current");
      });
      body.replaceChildren();
      problem.replaceChildren();
      if (at === last) body.append(review());
      else {
        body.append(...[steps[at].lead ? h("p", { class: "dialog-lead" }, steps[at].lead) : null, ...steps[at].fields.map((one) => one.element), steps[at].render?.() ?? null].filter(Boolean));
      }
      back.hidden = at === 0;
      next.querySelector("span").textContent = at === last ? label : t("wizard.next");
      (body.querySelector("input, select") ?? next).focus();
    };
    const go = (to) => {
      at = to;
      show();
    };
    const element = h("form", { class: "form wizard", novalidate: true, method: "dialog" }, marks, body, problem, h("div", { class: "form-actions" }, back, next));
    element.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (next.disabled) return;
      if (at < last) {
        if (validate(steps[at].fields) && (await steps[at].check?.(problem)) !== false) go(at + 1);
        return;
      }
      next.disabled = true;
      try {
        close((await submit()) ?? true);
      } catch (error) {
        problem.replaceChildren(errorBox(error));
      }
      next.disabled = false;
    });
    queueMicrotask(show);
    return element;
  }, { kind: "wide" });
}
