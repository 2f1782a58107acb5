// The live client: it authenticates first, subscribes again after a gap and a reconnect, waits longer each time, and knows when data is old.

import assert from "node:assert/strict";
import test from "node:test";

import { follow } from "../../src/office/web/shared/feed.js";
import { Live, backoff } from "../../src/office/web/shared/live.js";

/** A world without a network and with a clock that is moved by hand. */
function world() {
  const sockets = [];
  const timers = { now: 0, waiting: [] };
  timers.setTimeout = (run, ms) => timers.waiting.push({ run, at: timers.now + ms });
  timers.clearTimeout = () => {};
  timers.setInterval = () => 0;
  timers.clearInterval = () => {};
  const live = new Live({
    url: "ws://x/v1/live",
    token: "secret",
    now: () => timers.now,
    timers,
    socket: () => {
      const socket = { readyState: 1, sent: [], send: (text) => socket.sent.push(JSON.parse(text)), close: () => socket.onclose?.() };
      sockets.push(socket);
      return socket;
    },
  }).start();
  const say = (message) => sockets.at(-1).onmessage({ data: JSON.stringify(message) });
  const run = () => timers.waiting.splice(0).forEach((one) => one.run());
  return { live, sockets, timers, say, run };
}

const MARKET = { id: "1", tick_size: "1", lot_size: "1" };
const pause = () => new Promise((done) => setTimeout(done, 5));

test("the token is the first message, and nothing is asked before the server is ready", () => {
  const { live, sockets, say } = world();
  live.market("1", 20, () => {});
  sockets[0].onopen();
  assert.deepEqual(sockets[0].sent, [{ op: "auth", token: "secret" }]);
  say({ type: "ready" });
  assert.deepEqual(sockets[0].sent.slice(1), [{ op: "subscribe", market: "1", levels: 20 }]);
});

test("after a lost connection everything is subscribed again", () => {
  const { live, sockets, say, run } = world();
  live.market("1", 0, () => {});
  live.allTickers(() => {});
  live.account(() => {});
  say({ type: "ready" });
  sockets[0].onclose();
  assert.equal(live.status().live, false);
  run();
  assert.equal(sockets.length, 2);
  sockets[1].onopen();
  say({ type: "ready" });
  assert.deepEqual(sockets[1].sent.map((one) => one.op), ["auth", "subscribe_tickers", "subscribe_account", "subscribe"]);
});

test("a market that nobody looks at any more is unsubscribed once", () => {
  const { live, sockets, say } = world();
  say({ type: "ready" });
  const [first, second] = [live.market("1", 20, () => {}), live.market("1", 20, () => {})];
  first();
  assert.ok(!sockets[0].sent.some((one) => one.op === "unsubscribe"));
  second();
  assert.equal(sockets[0].sent.filter((one) => one.op === "unsubscribe").length, 1);
});

test("a gap asks for the market again, once, until the snapshot comes", async () => {
  const { live, sockets, say } = world();
  say({ type: "ready" });
  const feed = follow(live, MARKET, { levels: 0, changed: () => {} });
  const asked = () => sockets[0].sent.filter((one) => one.op === "subscribe").length;
  say({ type: "snapshot", market: "1", seq: 1, buys: [["5", "1", 1]], sells: [] });
  say({ type: "update", market: "1", seq: 3, levels: [] });
  say({ type: "update", market: "1", seq: 4, levels: [] });
  await pause();
  assert.equal(asked(), 2);
  say({ type: "snapshot", market: "1", seq: 1, buys: [["6", "1", 1]], sells: [] });
  say({ type: "update", market: "1", seq: 2, levels: [["sell", "7", "1", 1]] });
  await pause();
  assert.equal(asked(), 2);
  assert.equal(feed.book.bestAsk.toString(), "7");
  feed.stop();
});

test("data is stale after three seconds without a word", () => {
  const { live, timers, say } = world();
  say({ type: "ready" });
  timers.now = 2999;
  assert.deepEqual(live.status(), { live: true, age: 0 });
  timers.now = 3000;
  assert.deepEqual(live.status(), { live: false, age: 3 });
  say({ type: "time" });
  assert.equal(live.status().live, true);
});

test("a connection that is silent for long is given up", () => {
  const { live, sockets, timers, say, run } = world();
  say({ type: "ready" });
  timers.now = 12_001;
  live.tick();
  run();
  assert.equal(sockets.length, 2);
});

test("an expired token ends it, with no further attempts", () => {
  let told = null;
  const { live, sockets, say, run } = world();
  live.ended = (message) => (told = message.code);
  say({ type: "ready" });
  say({ type: "bye", code: "TokenExpired", text: "" });
  run();
  assert.equal(told, "TokenExpired");
  assert.equal(sockets.length, 1);
});

test("attempts come further and further apart, up to eight seconds", () => {
  assert.equal(backoff(0, 1), 250);
  assert.equal(backoff(3, 1), 2000);
  assert.equal(backoff(3, 0), 1000);
  assert.equal(backoff(60, 1), 8000);
});
