//! The house's rules that a machine can check: which floor may use which, and who may ask the
//! time, open a file, open a socket, or write unsafe code.
use std::fs;
use std::path::Path;

/// The modules of `src/`, from the ground up. A module may use what stands on a line above its
/// own, never its own line (stages do not know each other) and never one below. The small shared
/// parts of the first line may use each other.
const FLOORS: &[&[&str]] = &[
    &[
        "clock", "storage", "tables", "keys", "routing", "ids", "metrics", "tls", "peer", "http",
        "priority",
    ],
    &["control", "ledger", "lease"],
    &["config"],
    &["handoff"],
    &["history"],
    &["treasury", "directory"],
    &["gateway", "matcher", "journal", "publisher"],
    &["threads", "recovery", "database"],
    &["administrator", "inspect", "audit"],
    &["partition"],
    &["node"],
    &["operations"],
    &["server"],
    &["cluster"],
    &["office"],
    &["demo", "conform"],
    &["main"],
];

/// What may be used in one place only: a text, and the files that may contain it.
const ONE_PLACE: &[(&str, &[&str])] = &[
    ("SystemTime::now", &["src/clock.rs"]),
    ("Instant::now", &["src/clock.rs"]),
    ("OpenOptions", &["src/storage/"]),
    ("std::fs", &["src/storage/"]),
    // The conformance runner is a server of its own: it sends what the gateway must never send.
    (
        "TcpStream",
        &[
            "src/gateway/acceptor.rs",
            "src/tls/",
            "src/http.rs",
            "src/conform/line.rs",
            "src/main/",
        ],
    ),
    (
        "TcpListener",
        &[
            "src/gateway/acceptor.rs",
            "src/server/",
            "src/operations/",
            "src/office/start.rs",
            "src/http.rs",
            "src/conform/line.rs",
        ],
    ),
    ("mysql_async", &["src/database/"]),
    // Stores say what they want of `tables`, which a server can be asked for as well as a file.
    ("rusqlite", &["src/tables/"]),
    (
        "unsafe {",
        &["engine/src/chunks.rs", "engine/src/prefetch.rs"],
    ),
    (
        "f64",
        &[
            "src/demo/",
            "src/main.rs",
            "src/main/",
            "src/operations/page.rs",
        ],
    ),
];

fn sources(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut waiting = vec![root.join(folder)];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((
                name_of(root, &path),
                product_code(&fs::read_to_string(&path).unwrap()),
            ));
        }
    }
    assert!(!found.is_empty(), "{folder} has sources");
    found.sort();
    found
}

fn name_of(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap()
        .to_string_lossy()
        .replace('\\', "/")
}

/// The text without comments and without what comes after `#[cfg(test)]`.
fn product_code(text: &str) -> String {
    let product = text.split("#[cfg(test)]").next().unwrap();
    let code = |line: &&str| !line.trim_start().starts_with("//");
    product.lines().filter(code).collect::<Vec<_>>().join("\n")
}

fn module_of(file: &str) -> &str {
    file.trim_start_matches("src/")
        .split(['/', '.'])
        .next()
        .unwrap()
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// Modules of the crate that a text names.
fn used(text: &str) -> impl Iterator<Item = &str> {
    let names = text
        .split("crate::")
        .skip(1)
        .chain(text.split("souk::").skip(1));
    names.filter_map(|rest| {
        rest.split(|c: char| !c.is_alphanumeric() && c != '_')
            .next()
    })
}

#[test]
fn no_module_uses_its_own_floor_or_one_above_it() {
    for (file, text) in sources("src") {
        let module = module_of(&file);
        if module == "lib" {
            continue;
        }
        let floor = floor_of(module).unwrap_or_else(|| panic!("{file}: give `{module}` a floor"));
        for other in used(&text).filter(|other| *other != module && *other != "{") {
            let Some(below) = floor_of(other) else {
                continue;
            };
            assert!(
                below < floor || floor == 0,
                "{file} uses `{other}`, which is not below it"
            );
        }
    }
}

#[test]
fn clocks_files_sockets_and_unsafe_code_have_one_place_each() {
    let all = ["src", "engine/src", "protocol/src"]
        .iter()
        .flat_map(|folder| sources(folder));
    for (file, text) in all {
        for (word, places) in ONE_PLACE {
            let allowed = places.iter().any(|place| file.starts_with(place));
            assert!(
                allowed || !text.contains(word),
                "{file} must not use {word}"
            );
        }
    }
}

#[test]
fn protocol_and_engine_know_nothing_above_them() {
    for (folder, legal) in [
        ("protocol/Cargo.toml", &[][..]),
        ("engine/Cargo.toml", &["souk-protocol"][..]),
        ("clients/rust/Cargo.toml", &["souk-protocol"][..]),
        ("tools/loadgen/Cargo.toml", &["souk-protocol"][..]),
    ] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let manifest = fs::read_to_string(root.join(folder)).unwrap();
        let section = manifest.split("[dependencies]").nth(1).unwrap_or("");
        let section = section.split("\n[").next().unwrap();
        for line in section
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        {
            let name = line.split(['.', ' ', '=']).next().unwrap();
            let closed = folder.starts_with("protocol") || folder.starts_with("engine");
            let ours = name.starts_with("souk");
            assert!(
                (!closed && !ours) || legal.contains(&name),
                "{folder} must not depend on {name}"
            );
        }
    }
    for (file, text) in sources("protocol/src")
        .into_iter()
        .chain(sources("engine/src"))
    {
        assert!(!text.contains("std::"), "{file} must do without std");
    }
}

#[test]
fn files_stay_short_enough_to_read() {
    for folder in [
        "src",
        "engine/src",
        "protocol/src",
        "clients/rust/src",
        "tools/loadgen/src",
    ] {
        for (file, _) in sources(folder) {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            let lines = fs::read_to_string(root.join(&file))
                .unwrap()
                .lines()
                .count();
            assert!(lines <= 500, "{file} has {lines} lines: redesign it");
        }
    }
}
