//! What `deploy/` says is true of the program: every metric that an alert or a panel names is on the page of a running node,
//! every alert has a runbook, every probe's path answers, every variable and argument exists, and the configuration is one.
#![allow(clippy::unwrap_used, missing_docs, dead_code)]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "cluster/mariadb.rs"]
mod mariadb;
#[path = "deploy/network.rs"]
mod network;
#[path = "cluster/node.rs"]
mod node;
#[path = "support/page.rs"]
mod page;
mod support;
#[path = "deploy/yaml.rs"]
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use certificates::{Authority, section};
use mariadb::{MariaDb, free_port};
use node::Cluster;
use page::{Page, get, wait_for};
use serde_json::Value;
use souk::config::{Config, Overrides};
use souk::server::Server;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Files under a folder that end so.
fn files(folder: &str, suffix: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(suffix))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "{folder} has files");
    found
}

/// All objects of a kind that Kubernetes is told of.
fn objects(kind: &str) -> Vec<Value> {
    let all = files("deploy/kubernetes", ".yaml")
        .into_iter()
        .flat_map(|file| yaml::documents(&std::fs::read_to_string(file).unwrap()));
    let found: Vec<_> = all.filter(|it| it["kind"] == kind).collect();
    assert!(!found.is_empty(), "there is a {kind}");
    found
}

fn rules() -> Vec<Value> {
    let rules = yaml::documents(&text("deploy/prometheus/rules.yaml")).remove(0);
    let groups = rules["groups"].as_array().unwrap();
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap());
    rules.cloned().collect()
}

/// The queries of the dashboard.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&text("deploy/grafana/souk.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    let queries = targets
        .flatten()
        .map(|target| target["expr"].as_str().unwrap());
    queries.map(str::to_owned).collect()
}

/// The metrics of ours that a query names.
fn named(query: &str) -> BTreeSet<String> {
    let words = query.split(|it: char| !(it.is_ascii_alphanumeric() || it == '_'));
    let ours = words.filter(|word| word.starts_with("souk_"));
    ours.map(str::to_owned).collect()
}

/// A node of a cluster with its operations listener.
fn clustered(name: &str) -> (MariaDb, node::Node, SocketAddr) {
    let server = MariaDb::start(name);
    let operations = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut cluster = Cluster::new(name, &server);
    let head = format!("[operations]\nlisten = \"{operations}\"\n");
    cluster.tenants = support::two_tenants(&head);
    let mut node = cluster.node("a");
    node.address();
    wait_for(operations, "/startupz", 200);
    (server, node, operations)
}

/// A node by itself, with a journal, a history and a certificate.
fn alone() -> Server {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("deploy-alone");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    Authority::new(&folder, "authority").certify(&folder, "localhost");
    let head = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[operations]\nlisten = \"127.0.0.1:0\"\n[history]\ntables = true\n[journal]\ndirectory = \"{}\"\n{}",
        folder.join("data").display(),
        section(&folder)
    );
    let config = Config::from_toml(&support::two_tenants(&head), &Overrides::default()).unwrap();
    Server::start(&config).unwrap()
}

#[test]
fn every_metric_that_is_named_is_there_and_every_probe_answers() {
    let (server, node, operations) = clustered("deploy");
    // The first money check may come after the first page.
    let page = Page::when(operations, |page| page.value("souk_tenants_served") == 2.0);
    // What only a node with a certificate and a history tells.
    let alone = alone();
    let alone = Page::of(alone.operations_address().unwrap());
    let mut names = page.names();
    names.extend(alone.names());
    let of_rules = rules()
        .into_iter()
        .map(|rule| rule["expr"].as_str().unwrap().to_owned());
    for query in of_rules.chain(queries()) {
        let opened = query.matches(['(', '[', '{']).count();
        let closed = query.matches([')', ']', '}']).count();
        assert_eq!(opened, closed, "{query}");
        for metric in named(&query) {
            assert!(
                names.contains(&*metric),
                "{metric} of {query} is not on the page"
            );
        }
    }
    for name in &names {
        let known = |ending: &str| name.ends_with(ending);
        let unit = [
            "_seconds", "_bytes", "_total", "_info", "_bucket", "_count", "_sum",
        ];
        let counts = [
            "_batches",
            "_commands",
            "_commands_max",
            "_submissions",
            "_connections",
            "_sessions",
            "_served",
            "_tenants",
        ];
        let states = ["_ready", "_started", "_failed", "_lost", "_shared"];
        let all = unit.iter().chain(&counts).chain(&states);
        assert!(
            name.starts_with("souk_") && all.into_iter().any(|it| known(it)),
            "{name}"
        );
    }
    let pods = objects("StatefulSet");
    let container = &pods[0]["spec"]["template"]["spec"]["containers"][0];
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let path = container[probe]["httpGet"]["path"].as_str().unwrap();
        assert_eq!(get(operations, path).0, 200, "{path}");
        assert_eq!(container[probe]["httpGet"]["port"], "operations");
    }
    assert!(page.value("souk_lease_left_seconds") > 0.0);
    assert!(page.value("souk_lease_renewal_seconds_count") > 0.0);
    assert_eq!(page.value("souk_tenants{state=\"served\"}"), 2.0);
    let password = std::fs::read_to_string(server.password_file()).unwrap();
    assert!(
        !node.log().contains(password.trim()),
        "the log has no secret"
    );
    drop(node);
}

