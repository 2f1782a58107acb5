// A client for Souk: this folder, Node 18 or later, no dependency. README.md has a first example.
//
// Prices are ticks, quantities lots; integers of eight bytes are bigints. A message is applied once, whatever happens to connections;
// each report is handed on once, in order; a book is the market's, or it is not complete. What is in doubt is told, never guessed.
// Sections named here are those of protocol/PROTOCOL.md.
import { setTimeout as sleep } from "node:timers/promises";

import { Book, DEPTH, Lane, Ticket, WAITING_MAX } from "./market.mjs";
import { dial, forget, listen } from "./socket.mjs";
import { CODES, Ended, FRAME_MAX, NotApplied, Refused, SoukError } from "./wire.mjs";
import { decode, encode, layoutOf, sign, signedBytes, split } from "./wire.mjs";

export { BUY, Book, DEPTH, SELL } from "./market.mjs";
export { CODES, Ended, InDoubt, NAMES, NotApplied, Refused, SoukError } from "./wire.mjs";
export const LIMIT = 2, MARKET = 1, GTC = 1, IOC = 3, FOK = 4, TRADES = 2;

const REDIRECTS_MAX = 5;
const PAUSE_MIN = 50, PAUSE_MAX = 2000; // milliseconds between attempts to connect; doubles
const CANCELS = [33, 35];
const nowNs = () => BigInt(Date.now()) * 1_000_000n;

/** One session. */
export class Client {
  /** Logs on. `addresses` are nodes with commas between them. */
  static async connect(addresses, options) {
    const client = new Client(addresses, options);
    const socket = await client.#connect(null);
    client.#run(socket);
    return client;
  }

  #seeds; #key; #tls; #logon; #onEvent; #timeout; #attempts; #keepalive;
  #incarnation = 0n; #owner = null; #epoch = 0n; #followed = 0; #redirect = null; #loggedOnAt = 0;
  #lanes = new Map(); #lists = []; #listed = []; #resuming = []; #told = []; #due = [0, 0];
  #socket = null; #data = Buffer.alloc(0); #timer = null; #lose = null; #heard = 0; #spoke = 0;
  #over = null; #leaving = false; #ended = new Ticket();
  /** What the server said at logon. */
  info = null;
  /** The books of subscribed markets. */
  books = new Map();

