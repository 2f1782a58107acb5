//! The tables. Numbers of 64 bits without a sign are kept as the same 64 bits with one; amounts are whole units.

use crate::tables::Layout;

/// The tables of a file. Those of a cluster's database have the same columns ([`crate::database`]).
pub(super) const LAYOUT: Layout = Layout {
    pragmas: PRAGMAS,
    tables: TABLES,
    version: 1,
};

/// How the file is opened: readers do not wait for the writer, and a crash loses whole transactions only, which the follower
/// does again.
const PRAGMAS: &str = "
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA foreign_keys = OFF;
PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -16384;
";

/// States of an order.
pub(super) const OPEN: i64 = 1;
pub(super) const FILLED: i64 = 2;
pub(super) const CANCELED: i64 = 3;
pub(super) const REJECTED: i64 = 4;

/// Makes the tables. A `number` is given in the order of the journal, which is the order people read in.
const TABLES: &str = "
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;

CREATE TABLE orders (
    number INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL,
    market INTEGER NOT NULL,
    id INTEGER NOT NULL,            -- 0: refused, it never had one
    cl_ord_id INTEGER NOT NULL,
    account INTEGER NOT NULL,
    session INTEGER NOT NULL,
    side INTEGER NOT NULL,
    type INTEGER NOT NULL,
    time_in_force INTEGER NOT NULL,
    price INTEGER NOT NULL,
    qty INTEGER NOT NULL,           -- executed + leaves, or what was asked
    budget INTEGER NOT NULL,
    executed INTEGER NOT NULL,
    leaves INTEGER NOT NULL,
    value_high INTEGER NOT NULL,    -- ticks x lots executed, divided by 2^32; -1: too large to tell
    value_low INTEGER NOT NULL,     -- the rest
    state INTEGER NOT NULL,
    reason INTEGER NOT NULL,        -- code of the refusal, reason of the cancel
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX orders_id ON orders (tenant, market, id) WHERE id != 0;
CREATE INDEX orders_tenant ON orders (tenant, number);
CREATE INDEX orders_account ON orders (tenant, account, number);
CREATE INDEX orders_market ON orders (tenant, market, number);
CREATE INDEX orders_open ON orders (tenant, account, number) WHERE state = 1;
CREATE INDEX orders_open_tenant ON orders (tenant, number) WHERE state = 1;
CREATE INDEX orders_open_market ON orders (tenant, market, account) WHERE state = 1;

CREATE TABLE order_events (
    number INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL,
    market INTEGER NOT NULL,
    id INTEGER NOT NULL,
    stream_seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    what INTEGER NOT NULL,
    price INTEGER NOT NULL,
    qty INTEGER NOT NULL,
    leaves INTEGER NOT NULL,
    reason INTEGER NOT NULL
) STRICT;
CREATE INDEX order_events_id ON order_events (tenant, market, id, number);

CREATE TABLE trades (
    number INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL,
    market INTEGER NOT NULL,
    id INTEGER NOT NULL,
    at INTEGER NOT NULL,
    price INTEGER NOT NULL,
    qty INTEGER NOT NULL,
    notional INTEGER NOT NULL,
    taker_side INTEGER NOT NULL,
    buyer INTEGER NOT NULL,
    seller INTEGER NOT NULL,
    buyer_order INTEGER NOT NULL,
    seller_order INTEGER NOT NULL,
    buyer_fee INTEGER NOT NULL,
    seller_fee INTEGER NOT NULL
) STRICT;
CREATE INDEX trades_tenant ON trades (tenant, number);
CREATE INDEX trades_market ON trades (tenant, market, number);
CREATE INDEX trades_buyer ON trades (tenant, buyer, number);
CREATE INDEX trades_seller ON trades (tenant, seller, number);

CREATE TABLE minutes (
    tenant INTEGER NOT NULL,
    market INTEGER NOT NULL,
    minute INTEGER NOT NULL,        -- since 1970-01-01 UTC
    trades INTEGER NOT NULL,
    qty INTEGER NOT NULL,           -- lots; 2^63 - 1: that or more
    notional INTEGER NOT NULL,      -- units; the same
    first_price INTEGER NOT NULL,
    high INTEGER NOT NULL,
    low INTEGER NOT NULL,
    last_price INTEGER NOT NULL,
    PRIMARY KEY (tenant, market, minute)
) STRICT, WITHOUT ROWID;
CREATE INDEX minutes_tenant ON minutes (tenant, minute);

CREATE TABLE statements (
    tenant INTEGER NOT NULL,
    account INTEGER NOT NULL,
    currency TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    change INTEGER NOT NULL,
    total INTEGER NOT NULL,
    market INTEGER NOT NULL,
    reference INTEGER NOT NULL,
    PRIMARY KEY (tenant, account, currency, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
    tenant INTEGER NOT NULL,
    id INTEGER NOT NULL,
    external_id TEXT NOT NULL,
    status INTEGER NOT NULL,
    fee_group INTEGER NOT NULL,
    stp_group INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX accounts_external_id ON accounts (tenant, external_id) WHERE external_id != '';

CREATE TABLE fees (
    tenant INTEGER NOT NULL,
    market INTEGER NOT NULL,
    fee_group INTEGER NOT NULL,
    maker_ppm INTEGER NOT NULL,
    taker_ppm INTEGER NOT NULL,
    PRIMARY KEY (tenant, market, fee_group)
) STRICT, WITHOUT ROWID;

CREATE TABLE markets (
    tenant INTEGER NOT NULL,
    id INTEGER NOT NULL,
    orders_max INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE states (
    number INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL,
    market INTEGER NOT NULL,
    state INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX states_market ON states (tenant, market, number);

CREATE TABLE money (
    tenant INTEGER NOT NULL,
    currency TEXT NOT NULL,
    supply TEXT NOT NULL,           -- credits less debits
    balances TEXT NOT NULL,         -- of all accounts, the fee account's among them
    held TEXT NOT NULL,
    fees TEXT NOT NULL,             -- what the fee account has
    at INTEGER NOT NULL,
    PRIMARY KEY (tenant, currency)
) STRICT, WITHOUT ROWID;
";
