// What the client keeps of a market: its depth (section 13 of protocol/PROTOCOL.md), and the session's numbers there (section 9).
import { CODES, InDoubt, NotApplied } from "./wire.mjs";

export const BUY = 1, SELL = 2, DEPTH = 1;
export const WAITING_MAX = 65_536;
const ATTEMPTS_MAX = 16;

/** While `complete`, it is what the market had after `streamSeq` commands. */
export class Book {
  constructor(flags = DEPTH) {
    Object.assign(this, { flags, failures: 0, due: null });
    this.restart(true);
  }

  restart(broken = false) {
    Object.assign(this, { levels: [null, new Map(), new Map()], mdSeq: 0n, streamSeq: 0n, complete: false, broken });
  }

  set({ side, price, qty, orders }) {
    if (qty === 0n) this.levels[side].delete(price);
    else this.levels[side].set(price, { price, qty, orders });
  }

  /** The levels of one side, from the best price. */
  side(side) {
    const ascending = [...this.levels[side].values()].sort((left, right) => (left.price < right.price ? -1 : 1));
    return side === BUY ? ascending.reverse() : ascending;
  }

  hash() {
    const bytes = Buffer.alloc(21);
    let value = 0xcbf29ce484222325n;
    for (const side of [BUY, SELL]) {
      for (const { price, qty, orders } of this.side(side)) {
        bytes[0] = side;
        bytes.writeBigInt64LE(price, 1);
        bytes.writeBigUInt64LE(qty, 9);
        bytes.writeUInt32LE(orders, 17);
        for (const byte of bytes) value = BigInt.asUintN(64, (value ^ BigInt(byte)) * 0x100000001b3n);
      }
    }
    return value;
  }

  /** Takes a message of the subscription. Gives why it has to be subscribed to anew, or null. */
  apply(message) {
    if (message.seq === 1n) this.restart();
    else if (this.broken) return null; // it is of the subscription that was given up
    this.mdSeq += 1n;
    const why = message.seq === this.mdSeq ? this.#take(message) : `message ${message.seq} came where ${this.mdSeq} was due`;
    this.broken = why !== null;
    this.complete &&= why === null;
    return why;
  }

  #take({ name, flags, fields, entries = [] }) {
    if (name === "DepthUpdate" && (!this.complete || fields.stream_seq < this.streamSeq)) return "an update follows no snapshot";
    if (name === "DepthSnapshot" && this.complete) Object.assign(this, { levels: [null, new Map(), new Map()], complete: false });
    for (const level of entries) this.set(level);
    this.streamSeq = fields.stream_seq ?? this.streamSeq;
    if (name === "DepthSnapshot" && !(flags & 2)) {
      const [, buys, sells] = this.levels, hash = this.hash();
      if (buys.size !== fields.buy_levels || sells.size !== fields.sell_levels || hash !== fields.book_hash) {
        return `its hash is ${hash.toString(16)}, the market's is ${fields.book_hash.toString(16)}`;
      }
      Object.assign(this, { complete: true, failures: 0 });
    }
    return null;
  }
}

/** What was asked for, and who waits for what comes of it. */
export class Ticket {
  constructor(frame = null, entries = 0) {
    Object.assign(this, { frame, entries, reports: [], attempts: 0, done: false });
    this.state = "unanswered"; // then "answered" by a report, or "refused" and to be sent again
    this.promise = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    this.promise.catch(() => {}); // nobody need wait
  }

  end(outcome) {
    this.done = true;
    if (outcome instanceof Error) this.reject(outcome);
    else this.resolve(outcome);
  }

  /** A mass cancel is done with its last report, a batch with one for each entry, anything else with the first. */
  report(message) {
    this.state = "answered";
    const kind = this.frame[4];
    if (kind === 37 && message.fields.batch_index === this.reports.length) this.reports.push(message);
    if (kind === 37 && this.reports.length === this.entries) this.end(this.reports);
    else if (kind !== 37 && (kind !== 35 || message.name === "MassCanceled" || message.name === "Rejected")) this.end(message);
  }
}

/** `inflight` has the numbers that were given and are not done with, in order; `nextSeq` follows the last that was given. */
export class Lane {
  constructor(market, reportSeq = null) {
    Object.assign(this, { market, reportSeq, applied: 0n, nextSeq: 1n, joined: false, known: false, resumeTo: null, resumed: null });
    Object.assign(this, { waiting: [], inflight: new Map(), joins: [], rejoin: null, freeFrom: null, holdUntil: 0, window: WAITING_MAX });
  }

  unanswered() {
    return [...this.inflight.values()].filter((ticket) => ticket.state === "unanswered").length;
  }

