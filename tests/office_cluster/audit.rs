//! One chain of entries for each tenant, whoever adds to it.

use serde_json::json;

use crate::offices::Offices;

const EACH: u32 = 12;

#[test]
fn two_offices_write_one_chain_and_what_was_written_cannot_be_changed_unseen() {
    let mut offices = Offices::new("chain");
    let tokens = offices.log_on("globex", "ada", "owner");
    // Both have their session at the engine.
    for node in [0, 1] {
        let credit = json!({"account": "1", "currency": "USDT", "amount": "1", "business": "first", "business_id": (node + 1).to_string(), "reason": "for the test"});
        offices
            .office(node)
            .post_soon("/v1/funding/credit", &tokens[node], &credit);
    }
    let before = offices.office(0).get("/v1/audit", &tokens[0]).ok()["chain"]["entries"]
        .as_u64()
        .unwrap();
    std::thread::scope(|scope| {
        for node in [0, 1] {
            let (office, token) = (offices.office(node), &tokens[node]);
            scope.spawn(move || {
                for number in 0..EACH {
                    let id = (1_000 * (node as u32 + 1) + number).to_string();
                    let credit = json!({"account": "1", "currency": "USDT", "amount": "1", "business": "gift", "business_id": id, "reason": "for the test"});
                    office.post("/v1/funding/credit", token, &credit).ok();
                }
            });
        }
    });
    let expected = before + 2 * 2 * u64::from(EACH);
    for node in [0, 1] {
        let log = offices.office(node).get("/v1/audit", &tokens[node]).ok();
        assert_eq!(
            (
                log["chain"]["holds"].as_bool(),
                log["chain"]["entries"].as_u64()
            ),
            (Some(true), Some(expected)),
            "{log}"
        );
    }
    let database = offices.scene.cluster.database.clone();
    let server = &offices.scene.server;
    for change in [
        "UPDATE {}.audit SET reason = 'nothing'",
        "DELETE FROM {}.audit",
    ] {
        let refused = server.try_run(&change.replace("{}", &database));
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{refused}");
    }
    let (status, said) = offices.scene.cluster.command(&["doctor"]);
    assert!(status.success() && said.contains("the audit log"), "{said}");
    // Somebody with more rights.
    server.run(&format!("DROP TRIGGER {database}.audit_no_update"));
    server.run(&format!("DROP TRIGGER {database}.audit_no_delete"));
    let (_, said) = offices.scene.cluster.command(&["doctor"]);
    assert!(said.contains("audit_no_update"), "{said}");
    server.run(&format!(
        "DELETE FROM {database}.audit WHERE tenant = 2 ORDER BY number DESC LIMIT 1"
    ));
    let config = offices.scene.cluster.config("operator", 1);
    let text = std::fs::read_to_string(config).unwrap();
    let config = souk::config::Config::from_toml(&text, &Default::default()).unwrap();
    let store = souk::office::store::OfficeStore::of(&config).unwrap();
    let globex = Some(souk_protocol::TenantId(2));
    let cut = store.check_audit(globex, Default::default());
    assert!(cut.is_err(), "its last entry is gone: {cut:?}");
    let acme = Some(souk_protocol::TenantId(1));
    store.check_audit(acme, Default::default()).unwrap();
    let (status, said) = offices.scene.cluster.command(&["db", "migrate"]);
    assert!(status.success(), "{said}");
    assert!(
        server
            .try_run(&format!("DELETE FROM {database}.audit"))
            .is_err()
    );
}
