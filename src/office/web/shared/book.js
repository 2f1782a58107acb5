// A client's copy of a market's book, built from snapshots and updates of the live feed. When all levels are
// subscribed it proves itself: the FNV-1a hash of protocol/PROTOCOL.md, section 13.

import { Dec } from "./decimal.js";

const PRIME_LOW = 0x1b3;

/** 64-bit FNV-1a in two halves of 32 bits, which is many times faster than BigInt. */
export class Fnv {
  high = 0xcbf29ce4;
  low = 0x84222325;

  byte(value) {
    const low = (this.low ^ value) >>> 0;
    // prime = 2^40 + 0x1b3; every product below stays under 2^53.
    const product = low * PRIME_LOW;
    const carry = Math.floor(product / 0x100000000);
    this.low = product >>> 0;
    this.high = (((this.high * PRIME_LOW + carry) % 0x100000000) + (low << 8)) >>> 0;
  }

  bytes(value, count) {
    for (let left = count, rest = value; left > 0; left -= 1, rest >>= 8n) this.byte(Number(rest & 0xffn));
  }

  hex() {
    return this.high.toString(16).padStart(8, "0") + this.low.toString(16).padStart(8, "0");
  }
}

/** The hash of levels in the order of the book: `[side 1 or 2, price in ticks, quantity in lots, orders]`. */
export function hashOf(levels) {
  const hash = new Fnv();
  for (const [side, ticks, lots, orders] of levels) {
    hash.byte(side);
    hash.bytes(ticks, 8);
    hash.bytes(lots, 8);
    hash.bytes(BigInt(orders), 4);
  }
  return hash.hex();
}

class Side {
  /** Levels from the best price: `{ticks, price, qty, orders}`. */
  levels = [];

  constructor(descending) {
    this.descending = descending;
  }

  find(ticks) {
    let [from, to] = [0, this.levels.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      const here = this.levels[middle].ticks;
      if (this.descending ? here > ticks : here < ticks) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  set(level) {
    const at = this.find(level.ticks);
    const there = this.levels[at]?.ticks === level.ticks;
    if (level.qty.isZero) {
      if (there) this.levels.splice(at, 1);
    } else this.levels.splice(at, there ? 1 : 0, level);
  }
}

export class Book {
  /** `all` says that all levels are subscribed, so that the hash can be compared. */
  constructor({ tick, lot, all = false }) {
    this.tick = Dec.of(tick);
    this.lot = Dec.of(lot);
    this.all = all;
    this.clear();
  }

  clear() {
    this.buys = new Side(true);
    this.sells = new Side(false);
    this.seq = 0;
    this.streamSeq = null;
    this.state = null;
    this.ready = false;
    this.proven = null;
  }

  level([price, qty, orders]) {
    const value = Dec.of(price);
    return { ticks: value.countOf(this.tick), price: value, qty: Dec.of(qty), orders };
  }

  /** Takes a snapshot or an update: "ok"; or "gap" or "differs", after which the market is subscribed again. */
  apply(message) {
    if (message.type === "snapshot") return this.applySnapshot(message);
    if (!this.ready || message.seq !== this.seq + 1) {
      this.ready = false;
      return "gap";
    }
    this.seq = message.seq;
    this.streamSeq = message.stream_seq;
    for (const [side, ...level] of message.levels) {
      (side === "buy" ? this.buys : this.sells).set(this.level(level));
    }
    return this.prove(message.hash);
  }

  applySnapshot(message) {
    this.clear();
    for (const level of message.buys) this.buys.set(this.level(level));
    for (const level of message.sells) this.sells.set(this.level(level));
    this.seq = message.seq;
    this.streamSeq = message.stream_seq;
    this.state = message.state;
    this.ready = true;
    return this.prove(message.hash);
  }

  prove(hash) {
    if (!this.all || !hash) return "ok";
    this.proven = this.hash() === hash;
    if (!this.proven) this.ready = false;
    return this.proven ? "ok" : "differs";
  }

  hash() {
    const entries = (side, code) => side.levels.map((level) => [code, level.ticks, level.qty.countOf(this.lot), level.orders]);
    return hashOf([...entries(this.buys, 1), ...entries(this.sells, 2)]);
  }

  get bestBid() {
    return this.buys.levels[0]?.price ?? null;
  }

  get bestAsk() {
    return this.sells.levels[0]?.price ?? null;
  }

  /** Levels of one side put together by a coarser step, at most `count` of them, with running totals. */
  grouped(side, step, count) {
    const source = side === "buy" ? this.buys.levels : this.sells.levels;
    const rows = [];
    let total = new Dec(0n);
    for (const { price, qty, orders } of source) {
      const at = step ? (side === "buy" ? price.truncTo(step) : price.awayTo(step)) : price;
      const last = rows[rows.length - 1];
      const same = last && last.price.cmp(at) === 0;
      if (!same && rows.length === count) break;
      total = total.add(qty);
      if (same) rows[rows.length - 1] = { price: at, qty: last.qty.add(qty), orders: last.orders + orders, total };
      else rows.push({ price: at, qty, orders, total });
    }
    return rows;
  }
}