  /** Gives whether the report is new. */
  onReport(message, now) {
    if (this.reportSeq !== null && message.seq <= this.reportSeq) return false;
    const seq = message.fields.client_seq, ticket = this.inflight.get(seq);
    this.reportSeq = message.seq;
    if (seq > this.applied) this.applied = seq;
    if (ticket) {
      this.window += ticket.state === "unanswered" ? 1 : 0;
      ticket.report(message);
      if (ticket.done) this.inflight.delete(seq);
      this.settle(now);
    }
    return true;
  }

  /** Of these numbers the market says that they were not applied; `final`: sending them again is useless. */
  refuse(first, count, code, retryAfter, now, final = false) {
    for (const [seq, ticket] of [...this.inflight]) {
      if (seq < first || seq >= first + BigInt(count) || ticket.state !== "unanswered") continue;
      if (code === CODES.AlreadyApplied) {
        this.inflight.delete(seq);
        ticket.end(new InDoubt("it was applied before, and its reports did not come:", code));
        continue;
      }
      Object.assign(ticket, { state: "refused", code, retryAfter });
      if (this.freeFrom === null || seq < this.freeFrom) this.freeFrom = seq;
      if (final) {
        this.inflight.delete(seq);
        ticket.end(new NotApplied("refused:", code));
      }
    }
    this.settle(now);
  }

  /** Once all in flight is answered, what was refused goes to the front of the queue, and the first gets the first free number. */
  settle(now) {
    const again = [...this.inflight.values()];
    if (this.freeFrom === null || again.some((ticket) => ticket.state !== "refused")) return;
    let wait = 0;
    if (again.length > 0 && again[0].code !== CODES.SequenceGap) {
      const [first] = again;
      wait = Math.max(first.retryAfter, Math.min(0.1 * 2 ** first.attempts, 1000));
      this.window = Math.max(1, Math.floor(again.length / 2));
      first.attempts += 1;
      if (first.attempts > ATTEMPTS_MAX) again.shift().end(new NotApplied("refused again and again:", first.code));
    }
    this.waiting.unshift(...again);
    Object.assign(this, { inflight: new Map(), nextSeq: this.freeFrom, freeFrom: null, holdUntil: wait ? now + wait : 0 });
  }

  /** The market says where the session stands: what is in flight was applied, or is sent again, or is in doubt. */
  onJoined({ last_client_seq: last, last_report_seq: lastReport }) {
    if (this.joined) return;
    const again = [], applied = new Map(), foreign = last >= this.nextSeq;
    const lost = this.known && (this.reportSeq === null || last < this.applied);
    let resent = 0;
    for (const [seq, ticket] of this.inflight) {
      if (ticket.state === "refused" && !lost) again.push(ticket);
      else if (lost) ticket.end(new InDoubt("the server has lost what it told"));
      else if (foreign && seq <= last) ticket.end(new InDoubt("another program has used its number"));
      else if (seq <= last) applied.set(seq, ticket);
      else {
        ticket.frame[10] = 1;
        again.push(ticket);
        resent += 1;
      }
    }
    this.waiting.unshift(...again);
    this.resumed = { market: this.market, last_client_seq: last, resent, state_lost: lost };
    if (this.reportSeq === null || lost) this.reportSeq = this.resumeTo = lastReport;
    Object.assign(this, { inflight: applied, nextSeq: last + 1n, applied: last, freeFrom: null, joined: true, known: true });
  }

  /** Gives the first and the last report that is lost, if some are. */
  onReportsResent({ from_report_seq: from, to_report_seq: to }) {
    const first = this.reportSeq + 1n;
    this.resumeTo = to;
    if (from <= first) return null;
    this.reportSeq = from - 1n;
    return { market: this.market, first, last: this.reportSeq };
  }

  /** Gives what there is to say once every report that was missed has come. */
  finishResume() {
    if (this.resumeTo === null || this.reportSeq < this.resumeTo) return null;
    for (const [seq, ticket] of [...this.inflight]) {
      if (seq > this.resumed.last_client_seq) continue;
      this.inflight.delete(seq);
      ticket.end(new InDoubt("it was applied, and its reports are not kept any more"));
    }
    const { resumed } = this;
    Object.assign(this, { resumeTo: null, resumed: null });
    return resumed;
  }

  /** The session is over: what is unanswered stays in doubt, what was not sent is not applied. */
  close(error) {
    for (const ticket of this.inflight.values()) {
      const refused = ticket.state === "refused";
      ticket.end(refused ? new NotApplied("refused:", ticket.code) : new InDoubt(`the session is over: ${error.message}`));
    }
    for (const ticket of this.waiting) ticket.end(new NotApplied(`never sent: ${error.message}`));
    for (const ticket of this.joins) ticket.end(error);
  }
}
