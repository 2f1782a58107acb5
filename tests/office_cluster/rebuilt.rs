//! The history has everything once, whatever happens to the nodes: it is what the logs say, done again from nothing.

use std::time::{Duration, Instant};

use serde_json::Value;
use souk::journal::{Body, Rows, read_batch};

use crate::journey::{client, trade};
use crate::kit::block_on;
use crate::load::Load;
use crate::offices::{Offices, SOON};
use crate::trader::Trader;

const TABLES: [(&str, &str); 10] = [
    ("orders", "tenant, number"),
    ("order_events", "tenant, number"),
    ("trades", "tenant, number"),
    ("minutes", "tenant, market, minute"),
    ("statements", "tenant, account, currency, sequence"),
    ("accounts", "tenant, id"),
    ("fees", "tenant, market, fee_group"),
    ("markets", "tenant, id"),
    ("states", "tenant, number"),
    ("history_position", "tenant"),
];

/// Everything in the tables, as text.
fn tables(offices: &Offices) -> Vec<(&'static str, Vec<String>)> {
    let database = &offices.scene.cluster.database;
    let read = |(table, key): (&'static str, &str)| {
        let columns: Vec<String> = offices.scene.server.rows(&format!(
            "SELECT CONCAT('`', column_name, '`') FROM information_schema.columns \
             WHERE table_schema = '{database}' AND table_name = '{table}' AND column_name != 'written_at' ORDER BY ordinal_position"
        ));
        let rows = offices.scene.server.rows(&format!(
            "SELECT CAST(CONCAT_WS(' ', {}) AS CHAR) FROM {database}.{table} ORDER BY {key}",
            columns.join(", ")
        ));
        (table, rows)
    };
    TABLES.map(read).into()
}

/// Until the tables have everything that is in the logs.
fn wait_for_history(offices: &mut Offices, node: usize, tokens: &[(&str, Vec<String>)]) {
    for (tenant, tokens) in tokens {
        let office = offices.office(node);
        let lag = |it: &Value| it["history"]["lag_batches"] == 0;
        office.see("/v1/overview", &tokens[node], lag);
        println!("{tenant} is up");
    }
}

/// Orders that the logs have, of both tenants.
fn orders_in_logs(offices: &Offices) -> u64 {
    let rows: Vec<(u64, u64, u8, Vec<u8>)> =
        offices.rows("SELECT log_id, seq, kind, payload FROM log_row ORDER BY log_id, seq");
    let mut count = 0;
    let mut readers = std::collections::BTreeMap::new();
    for (log, _, kind, payload) in &rows {
        if *kind == 1 {
            continue;
        }
        let reader = readers.entry(*log).or_insert_with(|| Rows::from(1));
        for batch in reader.read(payload).unwrap() {
            let mut records = Vec::new();
            read_batch(batch.bytes, &mut records).unwrap();
            let is_order = |body: &Body| match body {
                Body::Command { numbered, .. } => {
                    matches!(numbered.command, souk_engine::Command::New(_))
                }
                _ => false,
            };
            count += records.iter().filter(|it| is_order(&it.body)).count() as u64;
        }
    }
    count
}

fn remove(offices: &Offices) {
    for (table, _) in TABLES {
        let database = &offices.scene.cluster.database;
        offices
            .scene
            .server
            .run(&format!("DELETE FROM {database}.{table}"));
    }
}

/// Trades of globex until `stop`.
fn trades(addresses: String, stop: std::sync::mpsc::Receiver<()>) -> u64 {
    block_on(async {
        let client = client(&addresses, 7).await;
        // Once: a list is refused while a tenant moves.
        let market = client.market("BTC-USDT").await.unwrap();
        client.join(market.id()).await.unwrap();
        let mut count = 0;
        while stop.try_recv().is_err() {
            trade(&client, &market, "60000.00", "0.0100", [1, 77]).await;
            count += 1;
        }
        client.terminate().await.unwrap();
        count
    })
}

