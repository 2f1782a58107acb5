// Decimals: what people type, exact sums, rounding towards zero, and the fees of protocol/PROTOCOL.md, section 15.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { Dec, group } from "../../src/office/web/shared/decimal.js";

const d = (text) => Dec.of(text);

test("a decimal comes back as the shortest text that says it", () => {
  for (const [text, shown] of [["0", "0"], ["0.00", "0"], ["1.50", "1.5"], ["-0.250", "-0.25"], ["100", "100"], ["1000.0", "1000"], ["007.1", "7.1"], ["18446744073709551616.000000001", "18446744073709551616.000000001"]]) {
    assert.equal(d(text).toString(), shown);
  }
});

test("what is no decimal is refused", () => {
  for (const text of ["", ".", "-", "1e5", "0x10", "1.2.3", "NaN", "Infinity", "１２", " 1", null, undefined, 5]) assert.equal(Dec.parse(text), null, String(text));
  assert.throws(() => d("abc"), RangeError);
});

test("people may type grouping commas and a leading point", () => {
  assert.equal(Dec.typed("1,234.50").toString(), "1234.5");
  assert.equal(Dec.typed(" .5 ").toString(), "0.5");
  assert.equal(Dec.typed("12x"), null);
});

test("sums are exact where floating-point numbers are not", () => {
  assert.equal(d("0.1").add(d("0.2")).toString(), "0.3");
  assert.equal(d("9007199254740993").sub(d("0.00000001")).toString(), "9007199254740992.99999999");
  assert.equal(d("65123.45").mul(d("0.25")).toString(), "16280.8625");
});

test("numbers compare by value and not by digits", () => {
  assert.equal(d("1.0").cmp(d("1")), 0);
  assert.ok(d("-2").lt(d("-1.999")));
  assert.ok(d("0.0000001").gt(d("0")));
});

test("steps round towards zero or away from it", () => {
  assert.equal(d("1.2345").truncTo(d("0.01")).toString(), "1.23");
  assert.equal(d("1.2301").awayTo(d("0.01")).toString(), "1.24");
  assert.equal(d("1.23").awayTo(d("0.01")).toString(), "1.23");
  assert.equal(d("-1.2345").truncTo(d("0.01")).toString(), "-1.23");
  assert.equal(d("7").countOf(d("0.5")), 14n);
  assert.ok(d("65123.45").isMultipleOf(d("0.01")));
  assert.ok(!d("65123.455").isMultipleOf(d("0.01")));
});

test("a division has the digits that were asked for, rounded towards zero", () => {
  assert.equal(d("1").div(d("3"), 6).toString(), "0.333333");
  assert.equal(d("-1").div(d("3"), 6).toString(), "-0.333333");
  assert.equal(d("10").div(d("0.003"), 2).toString(), "3333.33");
  assert.throws(() => d("1").div(d("0"), 2), RangeError);
});

test("fixed digits are padded or left out, never rounded up", () => {
  assert.equal(d("1.5").fixed(4), "1.5000");
  assert.equal(d("1.99999").fixed(2), "1.99");
  assert.equal(d("-0.999").fixed(2), "-0.99");
  assert.equal(d("12").fixed(0), "12");
});

test("numbers are grouped in threes before the point", () => {
  assert.equal(group("1234567.891011"), "1,234,567.891011");
  assert.equal(group("-1234"), "-1,234");
  assert.equal(group("999"), "999");
});

test("fees are those of the protocol's table", () => {
  const text = readFileSync(new URL("../../protocol/PROTOCOL.md", import.meta.url), "utf8");
  const table = /<!-- begin fee example -->([^]*?)<!-- end fee example -->/.exec(text)[1];
  const rows = [...table.matchAll(/^\| (-?\d+) \| (-?\d+) \| [-\d.]+ \| (-?\d+) \|$/gm)];
  assert.ok(rows.length >= 6);
  for (const [, notional, rate, fee] of rows) assert.equal(d(notional).ppm(Number(rate), 0).toString(), fee);
});
