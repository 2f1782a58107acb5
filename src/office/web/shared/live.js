// The client of the live feed in docs/office.md. It authenticates with its first message, subscribes again after a gap and
// after every reconnect, waits longer after each failure, and knows how old its data is.

const STALE_MS = 3000;
const WAIT_FIRST_MS = 250;
const WAIT_MAX_MS = 8000;

/** How long to wait before attempt `n`, with `random` in 0..1 so that clients do not come back all at once. */
export function backoff(attempt, random) {
  const most = Math.min(WAIT_MAX_MS, WAIT_FIRST_MS * 2 ** Math.min(attempt, 10));
  return Math.round(most / 2 + (most / 2) * random);
}

export class Live {
  constructor({ url, token, socket, now = () => Date.now(), timers = globalThis, ended = () => {} }) {
    this.url = url;
    this.token = token;
    this.open = socket ?? ((address) => new WebSocket(address, "souk.v1"));
    Object.assign(this, { now, timers, ended });
    this.markets = new Map();
    this.tickers = new Set();
    this.accounts = new Set();
    this.watchers = new Set();
    this.readied = new Set();
    this.attempt = 0;
    this.heardAt = now();
    this.ready = false;
    this.closed = false;
  }

  start() {
    this.connect();
    this.clock = this.timers.setInterval(() => this.tick(), 500);
    return this;
  }

  stop() {
    this.closed = true;
    this.timers.clearInterval(this.clock);
    this.timers.clearTimeout(this.waiting);
    this.socket?.close();
  }

  connect() {
    const socket = this.open(this.url);
    this.socket = socket;
    this.openedAt = this.now();
    socket.onopen = () => this.send({ op: "auth", token: this.token });
    socket.onmessage = (event) => this.receive(JSON.parse(event.data));
    socket.onclose = () => {
      if (this.socket === socket) this.lost();
    };
  }

  lost() {
    this.socket = null;
    this.ready = false;
    if (this.closed) return;
    this.tell();
    this.waiting = this.timers.setTimeout(() => this.connect(), backoff(this.attempt, Math.random()));
    this.attempt += 1;
  }

  send(message) {
    if (this.socket?.readyState === 1) this.socket.send(JSON.stringify(message));
  }

  receive(message) {
    this.heardAt = this.now();
    switch (message.type) {
      case "ready":
        this.ready = true;
        this.attempt = 0;
        this.resubscribe();
        for (const listener of this.readied) listener();
        break;
      case "ticker":
        for (const listener of this.tickers) listener(message);
        this.toMarket(message);
        break;
      case "balance":
      case "order":
        for (const listener of this.accounts) listener(message);
        break;
      case "bye":
        this.bye = message;
        if (message.code === "TokenExpired") {
          this.stop();
          this.ended(message);
        }
        break;
      case "error":
        this.failed(message);
        break;
      default:
        if (message.market) this.toMarket(message);
    }
    this.tell();
  }

  failed(message) {
    if (message.market) this.toMarket(message);
    else if (!this.ready) {
      this.stop();
      this.ended(message);
    }
  }

  toMarket(message) {
    for (const listener of this.markets.get(message.market)?.listeners ?? []) listener(message);
  }

  resubscribe() {
    if (this.tickers.size) this.send({ op: "subscribe_tickers" });
    if (this.accounts.size) this.send({ op: "subscribe_account" });
    for (const market of this.markets.keys()) this.again(market);
  }

  /** Asks for a market from the beginning: after a gap, or a book that differs. */
  again(market) {
    const subscription = this.markets.get(market);
    if (subscription && this.ready) this.send({ op: "subscribe", market, levels: subscription.levels });
  }

  /** Depth, trades, state and ticker of a market. Gives the function that ends it. */
  market(market, levels, listener) {
    const subscription = this.markets.get(market) ?? { levels, listeners: new Set() };
    subscription.levels = levels;
    subscription.listeners.add(listener);
    this.markets.set(market, subscription);
    this.again(market);
    return () => {
      subscription.listeners.delete(listener);
      if (subscription.listeners.size || this.markets.get(market) !== subscription) return;
      this.markets.delete(market);
      if (this.ready) this.send({ op: "unsubscribe", market });
    };
  }

  allTickers(listener) {
    this.tickers.add(listener);
    if (this.ready) this.send({ op: "subscribe_tickers" });
    return () => this.tickers.delete(listener);
  }

  account(listener) {
    this.accounts.add(listener);
    if (this.ready) this.send({ op: "subscribe_account" });
    return () => this.accounts.delete(listener);
  }

  /** Calls `listener` at each connection that is ready: what was missed meanwhile can be asked for. */
  onReady(listener) {
    this.readied.add(listener);
    return () => this.readied.delete(listener);
  }

  /** Calls `watcher` with `{live, age}` whenever that may have changed; age in seconds when the data is stale, else 0. */
  watch(watcher) {
    this.watchers.add(watcher);
    watcher(this.status());
    return () => this.watchers.delete(watcher);
  }

  status() {
    const age = this.now() - this.heardAt;
    return { live: this.ready && age < STALE_MS, age: age < STALE_MS ? 0 : Math.floor(age / 1000) };
  }

  tell() {
    for (const watcher of this.watchers) watcher(this.status());
  }

  tick() {
    this.tell();
    // A connection that is silent for long is as good as lost: the server tells the time once a second.
    if (this.socket && this.now() - Math.max(this.heardAt, this.openedAt) > 4 * STALE_MS) {
      const socket = this.socket;
      this.lost();
      socket.close();
    }
  }
}

/** The address of the live feed beside the page. */
export function liveUrl(location) {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/live`;
}
