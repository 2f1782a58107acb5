// One market on the live feed: its book, its last trades, its state, its ticker, kept right and told to a page.

import { Book } from "./book.js";

const TRADES_KEPT = 60;
/** A book that differs from its hash is asked for again, but not in a hurry. */
const AGAIN_MS = 1000;

/** Follows a market. `changed()` is called whenever something did; gaps and books that differ are asked for again. */
export function follow(live, market, { levels, trades = [], changed, onState = () => {} }) {
  const feed = {
    book: new Book({ tick: market.tick_size, lot: market.lot_size, all: levels === 0 }),
    trades: [...trades],
    ticker: null,
    failure: null,
  };
  let seen = new Set(feed.trades.map((trade) => trade.id));
  const takeTrade = (trade) => {
    if (seen.has(trade.id)) return;
    seen.add(trade.id);
    feed.trades.unshift(trade);
    if (feed.trades.length > TRADES_KEPT) {
      feed.trades.length = TRADES_KEPT;
      seen = new Set(feed.trades.map((one) => one.id));
    }
  };
  // What still arrives of the old subscription does not count: one request is under way, the snapshot answers it.
  let asked = false;
  let waiting = null;
  const ask = (wait) => {
    asked = true;
    waiting = setTimeout(() => live.again(market.id), wait);
  };
  const end = live.market(market.id, levels, (message) => {
    if (message.type === "snapshot" || message.type === "update") {
      if (message.type === "snapshot") {
        asked = false;
        onState(message.state);
      }
      const outcome = feed.book.apply(message);
      if (outcome !== "ok" && !asked) ask(outcome === "gap" ? 0 : AGAIN_MS);
    } else if (message.type === "trade") takeTrade(message);
    else if (message.type === "state") onState(message.state);
    else if (message.type === "ticker") feed.ticker = message;
    else if (message.type === "error") feed.failure = message;
    changed(feed);
  });
  feed.stop = () => {
    clearTimeout(waiting);
    end();
  };
  return feed;
}
