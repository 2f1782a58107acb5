//! What the database says happened, looked at by somebody who does not use Souk's own reader for the order of things.

use std::collections::{BTreeMap, BTreeSet};

use souk::journal::{Body, Rows};

use crate::mariadb::MariaDb;

/// All logs and ownerships of a cluster.
pub struct History {
    /// By tenant: epoch, log.
    pub tenures: BTreeMap<u32, Vec<(u64, u64)>>,
    /// Processes by node name: the highest incarnation.
    pub incarnations: BTreeMap<String, u64>,
    pub states: BTreeMap<String, u8>,
}

impl History {
    /// Reads it, and checks what must always be true: every log is one row after another, nothing after its seal; an epoch
    /// names one process; every batch is of the one process that had its tenant then; a tenant's commands are numbered
    /// without a gap or a repetition through all its owners.
    pub fn check(server: &MariaDb, database: &str) -> Self {
        let of = |query: &str| query.replace("FROM ", &format!("FROM {database}."));
        let nodes: Vec<(Vec<u8>, u64, u8)> =
            server.rows(&of("SELECT node_name, incarnation, state FROM engine_node"));
        let rows: Vec<(u64, u64, u8, Vec<u8>)> = server.rows(&of(
            "SELECT log_id, seq, kind, payload FROM log_row ORDER BY log_id, seq",
        ));
        // After the rows: an ownership is there before the first row under it, and stays.
        let tenures: Vec<(u32, u64, u64)> = server.rows(&of(
            "SELECT tenant_id, epoch, log_id FROM tenure ORDER BY tenant_id, epoch",
        ));
        let mut by_tenant: BTreeMap<u32, Vec<(u64, u64)>> = BTreeMap::new();
        for (tenant, epoch, log) in &tenures {
            by_tenant.entry(*tenant).or_default().push((*epoch, *log));
        }
        check_logs(&rows);
        check_batches(&rows, &by_tenant);
        let name = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self {
            tenures: by_tenant,
            incarnations: nodes.iter().map(|it| (name(&it.0), it.1)).collect(),
            states: nodes.iter().map(|it| (name(&it.0), it.2)).collect(),
        }
    }

    /// How many owners a tenant had.
    pub fn owners(&self, tenant: u32) -> usize {
        self.tenures.get(&tenant).map_or(0, Vec::len)
    }
}

fn check_logs(rows: &[(u64, u64, u8, Vec<u8>)]) {
    let mut last: BTreeMap<u64, (u64, u8)> = BTreeMap::new();
    for (log, seq, kind, _) in rows {
        let (before, sealed) = last.insert(*log, (*seq, *kind)).unwrap_or((0, 0));
        assert_eq!(*seq, before + 1, "log {log} has every row");
        assert_eq!(sealed, 0, "nothing comes after the seal of log {log}");
    }
}

/// The numbers of a stream's commands, by ownership: epoch and log.
type Numbers = BTreeMap<(u64, u64), Vec<u64>>;

/// In the order of ownerships, the batches of each tenant.
fn check_batches(rows: &[(u64, u64, u8, Vec<u8>)], tenures: &BTreeMap<u32, Vec<(u64, u64)>>) {
    let mut seen: BTreeSet<(u32, u64)> = BTreeSet::new();
    let mut readers: BTreeMap<u64, Rows> = BTreeMap::new();
    let mut last: BTreeMap<(u32, u32), Numbers> = BTreeMap::new();
    for (log, _, kind, payload) in rows {
        if *kind == 1 {
            continue;
        }
        let reader = readers.entry(*log).or_insert_with(|| Rows::from(1));
        for batch in reader.read(payload).unwrap() {
            let tenant = batch.tenant().unwrap().0;
            let tenure = (batch.epoch(), *log);
            let known = tenures.get(&tenant).is_some_and(|it| it.contains(&tenure));
            assert!(known, "tenant {tenant} was owned under {tenure:?}");
            seen.insert((tenant, batch.epoch()));
            let mut records = Vec::new();
            souk::journal::read_batch(batch.bytes, &mut records).unwrap();
            for record in records {
                assert_eq!(record.tenant.0, tenant, "a batch is of one tenant");
                if record.stream_seq == 0 || !is_command(&record.body) {
                    continue;
                }
                let stream = last.entry((tenant, record.market.0)).or_default();
                stream.entry(tenure).or_default().push(record.stream_seq);
            }
        }
    }
    for (stream, tenures) in last {
        let numbers: Vec<u64> = tenures.into_values().flatten().collect();
        let counted: Vec<u64> = (1..=numbers.len() as u64).collect();
        assert_eq!(
            numbers, counted,
            "stream {stream:?} is numbered without a gap"
        );
    }
}

/// Whether a record is numbered: sessions and ends stand between the numbers.
fn is_command(body: &Body) -> bool {
    matches!(
        body,
        Body::Command { .. } | Body::Control { .. } | Body::Change { .. }
    )
}
