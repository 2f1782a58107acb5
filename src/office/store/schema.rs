//! The office's own tables: who may come in, and what they did. They are not made again from a journal: back them up.

use crate::tables::Layout;

/// The tables of a file. Those of a cluster's database have the same columns ([`crate::database`]).
pub(super) const LAYOUT: Layout = Layout {
    pragmas: PRAGMAS,
    tables: TABLES,
    version: 1,
};

/// A commit is durable when it returns: what somebody did is on disk before it is done.
const PRAGMAS: &str = "
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = OFF;
PRAGMA busy_timeout = 5000;
";

/// Makes the tables. Tenant 0 stands for those who run the nodes. Two triggers keep the audit log as it was written.
const TABLES: &str = "
CREATE TABLE users (
    tenant INTEGER NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    password TEXT NOT NULL,         -- PHC string of Argon2id
    created_at INTEGER NOT NULL,
    last_login_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    digest BLOB PRIMARY KEY,        -- SHA-256 of the token
    id INTEGER NOT NULL UNIQUE,
    tenant INTEGER NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    account INTEGER NOT NULL,       -- 0: not a holder's
    user TEXT NOT NULL,             -- whose login made it; empty: a token for programs
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_tenant ON tokens (tenant, id);

CREATE TABLE keys (
    id INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL,
    name TEXT NOT NULL,
    public_key BLOB NOT NULL,
    permissions TEXT NOT NULL,
    accounts TEXT NOT NULL,         -- all, or ids with commas between
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    revoked_at INTEGER NOT NULL     -- 0: never; in the future: it works until then
) STRICT;
CREATE INDEX keys_tenant ON keys (tenant, id);

CREATE TABLE brands (
    tenant INTEGER PRIMARY KEY,
    brand TEXT NOT NULL
) STRICT;

CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL,
    at INTEGER NOT NULL,
    user TEXT NOT NULL,
    role TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    reason TEXT NOT NULL,
    request TEXT NOT NULL,
    outcome TEXT NOT NULL,          -- begun, done, or the code of the refusal
    ref INTEGER NOT NULL,           -- number of the entry that says it was begun
    hash BLOB NOT NULL              -- SHA-256 of the tenant's entry before and of this one
) STRICT;
CREATE INDEX audit_tenant ON audit (tenant, number);
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END;
";
