//! Errors of the database that pass: what was done stays so, and what was not is told as something to try again.

use serde_json::{Value, json};

use crate::kit::Answer;
use crate::offices::Offices;

fn credit(id: u32) -> Value {
    json!({"account": "1", "currency": "USDT", "amount": "1", "business": "gift", "business_id": id.to_string(), "reason": "for the test"})
}

/// Makes the database refuse some entries of the audit log, as if somebody else had locked it for too long.
fn refuse_entries(offices: &Offices, which: &str) {
    let database = &offices.scene.cluster.database;
    offices.scene.server.run(&format!(
        "CREATE TRIGGER {database}.busy BEFORE INSERT ON {database}.audit FOR EACH ROW \
         IF {which} THEN SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1205, MESSAGE_TEXT = 'for the test'; END IF"
    ));
}

fn refuse_no_more(offices: &Offices) {
    let database = &offices.scene.cluster.database;
    let statement = format!("DROP TRIGGER {database}.busy");
    offices.scene.server.run(&statement);
}

fn is_to_be_tried_again(answer: &Answer) {
    let error = &answer.json()["error"];
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "Unavailable")
    );
    assert!(error["retry_after_ms"].is_u64(), "{error}");
    assert!(error["remedy"] != "", "{error}");
}

#[test]
fn what_is_done_stays_so_and_what_is_not_is_tried_again() {
    let mut offices = Offices::new("passing");
    let tokens = offices.log_on("globex", "ada", "owner");
    let (office, token) = (offices.office(0), tokens[0].as_str());
    office.post_soon("/v1/funding/credit", token, &credit(1));
    let newest = |path: &str| office.get(path, token).ok()["items"][0].clone();
    let log = "/v1/audit?action=funding.credit";
    let statement = "/v1/accounts/1/statement?currency=USDT&order=newest";
    let before = newest(statement);

    refuse_entries(&offices, "NEW.ref = 0");
    let refused = office.post("/v1/funding/credit", token, &credit(2));
    is_to_be_tried_again(&refused);
    refuse_no_more(&offices);
    assert_eq!(newest(statement), before, "nothing was done");
    assert_eq!(newest(log)["outcome"], "done", "of the one before");

    refuse_entries(&offices, "NEW.ref != 0");
    let done = office.post("/v1/funding/credit", token, &credit(2)).ok();
    assert_eq!(done["repeated"], false, "{done}");
    refuse_no_more(&offices);
    assert_eq!(newest(log)["outcome"], "begun", "its end is missing");
    assert!(newest(statement) != before, "it was done");
    let chain = &office.get("/v1/audit", token).ok()["chain"];
    assert_eq!(chain["holds"], true, "{chain}");
    let told = offices.scene.nodes[0].log();
    assert!(told.contains("does not say how this ended"), "{told}");
}

#[test]
fn an_office_whose_database_is_started_again_goes_on() {
    let mut offices = Offices::new("again");
    let tokens = offices.log_on("globex", "ada", "owner");
    let (office, token) = (offices.office(1), tokens[1].as_str());
    office.post_soon("/v1/funding/credit", token, &credit(1));
    offices.scene.server.crash();
    is_to_be_tried_again(&office.get("/v1/users", token));
    offices.scene.server.restart();
    office.see("/v1/users", token, |it| it["items"][0]["user"] == "ada");
    office.post_soon("/v1/funding/credit", token, &credit(2));
}
