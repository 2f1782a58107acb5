//! What the network of Kubernetes lets through, against the ports of the pods and the configuration.

use serde_json::{Value, json};
use souk::config::{Config, Overrides};

use crate::{objects, ports_of};

/// The rules of one direction that hold for the pods of an object; each names peers and ports.
fn rules_of(object: &Value, direction: &str) -> Vec<Value> {
    let labels = &object["spec"]["template"]["metadata"]["labels"];
    let policies = objects("NetworkPolicy");
    let hold = policies.iter().map(|it| &it["spec"]).filter(|policy| {
        let selected = policy["podSelector"]["matchLabels"].as_object().unwrap();
        selected.iter().all(|(key, value)| &labels[key] == value)
    });
    let hold: Vec<_> = hold.collect();
    let (peers, closes) = match direction {
        "ingress" => ("from", "Ingress"),
        _ => ("to", "Egress"),
    };
    let is_closed = |policy: &&Value| {
        let types = policy["policyTypes"].as_array().unwrap();
        types.contains(&closes.into())
    };
    assert!(
        hold.iter().any(is_closed),
        "{direction} is refused unless a rule allows it"
    );
    let rules = hold
        .iter()
        .filter_map(|policy| policy[direction].as_array());
    let rules: Vec<_> = rules.flatten().cloned().collect();
    for rule in &rules {
        for part in [peers, "ports"] {
            assert!(!rule[part].as_array().unwrap().is_empty(), "{rule}");
        }
    }
    rules
}

#[test]
fn the_network_lets_through_what_is_needed_and_nothing_else() {
    let (nodes, migration) = (objects("StatefulSet").remove(0), objects("Job").remove(0));
    let configuration = objects("ConfigMap").remove(0);
    let toml = configuration["data"]["souk.toml"].as_str().unwrap();
    let config = Config::from_toml(toml, &Overrides::default()).unwrap();
    let name_of = |object: &Value| {
        let labels = &object["spec"]["template"]["metadata"]["labels"];
        json!({"podSelector": {"matchLabels": {"app.kubernetes.io/name": labels["app.kubernetes.io/name"]}}})
    };
    let namespace = |name: &str| json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}});
    let client = json!({"matchLabels": {"souk/client": "yes"}});
    let client = json!({"namespaceSelector": client, "podSelector": client});
    let ingress = json!([
        {"from": [client, name_of(&nodes)], "ports": [{"port": "souk"}]},
        {"from": [namespace("ingress-nginx")], "ports": [{"port": "office"}]},
        {"from": [namespace("monitoring")], "ports": [{"port": "operations"}]},
    ]);
    assert_eq!(Value::from(rules_of(&nodes, "ingress")), ingress);
    // Everybody whom the program listens for may be reached by somebody.
    for port in ports_of(&nodes).into_keys() {
        assert!(
            ingress
                .to_string()
                .contains(&format!("{{\"port\":\"{port}\"}}"))
        );
    }
    assert!(rules_of(&migration, "ingress").is_empty());
    let database = &config.cluster.unwrap().database.address;
    let outward = rules_of(&migration, "egress");
    assert_eq!(
        outward[0]["to"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/name"],
        *database.host
    );
    assert_eq!(outward[0]["ports"], json!([{"port": database.port}]));
    let names = outward[1]["ports"].as_array().unwrap();
    assert!(names.iter().all(|port| port["port"] == 53));
    assert_eq!(outward.len(), 2);
    let between = json!({"to": [name_of(&nodes)], "ports": [{"port": "souk"}]});
    let all = [&[between], &*outward].concat();
    assert_eq!(rules_of(&nodes, "egress"), all);
}
