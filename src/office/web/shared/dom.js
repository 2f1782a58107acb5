// Elements from code. Text only ever becomes text nodes: names of tenants, users and markets are not to be trusted.

const SVG = "http://www.w3.org/2000/svg";
const LINK = /^(#|\/|https:\/\/|mailto:|blob:)/;
const IMAGE = /^data:image\/(png|svg\+xml)[;,]/;

function setAttribute(element, name, value) {
  if (name === "href" && !LINK.test(value)) return;
  if (name === "src" && !IMAGE.test(value)) return;
  element.setAttribute(name, value === true ? "" : String(value));
}

function apply(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "vars") {
      for (const [variable, text] of Object.entries(value)) element.style.setProperty(variable, text);
    } else if (name === "value") element.value = value;
    else if (name === "checked" || name === "disabled") element[name] = Boolean(value);
    else setAttribute(element, name, value);
  }
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

/** An element: `h("p", {class: "note"}, "text", h("b", {}, "more"))`. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  append(element, children);
  apply(element, properties);
  return element;
}

export function svg(tag, properties = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  apply(element, properties);
  return append(element, children);
}

/** Puts new children in the place of the old ones. */
export function fill(element, ...children) {
  element.replaceChildren();
  return append(element, children);
}

/** Sets text only if it changed, so that a ladder that stands still costs nothing. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

let numbers = 0;
export const freshId = (name) => `${name}-${(numbers += 1)}`;

const PATHS = {
  overview: "M3 12l9-8 9 8M5 10v10h5v-6h4v6h5V10",
  markets: "M4 19V9m5 10V5m5 14v-7m5 7V7",
  currencies: "M12 3a9 9 0 100 18 9 9 0 000-18zm0 4v10m3-8.5c-.6-1-1.700-1.500-3-1.500-1.700 0-3 .9-3 2.300 0 3.400 6 1.700 6 5 0 1.400-1.300 2.200-3 2.200-1.400 0-2.600-.6-3-1.700",
  orders: "M5 4h14v16H5zM9 9h6M9 13h6M9 17h3",
  trades: "M4 8h13l-4-4M20 16H7l4 4",
  accounts: "M12 12a4 4 0 100-8 4 4 0 000 8zM4 21c.6-4 4-6 8-6s7.400 2 8 6",
  fees: "M6 18L18 6M8 9a2 2 0 100-4 2 2 0 000 4zm8 10a2 2 0 100-4 2 2 0 000 4z",
  keys: "M14 10a4 4 0 11-3-3.900L21 6v4h-3v3h-3z M8 10h.01",
  users: "M9 11a3.500 3.500 0 100-7 3.500 3.500 0 000 7zM2 20c.5-3.500 3.300-5.500 7-5.500s6.500 2 7 5.500M16 4.300a3.500 3.500 0 010 6.400M18 14.800c2.200.7 3.600 2.500 4 5.200",
  audit: "M12 3l8 3v6c0 4.600-3.200 7.700-8 9-4.800-1.300-8-4.400-8-9V6zM8.500 12l2.500 2.500 4.500-5",
  brand: "M12 3a9 9 0 100 18c1.500 0 2-1 1.500-2.200-.6-1.500.3-2.800 2-2.800H18c1.800 0 3-1.300 3-3.500C21 7 17 3 12 3zM7.500 12h.01M10 7.500h.01M15 7.500h.01",
  tenants: "M4 21V5l8-2v18M12 9h8v12M7 9h2M7 13h2M7 17h2M15 13h2M15 17h2M3 21h18",
  nodes: "M4 4h16v6H4zM4 14h16v6H4zM8 7h.01M8 17h.01",
  menu: "M4 7h16M4 12h16M4 17h16",
  close: "M6 6l12 12M18 6L6 18",
  sun: "M12 8a4 4 0 100 8 4 4 0 000-8zM12 2v2m0 16v2M2 12h2m16 0h2M5 5l1.500 1.500m11 11L19 19M19 5l-1.500 1.500m-11 11L5 19",
  moon: "M20 14.500A8.500 8.500 0 019.500 4 8.500 8.500 0 1020 14.500z",
  auto: "M12 3a9 9 0 100 18zM12 3a9 9 0 010 18",
  globe: "M12 3a9 9 0 100 18 9 9 0 000-18zM3 12h18M12 3c3 3 3.800 6 3.800 9s-.8 6-3.800 9c-3-3-3.800-6-3.800-9S9 6 12 3z",
  plus: "M12 5v14M5 12h14",
  check: "M5 12.500l4.500 4.500L19 7",
  back: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
  download: "M12 4v11m-5-5l5 5 5-5M5 20h14",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  warn: "M12 4l9.500 16h-19zM12 10v4.500M12 17.500h.01",
  out: "M10 4H5v16h5M15 8l4 4-4 4M19 12H9",
  wallet: "M4 7h14a2 2 0 012 2v9a2 2 0 01-2 2H6a2 2 0 01-2-2zm0 0l11-3v3M16 13.500h.01",
  pause: "M8 5v14M16 5v14",
  play: "M8 5l11 7-11 7z",
};

export function icon(name) {
  return svg(
    "svg",
    { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: PATHS[name] }),
  );
}
