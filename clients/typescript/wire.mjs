// Souk's messages as bytes: sections 2 to 6 of protocol/PROTOCOL.md, for both sides. Node 18 or later, no dependency.
import { createPrivateKey, sign as signBytes } from "node:crypto";

// Template, name, who sends it (Client, Server, Both), and fields: eight bytes unless said, `_n` reserved. `@` stands for what every report
// begins with; after `/` come the fields of an entry.
const MESSAGES = `
1 Hello C magic:b8 schema_min:1 schema_max:1 version_max:1 _5 features max_frame_in:4 _4
2 Challenge S nonce:b32 server_time cluster_id schema_id:1 version:1 _2 max_frame_in:4
3 Logon C key_id:4 session_number:2 cancel_on_disconnect:CancelOnDisconnect _1 incarnation client_time keepalive_ms:4 cancel_grace_ms:4
  signature:b64
4 LogonAck S session_id:4 tenant:4 incarnation server_time max_inflight:4 order_rate:4 order_burst:4 cancel_rate:4 cancel_burst:4
  keepalive_ms:4 durability:Durability _7 / account:4 _4
5 LogonReject S code:2 _2 retry_after_ms:4 server_time
6 Heartbeat B time
7 Ping B nonce time
8 Pong B nonce ping_time time
9 Terminate B code:2 _2 retry_after_ms:4 detail
10 SessionReject S ref_seq market:4 ref_template:2 code:2 field_offset:2 fatal:bool _1 retry_after_us:4 cl_ord_id
11 NotApplied S from_client_seq count:4 market:4 expected_client_seq code:2 _2 retry_after_us:4
12 JoinMarket C market:4 _4
13 MarketJoined S market:4 state:MarketState _3 epoch last_client_seq last_report_seq stream_seq
14 MarketListRequest C _8
15 MarketDefinition S market:4 state:MarketState base_scale:1 quote_scale:1 _1 symbol:a24 base:a8 quote:a8 tick_mantissa lot_mantissa
  tick_scale:1 lot_scale:1 _6 price_min:i64 price_max:i64 qty_min qty_max notional_unit account_orders_max:4 _4 notional_min notional_max
  lot_units
16 MarketListEnd S count:4 _4
17 ResumeMarket C market:4 _4 last_report_seq
18 ReportsResent S market:4 _4 from_report_seq to_report_seq
20 Redirect S epoch address:a64
32 NewOrder C cl_ord_id price:i64 qty budget market:4 account:4 side:Side order_type:OrderType time_in_force:TimeInForce
  post_only:PostOnly stp_mode:StpMode stp_scope:StpScope _2
33 CancelOrder C orig_cl_ord_id order_id market:4 account:4
34 ReplaceOrder C cl_ord_id orig_cl_ord_id order_id price:i64 total_qty market:4 account:4
35 MassCancel C market:4 account:4 side:Side? _7
36 OrderStatusRequest C orig_cl_ord_id order_id market:4 account:4
37 Batch C market:4 mode:BatchMode _3 / operation:1 side:1 order_type:1 time_in_force:1 post_only:1 stp_mode:1 stp_scope:1 _1 account:4 _4
  cl_ord_id orig_cl_ord_id order_id price:i64 qty budget
48 CreateCurrency C request_id code:a8 amount_min amount_max scale:1 display_scale:1 status:CurrencyStatus _5
49 UpdateCurrency C request_id code:a8 amount_min amount_max display_scale:1 status:CurrencyStatus _6
50 CreateMarket C request_id market:4 state:MarketState tick_scale:1 lot_scale:1 _1 symbol:a24 base:a8 quote:a8 tick_mantissa lot_mantissa
  price_min:i64 price_max:i64 qty_min qty_max notional_min notional_max orders_max:4 account_orders_max:4 maker_ppm:i32 taker_ppm:i32
51 SetMarketLimits C request_id market:4 _4 price_min:i64 price_max:i64 qty_min qty_max notional_min notional_max orders_max:4
  account_orders_max:4
52 SetMarketState C request_id market:4 state:MarketState _3
53 SetFees C request_id market:4 fee_group:2 _2 maker_ppm:i32 taker_ppm:i32
54 CreateAccount C request_id account:4 fee_group:2 stp_group:2 status:AccountStatus _7 external_id:a32
55 UpdateAccount C request_id account:4 fee_group:2 stp_group:2 status:AccountStatus _7
56 Credit C request_id business:a16 business_id account:4 scale:1 _3 currency:a8 amount
57 Debit C request_id business:a16 business_id account:4 scale:1 _3 currency:a8 amount
58 Transfer C request_id business:a16 business_id from:4 to:4 scale:1 _7 currency:a8 amount
59 BalanceQuery C request_id account:4 _4
60 StatementQuery C request_id account:4 count:2 _2 currency:a8 after_sequence
61 SubscribeSettlements C request_id market:4 _4 from_number
62 SubscribeAccount C request_id account:4 _4
63 CurrencyListRequest C request_id
96 Accepted S @ order_id price:i64 qty side:Side order_type:OrderType time_in_force:TimeInForce post_only:PostOnly batch_index:1 _3
97 Rejected S @ order_id code:2 ref_template:2 batch_index:1 _3
98 Canceled S @ order_id qty cum reason:CancelReason side:Side batch_index:1 _5
99 Replaced S @ order_id orig_cl_ord_id price:i64 leaves cum side:Side kept_priority:bool batch_index:1 _5
100 Trade S @ order_id match_id price:i64 qty leaves cum side:Side liquidity:Liquidity batch_index:1 _5 fee:i64
101 SelfTradePrevented S @ order_id qty leaves cum side:Side liquidity:Liquidity batch_index:1 _5
102 MassCanceled S market:4 account:4 transact_time client_seq count:4 _4
103 OrderStatus S @ order_id price:i64 leaves cum side:Side state:OrderState _6
104 AccountUpdate S account:4 _4 currency:a8 available held sequence transact_time
105 RequestAccepted S request_id control_seq
106 FundingResult S request_id control_seq business_id amount repeated:bool _7
107 RequestRejected S request_id ref_template:2 code:2 field_offset:2 _2 retry_after_us:4 _4
108 BalanceReport S request_id account:4 _4 / currency:a8 total held available sequence
109 StatementReport S request_id account:4 more:bool _3 currency:a8 / sequence transact_time change:i64 total reference stream_seq
  market:4 kind:StatementKind _3
110 Settlement S number market:4 taker_side:Side _3 transact_time stream_seq base_amount quote_amount buyer:4 seller:4 buyer_fee:i64
  seller_fee:i64 buyer_order seller_order price:i64 qty
111 SettlementsFrom S request_id market:4 _4 oldest next
112 CurrencyDefinition S code:a8 scale:1 display_scale:1 status:CurrencyStatus _5 amount_min amount_max
113 CurrencyListEnd S request_id count:4 _4
128 Subscribe C market:4 flags:1 _3
129 Unsubscribe C market:4 _4
130 DepthSnapshot S market:4 state:MarketState _3 stream_seq book_hash buy_levels:4 sell_levels:4 / price:i64 qty orders:4 side:Side _3
131 DepthUpdate S market:4 _4 stream_seq transact_time / price:i64 qty orders:4 side:Side _3
132 TradeTick S market:4 taker_side:Side _3 match_id price:i64 qty transact_time
133 MarketStatus S market:4 state:MarketState _3 transact_time
`;
const WORD_VALUES = `
Side Buy=1 Sell=2; OrderType Market=1 Limit=2; TimeInForce Gtc=1 Ioc=3 Fok=4; PostOnly No=0 Reject=1 Slide=2; StpMode None=0
CancelNewest=1 CancelOldest=2 CancelBoth=3 DecrementAndCancel=4; StpScope Account=0 Group=1; MarketState Continuous=1 Halted=2
CancelOnly=3; CancelReason ByRequest=1 MassCancel=2 ImmediateOrCancel=3 SelfTrade=4 BudgetSpent=5 ReplacedBelowExecuted=6 OnDisconnect=7;
CancelOnDisconnect None=0 OnDisconnect=1 OnLogout=2 Both=3; BatchMode Independent=0 StopAtFirstReject=1; OrderState New=1
PartiallyFilled=2; Liquidity Maker=1 Taker=2; Durability Memory=0 Local=1 Mysql=2; CurrencyStatus Listed=1 Hidden=2 Delisting=3;
AccountStatus Active=1 CancelOnly=2 Frozen=3; StatementKind Credit=1 Debit=2 TransferIn=3 TransferOut=4 Trade=5 Fee=6
`;
const CODE_NAMES = `
101 FrameLengthOutOfRange 102 FrameLengthNotAligned 103 UnknownTemplate 104 BlockLengthMismatch 105 GroupLengthMismatch 106
ReservedNotZero 107 SchemaNotSupported 108 BadMagic 109 SequenceMustBeZero 110 FlagNotSupported 111 UnknownFeature 201 ProtocolOrder 202
AuthenticationFailed 203 ClockSkew 204 SessionTakenOver 205 IncarnationNotNewer 206 HandshakeTimeout 207 KeepaliveLapsed 208
KeepaliveOutOfRange 209 ServerDraining 210 LoggedOut 211 TooManyConnections 212 PermissionDenied 213 CancelOnDisconnectNotSupported 214
SlowConsumer 215 NotJoined 216 JournalFailed 217 NotOwner 218 TenantMoving 219 TlsRequired 301 SessionRateExceeded 302 CreditExceeded 303
TenantShareExceeded 304 MarketBusy 305 LogonRateExceeded 306 TooManySubscriptions 401 UnknownSide 402 UnknownOrderType 403
UnknownTimeInForce 404 UnknownPostOnly 405 UnknownStpMode 406 UnknownStpScope 407 UnknownMarketState 408 UnknownCancelReason 409
UnknownBatchMode 410 UnknownBatchOperation 411 UnknownOrderState 412 UnknownLiquidity 413 UnknownDurability 414 UnsupportedCombination 415
QtyMustNotBeZero 416 PriceMustBePositive 417 PriceOutOfRange 418 QtyOutOfRange 419 MarketOrderUnbounded 420 OrderReferenceMissing 421
BatchSizeOutOfRange 422 SubscriptionFlagsUnknown 423 SequenceMustNotBeZero 424 AmountMustNotBeZero 425 AmountTooLarge 426
NotionalOutOfRange 427 UnknownCurrencyStatus 428 UnknownAccountStatus 429 ScaleOutOfRange 430 TickTooFine 431 LotTooFine 432
FeesOutOfRange 433 NameNotLegal 434 LimitsOutOfRange 435 AmountOutOfRange 436 WrongScale 437 UnknownStatementKind 438 CountOutOfRange 439
SameCurrency 440 IdMustNotBeZero 441 UnknownCancelOnDisconnect 442 CancelGraceOutOfRange 501 UnknownMarket 502 UnknownAccount 503
UnknownOrder 504 UnknownCurrency 505 MarketExists 506 AccountExists 507 CurrencyExists 508 ExternalIdExists 601 InsufficientFunds 602
AccountFrozen 603 AccountCancelOnly 604 SupplyExceeded 605 CurrencyNotListed 606 BusinessIdReused 607 SameAccount 608 FeeTableFull 609
ExternalCustody 610 SettlementsTooOld 611 TenantLimitReached 612 FeeAccountFixed 701 MarketHalted 702 MarketCancelOnly 703
PostOnlyWouldCross 704 FokUnfillable 705 TooManyOpenOrders 706 TooManyOpenOrdersOfAccount 707 BookQtyExceeded 801 DuplicateClOrdId 802
AlreadyApplied 803 SequenceGap 804 ReportSeqNotReached 901 BatchStopped
`;