  constructor(addresses, { key_id, key, session = 0, onEvent = () => {}, keepalive_ms = 5000, cancel_on_disconnect = 0, cancel_grace_ms = 0,
    timeout_ms = 5000, attempts = 20, tls = null }) {
    this.#seeds = addresses.split(",").map((address) => address.trim());
    this.#logon = { key_id, session_number: session, keepalive_ms, cancel_on_disconnect, cancel_grace_ms };
    [this.#key, this.#onEvent, this.#timeout, this.#attempts, this.#keepalive] = [key, onEvent, timeout_ms, attempts, keepalive_ms];
    this.#tls = tls;
  }

  // Messages to a market give a promise of their first report (a mass cancel's of its last, a batch's of one report for each entry),
  // which is rejected with NotApplied or InDoubt. The first use of a market joins it.
  newOrder(fields) {
    return this.#submit("NewOrder", { order_type: LIMIT, time_in_force: GTC, ...fields });
  }

  cancel(fields) {
    return this.#submit("CancelOrder", fields);
  }

  replace(fields) {
    return this.#submit("ReplaceOrder", fields);
  }

  massCancel(fields) {
    return this.#submit("MassCancel", fields);
  }

  orderStatus(fields) {
    return this.#submit("OrderStatusRequest", fields);
  }

  /** New orders are limit orders, good till canceled, unless they say otherwise. */
  batch({ market, mode = 0, entries }) {
    const complete = (entry) => (entry.operation === 32 ? { order_type: LIMIT, time_in_force: GTC, ...entry } : entry);
    return this.#submit("Batch", { market, mode }, entries.map(complete));
  }

  /** Where the session stands. With the last report that an earlier run of the program kept, those after it come first. */
  join(market, lastReportSeq = null) {
    const lane = this.#lane(market, lastReportSeq), ticket = new Ticket();
    if (lane.joined) this.send("JoinMarket", { market });
    lane.joins.push(ticket);
    return ticket.promise;
  }

  /** The tenant's market definitions. */
  markets() {
    const ticket = new Ticket();
    this.send("MarketListRequest", {});
    this.#lists.push(ticket);
    return ticket.promise;
  }

  /** Gives the book, which is kept from now on, over connections too. */
  subscribe(market, flags = DEPTH) {
    this.send("Subscribe", { market, flags });
    this.books.set(market, new Book(flags));
    return this.books.get(market);
  }

  unsubscribe(market) {
    if (this.books.delete(market)) this.send("Unsubscribe", { market });
  }

  /** Any message without a number, such as a request of section 14: once, on this connection. Its answer is an event. */
  send(name, fields) {
    if (this.#over) throw this.#over;
    this.#write(encode(name, fields)); // without a connection, what is to be asked again is asked after the logon
  }

  /** Sends what waits, waits for the answers, says goodbye. */
  async logout() {
    this.#leaving ||= "asked";
    this.#pump();
    await this.#ended.promise;
  }

  /** Resolves with why the session is over, once it is. */
  get ended() {
    return this.#ended.promise;
  }

  // --- the session without its connection
  #submit(name, fields, entries = []) {
    const frame = encode(name, fields, 1n, 0, entries);
    const waiting = [...this.#lanes.values()].reduce((sum, lane) => sum + lane.waiting.length, 0);
    decode(frame, "C");
    if (this.#over) throw this.#over;
    if (this.#leaving || waiting >= WAITING_MAX) {
      throw new SoukError(`${waiting} messages wait, the most is ${WAITING_MAX}, and none after logout: wait for answers`);
    }
    const ticket = new Ticket(frame, entries.length);
    this.#lane(fields.market).waiting.push(ticket);
    this.#pump();
    return ticket.promise;
  }

  #lane(market, reportSeq = null) {
    if (this.#over) throw this.#over;
    if (!this.#lanes.has(market)) {
      this.#lanes.set(market, new Lane(market, reportSeq));
      this.#sendJoin(this.#lanes.get(market));
    }
    return this.#lanes.get(market);
  }

  #sendJoin({ market, reportSeq }) {
    if (reportSeq === null) this.send("JoinMarket", { market });
    else this.send("ResumeMarket", { market, last_report_seq: reportSeq });
  }

  /** One market after the other, as what a server sends again is bounded for each of them. */
  #resumeNext() {
    while (this.#resuming.length > 0) {
      const lane = this.#lanes.get(this.#resuming[0]);
      if (lane && (!lane.joined || lane.resumed)) return;
      this.#resuming.shift();
      if (this.#resuming.length > 0) this.#sendJoin(this.#lanes.get(this.#resuming[0]));
    }
  }

  /** Sends what credits, rates and refusals allow: section 12. Looks again when there is more to do. */
  #pump() {
    if (!this.#socket) return;
    const now = performance.now(), lanes = [...this.#lanes.values()];
    const later = [this.#spoke + this.#keepalive, this.#heard + 2 * this.#keepalive];
    for (const [market, book] of this.books) {
      if (book.due !== null && book.due <= now) {
        book.due = null;
        this.send("Subscribe", { market, flags: book.flags });
      }
      if (book.due !== null) later.push(book.due);
    }
    let credits = this.info.max_inflight - lanes.reduce((sum, lane) => sum + lane.unanswered(), 0);
    for (const lane of lanes) {
      if (lane.rejoin !== null && lane.rejoin <= now) {
        lane.rejoin = null;
        this.#sendJoin(lane);
      }
      if (lane.rejoin !== null) later.push(lane.rejoin);
      let room = Math.min(credits, lane.window - lane.unanswered());
      while (lane.joined && lane.freeFrom === null && lane.waiting.length > 0 && room > 0) {
        const at = lane.holdUntil > now ? lane.holdUntil : this.#pace(lane.waiting[0], now);
        if (at > now) {
          later.push(at);
          break;
        }
        const ticket = lane.waiting.shift();
        ticket.state = "unanswered";
        ticket.frame.writeBigUInt64LE(lane.nextSeq, 16);
        lane.inflight.set(lane.nextSeq, ticket);
        lane.nextSeq += 1n;
        room -= 1;
        credits -= 1;
        this.#write(Buffer.from(ticket.frame));
      }
    }
    const busy = this.#lists.length > 0 || lanes.some((lane) => lane.waiting.length + lane.inflight.size + lane.joins.length > 0);
    if (this.#leaving === "asked" && !busy) {
      this.#leaving = "said";
      this.send("Terminate", { code: CODES.LoggedOut });
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#wake(), Math.max(1, Math.min(...later) - now));
  }

  #wake() {
    const now = performance.now();
    if (now >= this.#spoke + this.#keepalive) this.send("Heartbeat", { time: nowNs() });
    // A program that was busy may not have read what has come: it is read before this is asked.
    if (now >= this.#heard + 2 * this.#keepalive) setImmediate(() => this.#lookForLapse());
    else this.#pump();
  }

  #lookForLapse() {
    if (!this.#socket) return;
    if (performance.now() < this.#heard + 2 * this.#keepalive) return this.#pump();
    this.send("Terminate", { code: CODES.KeepaliveLapsed });
    this.#lose(new Ended("nothing came for two keepalive intervals"));
  }

  /** Takes what the message counts for from its rate. Gives 0, or when it may be sent. */
  #pace(ticket, now) {
    const kind = CANCELS.includes(ticket.frame[4]) ? 1 : 0, count = Math.max(ticket.entries, 1);
    const rate = Math.max(kind ? this.info.cancel_rate : this.info.order_rate, 1);
    const due = Math.max(this.#due[kind], now) + (count * 1000) / rate;
    const ahead = (Math.max(kind ? this.info.cancel_burst : this.info.order_burst, count) * 1000) / rate;
    if (due > now + ahead + 1e-6) return due - ahead;
    this.#due[kind] = due;
    return 0;
  }

  #tell(name, fields) {
    this.#told.push({ name, fields });
  }

  #onMessage(m, now) {
    const { template } = layoutOf(m.name), { fields } = m, lane = this.#lanes.get(fields.market), book = this.books.get(fields.market);
    if (template >= 96 && template < 104 && lane) {
      const due = lane.reportSeq === null ? m.seq : lane.reportSeq + 1n;
      if (m.seq > due) this.#tell("ReportsLost", { market: lane.market, first: due, last: m.seq - 1n });
      if (!lane.onReport(m, now)) return;
    } else if (template >= 128 && book) {
      const why = book.apply(m);
      if (why !== null) {
        book.due = now + Math.min(50 * (2 ** book.failures - 1), 2000);
        book.failures += 1;
        this.#tell("BookBroken", { market: fields.market, why });
      }
    } else if (m.name === "Ping") {
      this.send("Pong", { nonce: fields.nonce, ping_time: fields.time, time: nowNs() });
    } else if (m.name === "Redirect") {
      this.#redirect = fields;
    } else if (m.name === "NotApplied" && lane) {
      lane.refuse(fields.from_client_seq, fields.count, fields.code, fields.retry_after_us / 1000, now);
    } else if (m.name === "SessionReject") {
      this.#onSessionReject(fields, lane, now);
    } else if (m.name === "MarketJoined" && lane) {
      lane.onJoined(fields);
      for (const ticket of lane.joins.splice(0)) ticket.end(m);
    } else if (m.name === "ReportsResent" && lane?.resumed && lane.resumeTo === null) {
      const lost = lane.onReportsResent(fields);
      if (lost) this.#tell("ReportsLost", lost);
    } else if (m.name === "MarketDefinition") {
      this.#listed.push(fields);
    } else if (m.name === "MarketListEnd") {
      this.#lists.shift()?.end(this.#listed.splice(0));
    }
    this.#told.push(m);
    const resumed = lane?.finishResume();
    if (resumed) this.#tell("Resumed", resumed);
    this.#resumeNext();
    if (m.name === "Terminate") throw new Ended("the server ended the connection:", fields.code, fields.retry_after_ms);
  }

  #onSessionReject(fields, lane, now) {
    const { code, ref_template: template, retry_after_us: retryAfter } = fields, book = this.books.get(fields.market);
    const again = retryAfter ? now + retryAfter / 1000 : null, error = new NotApplied("refused:", code);
    if (template >= 32 && template < 48 && lane) {
      lane.refuse(fields.ref_seq, 1, code, 0, now, true);
    } else if ((template === 12 || template === 17) && lane && code === CODES.ReportSeqNotReached) {
      lane.reportSeq = null; // what the server told is lost: joined as if for the first time
      this.#sendJoin(lane);
    } else if ((template === 12 || template === 17) && lane && again) {
      lane.rejoin = again;
    } else if ((template === 12 || template === 17) && lane && !lane.joined) {
      for (const ticket of [...lane.joins, ...lane.waiting]) ticket.end(error);
      this.#lanes.delete(lane.market);
    } else if (template === 128 && book) {
      book.due = again;
    } else if (template === 14) {
      this.#lists.shift()?.end(error);
    }
  }

  #handOn() {
    while (this.#told.length > 0) this.#onEvent(this.#told.shift());
  }

  // --- the connection: sections 5 and 6
  #write(frame) {
    this.#socket?.write(frame);
    this.#spoke = performance.now();
  }

  async #run(first) {
    let socket = first, error = null;
    while (socket) {
      error = await this.#serve(socket);
      socket = null;
      if (this.#leaving !== "said" && error.mayHelp) socket = await this.#connect(error).catch((next) => void (error = next));
    }
    this.#over = error;
    for (const lane of this.#lanes.values()) lane.close(error);
    for (const ticket of this.#lists) ticket.end(error);
    this.#ended.end({ code: error.code ?? 0, reason: error.message });
    this.#handOn();
  }

  /** Serves one connection; resolves with why it ended. */
  #serve(socket) {
    return new Promise((resolve) => {
      this.#lose = (error) => {
        if (this.#socket !== socket) return;
        this.#socket = null;
        forget(socket);
        socket.on("error", () => {});
        socket.destroySoon();
        clearTimeout(this.#timer);
        this.#onLost(error);
        resolve(error);
      };
      listen(socket, {
        data: (more) => this.#onData(more),
        error: (error) => this.#lose(new Ended(`the connection was lost: ${error.message}`)),
        close: () => this.#lose(new Ended("the server closed the connection")),
      });
      this.#onLoggedOn(socket);
      this.#onData(Buffer.alloc(0));
    });
  }

  #onData(more) {
    const now = performance.now();
    this.#heard = now;
    this.#data = Buffer.concat([this.#data, more]);
    try {
      for (let length; (length = split(this.#data)) !== null; ) {
        const frame = this.#data.subarray(0, length);
        this.#data = this.#data.subarray(length);
        const message = known(frame);
        if (message) this.#onMessage(message, now);
      }
      this.#pump();
    } catch (error) {
      if (!(error instanceof SoukError)) throw error;
      this.#lose(error);
    }
    this.#handOn();
  }

  #onLoggedOn(socket) {
    const now = performance.now();
    this.#socket = socket;
    [this.#due, this.#heard, this.#spoke, this.#loggedOnAt, this.#resuming] = [[0, 0], now, now, now, [...this.#lanes.keys()]];
    if (this.#resuming.length > 0) this.#sendJoin(this.#lanes.get(this.#resuming[0]));
    for (const [market, book] of this.books) {
      book.restart(true);
      book.due = null;
      this.send("Subscribe", { market, flags: book.flags });
    }
    for (const _ of this.#lists) this.send("MarketListRequest", {});
    this.#tell("LoggedOn", this.info);
  }

  #onLost(error) {
    this.#listed = [];
    for (const lane of this.#lanes.values()) Object.assign(lane, { joined: false, resumed: null, resumeTo: null, rejoin: null });
    for (const book of this.books.values()) book.restart(true);
    this.#tell("Disconnected", { code: error.code, reason: error.message });
    this.#handOn();
  }

  /** Asks the node that a redirect names, then the others, in rounds with pauses between them: section 5, "Several nodes". */
  async #connect(lost) {
    const first = lost === null;
    let dialing = first, tried = 0, failures = 0, error = lost;
    for (;;) {
      if (error) {
        const redirect = this.#redirect, newer = redirect !== null && redirect.address !== "" && redirect.epoch >= this.#epoch;
        let pause = Math.max(error.retryAfterMs, Math.min(PAUSE_MIN * 2 ** failures, PAUSE_MAX));
        this.#redirect = null;
        if (!dialing && performance.now() > this.#loggedOnAt + 1000) this.#followed = 0;
        if (newer && this.#followed < REDIRECTS_MAX) {
          [this.#owner, this.#epoch, this.#followed, pause] = [redirect.address, redirect.epoch, this.#followed + 1, 0];
        } else if (error.code === CODES.NotOwner || (dialing && error.code === 0)) {
          if (this.#owner === null) {
            this.#seeds.push(this.#seeds.shift());
            tried += 1;
          }
          this.#owner = null;
          if (first && error.code === 0 && tried === this.#seeds.length) throw error;
          if (tried < this.#seeds.length && !newer) pause = 0;
          else [tried, this.#epoch, this.#followed] = [0, 0n, 0];
        }
        failures += pause > 0 ? 1 : 0;
        if (failures > this.#attempts || !error.mayHelp) throw error;
        await sleep(pause);
      }
      try {
        return await this.#logOn(this.#owner ?? this.#seeds[0]);
      } catch (next) {
        if (next instanceof SoukError && !(next instanceof Ended)) throw next;
        [error, dialing] = [next instanceof Ended ? next : new Ended(`${this.#owner ?? this.#seeds[0]}: ${next.message}`), true];
      }
    }
  }

  /** Resolves with a socket that is logged on; what came behind the answer is in `#data`. */
  #logOn(address) {
    const colon = address.lastIndexOf(":"), host = address.slice(0, colon).replace(/^\[|\]$/g, "");
    const magic = Buffer.from("SOUKWIRE");
    const hello = encode("Hello", { magic, schema_min: 1, schema_max: 1, version_max: 1, max_frame_in: FRAME_MAX });
    return new Promise((resolve, reject) => {
      const socket = dial(host, Number(address.slice(colon + 1)), this.#tls), accounts = [];
      let data = Buffer.alloc(0);
      const settle = (error) => {
        clearTimeout(timer);
        forget(socket);
        if (!error) return;
        socket.on("error", () => {});
        socket.destroy();
        reject(error);
      };
      const timer = setTimeout(() => settle(new Ended(`${address}: no answer in ${this.#timeout} ms`)), this.#timeout);
      const take = (frame) => {
        const { name, flags, fields, entries } = decode(frame);
        if (name === "LogonReject" || name === "Terminate") throw new Ended("the logon was refused:", fields.code, fields.retry_after_ms);
        if (name === "Redirect") this.#redirect = fields;
        if (name === "Challenge") socket.write(this.#signedLogon(hello, frame));
        if (name === "LogonAck") accounts.push(...entries.map((entry) => entry.account));
        if (name !== "LogonAck" || flags & 2) return false;
        this.info = { ...fields, accounts, address };
        return true;
      };
      const onData = (more) => {
        data = Buffer.concat([data, more]);
        try {
          for (let length; (length = split(data)) !== null; ) {
            const frame = data.subarray(0, length);
            data = data.subarray(length);
            if (!take(frame)) continue;
            this.#data = data;
            settle(null);
            return resolve(socket);
          }
        } catch (error) {
          settle(error);
        }
      };
      listen(socket, {
        [this.#tls ? "secureConnect" : "connect"]: () => socket.write(hello),
        error: (error) => settle(new Ended(`${address}: ${error.message}`)),
        close: () => settle(new Ended(`${address}: the server closed the connection`)),
        data: onData,
      });
    });
  }

  #signedLogon(hello, challenge) {
    const now = nowNs();
    this.#incarnation = now > this.#incarnation ? now : this.#incarnation + 1n;
    const fields = { ...this.#logon, incarnation: this.#incarnation, client_time: now };
    const signature = sign(this.#key, signedBytes(hello, challenge, encode("Logon", fields)));
    return encode("Logon", { ...fields, signature });
  }
}

/** The frame's message; null for a template of a later version. */
function known(frame) {
  try {
    return decode(frame);
  } catch (error) {
    if (error instanceof Refused && error.rule === "UnknownTemplate") return null;
    throw error;
  }
}
