// What orders cost and how many fit: never a unit more than is there.

import assert from "node:assert/strict";
import test from "node:test";

import { Dec } from "../../src/office/web/shared/decimal.js";
import { affordable, fault, portion, protection, request, spendable, takerFee, walk, walkBudget } from "../../src/office/web/trade/estimate.js";

const d = (text) => Dec.of(text);
const MARKET = { id: "1", symbol: "BTC-USDT", base: "BTC", quote: "USDT", base_scale: 8, quote_scale: 6, tick_size: "0.01", lot_size: "0.0001", price_min: "0.01", price_max: "1000000", qty_min: "0.0001", qty_max: "1000", notional_min: "5", notional_max: null, maker_ppm: -100, taker_ppm: 500, state: "continuous" };
const levels = (...rows) => rows.map(([price, qty]) => ({ price: d(price), qty: d(qty) }));
const BOOK = { buys: { levels: levels(["99", "1"], ["98", "5"]) }, sells: { levels: levels(["100", "1"], ["101", "2"], ["110", "9"]) } };
const funds = (quote, base = "0") => ({ quote: d(quote), base: d(base) });

test("the fee is the worked example's of the protocol", () => {
  assert.equal(takerFee(d("65123.45").mul(d("0.25")), MARKET).toString(), "8.140431");
});

test("rates that the page was not told give no fee rather than a wrong one", () => {
  assert.equal(takerFee(d("100"), { ...MARKET, taker_ppm: undefined }), null);
});

test("what can be spent leaves room for the fee, to the last unit", () => {
  for (const available of ["0.000001", "1", "16289.002931", "16289.00293", "999999999.999999", "0.002"]) {
    const have = d(available);
    const notional = spendable(have, MARKET);
    const hold = notional.add(notional.ppm(500, 6));
    assert.ok(hold.cmp(have) <= 0, available);
    const more = notional.add(d("0.000001"));
    assert.ok(more.add(more.ppm(500, 6)).gt(have), available);
  }
});

test("the protocol's buyer affords its quarter coin with exactly what it holds", () => {
  assert.equal(affordable(d("16289.002931"), d("65123.45"), MARKET).toString(), "0.25");
  assert.equal(affordable(d("16289.00293"), d("65123.45"), MARKET).toString(), "0.2499");
});

test("a market order takes levels from the best", () => {
  const { notional, filled } = walk(BOOK.sells.levels, d("2.5"));
  assert.equal(notional.toString(), "251.5");
  assert.equal(filled.toString(), "2.5");
  assert.equal(walk(BOOK.sells.levels, d("100")).filled.toString(), "12");
  assert.equal(walkBudget(BOOK.sells.levels, d("251.5"), MARKET).toString(), "2.5");
});

test("protection is five per cent away, on a tick, within the market's prices", () => {
  assert.equal(protection("buy", d("100.01"), MARKET).toString(), "105.01");
  assert.equal(protection("sell", d("100.01"), MARKET).toString(), "95");
  assert.equal(protection("sell", d("0.01"), MARKET).toString(), "0.01");
  assert.equal(protection("buy", d("999999"), MARKET).toString(), "1000000");
});

test("parts of what is there are whole lots", () => {
  const have = { ...funds("1000", "1.23456789"), book: BOOK, market: MARKET };
  assert.equal(portion(50, { side: "sell", type: "limit", ...have }).toString(), "0.6172");
  assert.equal(portion(100, { side: "buy", type: "limit", price: d("100"), ...have }).toString(), "9.995");
  assert.equal(portion(25, { side: "buy", type: "market", ...have }).toString(), "2.4839");
});

test("faults are told before the engine would tell them", () => {
  const order = { side: "buy", type: "limit", price: d("100"), qty: d("1") };
  const of = (more, have = funds("1000", "1")) => fault({ ...order, ...more }, MARKET, have)?.[0] ?? null;
  assert.equal(of({}), null);
  assert.equal(of({ price: null }), "fault.price");
  assert.equal(of({ price: d("100.001") }), "fault.tick");
  assert.equal(of({ price: d("2000000") }), "fault.price_range");
  assert.equal(of({ qty: null }), "fault.qty");
  assert.equal(of({ qty: d("0.00015") }), "fault.lot");
  assert.equal(of({ qty: d("5000") }), "fault.qty_range");
  assert.equal(of({ qty: d("0.01") }), "fault.notional");
  assert.equal(of({ qty: d("10") }), "fault.funds");
  assert.equal(of({ side: "sell", qty: d("2") }), "fault.funds");
  assert.equal(of({ type: "market", price: null }), "fault.no_book");
  assert.equal(fault(order, { ...MARKET, state: "halted" }, funds("1"))[0], "fault.halted");
});

test("requests carry texts, and a market buy a budget that its account has", () => {
  const limit = request({ side: "sell", type: "limit", price: d("100.10"), qty: d("1.0"), timeInForce: "gtc", postOnly: true, clientId: "7" }, MARKET, funds("0", "1"));
  assert.deepEqual(limit, { market: "1", side: "sell", type: "limit", price: "100.1", qty: "1", time_in_force: "gtc", post_only: true, client_id: "7" });
  const buy = request({ side: "buy", type: "market", price: d("105"), qty: d("1"), timeInForce: "gtc", postOnly: true, clientId: "8" }, MARKET, funds("100.05"));
  assert.equal(buy.time_in_force, "ioc");
  assert.equal(buy.post_only, false);
  assert.equal(buy.budget, "100");
});