#[test]
fn every_alert_has_a_runbook_with_everything_that_is_needed_at_night() {
    let mut pages: BTreeSet<_> = files("docs/runbooks", ".md").into_iter().collect();
    for rule in rules() {
        let alert = rule["alert"].as_str().unwrap();
        let path = format!("docs/runbooks/{alert}.md");
        assert_eq!(rule["annotations"]["runbook_url"], *path);
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["page", "ticket"].contains(&severity), "{alert}");
        assert!(pages.remove(&root().join(&path)), "{path} is there");
        let page = text(&path);
        let mut rest = &*page;
        for heading in [
            "# ",
            "## Meaning",
            "## Customer impact",
            "## Three commands",
            "## How to end it",
        ] {
            let at = rest
                .find(heading)
                .unwrap_or_else(|| panic!("{path} has no {heading}"));
            rest = &rest[at + heading.len()..];
        }
        let commands = page.split("```").nth(1).unwrap().trim();
        assert_eq!(commands.lines().count(), 3, "{path}: {commands}");
        for line in commands.lines().filter(|line| line.starts_with("souk ")) {
            let command = line.split(['#', ';']).next().unwrap();
            assert_exists(command);
        }
    }
    assert!(pages.is_empty(), "runbooks of no alert: {pages:?}");
}

/// That the program has such a command, with such flags.
fn assert_exists(command: &str) {
    let words: Vec<_> = command.split_whitespace().skip(1).collect();
    let is_name = |word: &&&str| word.chars().all(|it| it.is_ascii_lowercase());
    let path: Vec<_> = words.iter().take_while(is_name).take(2).collect();
    let help = help(path.iter().map(|word| **word));
    for flag in words.iter().filter(|word| word.starts_with("--")) {
        assert!(help.contains(*flag), "{command}: {flag} is not there");
    }
}