export const FRAME_MAX = 65_536;
const words = (text) => text.trim().split(/\s+/);
/** Names of codes, and codes of names. */
export const NAMES = new Map(), CODES = {};
for (const [, code, name] of CODE_NAMES.matchAll(/(\d+)\s+(\w+)/g)) {
  NAMES.set(Number(code), name);
  CODES[name] = Number(code);
}
const WORDS = new Map();
for (const word of WORD_VALUES.split(";")) {
  const [name, ...values] = words(word);
  WORDS.set(name, new Set(values.map((value) => Number(value.split("=")[1]))));
}
const COME_BACK = new Set(words(`KeepaliveLapsed HandshakeTimeout ServerDraining TooManyConnections SlowConsumer JournalFailed NotOwner TenantMoving
  LogonRateExceeded`));

/** Everything that this client throws of its own. `code` is one of `CODES`, or 0. */
export class SoukError extends Error {
  constructor(text, code = 0) {
    super(code ? `${text} ${code} ${NAMES.get(code) ?? ""}`.trim() : text);
    this.name = new.target.name;
    this.code = code;
  }
}

/** Bytes that break a rule of section 4. */
export class Refused extends SoukError {
  constructor(rule, offset, fatal = false) {
    super(`byte ${offset}:`, CODES[rule]);
    Object.assign(this, { rule, offset, fatal });
  }
}

