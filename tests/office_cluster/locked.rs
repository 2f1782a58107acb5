//! Rows of one tenant that somebody keeps locked, and answers that were lost.

use mysql_async::prelude::Queryable;
use serde_json::{Value, json};
use souk::database::DatabaseTables;
use souk::history::{Committed, Quiet, SharedStore};
use souk::ids::{Epoch, Position};
use souk_protocol::TenantId;

use crate::mariadb::{MariaDb, runtime};
use crate::node::Cluster;
use crate::offices::{Browser, Offices};

const STATEMENT: &str = "/v1/accounts/1/statement?currency=USDT&limit=500";

/// Credits an account, once more until somebody has said that it is done.
fn credit(office: Browser, token: &str, id: u32) {
    let body = json!({"account": "1", "currency": "USDT", "amount": "1", "business": "gift", "business_id": id.to_string(), "reason": "for the test"});
    let answer = office.post("/v1/funding/credit", token, &body);
    let is_done = answer.status == 200 || answer.code() == "DoneNotListed";
    assert!(is_done, "{answer:?}");
}

fn credits(statement: &Value) -> usize {
    let items = statement["items"].as_array().unwrap().iter();
    items.filter(|it| it["kind"] == "credit").count()
}

#[test]
fn a_tenant_whose_rows_are_locked_keeps_no_other_waiting() {
    let mut offices = Offices::new("locked");
    let (acme, globex) = (
        offices.log_on("acme", "ada", "owner"),
        offices.log_on("globex", "eve", "owner"),
    );
    // One node writes the history of both.
    assert!(offices.scene.nodes[1].stop().success());
    offices.scene.nodes.truncate(1);
    let office = offices.office(0);
    let (acme, globex) = (acme[0].as_str(), globex[0].as_str());
    let gift = json!({"account": "1", "currency": "USDT", "amount": "1", "business": "gift", "business_id": "1", "reason": "for the test"});
    for token in [acme, globex] {
        office.post_soon("/v1/funding/credit", token, &gift);
    }
    let before = credits(&office.see(STATEMENT, acme, |_| true));

    let database = &offices.scene.cluster.database;
    let runtime = runtime();
    let mut stranger = runtime.block_on(offices.scene.server.connect()).unwrap();
    runtime.block_on(async {
        stranger.query_drop("START TRANSACTION").await.unwrap();
        for table in ["history_position", "statements"] {
            let lock = format!("SELECT * FROM {database}.{table} WHERE tenant = 1 FOR UPDATE");
            let rows: Vec<mysql_async::Row> = stranger.query(lock).await.unwrap();
            assert!(!rows.is_empty());
        }
    });
    for id in 2..6 {
        credit(office, acme, id);
        credit(office, globex, id);
        let listed = |it: &Value| credits(it) == before + id as usize - 1;
        office.see(STATEMENT, globex, listed);
    }
    let behind = office.get(STATEMENT, acme).ok();
    assert_eq!(credits(&behind), before, "nobody can write it");
    runtime.block_on(stranger.disconnect()).unwrap();
    let listed = office.see(STATEMENT, acme, |it| credits(it) >= before + 4);
    assert_eq!(credits(&listed), before + 4, "once each");
}

#[test]
fn what_was_said_of_a_history_may_be_said_again_when_the_answer_was_lost() {
    let server = MariaDb::start("repeated");
    let cluster = Cluster::new("repeated", &server);
    let tables = DatabaseTables::new(&cluster.cluster_config()).unwrap();
    let mut store = SharedStore::new(Box::new(tables));
    let tenant = TenantId(1);
    let at = |epoch, next_row| Position {
        epoch: Epoch(epoch),
        next_row,
    };
    for _ in 0..2 {
        let begun = store.commit(tenant, &[], &[], (Position::START, at(1, 5)), 1);
        assert_eq!(begun.unwrap(), Committed::Done);
    }
    let mut pass = |from, to| {
        let quiet = Quiet { tenant, from, to };
        store.pass_over(&[quiet], 1).unwrap()
    };
    assert!(pass(at(1, 5), at(1, 9)));
    assert!(pass(at(1, 5), at(1, 9)), "the same again");
    assert!(pass(at(1, 5), at(1, 12)), "and further by then");
    assert!(!pass(at(1, 5), at(1, 9)), "somebody has gone on");
    assert!(!pass(at(1, 20), at(1, 30)), "it is not there yet");
    assert!(!pass(at(2, 5), at(2, 20)), "it is another ownership's");
    assert_eq!(store.position(tenant).unwrap(), at(1, 12));
}
