// What an order would cost, in whole decimals: the rules are those of protocol/PROTOCOL.md, sections 10 and 15.

import { Dec, ZERO } from "../shared/decimal.js";

/** How far from the best price a market order may trade: 5 %. */
const PROTECTION = Dec.of("0.05");

const worstRate = (market) => Math.max(0, market.maker_ppm ?? 0, market.taker_ppm ?? 0);

const quoteScale = (market) => market.quote_scale ?? 8;

/** The fee of a taker, or null where the page was not told the rates. */
export function takerFee(notional, market) {
  return market.taker_ppm === undefined || market.taker_ppm === null ? null : notional.ppm(market.taker_ppm, quoteScale(market));
}

/** What a buy of that notional holds: with the fee at the worst of its rates. */
const held = (notional, market) => notional.add(notional.ppm(worstRate(market), quoteScale(market)));

/** The largest notional whose hold fits an amount. */
export function spendable(available, market) {
  const scale = quoteScale(market);
  const whole = new Dec(1_000_000n + BigInt(worstRate(market)), 6);
  const unit = new Dec(1n, scale);
  let notional = available.div(whole, scale);
  while (held(notional.add(unit), market).cmp(available) <= 0) notional = notional.add(unit);
  return notional;
}

/** The largest quantity in whole lots that an amount buys at a limit price. */
export function affordable(available, price, market) {
  if (price.sign <= 0 || available.sign <= 0) return ZERO;
  const lot = Dec.of(market.lot_size);
  return spendable(available, market).div(price, 18).truncTo(lot);
}

/** What a quantity costs when it takes levels from the best: `{notional, filled}`. */
export function walk(levels, qty) {
  let left = qty;
  let notional = ZERO;
  for (const level of levels) {
    if (left.sign <= 0) break;
    const taken = Dec.min(left, level.qty);
    notional = notional.add(taken.mul(level.price));
    left = left.sub(taken);
  }
  return { notional, filled: qty.sub(left) };
}

/** How much a budget buys from the best level on, in whole lots. */
export function walkBudget(levels, budget, market) {
  const lot = Dec.of(market.lot_size);
  let left = budget;
  let qty = ZERO;
  for (const level of levels) {
    const cost = level.qty.mul(level.price);
    if (cost.cmp(left) <= 0) {
      qty = qty.add(level.qty);
      left = left.sub(cost);
      continue;
    }
    return qty.add(left.div(level.price, 18).truncTo(lot));
  }
  return qty;
}

/** The price a market order never goes beyond: 5 % past the best, on a tick, within the market's bounds. */
export function protection(side, best, market) {
  const tick = Dec.of(market.tick_size);
  const far = best.mul(PROTECTION);
  const price = side === "buy" ? best.add(far).truncTo(tick) : Dec.max(tick, best.sub(far).truncTo(tick));
  const bound = side === "buy" ? market.price_max : market.price_min;
  if (!bound) return price;
  return side === "buy" ? Dec.min(price, Dec.of(bound)) : Dec.max(price, Dec.of(bound));
}

/** A quantity that is a part of what is there: `percent` of 100. */
export function portion(percent, { side, type, price, book, quote, base, market }) {
  const lot = Dec.of(market.lot_size);
  const part = (amount) => amount.mul(new Dec(BigInt(percent), 2));
  if (side === "sell") return part(base).truncTo(lot);
  const money = part(quote);
  if (type === "market") return walkBudget(book.sells.levels, spendable(money, market), market);
  return price ? affordable(money, price, market) : ZERO;
}

const within = (value, low, high) => (!low || !value.lt(Dec.of(low))) && (!high || !value.gt(Dec.of(high)));

const bounded = (text) => (text && !Dec.of(text).isZero ? text : null);

/** The first thing that is wrong with an order: `[key, values]` for its words, or null. */
export function fault({ side, type, price, qty }, market, { base, quote }) {
  if (market.state === "halted") return ["fault.halted", {}];
  if (market.state === "cancel-only") return ["fault.cancel_only", {}];
  if (!price || price.sign <= 0) return [type === "market" ? "fault.no_book" : "fault.price", {}];
  if (!price.isMultipleOf(Dec.of(market.tick_size))) return ["fault.tick", { tick: market.tick_size, unit: market.quote }];
  if (!within(price, market.price_min, market.price_max)) return ["fault.price_range", { min: market.price_min, max: market.price_max, unit: market.quote }];
  if (!qty || qty.sign <= 0) return ["fault.qty", {}];
  if (!qty.isMultipleOf(Dec.of(market.lot_size))) return ["fault.lot", { lot: market.lot_size, unit: market.base }];
  if (!within(qty, market.qty_min, market.qty_max)) return ["fault.qty_range", { min: market.qty_min, max: market.qty_max, unit: market.base }];
  const notional = price.mul(qty);
  if (!within(notional, bounded(market.notional_min), bounded(market.notional_max))) {
    return ["fault.notional", { min: market.notional_min ?? "0", max: market.notional_max ?? "\u2013", unit: market.quote }];
  }
  if (side === "sell" && qty.gt(base)) return ["fault.funds", { unit: market.base }];
  if (side === "buy" && type === "limit" && held(notional, market).gt(quote)) return ["fault.funds", { unit: market.quote }];
  return null;
}

/** The request for an order, as `POST /v1/me/orders` takes it. */
export function request({ side, type, price, qty, timeInForce, postOnly, clientId }, market, { quote }) {
  const body = {
    market: market.id,
    side,
    type,
    price: price.toString(),
    qty: qty.toString(),
    time_in_force: type === "market" ? "ioc" : timeInForce,
    post_only: type === "limit" && timeInForce === "gtc" && postOnly,
    client_id: clientId,
  };
  // A budget keeps the hold of a market buy within what is there, although its protection price lies higher.
  if (type === "market" && side === "buy") body.budget = Dec.min(spendable(quote, market), price.mul(qty).truncate(quoteScale(market))).toString();
  return body;
}
