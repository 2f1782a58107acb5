//! A tenant that is new begins with all that its configuration says, or is not there: wherever a node is killed while it
//! founds one, the next start founds what is missing.

use std::fs;
use std::path::{Path, PathBuf};

use souk::config::{Config, Overrides};
use souk::control::ControlCommand;
use souk::journal::{blocks_of, read_head};
use souk::node::Node;
use souk::recovery::Recovered;
use souk::storage::BLOCK;

/// More than a segment takes.
const ACCOUNTS: u32 = 7_000;
const SEGMENT_BYTES: usize = 1 << 20;
/// Bytes that the first commands of a tenant may take.
const FOUNDING_BYTES_MAX: usize = 16 << 20;

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("founding-{name}"));
    let _ = fs::remove_dir_all(&folder);
    folder
}

/// A tenant with many accounts between two that have few.
fn config(data: &Path, accounts: u32) -> Config {
    let tenant = |id: u32, accounts: u32| {
        let accounts: String = (1..=accounts)
            .map(|id| {
                format!(
                    "[[tenant.account]]\nid = {id}\ncredit = {{ BTC = \"{id}\", USDT = \"9\" }}\n"
                )
            })
            .collect();
        format!(
            "[[tenant]]\nid = {id}\nname = \"tenant-{id}\"\n[[tenant.currency]]\ncode = \"BTC\"\nscale = 4\n[[tenant.currency]]\ncode = \"USDT\"\nscale = 6\n[[tenant.market]]\nid = 1\nsymbol = \"BTC-USDT\"\nbase = \"BTC\"\nquote = \"USDT\"\ntick_size = \"0.01\"\nlot_size = \"1\"\nfees = [{{ group = 1, maker_ppm = 300, taker_ppm = 700 }}]\n{accounts}"
        )
    };
    let text = format!(
        "[journal]\ndirectory = \"{}\"\nsegment_bytes = {SEGMENT_BYTES}\ncommit = \"fdatasync\"\n{}{}{}",
        data.display(),
        tenant(1, 3),
        tenant(2, accounts),
        tenant(3, 3),
    );
    Config::from_toml(&text, &Overrides::default()).unwrap()
}

/// Starts a node, and ends it when all that it begins with is durable.
fn start(config: &Config) -> Recovered {
    let node = Node::new(config, 2, None).unwrap();
    let open = node.journal.unwrap();
    open.journal.close();
    open.writer.run();
    open.journal.failure().unwrap();
    node.partition.recovered
}

/// Files with what is in them.
type Segments = Vec<(PathBuf, Vec<u8>)>;

/// The segments of a journal, and where each of its groups ends: in which of them, and at which byte.
fn groups(journal: &Path) -> (Segments, Vec<(usize, usize)>) {
    let mut files: Vec<PathBuf> = fs::read_dir(journal)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut ends = Vec::new();
    let mut segments = Vec::new();
    for (index, file) in files.into_iter().enumerate() {
        let bytes = fs::read(&file).unwrap();
        let mut at = BLOCK;
        while let Some(head) = bytes.get(at..).and_then(read_head) {
            at += blocks_of(head.len);
            ends.push((index, at));
        }
        segments.push((file, bytes));
    }
    (segments, ends)
}

#[test]
fn wherever_its_journal_is_cut_a_tenant_is_there_as_a_whole_or_founded_anew() {
    let data = folder("cut").join("data");
    let config = config(&data, ACCOUNTS);
    assert_eq!(start(&config).founded, 3);
    // By now the markets have their fees, too.
    let whole = start(&config);
    assert_eq!((whole.founded, whole.open_streams), (0, 6));
    let journal = data.join("journal");
    let (segments, ends) = groups(&journal);
    assert!(ends.len() >= 3, "{} groups", ends.len());
    let longest = segments.iter().map(|(_, bytes)| bytes.len()).max();
    assert!(
        longest > Some(SEGMENT_BYTES),
        "one batch was longer: {longest:?}"
    );
    // At the beginning, behind each group, and within each.
    let mut cuts = vec![(0, BLOCK)];
    for (segment, end) in &ends {
        cuts.push((*segment, end - BLOCK));
        cuts.push((*segment, *end));
    }
    let mut founded = Vec::new();
    for (segment, at) in cuts {
        fs::remove_dir_all(&journal).unwrap();
        fs::create_dir_all(&journal).unwrap();
        for (file, bytes) in &segments[..segment] {
            fs::write(file, bytes).unwrap();
        }
        let (file, bytes) = &segments[segment];
        let mut cut = bytes.clone();
        cut[at..].fill(0);
        fs::write(file, cut).unwrap();
        let started = start(&config);
        let again = start(&config);
        assert_eq!((again.founded, again.open_streams), (0, 6), "cut at {at}");
        assert_eq!(again.state_hash, whole.state_hash, "cut at {at}");
        founded.push(started.founded);
    }
    founded.dedup();
    assert_eq!(founded, [3, 2, 1, 0]);
}

#[test]
fn a_tenant_that_begins_with_too_much_is_refused_with_what_to_do() {
    let data = folder("too-much").join("data");
    let mut config = config(&data, 3);
    let commands = &mut config.tenants[1].commands;
    let is_account =
        |command: &&ControlCommand| matches!(command, ControlCommand::CreateAccount(_));
    let account = *commands.iter().find(is_account).unwrap();
    let before = commands.len();
    let more = FOUNDING_BYTES_MAX / 62;
    commands.extend((0..more).map(|_| account));
    let error = Node::new(&config, 2, None).unwrap_err().to_string();
    for part in [
        "tenant 2 (tenant-2)",
        &format!("begins with {} commands", before + more),
        &format!("at most {FOUNDING_BYTES_MAX} bytes"),
        "remedy: configure fewer accounts",
    ] {
        assert!(error.contains(part), "{error}");
    }
    // Nothing of any tenant was written.
    assert_eq!(fs::read_dir(data.join("journal")).unwrap().count(), 0);
}
