// The switches for language and for dark and light.

import { h, fill, icon } from "./dom.js";
import { LOCALES, LOCALE_NAMES, locale, t } from "./i18n.js";
import { THEMES, chosenTheme, setTheme } from "./theme.js";

export function languageSwitch(choose) {
  const next = LOCALES[(LOCALES.indexOf(locale()) + 1) % LOCALES.length];
  return h("button", { type: "button", class: "button ghost small", lang: next, "aria-label": `${t("language")}: ${LOCALE_NAMES[next]}`, on: { click: () => choose(next) } }, icon("globe"), LOCALE_NAMES[next]);
}

export function themeSwitch() {
  const marks = { auto: "auto", light: "sun", dark: "moon" };
  const switcher = h("button", { type: "button", class: "icon-button" });
  const show = () => {
    const label = `${t("theme")}: ${t(`theme.${chosenTheme()}`)}`;
    switcher.setAttribute("aria-label", label);
    switcher.title = label;
    fill(switcher, icon(marks[chosenTheme()]));
  };
  switcher.addEventListener("click", () => {
    setTheme(THEMES[(THEMES.indexOf(chosenTheme()) + 1) % THEMES.length]);
    show();
  });
  show();
  return switcher;
}
