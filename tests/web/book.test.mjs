// The book: the hash is the protocol's, updates and gaps do what docs/office.md says.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { Book, hashOf } from "../../src/office/web/shared/book.js";
import { Dec } from "../../src/office/web/shared/decimal.js";

const protocol = readFileSync(new URL("../../protocol/PROTOCOL.md", import.meta.url), "utf8");
const example = /<!-- begin book_hash example -->([^]*?)<!-- end book_hash example -->/.exec(protocol)[1];

/** The rows of the protocol's example: `[side, ticks, lots, orders, hash after]`. */
const rows = [...example.matchAll(/^\| (Buy|Sell) (\d+) x (\d+), (\d+) order\(s\) \|.*\| `([0-9a-f]{16})` \|$/gm)].map(([, side, ticks, lots, orders, hash]) => [side === "Buy" ? 1 : 2, BigInt(ticks), BigInt(lots), Number(orders), hash]);

const make = (options) => new Book({ tick: "0.01", lot: "0.0001", ...options });
const snapshot = (buys, sells, hash, seq = 1) => ({ type: "snapshot", seq, stream_seq: "9", state: "continuous", hash, buys, sells });
const prices = (side) => side.levels.map((level) => level.price.toString());

test("the hash is the one of the protocol's example, level by level", () => {
  assert.equal(rows.length, 3);
  assert.equal(hashOf([]), /\(empty book\) \| \| `([0-9a-f]{16})`/.exec(example)[1]);
  rows.forEach((row, at) => assert.equal(hashOf(rows.slice(0, at + 1).map((one) => one.slice(0, 4))), row[4]));
});

test("a book in decimals has the hash of its ticks and lots", () => {
  const [, , whole] = rows;
  const book = make({ all: true });
  const outcome = book.apply(snapshot([["0.99", "0.0012", 3], ["1", "0.0005", 1]], [["1.02", "0.0007", 2]], whole[4]));
  assert.equal(outcome, "ok");
  assert.equal(book.proven, true);
  assert.deepEqual(prices(book.buys), ["1", "0.99"]);
});

test("numbers up to the wire's own bounds are hashed exactly", () => {
  const big = 2n ** 62n;
  let hash = 0xcbf29ce484222325n;
  const bytes = Buffer.alloc(21);
  bytes.writeUInt8(2, 0);
  bytes.writeBigInt64LE(big, 1);
  bytes.writeBigUInt64LE(big - 1n, 9);
  bytes.writeUInt32LE(0xffffffff, 17);
  for (const byte of bytes) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  assert.equal(hashOf([[2, big, big - 1n, 0xffffffff]]), hash.toString(16).padStart(16, "0"));
});

test("a book that differs says so", () => {
  const book = make({ all: true });
  assert.equal(book.apply(snapshot([["1", "0.0005", 1]], [], "0000000000000000")), "differs");
  assert.equal(book.proven, false);
});

test("with some levels only, the hash of all levels is not compared", () => {
  const book = make({ all: false });
  assert.equal(book.apply(snapshot([["1", "0.0005", 1]], [], "0000000000000000")), "ok");
  assert.equal(book.proven, null);
});

test("updates change, add and remove levels", () => {
  const book = make();
  book.apply(snapshot([["1", "5", 1], ["0.98", "1", 1]], [["1.02", "7", 2]], ""));
  const outcome = book.apply({ type: "update", seq: 2, stream_seq: "10", levels: [["buy", "0.99", "2", 1], ["buy", "1", "0", 0], ["sell", "1.02", "3", 1], ["sell", "1.05", "0", 0]] });
  assert.equal(outcome, "ok");
  assert.deepEqual(prices(book.buys), ["0.99", "0.98"]);
  assert.equal(book.sells.levels[0].qty.toString(), "3");
  assert.equal(book.bestBid.toString(), "0.99");
});

test("a gap is noticed, and nothing after it counts until the next snapshot", () => {
  const book = make();
  book.apply(snapshot([["1", "5", 1]], [], ""));
  assert.equal(book.apply({ type: "update", seq: 3, levels: [["buy", "1", "0", 0]] }), "gap");
  assert.equal(book.apply({ type: "update", seq: 4, levels: [] }), "gap");
  assert.equal(book.buys.levels.length, 1);
  assert.equal(book.apply(snapshot([["0.9", "5", 1]], [], "")), "ok");
  assert.equal(book.apply({ type: "update", seq: 2, levels: [] }), "ok");
});

test("coarser steps put buys down and sells up, with running totals", () => {
  const book = make();
  book.apply(snapshot([["1.09", "1", 1], ["1.01", "2", 1], ["0.99", "4", 2]], [["1.11", "1", 1], ["1.2", "2", 1], ["1.21", "4", 1]], ""));
  const rows = (side) => book.grouped(side, Dec.of("0.1"), 5).map((row) => [row.price.toString(), row.qty.toString(), row.total.toString()]);
  assert.deepEqual(rows("buy"), [["1", "3", "3"], ["0.9", "4", "7"]]);
  assert.deepEqual(rows("sell"), [["1.2", "3", "3"], ["1.3", "4", "7"]]);
  assert.equal(book.grouped("buy", null, 2).length, 2);
});
