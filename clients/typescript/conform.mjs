// What `souk conform` drives: takes an instruction a line, tells an event a line, as docs/conform.md says.
//
//     souk conform -- node clients/typescript/conform.mjs
import { createInterface } from "node:readline";

import { BUY, Client, NotApplied, SELL } from "./souk.mjs";

const NAMES = { LoggedOn: "logged_on", Disconnected: "disconnected", MarketJoined: "joined", ReportsLost: "reports_lost" };
const METHODS = { new: "newOrder", cancel: "cancel", replace: "replace", mass_cancel: "massCancel", batch: "batch" };

// 64 bits are more than a number of JSON can be trusted with.
const plain = (_, value) => (typeof value === "bigint" ? String(value) : value);
const tell = (event, fields) => console.log(JSON.stringify({ event, ...fields }, plain));

export class Driver {
  client = null;

  constructor(clientClass = Client) {
    this.clientClass = clientClass;
  }

  onEvent({ name, seq, fields }) {
    if (fields.client_seq !== undefined) tell("report", { ...fields, report_seq: seq, message: name });
    else if (NAMES[name]) tell(NAMES[name], fields);
    else if (name === "DepthSnapshot" || name === "DepthUpdate") this.tellBook(fields.market);
  }

  tellBook(market) {
    const book = this.client.books.get(market), rows = (side) => book.side(side).map(({ price, qty, orders }) => [price, qty, orders]);
    if (book.complete) tell("book", { market, buys: rows(BUY), sells: rows(SELL) });
  }

  async do({ do: what, ...asked }) {
    if (what === "quit") process.exit(0);
    if (what === "connect") {
      const { addr, key_id, key, session, keepalive_ms } = asked;
      const onEvent = (event) => this.onEvent(event);
      this.client = await this.clientClass.connect(addr, { key_id, key, session, keepalive_ms, onEvent });
      this.client.ended.then((end) => tell("ended", end));
    } else if (what === "markets") {
      tell("markets", { markets: await this.client.markets() });
    } else if (what === "logout") {
      this.client.logout();
    } else if (what === "join" || what === "subscribe") {
      this.client[what](asked.market);
    } else {
      this.client[METHODS[what]](asked).catch((error) => {
        if (error instanceof NotApplied) tell("not_applied", { market: asked.market, cl_ord_id: asked.cl_ord_id, code: error.code });
      });
    }
  }
}

/** One instruction after the other, in the order in which they come. */
export function main(driver) {
  let last = Promise.resolve();
  createInterface({ input: process.stdin }).on("line", (line) => {
    const instruction = JSON.parse(line);
    if (instruction.do === "quit") process.exit(0);
    last = last.then(() => driver.do(instruction)).catch((error) => tell("ended", { code: error.code ?? 0, reason: error.message }));
  });
}

if (process.argv[1]?.endsWith("conform.mjs")) main(new Driver());