/** The message had no effect, and will have none. */
export class NotApplied extends SoukError {}

/** Whether it was applied is not known, or what became of it is not: ask for the order's status. */
export class InDoubt extends SoukError {}

/** A logon was refused, or a connection ended; without a word if the code is 0. */
export class Ended extends SoukError {
  constructor(text, code = 0, retryAfterMs = 0) {
    super(text, code);
    this.retryAfterMs = retryAfterMs;
    this.mayHelp = code === 0 || retryAfterMs > 0 || COME_BACK.has(NAMES.get(code));
  }
}

// --- layouts ---
const SIZES = { "": 8, i64: 8, i32: 4, 4: 4, 2: 2 };

function field(text) {
  const [name, kind = ""] = text.split(":");
  if (name[0] === "_") return { name: "", kind: "zero", size: Number(name.slice(1)) };
  if (/^[ab]\d/.test(kind)) return { name, kind: kind[0], size: Number(kind.slice(1)) };
  return { name, kind, size: SIZES[kind] ?? 1 };
}

const sum = (fields) => fields.reduce((size, one) => size + one.size, 0);
const layouts = new Map();
const REPORT = "market:4 account:4 transact_time client_seq cl_ord_id";
for (const line of MESSAGES.trim().replaceAll("\n  ", " ").replaceAll("@", REPORT).split("\n")) {
  const [[template, name, sender, ...block], entry] = line.split(" / ").map(words);
  const layout = { template: Number(template), name, sender, block: block.map(field), entry: entry?.map(field) ?? null };
  Object.assign(layout, { blockLen: sum(layout.block), entryLen: sum(layout.entry ?? []) });
  layouts.set(name, layout).set(layout.template, layout);
}

