//! Single statements: the fenced append against a bare insert of the same size, and a renewal among few and many tenants.

use std::time::{Duration, Instant};

use souk::database::{Class, Connection, LogStore};
use souk::ids::Epoch;
use souk::journal::{BatchWriter, Body, GroupStore, StreamRecord};
use souk::lease::{LeaseTerms, Registered};
use souk_protocol::{MarketId, SessionId, TenantId};

use crate::Size;
use crate::figures::{Times, head};
use crate::mariadb::{MariaDb, runtime};
use crate::node::{Cluster, registrant};

pub fn terms() -> LeaseTerms {
    let ms = Duration::from_millis;
    // Nothing here waits for a deadline.
    LeaseTerms::new(ms(60_000), ms(5_000), ms(4_000), ms(25)).unwrap()
}

/// Registers a process in a cluster that has none.
pub async fn registered(connection: &mut Connection) -> (Registered, souk::database::LogId) {
    let node = registrant("bench");
    connection.register(&node, None).await.unwrap().unwrap()
}

/// A batch of about so many bytes.
fn batch(bytes: usize) -> Vec<u8> {
    let mut writer = BatchWriter::new(Epoch(1));
    let record = StreamRecord {
        tenant: TenantId(1),
        market: MarketId(1),
        stream_seq: 1,
        transact_time: 0,
        session: SessionId(0),
        body: Body::StateHash(1),
    };
    let one = {
        writer.add(&record);
        writer.finish(0, 0).len()
    };
    let mut writer = BatchWriter::new(Epoch(1));
    for _ in 0..(bytes / one).max(1) {
        writer.add(&record);
    }
    writer.finish(0, 0).to_vec()
}

pub fn commit(size: &Size) {
    let server = MariaDb::start("commit");
    let cluster = Cluster::new("commit", &server);
    let database = cluster.database_config();
    let runtime = runtime();
    let connection = |class| Connection::new(&database, &terms(), class).unwrap();
    let mut steward = connection(Class::Steward);
    let (_, log) = runtime.block_on(registered(&mut steward));
    server.run(&format!(
        "CREATE TABLE {}.bare(seq BIGINT UNSIGNED PRIMARY KEY, payload MEDIUMBLOB) ENGINE=InnoDB",
        cluster.database
    ));
    head("one commit");
    let mut store =
        LogStore::new(connection(Class::Journal), log, Duration::from_secs(60)).unwrap();
    let mut bare = connection(Class::Journal);
    let mut seq = 0_u64;
    for bytes in [256, 4_096, 16_384, 65_536] {
        let batch = batch(bytes);
        let (mut fenced, mut plain) = (Times::default(), Times::default());
        for _ in 0..size.statements {
            let begun = Instant::now();
            store.write(&batch, 1).unwrap();
            fenced.add(begun.elapsed());
            seq += 1;
            let begun = Instant::now();
            let insert = "INSERT INTO bare VALUES(?, ?)";
            let added = bare.execute(insert, (seq, &batch[..]));
            assert_eq!(runtime.block_on(added).unwrap(), 1);
            plain.add(begun.elapsed());
        }
        plain.print(&format!("insert of {bytes} bytes"));
        fenced.print("  the same, fenced, as a row of the log");
        let ratio = fenced.percentile(50).as_secs_f64() / plain.percentile(50).as_secs_f64();
        println!("  ratio of the medians {ratio:.2}; goal 1.12");
    }
}

pub fn renewal(size: &Size) {
    let server = MariaDb::start("renewal");
    let cluster = Cluster::new("renewal", &server);
    let database = cluster.database_config();
    let runtime = runtime();
    let mut connection = Connection::new(&database, &terms(), Class::Lease(0)).unwrap();
    let (own, _) = runtime.block_on(registered(&mut connection));
    head("one renewal");
    let mut beat = 0;
    let mut medians = Vec::new();
    for tenants in [1, size.tenants] {
        let all: Vec<_> = (1..=tenants).map(TenantId).collect();
        runtime.block_on(connection.add_tenants(&all)).unwrap();
        let free = (souk::lease::NodeId(0), souk::lease::Incarnation(0));
        let begun = Instant::now();
        runtime
            .block_on(connection.claim(&own, &all, free))
            .unwrap();
        println!("{tenants} tenants claimed in {:?}", begun.elapsed());
        let mut times = Times::default();
        for _ in 0..size.statements {
            beat += 1;
            let begun = Instant::now();
            let renewed = connection.renew(&own, beat, Duration::ZERO);
            assert!(runtime.block_on(renewed).unwrap());
            times.add(begun.elapsed());
        }
        times.print(&format!("of a node with {tenants} tenants"));
        medians.push(times.percentile(50).as_secs_f64());
    }
    println!(
        "  ratio of the medians {:.2}: one row, whatever a node owns",
        medians[1] / medians[0]
    );
}
