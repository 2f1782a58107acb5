// The depth chart: how much rests up to which price, drawn on a canvas. Numbers become pixels here and nowhere else.

import { h } from "./dom.js";
import { amount, digitsOf } from "./format.js";
import { t } from "./i18n.js";

const HEIGHT = 190;
const FOOT = 22;
const HEAD = 14;

/** Points of one side, from the best price outwards: `[price, total]` as pixels' numbers. */
function curve(levels) {
  let total = 0;
  return levels.map((level) => {
    total += level.qty.toPixels();
    return [level.price.toPixels(), total];
  });
}

export function depthChart(market) {
  const canvas = h("canvas", { class: "depth", role: "img", "aria-label": t("depth.label", { symbol: market.symbol }) });
  const box = h("div", { class: "depth-box" }, canvas);
  const digits = digitsOf(market.tick_size);
  let drawn = null;

  function colors() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(name).trim();
    return { buy: read("--buy"), sell: read("--sell"), line: read("--line"), text: read("--muted") };
  }

  function area(context, points, x, y, edge, base, color) {
    if (!points.length) return;
    context.beginPath();
    context.moveTo(x(points[0][0]), base);
    let height = base;
    for (const [price, total] of points) {
      context.lineTo(x(price), height);
      height = y(total);
      context.lineTo(x(price), height);
    }
    context.lineTo(edge, height);
    context.lineTo(edge, base);
    context.closePath();
    context.globalAlpha = 0.16;
    context.fillStyle = color;
    context.fill();
    context.globalAlpha = 1;
    context.strokeStyle = color;
    context.lineWidth = 1.5;
    context.stroke();
  }

  function draw(book) {
    drawn = book;
    const width = box.clientWidth;
    if (!width) return;
    const ratio = globalThis.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(HEIGHT * ratio);
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.clearRect(0, 0, width, HEIGHT);
    const look = colors();
    const [buys, sells] = [curve(book.buys.levels), curve(book.sells.levels)];
    const base = HEIGHT - FOOT;
    context.strokeStyle = look.line;
    context.lineWidth = 1;
    for (const part of [0, 0.5, 1]) {
      const at = Math.round(HEAD + (base - HEAD) * part) + 0.5;
      context.beginPath();
      context.moveTo(0, at);
      context.lineTo(width, at);
      context.stroke();
    }
    const best = [buys[0]?.[0], sells[0]?.[0]].filter((one) => one !== undefined);
    if (!best.length) return;
    const middle = best.reduce((sum, one) => sum + one, 0) / best.length;
    // Levels far away would flatten what is near: four fifths of the levels decide how wide the picture is.
    const reach = (points) => Math.abs((points[Math.floor((points.length - 1) * 0.8)]?.[0] ?? middle) - middle);
    const span = Math.max(reach(buys), reach(sells), middle * 1e-6) * 1.1;
    const near = (points) => points.filter(([price]) => Math.abs(price - middle) <= span);
    const [left, right] = [near(buys), near(sells)];
    const most = Math.max(left.at(-1)?.[1] ?? 0, right.at(-1)?.[1] ?? 0) || 1;
    const x = (price) => ((price - middle + span) / (2 * span)) * width;
    const y = (total) => base - (total / most) * (base - HEAD);
    area(context, left, x, y, 0, base, look.buy);
    area(context, right, x, y, width, base, look.sell);
    labels(context, { width, base, middle, span, most }, look);
  }

  function labels(context, { width, middle, span, most }, look) {
    const style = getComputedStyle(document.body);
    context.fillStyle = look.text;
    context.font = `11px ${style.fontFamily}`;
    const price = (value) => amount(value.toFixed(digits), digits);
    context.textBaseline = "bottom";
    context.textAlign = "left";
    context.fillText(price(middle - span), 2, HEIGHT - 3);
    context.textAlign = "center";
    context.fillText(`${price(middle)} ${market.quote}`, width / 2, HEIGHT - 3);
    context.textAlign = "right";
    context.fillText(price(middle + span), width - 2, HEIGHT - 3);
    context.textBaseline = "top";
    context.fillText(`${amount(most.toFixed(Math.min(4, digitsOf(market.lot_size))))} ${market.base}`, width - 2, 1);
  }

  const redraw = () => drawn && draw(drawn);
  const watch = new ResizeObserver(redraw);
  watch.observe(box);
  document.addEventListener("souk-theme", redraw);
  return {
    element: box,
    draw,
    stop() {
      watch.disconnect();
      document.removeEventListener("souk-theme", redraw);
    },
  };
}