/** The layout of a message by its name or template. */
export const layoutOf = (message) => layouts.get(message);

// --- bytes: sections 2 to 4 ---
function check(holds, rule, offset, fatal = false) {
  if (!holds) throw new Refused(rule, offset, fatal);
}

const isZero = (data, from, to) => data.subarray(from, to).every((byte) => byte === 0);

/** The length of the first frame, or null if more bytes are needed. */
export function split(data, frameMax = FRAME_MAX) {
  if (data.length < 4) return null;
  const length = data.readUInt32LE(0);
  check(length >= 24 && length <= frameMax, "FrameLengthOutOfRange", 0, true);
  check(length % 8 === 0, "FrameLengthNotAligned", 0, true);
  if (data.length < length) return null;
  const [blockEnd, groups] = [24 + data.readUInt16LE(6), data[11]];
  check(isZero(data, 12, 16), "ReservedNotZero", 12, true);
  check(data[8] === 1, "SchemaNotSupported", 8, true);
  check(blockEnd % 8 === 0 && blockEnd <= length, "BlockLengthMismatch", 6, true);
  check(groups < 2 && (groups === 1 || blockEnd === length), "GroupLengthMismatch", 11, true);
  return length;
}

function readNumber(data, at, kind, size) {
  if (size === 8) return kind === "i64" ? data.readBigInt64LE(at) : data.readBigUInt64LE(at);
  if (size === 4) return kind === "i32" ? data.readInt32LE(at) : data.readUInt32LE(at);
  return size === 2 ? data.readUInt16LE(at) : data[at];
}

function read(fields, data, at) {
  const found = {};
  for (const { name, kind, size } of fields) {
    if (kind === "zero") check(isZero(data, at, at + size), "ReservedNotZero", at);
    else if (kind === "b") found[name] = Buffer.from(data.subarray(at, at + size));
    else if (kind === "a") found[name] = data.toString("latin1", at, at + size).replace(/\0+$/, "");
    else {
      const value = readNumber(data, at, kind, size), word = kind.replace("?", "");
      check(kind !== "bool" || value < 2, "ReservedNotZero", at);
      check(!WORDS.has(word) || WORDS.get(word).has(value) || (value === 0 && kind !== word), `Unknown${word}`, at);
      found[name] = value;
    }
    at += size;
  }
  return found;
}

const HAS = {
  32: ["cl_ord_id", "price", "qty"],
  33: ["orig_cl_ord_id", "order_id"],
  34: ["cl_ord_id", "orig_cl_ord_id", "order_id", "price", "qty"],
};

/** The table of section 10. In a new order the words are those of NewOrder. */
function checkBatchEntry(entry, at) {
  check(entry.operation in HAS, "UnknownBatchOperation", at);
  const kinds = new Map(layouts.get("NewOrder").block.map(({ name, kind }) => [name, kind]));
  for (const { name, size } of layouts.get("Batch").entry) {
    if (name && !["operation", "account", ...HAS[entry.operation]].includes(name)) {
      const kind = entry.operation === 32 ? kinds.get(name) : undefined;
      if (kind === undefined) check(Number(entry[name]) === 0, "ReservedNotZero", at);
      else check(!WORDS.has(kind) || WORDS.get(kind).has(entry[name]), `Unknown${kind}`, at);
    }
    at += size;
  }
}