#[test]
fn the_history_is_what_the_logs_say_after_its_writer_was_killed_under_load() {
    let mut offices = Offices::new("rebuilt");
    let tokens = [
        ("acme", offices.log_on("acme", "ada", "owner")),
        ("globex", offices.log_on("globex", "eve", "owner")),
    ];
    let load = Load::begin(&offices.scene.addresses());
    let seeds = offices.scene.seeds();
    let (stop, stopped) = std::sync::mpsc::channel();
    let trading = std::thread::spawn(move || trades(seeds, stopped));
    load.run(Duration::from_millis(1_000));
    let owner = offices.owner_of(2);
    let (name, address) = (
        offices.scene.nodes[owner].name.clone(),
        offices.scene.nodes[owner].address(),
    );
    offices.scene.nodes[owner].kill();
    load.run(offices.scene.ttl() + Duration::from_millis(700));
    // It comes back, and the other one hands everything over under load.
    offices.scene.nodes[owner] = offices.scene.cluster.node_at(&name, address);
    offices.scene.nodes[owner].address();
    load.run(Duration::from_millis(500));
    let other = 1 - owner;
    let (other_name, other_address) = (
        offices.scene.nodes[other].name.clone(),
        offices.scene.nodes[other].address(),
    );
    assert!(offices.scene.nodes[other].stop().success());
    load.run(Duration::from_millis(500));
    load.end();
    stop.send(()).unwrap();
    let traded = trading.join().unwrap();
    let history = offices.scene.history();
    println!("owners {} and {}", history.owners(1), history.owners(2));
    assert!(history.owners(1) >= 3, "it moved twice at least");

    wait_for_history(&mut offices, owner, &tokens);
    let written = tables(&offices);
    let of = |name: &str| written.iter().find(|it| it.0 == name).unwrap().1.len() as u64;
    println!(
        "{traded} pairs, {} orders, {} trades",
        of("orders"),
        of("trades")
    );
    assert_eq!(of("orders"), orders_in_logs(&offices));
    assert_eq!(of("trades"), traded);
    let twice: Vec<u64> = offices
        .rows("SELECT COUNT(*) - COUNT(DISTINCT tenant, market, id) FROM orders WHERE id != 0");
    assert_eq!(twice, [0], "no order is there twice");

    // Rebuilt, as the documents say.
    offices.scene.nodes[owner].kill();
    remove(&offices);
    offices.scene.nodes[other] = offices.scene.cluster.node_at(&other_name, other_address);
    offices.scene.nodes[other].address();
    Trader::new(2, 2, &[other_address]).find();
    Trader::new(3, 2, &[other_address]).find();
    wait_for_history(&mut offices, other, &tokens);
    let again = tables(&offices);
    for ((table, written), (_, again)) in written.iter().zip(&again) {
        if *table == "history_position" {
            continue;
        }
        let differs = written.iter().zip(again).find(|(a, b)| a != b);
        assert_eq!(differs, None, "{table} as it was written, and rebuilt");
        assert_eq!(written.len(), again.len(), "{table}");
    }
}

#[test]
fn a_history_that_is_behind_the_logs_goes_on_with_the_state_behind_the_gap() {
    let mut offices = Offices::with("gap", |settings| settings.snapshot_rows = 64);
    let tokens = [("acme", offices.log_on("acme", "ada", "owner"))];
    let addresses = offices.scene.addresses();
    let mut trader = Trader::new(2, 2, &addresses);
    let mut price = 0;
    let mut rest = |trader: &mut Trader, count: usize| {
        for _ in 0..count {
            price += 1;
            assert!(trader.rest(price));
        }
    };
    // Until rows were removed that nobody needs.
    let begun = Instant::now();
    let first = "SELECT COUNT(*) FROM log_row WHERE seq = 1 AND log_id IN (SELECT log_id FROM tenure WHERE tenant_id = 1)";
    while offices.rows::<u64>(first) != [0] {
        rest(&mut trader, 50);
        assert!(begun.elapsed() < 2 * SOON, "rows are removed");
        std::thread::sleep(Duration::from_millis(20));
    }
    wait_for_history(&mut offices, 0, &tokens);
    let open = trader.open.len() as u64;
    assert_eq!(
        offices.rows::<u64>("SELECT COUNT(*) FROM orders WHERE tenant = 1 AND state = 1"),
        [open],
        "the rows were kept until the history had them"
    );
    // Everything is lost.
    for node in &mut offices.scene.nodes {
        node.kill();
    }
    remove(&offices);
    let names = ["a", "b"];
    for (number, address) in addresses.iter().enumerate() {
        let node = offices.scene.cluster.node_at(names[number], *address);
        offices.scene.nodes[number] = node;
    }
    for node in &mut offices.scene.nodes {
        node.address();
    }
    let mut again = Trader::new(2, 2, &addresses);
    again.find();
    wait_for_history(&mut offices, 0, &tokens);
    let states: Vec<(u8, u64)> = offices
        .rows("SELECT state, COUNT(*) FROM orders WHERE tenant = 1 GROUP BY state ORDER BY state");
    assert_eq!(states, [(1, open)], "every open order is listed, once");
    assert!(
        offices
            .scene
            .nodes
            .iter()
            .any(|it| it.log().contains("history has a gap"))
    );
    let accounts: Vec<u64> = offices.rows("SELECT COUNT(*) FROM accounts WHERE tenant = 1");
    assert_eq!(accounts, [2]);
}
