// What the page knows of its account: balances, open orders, fills; kept right by the live feed, read anew after each reconnect.

import { Dec, ZERO } from "../shared/decimal.js";

const RELOAD_MS = 400;

export class Store extends EventTarget {
  constructor({ api, live, markets }) {
    super();
    Object.assign(this, { api, live, markets });
    this.balances = new Map();
    this.orders = new Map();
    live.account((message) => this.take(message));
    live.allTickers((ticker) => this.tick(ticker));
    live.onReady(() => this.load().catch(() => {}));
  }

  /** The markets to choose from. Those of hidden currencies are known, for who still has something in them. */
  get shown() {
    return this.markets.filter((one) => !one.is_hidden);
  }

  market(id) {
    return this.markets.find((one) => one.id === id);
  }

  async load() {
    const [balances, open] = await Promise.all([this.api.get("/v1/me/balances"), this.api.all("/v1/me/orders", { state: "open" })]);
    this.balances = new Map(balances.items.map((one) => [one.currency, one]));
    this.orders = new Map(open.map((one) => [`${one.market}/${one.id}`, one]));
    this.tell("balances");
    this.tell("orders");
  }

  take(message) {
    if (message.type === "balance") {
      const before = this.balances.get(message.currency);
      // Numbers of the same balance only grow: the higher one is the newer, whatever way it came.
      if (before?.sequence && BigInt(before.sequence) > BigInt(message.sequence)) return;
      this.balances.set(message.currency, message);
      this.tell("balances");
    } else if (message.type === "order") this.takeOrder(message.order);
  }

  takeOrder(order) {
    const key = `${order.market}/${order.id}`;
    const before = this.orders.get(key);
    if (order.state === "open") this.orders.set(key, order);
    else this.orders.delete(key);
    this.tell("orders");
    if (order.executed !== (before?.executed ?? "0") || order.state !== "open") this.later();
  }

  /** Fills and past orders are asked for a moment after something happened to them, once for many. */
  later() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.tell("past"), RELOAD_MS);
  }

  tick(ticker) {
    const market = this.market(ticker.market);
    if (!market) return;
    for (const name of ["last_price", "best_bid", "best_ask", "volume_24h", "quote_volume_24h", "change_24h"]) if (ticker[name] !== undefined) market[name] = ticker[name];
    this.dispatchEvent(new CustomEvent("ticker", { detail: market }));
  }

  available(currency) {
    const text = this.balances.get(currency)?.available;
    return text ? Dec.of(text) : ZERO;
  }

  openOrders(market) {
    return [...this.orders.values()].filter((one) => !market || one.market === market).sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
  }

  tell(name) {
    this.dispatchEvent(new Event(name));
  }

  /** Listens until `leave` is called by the view. */
  on(name, listener) {
    this.addEventListener(name, listener);
    return () => this.removeEventListener(name, listener);
  }
}
