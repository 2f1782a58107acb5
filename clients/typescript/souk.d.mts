// Types of souk.mjs. Members with an underscore are named as in protocol/PROTOCOL.md.

export const BUY: 1, SELL: 2, LIMIT: 2, MARKET: 1, GTC: 1, IOC: 3, FOK: 4, DEPTH: 1, TRADES: 2;
/** Codes of section 18 by name, and their names. */
export const CODES: Readonly<Record<string, number>>;
export const NAMES: ReadonlyMap<number, string>;

/** An integer of eight bytes where it goes in. */
export type Long = bigint | number;
export type Side = 1 | 2;

export class SoukError extends Error {
  /** A code of section 18, or 0. */
  readonly code: number;
}
/** Bytes that break a rule of section 4. */
export class Refused extends SoukError {
  readonly rule: string;
  readonly offset: number;
  readonly fatal: boolean;
}
/** The message had no effect, and will have none. */
export class NotApplied extends SoukError {}
/** Whether it was applied is not known, or what became of it is not: ask for the order's status. */
export class InDoubt extends SoukError {}
/** A logon was refused, or a connection ended; without a word if the code is 0. */
export class Ended extends SoukError {
  readonly retryAfterMs: number;
  readonly mayHelp: boolean;
}

/** What every report begins with. */
export interface ReportFields {
  market: number;
  account: number;
  transact_time: bigint;
  /** The number of the message that led to it, or 0. */
  client_seq: bigint;
}
interface OrderReport extends ReportFields {
  cl_ord_id: bigint;
  order_id: bigint;
  batch_index: number;
}
export interface Accepted extends OrderReport {
  price: bigint;
  qty: bigint;
  side: Side;
  order_type: number;
  time_in_force: number;
  post_only: number;
}
export interface Rejected extends OrderReport {
  code: number;
  ref_template: number;
}
export interface Canceled extends OrderReport {
  qty: bigint;
  cum: bigint;
  reason: number;
  side: Side;
}
export interface Replaced extends OrderReport {
  orig_cl_ord_id: bigint;
  price: bigint;
  leaves: bigint;
  cum: bigint;
  side: Side;
  kept_priority: 0 | 1;
}
export interface Trade extends OrderReport {
  match_id: bigint;
  price: bigint;
  qty: bigint;
  leaves: bigint;
  cum: bigint;
  side: Side;
  /** 1 maker, 2 taker. */
  liquidity: number;
  /** In units of the quote currency; negative is a rebate. */
  fee: bigint;
}
export interface SelfTradePrevented extends OrderReport {
  qty: bigint;
  leaves: bigint;
  cum: bigint;
  side: Side;
  liquidity: number;
}
export interface MassCanceled extends ReportFields {
  count: number;
}
export interface OrderStatus extends Omit<OrderReport, "batch_index"> {
  price: bigint;
  leaves: bigint;
  cum: bigint;
  side: Side;
  state: number;
}

interface Named<Name extends string, Fields> {
  name: Name;
  /** The `report_seq` of the session in this market. */
  seq: bigint;
  flags: number;
  fields: Fields;
}
export type Report =
  | Named<"Accepted", Accepted>
  | Named<"Rejected", Rejected>
  | Named<"Canceled", Canceled>
  | Named<"Replaced", Replaced>
  | Named<"Trade", Trade>
  | Named<"SelfTradePrevented", SelfTradePrevented>
  | Named<"MassCanceled", MassCanceled>
  | Named<"OrderStatus", OrderStatus>;

/** Every other message of the server. Integers of eight bytes are bigints, others numbers, opaque bytes Buffers. */
export interface Message {
  name: string;
  seq: bigint;
  flags: number;
  fields: Record<string, any>;
  entries?: Record<string, any>[];
}
/** What the client itself says. */
export type Notice =
  | { name: "LoggedOn"; fields: SessionInfo }
  | { name: "Disconnected"; fields: { code: number; reason: string } }
  | { name: "Resumed"; fields: { market: number; last_client_seq: bigint; resent: number; state_lost: boolean } }
  | { name: "ReportsLost"; fields: { market: number; first: bigint; last: bigint } }
  | { name: "BookBroken"; fields: { market: number; why: string } };
export type Event = Report | Notice | Message;

