// The order form: side, type, price, quantity, what it costs; nothing is sent before it was confirmed.

import { Dec, ZERO } from "../shared/decimal.js";
import { open as openDialog } from "../shared/dialog.js";
import { fill, freshId, h } from "../shared/dom.js";
import { amount, digitsOf, num, sideOf } from "../shared/format.js";
import { t, tx } from "../shared/i18n.js";
import { button, errorBox, facts, tabs, toast } from "../shared/ui.js";
import { fault, portion, protection, request, takerFee, walk } from "./estimate.js";

const PARTS = [25, 50, 75, 100];

function numberField(label, unit, changed) {
  const id = freshId("number");
  const input = h("input", { id, type: "text", inputmode: "decimal", autocomplete: "off", on: { input: changed } });
  return { input, id, element: h("div", { class: "field" }, h("label", { for: id }, label, h("span", { class: "unit" }, ` ${unit}`)), h("div", { class: "control" }, input)) };
}

export function orderForm(context, market) {
  const { store, place } = context;
  const state = { side: place.side, type: "limit", book: null, touched: false };
  const price = numberField(t("col.price"), market.quote, () => {
    state.touched = true;
    refresh();
  });
  const qty = numberField(t("col.qty"), market.base, () => refresh());
  const stepper = (label, text, ticks) => h("button", { type: "button", class: "stepper", "aria-label": label, on: { click: () => move(ticks) } }, text);
  price.element.querySelector(".control").prepend(stepper(t("trade.less"), "\u2212", -1n));
  price.element.querySelector(".control").append(stepper(t("trade.more"), "+", 1n));
  const quick = h("div", { class: "quick" }, ["bid", "middle", "ask"].map((name) => h("button", { type: "button", class: "quick-price", on: { click: () => quickPrice(name) } }, t(`trade.price_${name}`))));
  const parts = h("div", { class: "parts", role: "group", "aria-label": t("trade.parts") }, PARTS.map((part) => h("button", { type: "button", class: "part", on: { click: () => setPart(part) } }, `${part} %`)));
  const marketNote = h("p", { class: "hint market-note" }, t("trade.market_note"));
  const tif = h("select", { class: "small", "aria-label": t("trade.tif") }, ["gtc", "ioc", "fok"].map((one) => h("option", { value: one }, tx("tif_long", one))));
  const postOnly = h("input", { type: "checkbox", id: freshId("post") });
  const options = h("div", { class: "options" }, tif, h("span", { class: "post-only" }, postOnly, h("label", { for: postOnly.id }, t("trade.post_only"))));
  tif.addEventListener("change", () => (postOnly.disabled = tif.value !== "gtc"));
  const summary = h("dl", { class: "summary" });
  const problem = h("p", { class: "field-error", "aria-live": "polite" });
  const go = h("button", { type: "submit", class: "button go" });

  let ready = false;
  const sides = tabs(t("col.side"), [["buy", `\u25b2 ${t("side.buy")}`], ["sell", `\u25bc ${t("side.sell")}`]], state.side, (side) => {
    state.side = side;
    place.side = side;
    if (ready) refresh();
  });
  const types = tabs(t("col.type"), [["limit", tx("type", "limit")], ["market", tx("type", "market")]], "limit", (type) => {
    state.type = type;
    if (ready) refresh();
  });
  sides.classList.add("sides");

  const element = h("form", { class: "order-form", novalidate: true, method: "dialog" }, sides, types, price.element, quick, marketNote, qty.element, parts, options, summary, problem, go);
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });

  const funds = () => ({ base: store.available(market.base), quote: store.available(market.quote) });
  const best = () => (state.side === "buy" ? state.book?.bestAsk : state.book?.bestBid) ?? null;

  /** The order as it stands in the form; for a market order the price is its protection. */
  function order() {
    const isMarket = state.type === "market";
    const far = best();
    return {
      side: state.side,
      type: state.type,
      price: isMarket ? far && protection(state.side, far, market) : Dec.typed(price.input.value),
      qty: Dec.typed(qty.input.value),
      timeInForce: tif.value,
      postOnly: postOnly.checked,
    };
  }

  /** What it would cost: from the book for a market order, at its price for a limit order. */
  function cost(now) {
    if (!now.qty || !now.price) return null;
    if (now.type === "limit") return { notional: now.price.mul(now.qty), filled: now.qty };
    return walk(state.side === "buy" ? state.book.sells.levels : state.book.buys.levels, now.qty);
  }

  function refresh() {
    const isMarket = state.type === "market";
    price.element.hidden = isMarket;
    quick.hidden = isMarket;
    options.hidden = isMarket;
    marketNote.hidden = !isMarket;
    const now = order();
    const estimate = cost(now);
    const fee = estimate && takerFee(estimate.notional, market);
    const have = funds();
    const total = estimate && (fee ? (state.side === "buy" ? estimate.notional.add(fee) : estimate.notional.sub(fee)) : estimate.notional);
    const line = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
    fill(
      summary,
      line(t("balance.available"), state.side === "buy" ? num(have.quote, market.quote) : num(have.base, market.base)),
      isMarket ? line(t("trade.average"), estimate && !estimate.filled.isZero ? num(estimate.notional.div(estimate.filled, digitsOf(market.tick_size)), market.quote) : "\u2013") : null,
      line(t("trade.fee_about"), fee ? num(fee, market.quote) : t("trade.fee_unknown")),
      line(t(state.side === "buy" ? "trade.total_buy" : "trade.total_sell"), total ? num(total, market.quote, { kind: "strong" }) : "\u2013"),
    );
    sides.dataset.side = state.side;
    go.className = `button go ${state.side}`;
    fill(go, `${state.side === "buy" ? "\u25b2" : "\u25bc"} ${t(state.side === "buy" ? "trade.buy" : "trade.sell", { base: market.base })}`);
    const wrong = qty.input.value === "" ? null : fault(now, market, have);
    fill(problem, wrong ? t(...wrong) : "");
  }

  function move(ticks) {
    const tick = Dec.of(market.tick_size);
    const from = Dec.typed(price.input.value) ?? best() ?? ZERO;
    const next = from.truncTo(tick).add(new Dec(ticks).mul(tick));
    setPrice(Dec.max(next, tick));
  }

  function quickPrice(name) {
    const { book } = state;
    const [bid, ask] = [book?.bestBid, book?.bestAsk];
    const middle = bid && ask ? bid.add(ask).div(Dec.of("2"), 18).truncTo(Dec.of(market.tick_size)) : null;
    const found = { bid, ask, middle }[name];
    if (found) setPrice(found);
  }

  function setPrice(value) {
    state.touched = true;
    price.input.value = value.fixed(digitsOf(market.tick_size));
    refresh();
  }

  function setPart(part) {
    const now = order();
    const value = portion(part, { ...now, book: state.book ?? { sells: { levels: [] } }, ...funds(), market });
    qty.input.value = value.isZero ? "" : value.toString();
    refresh();
    if (value.isZero) fill(problem, t("trade.nothing", { unit: state.side === "buy" ? market.quote : market.base }));
  }

  async function submit() {
    const now = order();
    const wrong = fault(now, market, funds());
    fill(problem, wrong ? t(...wrong) : "");
    if (wrong) return (wrong[0].includes("price") || wrong[0].includes("tick") ? price : qty).input.focus();
    const sent = await confirm(now, cost(now));
    if (!sent) return undefined;
    store.takeOrder(sent);
    qty.input.value = "";
    toast(outcome(sent), sent.state === "rejected" ? "bad" : "good");
    return refresh();
  }

  function outcome(sent) {
    if (sent.state === "open") return t("trade.placed", { id: sent.id });
    if (sent.state === "filled") return t("trade.filled", { qty: amount(sent.executed), base: market.base, price: amount(sent.average_price), quote: market.quote });
    return t("trade.ended_order", { state: tx("state", sent.state), qty: amount(sent.executed), base: market.base, reason: tx("code", sent.reason) });
  }

  function confirm(now, estimate) {
    // The same number goes with every attempt: pressing twice places one order.
    const clientId = String(BigInt(Date.now()) * 1000n + BigInt(Math.floor(Math.random() * 1000)));
    const fee = takerFee(estimate.notional, market);
    return openDialog(t("trade.confirm"), (close) => {
      const failed = h("div", {});
      const yes = button(t(now.side === "buy" ? "trade.buy" : "trade.sell", { base: market.base }), { kind: `go ${now.side}`, autofocus: true });
      yes.addEventListener("click", async () => {
        yes.disabled = true;
        try {
          close(await context.api.post("/v1/me/orders", request({ ...now, clientId }, market, funds())));
        } catch (error) {
          fill(failed, errorBox(error));
          yes.disabled = false;
        }
      });
      return [
        facts([
          [t("col.market"), h("b", {}, market.symbol)],
          [t("col.side"), sideOf(now.side)],
          [t("col.type"), now.type === "market" ? tx("type", "market") : `${tx("type", "limit")}, ${tx("tif_long", now.timeInForce)}`],
          [t(now.type === "limit" ? "col.price" : now.side === "buy" ? "trade.not_above" : "trade.not_below"), num(now.price, market.quote)],
          [t("col.qty"), num(now.qty, market.base)],
          [t("trade.fee_about"), fee ? num(fee, market.quote) : t("trade.fee_unknown")],
          [t(now.side === "buy" ? "trade.total_buy" : "trade.total_sell"), num(fee ? (now.side === "buy" ? estimate.notional.add(fee) : estimate.notional.sub(fee)) : estimate.notional, market.quote, { kind: "strong" })],
        ]),
        failed,
        h("div", { class: "form-actions" }, button(t("cancel"), { on: () => close() }), yes),
      ];
    }, { kind: "sheet" });
  }

  ready = true;
  refresh();
  return {
    element,
    refresh,
    price: (text) => setPrice(Dec.of(text)),
    book(book) {
      const first = !state.book && book.ready;
      state.book = book;
      if (first && !state.touched) {
        const near = (state.side === "buy" ? book.bestBid : book.bestAsk) ?? book.bestBid ?? book.bestAsk;
        if (near) price.input.value = near.fixed(digitsOf(market.tick_size));
      }
      refresh();
    },
  };
}
