// clients/typescript against every golden vector of protocol/vectors, and against the tables of PROTOCOL.md: vectors.mjs ROOT
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { isDeepStrictEqual } from "node:util";

const root = pathToFileURL(`${process.argv[2]}/`);
const wire = await import(new URL("clients/typescript/wire.mjs", root));
const { Book } = await import(new URL("clients/typescript/souk.mjs", root));
const text = (path) => readFileSync(new URL(path, root), "utf8");
let checks = 0;

function check(holds, what) {
  if (!holds) throw new Error(what);
  checks += 1;
}

const isLong = ({ kind, size }) => size === 8 && kind !== "a" && kind !== "b";

/** Values as a vector has them. */
const plain = (fields, values) =>
  Object.fromEntries(
    fields.filter(({ name }) => name).map((field) => {
      const value = values[field.name];
      return [field.name, field.kind === "b" ? value.toString("hex") : isLong(field) ? String(value) : value];
    }),
  );

/** Values as the client has them. */
function typed(fields, values) {
  const value = (field) => (field.kind === "b" ? Buffer.from(values[field.name], "hex") : values[field.name]);
  return Object.fromEntries(fields.filter(({ name }) => name in values).map((field) => [field.name, value(field)]));
}

function positive(vector) {
  const data = Buffer.from(vector.hex, "hex"), layout = wire.layoutOf(vector.message);
  check(wire.split(data) === data.length, "one whole frame");
  const message = wire.decode(data, vector.side[0].toUpperCase());
  check(message.name === vector.message && String(message.seq) === vector.seq && message.flags === vector.flags, `${message.name}`);
  check(isDeepStrictEqual(plain(layout.block, message.fields), vector.fields), "fields");
  check(isDeepStrictEqual(message.entries?.map((entry) => plain(layout.entry, entry)), vector.entries), "entries");
  if (vector.version === undefined && vector.block_extra === undefined && vector.entry_extra === undefined) {
    const entries = vector.entries?.map((entry) => typed(layout.entry, entry));
    const again = wire.encode(vector.message, typed(layout.block, vector.fields), vector.seq, vector.flags, entries);
    check(again.equals(data), `encoded as ${again.toString("hex")}`);
  }
}

function negative(vector) {
  const data = Buffer.from(vector.hex, "hex");
  let found;
  try {
    const length = wire.split(data, vector.frame_max);
    if (length !== null) wire.decode(data.subarray(0, length), vector.side[0].toUpperCase());
    found = [length === null ? "incomplete" : "legal"];
  } catch (refused) {
    if (!(refused instanceof wire.Refused)) throw refused;
    found = ["refused", refused.code, refused.offset, refused.fatal];
  }
  const { outcome, code, field_offset, fatal } = vector;
  check(isDeepStrictEqual(found, outcome === "refused" ? [outcome, code, field_offset, fatal] : [outcome]), `${found}`);
}

const document = text("protocol/PROTOCOL.md");
const [seed, publicKey] = [...document.matchAll(/^(?:secret key \(seed\)|public key)\n {2}([0-9a-f]{64})$/gm)].map((found) => found[1]);

function auth(vector) {
  const [hello, challenge, logon] = ["hello", "challenge", "logon"].map((name) => Buffer.from(vector[name], "hex"));
  const signed = wire.signedBytes(hello, challenge, logon);
  check(signed.toString("hex") === vector.signed, "the bytes that are signed");
  if (vector.code === 0 && vector.public_key === publicKey) check(wire.sign(seed, signed).equals(logon.subarray(-64)), "the signature");
}

for (const [name, one] of Object.entries({ positive, negative, auth })) {
  for (const [index, line] of text(`protocol/vectors/${name}.jsonl`).trim().split("\n").entries()) {
    try {
      one(JSON.parse(line));
    } catch (error) {
      console.error(`${name}.jsonl line ${index + 1}: ${error.stack}\n${line}`);
      process.exit(1);
    }
  }
}
const codes = [...document.matchAll(/^\| (\d+) \| (\w+) \| (?:yes|no) \|/gm)].map(([, code, name]) => [Number(code), name]);
check(isDeepStrictEqual(codes, [...wire.NAMES]), "the code table");
const book = new Book();
book.set({ side: 2, price: 102n, qty: 7n, orders: 2 });
book.set({ side: 1, price: 99n, qty: 12n, orders: 3 });
book.set({ side: 1, price: 100n, qty: 5n, orders: 1 });
check(book.hash() === 0xa52a267d9d6362c8n, "book_hash");
console.log(`${checks} checks passed`);