fn help<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.collect();
    let output = Command::new(env!("CARGO_BIN_EXE_souk"))
        .args(&words)
        .arg("--help")
        .output()
        .unwrap();
    assert!(output.status.success(), "souk {words:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_configuration_of_the_pods_is_one_and_names_no_secret() {
    let configuration = objects("ConfigMap").remove(0);
    let toml = configuration["data"]["souk.toml"].as_str().unwrap();
    let overrides = Overrides {
        node: Some("souk-0".to_owned()),
        advertise: Some("souk-0.souk-nodes.souk:7001".to_owned()),
        ..Overrides::default()
    };
    let config = Config::from_toml(toml, &overrides).unwrap();
    assert_eq!(config.journal.node, "souk-0");
    let cluster = config.cluster.unwrap();
    assert_eq!(
        cluster.advertise.as_deref(),
        Some("souk-0.souk-nodes.souk:7001")
    );
    let pods = objects("StatefulSet").remove(0);
    let pod = &pods["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let ports = container["ports"].as_array().unwrap();
    let port =
        |name: &str| ports.iter().find(|it| it["name"] == name).unwrap()["containerPort"].as_u64();
    assert_eq!(port("souk"), Some(config.server.listen.port().into()));
    assert_eq!(
        port("operations"),
        Some(config.operations.unwrap().listen.port().into())
    );
    assert_eq!(
        port("office"),
        Some(config.office.unwrap().listen.port().into())
    );
    // Where the secret is mounted, and the key of it that is the file.
    let file = cluster.database.password_file.unwrap();
    let mounts = container["volumeMounts"].as_array().unwrap();
    let secrets = mounts.iter().find(|it| it["name"] == "secrets").unwrap();
    assert_eq!(
        secrets["mountPath"],
        file.parent().unwrap().to_str().unwrap()
    );
    let secret = objects("Secret").remove(0);
    let key = file.file_name().unwrap().to_str().unwrap();
    let password = secret["stringData"][key].as_str().unwrap();
    for object in ["StatefulSet", "ConfigMap", "Job"].map(objects).concat() {
        assert!(!object.to_string().contains(password), "{object}");
    }
    assert_eq!(pods["spec"]["replicas"], 3);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert!(pod["affinity"]["podAntiAffinity"].is_object());
    assert!(pod["topologySpreadConstraints"].is_array());
}

#[test]
fn objects_of_kubernetes_fit_together() {
    let pods = objects("StatefulSet").remove(0);
    let labels = &pods["spec"]["template"]["metadata"]["labels"];
    let name = &labels["app.kubernetes.io/name"];
    assert_eq!(
        &pods["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"],
        name
    );
    let services = objects("Service");
    for service in &services {
        assert_eq!(&service["spec"]["selector"]["app.kubernetes.io/name"], name);
    }
    let headless = services
        .iter()
        .find(|it| it["spec"]["clusterIP"] == "None")
        .unwrap();
    assert_eq!(headless["metadata"]["name"], pods["spec"]["serviceName"]);
    let budget = objects("PodDisruptionBudget").remove(0);
    assert_eq!(budget["spec"]["maxUnavailable"], 1);
    assert_eq!(
        &budget["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"],
        name
    );
    let policy = objects("NetworkPolicy").remove(0);
    assert_eq!(
        &policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"],
        name
    );
    let ports = ports_of(&pods);
    for service in &services {
        for port in service["spec"]["ports"].as_array().unwrap() {
            assert_eq!(ports[port["targetPort"].as_str().unwrap()], port["port"]);
        }
    }
    let kustomization = objects("Kustomization").remove(0);
    let listed: BTreeSet<_> = kustomization["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap().to_owned())
        .collect();
    let there: BTreeSet<_> = files("deploy/kubernetes", ".yaml")
        .iter()
        .map(|file| file.file_name().unwrap().to_str().unwrap().to_owned())
        .filter(|file| file != "kustomization.yaml")
        .collect();
    assert_eq!(listed, there);
}

/// The ports of a set of pods, by name.
fn ports_of(pods: &Value) -> BTreeMap<String, Value> {
    let ports = &pods["spec"]["template"]["spec"]["containers"][0]["ports"];
    let port = |it: &Value| {
        let name = it["name"].as_str().unwrap();
        (name.to_owned(), it["containerPort"].clone())
    };
    ports.as_array().unwrap().iter().map(port).collect()
}

#[test]
fn every_variable_and_argument_is_one_of_the_programs() {
    let mut help_of_serve = help(["serve"].into_iter());
    help_of_serve += &help(["check"].into_iter());
    let everything = [
        text("deploy/systemd/souk.service"),
        text("deploy/container/Containerfile"),
        text("deploy/kubernetes/nodes.yaml"),
        text("deploy/kubernetes/migrate.yaml"),
    ];
    for file in everything {
        let words = file.split(|it: char| !(it.is_ascii_uppercase() || it == '_'));
        for variable in words.filter(|word| word.starts_with("SOUK_")) {
            assert!(help_of_serve.contains(variable), "{variable}");
        }
    }
    for kind in ["StatefulSet", "Job"] {
        let object = objects(kind).remove(0);
        let words = &object["spec"]["template"]["spec"]["containers"][0]["args"];
        help(
            words
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it.as_str().unwrap()),
        );
    }
}

#[test]
fn the_unit_and_the_image_give_no_more_rights_than_are_needed() {
    let unit = text("deploy/systemd/souk.service");
    let mut section = "";
    let mut settings = BTreeSet::new();
    for line in unit
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(name) = line.strip_prefix('[') {
            section = name.strip_suffix(']').unwrap();
            assert!(
                ["Unit", "Service", "Install"].contains(&section),
                "{section}"
            );
            continue;
        }
        let (key, _) = line.split_once('=').unwrap_or_else(|| panic!("{line}"));
        assert!(
            !section.is_empty() && key.chars().all(char::is_alphanumeric),
            "{line}"
        );
        settings.insert(line);
    }
    for wanted in [
        "DynamicUser=yes",
        "StateDirectory=souk",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "RestartPreventExitStatus=78",
    ] {
        assert!(settings.contains(wanted), "{wanted}");
    }
    for exec in unit.lines().filter_map(|line| line.strip_prefix("Exec")) {
        let (_, command) = exec.split_once('=').unwrap();
        assert_exists(command);
    }
    let image = text("deploy/container/Containerfile");
    let instructions: Vec<_> = image
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let with = |word: &str| {
        instructions
            .iter()
            .filter(|line| line.starts_with(word))
            .count()
    };
    assert_eq!(with("FROM "), 2, "built in one image, run in another");
    let last_user = instructions
        .iter()
        .rfind(|line| line.starts_with("USER "))
        .unwrap();
    assert!(!last_user.contains("root") && *last_user != "USER 0");
    assert_eq!(with("ENTRYPOINT "), 1);
}
