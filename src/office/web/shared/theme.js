// Dark and light, and the tenant's brand: colours as CSS variables set through the CSSOM, with text on them that can be read.

import { themeSlot } from "./session.js";

export const THEMES = ["auto", "light", "dark"];
const SURFACES = { light: "#ffffff", dark: "#141a22" };
const DEFAULTS = { light: "#2757d6", dark: "#6f9bff" };
const HEX = /^#([0-9a-f]{6})$/i;

const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

/** Relative luminance as WCAG defines it. */
function luminance(hex) {
  const [r, g, b] = channels(hex).map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

export function contrast(a, b) {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

const mix = (a, b, part) => {
  const other = channels(b);
  return `#${channels(a)
    .map((value, at) => Math.round(value + (other[at] - value) * part).toString(16).padStart(2, "0"))
    .join("")}`;
};

/** Black or white, whichever reads better on a colour. */
export const textOn = (color) => (contrast(color, "#ffffff") >= contrast(color, "#0b0f14") ? "#ffffff" : "#0b0f14");

/** The colour, moved towards black or white until it reads as text on the surface. */
export function inkOn(color, surface) {
  const towards = luminance(surface) > 0.4 ? "#000000" : "#ffffff";
  for (let part = 0; part <= 1; part += 0.05) {
    const ink = mix(color, towards, part);
    if (contrast(ink, surface) >= 4.6) return ink;
  }
  return towards;
}

export function palette(brand, theme) {
  const wished = theme === "dark" ? brand?.color_dark || brand?.color : brand?.color;
  const accent = HEX.test(wished ?? "") ? wished.toLowerCase() : DEFAULTS[theme];
  const surface = SURFACES[theme];
  return { accent, text: textOn(accent), ink: inkOn(accent, surface), soft: mix(surface, accent, theme === "dark" ? 0.18 : 0.1) };
}

let brand = null;
const dark = globalThis.matchMedia?.("(prefers-color-scheme: dark)");

export const chosenTheme = () => (THEMES.includes(themeSlot.get()) ? themeSlot.get() : "auto");
export const activeTheme = () => {
  const chosen = chosenTheme();
  return chosen === "auto" ? (dark?.matches ? "dark" : "light") : chosen;
};

export function paint(element, colors) {
  element.style.setProperty("--accent", colors.accent);
  element.style.setProperty("--accent-text", colors.text);
  element.style.setProperty("--accent-ink", colors.ink);
  element.style.setProperty("--accent-soft", colors.soft);
}

function applyTheme() {
  const theme = activeTheme();
  const root = document.documentElement;
  root.dataset.theme = theme;
  paint(root, palette(brand, theme));
  document.dispatchEvent(new CustomEvent("souk-theme"));
}

export function setBrand(next) {
  brand = next;
  applyTheme();
}

export function setTheme(theme) {
  themeSlot.set(theme);
  applyTheme();
}

export function startTheme() {
  applyTheme();
  dark?.addEventListener?.("change", applyTheme);
}
