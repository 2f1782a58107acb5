//! Offices and gateways of a cluster over TLS.

use serde_json::{Value, json};
use souk_client::{Client, ClientOptions, KeyId, SigningKey, Tls};

use crate::certificates::{Authority, section};
use crate::kit::{Answer, ask_over, block_on, folder};
use crate::offices::{Offices, soon};
use crate::support::seed;

const HOST: &str = "127.0.0.1";

#[test]
fn what_is_done_at_one_node_is_seen_at_another_and_sessions_are_sent_to_its_port_over_tls() {
    let folder = folder("secure");
    let authority = Authority::new(&folder, "authority");
    authority.certify(&folder, HOST);
    let believed = format!("authorities = \"{}\"\n", authority.file.display());
    let lines = section(&folder) + &believed;
    let mut offices = Offices::having("secure", &lines, |_| {});
    let owner = offices.owner_of(3);
    let other = 1 - owner;
    let tokens = offices.log_on("globex", "ada", "owner");
    let ask = |node: usize, method: &str, path: &str, body: Option<&Value>| -> Answer {
        let stream = authority.connect(HOST, offices.office(node).address);
        ask_over(stream, method, path, &tokens[node], body)
    };
    let credit = json!({"account": "77", "currency": "USDT", "amount": "5", "business": "gift", "business_id": "1", "reason": "for the test"});
    soon(|| {
        let answer = ask(other, "POST", "/v1/funding/credit", Some(&credit));
        (answer.status != 503).then(|| answer.ok())
    });
    let statement = "/v1/accounts/77/statement?currency=USDT&order=newest";
    let seen = ask(owner, "GET", statement, None).ok();
    assert_eq!(seen["items"][0]["change"], "5.000000", "{seen}");

    let addresses = offices.scene.addresses();
    block_on(async {
        let options = ClientOptions {
            tls: Some(Tls::of_authorities(&authority.file).unwrap()),
            ..ClientOptions::new(KeyId(3))
        };
        let key = SigningKey::from_seed(&seed(3)).unwrap();
        let client = Client::connect(addresses[other], key, options);
        let client = client.await.unwrap();
        assert_eq!(client.session().address, addresses[owner].to_string());
        assert_eq!(client.markets().await.unwrap().len(), 1);
    });
}