/** The message of one whole frame that `split` took: `name`, `seq`, `flags`, `fields`, and `entries` if it has a group. */
export function decode(data, sender = "S") {
  const template = data.readUInt16LE(4), blockLen = data.readUInt16LE(6);
  const flags = data[10], seq = data.readBigUInt64LE(16);
  const layout = layouts.get(template), numbered = template >= 32 && template < 48;
  check(layout && (layout.sender === sender || layout.sender === "B"), "UnknownTemplate", 4);
  check((flags & ~(sender === "S" ? 3 : Number(numbered))) === 0, "FlagNotSupported", 10);
  check(sender === "S" || numbered === (seq !== 0n), numbered ? "SequenceMustNotBeZero" : "SequenceMustBeZero", 16);
  check(data[11] === Number(layout.entry !== null), "GroupLengthMismatch", 11);
  check(blockLen >= layout.blockLen, "BlockLengthMismatch", 6);
  const fields = read(layout.block, data, 24), at = 24 + blockLen;
  const message = { name: layout.name, seq, flags, fields };
  if (layout.entry) {
    check(data.length >= at + 8, "GroupLengthMismatch", at);
    const entryLen = data.readUInt16LE(at), count = data.readUInt16LE(at + 2);
    check(isZero(data, at + 4, at + 8), "ReservedNotZero", at + 4);
    check(entryLen >= layout.entryLen && entryLen % 8 === 0, "GroupLengthMismatch", at);
    check(at + 8 + entryLen * count === data.length, "GroupLengthMismatch", at + 2);
    check(template !== 37 || (count >= 1 && count <= 32), "BatchSizeOutOfRange", at + 2);
    message.entries = [];
    for (let place = at + 8; place < data.length; place += entryLen) {
      message.entries.push(read(layout.entry, data, place));
      if (template === 37) checkBatchEntry(message.entries.at(-1), place);
    }
  }
  check(template !== 128 || (fields.flags >= 1 && fields.flags <= 4), "SubscriptionFlagsUnknown", 28);
  check(template !== 60 || (fields.count >= 1 && fields.count <= 512), "CountOutOfRange", 36);
  return message;
}

function write(fields, values, data, at) {
  for (const { name, kind, size } of fields) {
    const value = values[name];
    if (kind === "b" && value) Buffer.from(value).copy(data, at, 0, size);
    else if (kind === "a" && value) data.write(value, at, size, "latin1");
    else if (value && kind === "i64") data.writeBigInt64LE(BigInt(value), at);
    else if (value && kind === "i32") data.writeInt32LE(Number(value), at);
    else if (value && size === 8) data.writeBigUInt64LE(BigInt(value), at);
    else if (value) data.writeUIntLE(Number(value), at, size);
    at += size;
  }
}

/** A frame. Fields that are not given are 0; integers may be numbers or bigints. */
export function encode(name, fields = {}, seq = 0n, flags = 0, entries = []) {
  const layout = layouts.get(name), group = layout.entry ? 8 + layout.entryLen * entries.length : 0;
  const data = Buffer.alloc(24 + layout.blockLen + group), at = 24 + layout.blockLen;
  data.writeUInt32LE(data.length, 0);
  data.writeUInt16LE(layout.template, 4);
  data.writeUInt16LE(layout.blockLen, 6);
  data.set([1, 1, flags, Number(layout.entry !== null)], 8);
  data.writeBigUInt64LE(BigInt(seq), 16);
  write(layout.block, fields, data, 24);
  if (layout.entry) {
    data.writeUInt16LE(layout.entryLen, at);
    data.writeUInt16LE(entries.length, at + 2);
    entries.forEach((entry, index) => write(layout.entry, entry, data, at + 8 + index * layout.entryLen));
  }
  return data;
}

/** Section 6: what a logon signs. */
export const signedBytes = (hello, challenge, logon) =>
  Buffer.concat([Buffer.from("souk-logon-v1\0\0\0"), hello, challenge, logon.subarray(0, -64), Buffer.alloc(64)]);

/** The Ed25519 signature with the key of these 64 hex digits. */
export function sign(key, message) {
  const der = Buffer.from(`302e020100300506032b657004220420${key.trim()}`, "hex");
  return signBytes(null, message, createPrivateKey({ key: der, format: "der", type: "pkcs8" }));
}
