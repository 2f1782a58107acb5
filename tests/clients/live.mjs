// clients/typescript against a live server: live.mjs ROOT ADDRESS KEY1 KEY2. Nobody else trades in its market 1.
import { readFileSync } from "node:fs";
import { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const [, , root, address, ...keys] = process.argv;
const souk = await import(new URL("clients/typescript/souk.mjs", pathToFileURL(`${root}/`)));
const { BUY, CODES, SELL } = souk;
let checks = 0;

function check(holds, what) {
  if (!holds) throw new Error(what);
  checks += 1;
}

const sockets = [];
const connect = Socket.prototype.connect;
Socket.prototype.connect = function (...given) {
  sockets.push(this);
  return connect.apply(this, given);
};

const client = (key_id, told) =>
  souk.Client.connect(address, { key_id, key: readFileSync(keys[key_id - 1], "utf8"), keepalive_ms: 1000, onEvent: (event) => told.push(event) });

async function until(holds, what) {
  for (const deadline = Date.now() + 20_000; !holds(); await sleep(5)) check(Date.now() < deadline, what);
  check(true, what);
}

const reports = (told) => told.filter((event) => event.fields.client_seq !== undefined);
const named = (told, name) => told.filter((event) => event.name === name);
const prices = (book, side) => book.side(side).map(({ price, qty }) => `${qty}@${price}`).join();

const makerTold = [], takerTold = [];
const maker = await client(1, makerTold), makerSocket = sockets.at(-1), taker = await client(2, takerTold);
check(maker.info.accounts.join() === "1,2", "the accounts");
check((await maker.markets()).map((one) => one.symbol).join() === "BTC-USDT", "the markets");
const place = { market: 1, account: 1 }, book = maker.subscribe(1);
await until(() => book.complete, "a snapshot");

const order = await maker.newOrder({ ...place, side: SELL, price: 6_500_000n, qty: 10n, cl_ord_id: 1n });
check(order.name === "Accepted" && order.fields.client_seq === 1n && order.fields.price === 6_500_000n, "accepted");
await until(() => prices(book, SELL) === "10@6500000", "the order in the book");
const taken = { market: 1, account: 2, side: BUY, price: 6_500_000, qty: 4, cl_ord_id: 1 };
check((await taker.newOrder(taken)).name === "Accepted", "the taker's order");
await until(() => named(takerTold, "Trade").length === 1, "the taker's trade");
await until(() => named(makerTold, "Trade").some((trade) => trade.fields.leaves === 6n), "the maker's trade");
await until(() => prices(book, SELL) === "6@6500000", "what is left in the book");

// The connection is lost while an order is on its way.
const lost = maker.newOrder({ ...place, side: BUY, price: 6_000_000n, qty: 3n, cl_ord_id: 2n });
makerSocket.destroy(new Error("cut"));
await taker.newOrder({ ...taken, qty: 1, cl_ord_id: 2 });
check((await lost).fields.client_seq === 2n, "the order over a lost connection");
await until(() => named(makerTold, "Trade").map((trade) => trade.fields.leaves).join() === "6,5", "the trade that was missed");
await until(() => book.complete && prices(book, BUY) === "3@6000000", "the book after it");
check(reports(makerTold).every((report, index) => report.seq === BigInt(index + 1)), "reports once, in order");
check(named(makerTold, "Resumed").length > 0, "resumed");

const rejected = await maker.newOrder({ ...place, side: BUY, price: 6_000_000n, qty: 3n, cl_ord_id: 2n });
check(rejected.name === "Rejected" && rejected.fields.code === CODES.DuplicateClOrdId, "a client order id twice");
const replaced = await maker.replace({ ...place, orig_cl_ord_id: 2n, cl_ord_id: 3n, price: 6_000_001n, total_qty: 5n });
check(replaced.name === "Replaced" && replaced.fields.leaves === 5n, "replaced");
check((await maker.orderStatus({ ...place, orig_cl_ord_id: 3n })).name === "OrderStatus", "the order's status");
check((await maker.cancel({ ...place, orig_cl_ord_id: 3n })).name === "Canceled", "canceled");
const entries = [4n, 5n, 5n].map((cl_ord_id) => ({ operation: 32, account: 1, side: BUY, price: 5_000_000n, qty: 1n, cl_ord_id }));
const batch = await maker.batch({ market: 1, entries });
check(batch.map((report) => report.name).join() === "Accepted,Accepted,Rejected", "a batch");
check((await maker.massCancel(place)).fields.count === 3, "a mass cancel");
const refused = await maker.newOrder({ market: 1, account: 99, side: BUY, price: 1n, qty: 1n }).catch((error) => error);
check(refused instanceof souk.NotApplied && refused.code === CODES.UnknownAccount, "an account that is none");
const many = Array.from({ length: 300 }, (_, number) => maker.newOrder({ ...place, side: BUY, price: 5_000_000 + number, qty: 1 }));
const seqs = (await Promise.all(many)).map((report) => report.fields.client_seq);
check(seqs.every((seq, index) => seq === seqs[0] + BigInt(index)), "many at once, in order");
await until(() => prices(book, BUY).startsWith("1@5000299"), "all of them in the book");
await sleep(2500); // more than two keepalive intervals
check(named(makerTold, "Disconnected").length === 1, "kept alive");
await maker.logout();
check((await maker.ended).code === CODES.LoggedOut, "logged out");

// The program starts again: it has kept the number of its last report.
const last = reports(makerTold).at(-1).seq, again = [], next = await client(1, again);
check((await next.join(1, last - 2n)).fields.last_report_seq === last, "where the session stands");
await until(() => reports(again).length === 2, "the reports that were asked for");
check((await next.massCancel(place)).name === "MassCanceled", "its numbers go on");
await Promise.all([next.logout(), taker.logout()]);
console.log(`${checks} checks passed`);