export interface SessionInfo {
  session_id: number;
  tenant: number;
  incarnation: bigint;
  server_time: bigint;
  max_inflight: number;
  order_rate: number;
  order_burst: number;
  cancel_rate: number;
  cancel_burst: number;
  keepalive_ms: number;
  /** What an acknowledgement is worth: 0 memory, 1 local, 2 mysql. */
  durability: number;
  accounts: number[];
  /** The node that the session is logged on to. */
  address: string;
}

export interface MarketDefinition {
  market: number;
  state: number;
  symbol: string;
  base: string;
  quote: string;
  base_scale: number;
  quote_scale: number;
  tick_mantissa: bigint;
  tick_scale: number;
  lot_mantissa: bigint;
  lot_scale: number;
  price_min: bigint;
  price_max: bigint;
  qty_min: bigint;
  qty_max: bigint;
  notional_unit: bigint;
  notional_min: bigint;
  notional_max: bigint;
  lot_units: bigint;
  account_orders_max: number;
}

export interface Level {
  price: bigint;
  qty: bigint;
  orders: number;
}
export class Book {
  constructor(flags?: number);
  /** Whether it is what the market had after `streamSeq` commands. */
  readonly complete: boolean;
  readonly streamSeq: bigint;
  /** The levels of one side, from the best price. */
  side(side: Side): Level[];
  hash(): bigint;
  set(level: Level & { side: Side }): void;
}

export interface Options {
  key_id: number;
  /** The secret Ed25519 key: 64 hex digits. */
  key: string;
  /** Which of the key's sessions, 0 to 4,095. */
  session?: number;
  /** Gets everything the server says but reports that came before, and what the client itself says. */
  onEvent?: (event: Event) => void;
  keepalive_ms?: number;
  /** 0 never, 1 when the connection is lost, 2 at logout, 3 both. */
  cancel_on_disconnect?: 0 | 1 | 2 | 3;
  cancel_grace_ms?: number;
  /** How long one logon may take. */
  timeout_ms?: number;
  /** Attempts in a row after which a lost session is over. */
  attempts?: number;
  /** TLS, with these options of `tls.connect`; absent: a plain connection. */
  tls?: import("node:tls").ConnectionOptions | null;
}
interface Place {
  market: number;
  account: number;
}
type Reference = { orig_cl_ord_id: Long } | { order_id: Long };
interface OrderFields {
  side: Side;
  qty: Long;
  price?: Long;
  cl_ord_id?: Long;
  budget?: Long;
  order_type?: number;
  time_in_force?: number;
  post_only?: number;
  stp_mode?: number;
  stp_scope?: number;
}
export type NewOrder = Place & OrderFields;
export type ReplaceOrder = Place & Reference & { price: Long; total_qty: Long; cl_ord_id?: Long };
export type BatchEntry =
  | ({ operation: 32; account: number } & OrderFields)
  | ({ operation: 33; account: number } & Reference)
  | ({ operation: 34; account: number; price: Long; qty: Long; cl_ord_id?: Long } & Reference);

/** One session. */
export class Client {
  /** Logs on. `addresses` are nodes with commas between them. */
  static connect(addresses: string, options: Options): Promise<Client>;
  private constructor();
  readonly info: SessionInfo;
  readonly books: ReadonlyMap<number, Book>;
  /** Resolves with why the session is over, once it is. */
  readonly ended: Promise<{ code: number; reason: string }>;

  /** The first report. Rejected with NotApplied or InDoubt, as for the others. */
  newOrder(order: NewOrder): Promise<Report>;
  cancel(order: Place & Reference): Promise<Report>;
  replace(order: ReplaceOrder): Promise<Report>;
  /** The last report: `MassCanceled`, or `Rejected`. */
  massCancel(which: Place & { side?: Side | 0 }): Promise<Report>;
  orderStatus(order: Place & Reference): Promise<Report>;
  /** One report for each entry. */
  batch(batch: { market: number; mode?: 0 | 1; entries: BatchEntry[] }): Promise<Report[]>;

  /** Where the session stands. With the last report that an earlier run of the program kept, those after it come first. */
  join(market: number, lastReportSeq?: bigint | null): Promise<Message>;
  markets(): Promise<MarketDefinition[]>;
  subscribe(market: number, flags?: number): Book;
  unsubscribe(market: number): void;
  /** Any message without a number, once, on this connection. Its answer is an event. */
  send(name: string, fields: Record<string, any>): void;
  /** Sends what waits, waits for the answers, says goodbye. */
  logout(): Promise<void>;
}
