// The live ladder: sells above, buys below, the spread between. Rows are made once and only their text changes.

import { Dec } from "./decimal.js";
import { h, setText } from "./dom.js";
import { amount, digitsOf } from "./format.js";
import { t } from "./i18n.js";

/** Coarser steps for the grouping of a market's ticks: 1, 10, 100, 1000 and 10000 ticks. */
export const groupings = (tick) => [1n, 10n, 100n, 1000n, 10000n].map((times) => Dec.of(tick).mul(new Dec(times)).toString());

function row(side, onPrice) {
  const price = onPrice
    ? h("button", { type: "button", class: "price", on: { click: () => price.dataset.price && onPrice(price.dataset.price, side) } })
    : h("span", { class: "price" });
  const qty = h("td", { class: "right num" });
  const total = h("td", { class: "right num total" });
  const element = h("tr", { class: `level ${side}` }, h("td", { class: "left num" }, price), qty, total);
  return { element, price, qty, total };
}

/** A ladder of `depth` levels a side. `update(book, last)` draws it; `step` is the grouping. */
export function ladder({ market, depth = 12, onPrice = null }) {
  const rows = { sell: [], buy: [] };
  for (const side of ["sell", "buy"]) for (let at = 0; at < depth; at += 1) rows[side].push(row(side, onPrice));
  const last = h("span", { class: "num ladder-last" });
  const spread = h("span", { class: "num faint" });
  const element = h(
    "table",
    { class: "ladder" },
    h("caption", { class: "hidden" }, t("ladder.caption", { symbol: market.symbol })),
    h(
      "thead",
      {},
      h("tr", {}, h("th", { scope: "col", class: "left" }, t("col.price"), h("span", { class: "unit" }, ` ${market.quote}`)), h("th", { scope: "col", class: "right" }, t("col.qty"), h("span", { class: "unit" }, ` ${market.base}`)), h("th", { scope: "col", class: "right total" }, t("col.total"), h("span", { class: "unit" }, ` ${market.base}`))),
    ),
    h("tbody", {}, rows.sell.map((one) => one.element).reverse()),
    h("tbody", { class: "spread" }, h("tr", {}, h("td", { colspan: "3" }, h("div", { class: "spread-line" }, last, spread)))),
    h("tbody", {}, rows.buy.map((one) => one.element)),
  );
  const priceDigits = digitsOf(market.tick_size);
  const qtyDigits = digitsOf(market.lot_size);
  let step = null;

  function draw(side, levels, most) {
    rows[side].forEach((one, at) => {
      const level = levels[at];
      one.element.classList.toggle("blank", !level);
      setText(one.price, level ? amount(level.price, priceDigits) : "\u00a0");
      one.price.dataset.price = level ? level.price.toString() : "";
      if (one.price.tagName === "BUTTON") one.price.disabled = !level;
      setText(one.qty, level ? amount(level.qty, qtyDigits) : "");
      setText(one.total, level ? amount(level.total, qtyDigits) : "");
      one.element.style.setProperty("--fill", level ? `${(100 * level.total.toPixels()) / most}%` : "0%");
    });
  }

  return {
    element,
    group(text) {
      step = text && text !== market.tick_size ? Dec.of(text) : null;
    },
    update(book, lastTrade) {
      const buys = book.grouped("buy", step, depth);
      const sells = book.grouped("sell", step, depth);
      const most = Math.max(buys.at(-1)?.total.toPixels() ?? 0, sells.at(-1)?.total.toPixels() ?? 0) || 1;
      draw("buy", buys, most);
      draw("sell", sells, most);
      const [bid, ask] = [book.bestBid, book.bestAsk];
      setText(spread, bid && ask ? t("ladder.spread", { value: `${amount(ask.sub(bid), priceDigits)} ${market.quote}` }) : t("ladder.no_spread"));
      const up = lastTrade?.taker_side === "buy";
      setText(last, lastTrade ? `${up ? "\u25b2" : "\u25bc"} ${amount(lastTrade.price, priceDigits)}` : "\u2013");
      last.className = `num ladder-last ${lastTrade ? (up ? "up" : "down") : ""}`;
    },
  };
}

/** Calls `draw` at most once a frame, and not more often than every `least` milliseconds. */
export function throttled(draw, least = 80) {
  let waiting = false;
  let at = 0;
  return () => {
    if (waiting) return;
    waiting = true;
    const wait = Math.max(0, at + least - performance.now());
    setTimeout(() => requestAnimationFrame(() => {
      waiting = false;
      at = performance.now();
      draw();
    }), wait);
  };
}
