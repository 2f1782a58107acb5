// The TypeScript client over TLS: an order, and a node that is not believed. Arguments: address, authority, key.
import { readFileSync } from "node:fs";
import { BUY, Client } from "../../clients/typescript/souk.mjs";

const [address, authority, key] = process.argv.slice(2);
const client = await Client.connect(address, { key_id: 1, key, tls: { ca: readFileSync(authority) } });
const report = await client.newOrder({ market: 1, account: 1, side: BUY, price: 1000n, qty: 1n, cl_ord_id: 1n });
console.log(report.name);
await client.logout();

try {
  await Client.connect(address, { key_id: 1, key, tls: {} });
} catch (error) {
  console.log(/certificate/.test(error.message) ? "not believed" : error.message);
}
