//! The disk fails under a real process: the system calls of its journal are made to fail by `strace`, its disk is full, its files
//! may not grow. Each time it stops answering, says why, and ends; and nothing that it had acknowledged is missing afterwards.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use souk::storage::{CommitStrategy, Disk, SystemDisk};
use souk_protocol::RejectReason;

use crate::cycles::Clients;
use crate::process::{How, Listening, Log, Place};

/// A node that has traded, stopped in order, and is now to have a bad disk.
struct Patient {
    place: Place,
    clients: Clients,
}

impl Patient {
    fn new(name: &str) -> Self {
        Self::on(Place::new(name), name)
    }

    /// One whose groups go past the page cache, each durable when its write returns: there is nothing to sync.
    fn direct(name: &str) -> Self {
        let probe = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("crash-{name}-probe"));
        let _ = std::fs::remove_file(&probe);
        let direct = CommitStrategy::DirectDsync;
        let commit = match SystemDisk.create(&probe, direct) {
            Ok(_) => direct,
            Err(error) => {
                println!("no direct I/O here: {error}; dsync stands in");
                CommitStrategy::Dsync
            }
        };
        let _ = std::fs::remove_file(&probe);
        let commit = format!("commit = \"{}\"", commit.name());
        Self::on(Place::with(name, &commit), name)
    }

    fn on(place: Place, name: &str) -> Self {
        let mut clients = Clients::new(name.len() as u64);
        clients.load(place.start(&How::default()), |souk| {
            std::thread::sleep(Duration::from_millis(30));
            souk.terminate()
        });
        Self { place, clients }
    }

    /// The program under `strace`, which injects a fault.
    fn traced(&self, inject: &str, path: Option<&Path>) -> Command {
        let calls = inject.split(':').next().unwrap();
        let mut command = Command::new("strace");
        // A stop of seccomp delivers no signal.
        if !inject.contains("signal=") {
            command.arg("--seccomp-bpf");
        }
        command
            .args(["-f", "-y", "-qq", "-o"])
            .arg(self.trace())
            .args(["-e", &format!("trace={calls},fdatasync")])
            .args(["-e", &format!("inject={inject}")]);
        if let Some(path) = path {
            command.arg("-P").arg(path);
        }
        command.arg(env!("CARGO_BIN_EXE_souk"));
        command.args(self.place.serve(&How::default()));
        command
    }

    fn trace(&self) -> PathBuf {
        self.place.folder().join("trace")
    }

    /// The segment that comes `ahead` after the last one that is there.
    fn segment(&self, ahead: u64) -> PathBuf {
        let entries = std::fs::read_dir(self.place.journal()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let last = names.filter_map(|name| name.strip_suffix(".journal")?.parse::<u64>().ok());
        let number = last.max().unwrap() + ahead;
        self.place.journal().join(format!("{number:010}.journal"))
    }

    /// It stopped answering, and says what is wrong with which file, and what to do.
    #[track_caller]
    fn assert_failed(&self, log: &Log, said: &[&str]) {
        let text = &log.text;
        assert_eq!(log.status.code(), Some(1), "{:?}\n{text}", log.status);
        let (_, error) = text.rsplit_once("error: cannot ").expect(text);
        for word in said.iter().chain(&["remedy: ", "/journal"]) {
            assert!(error.contains(word), "{word} is not said in: {text}");
        }
        let ends = self.clients.ends();
        // Whoever has nothing unanswered at that moment may be told that the node stops.
        let of = |reason| ends.iter().filter(|end| **end == Some(reason)).count();
        let failed = of(RejectReason::JournalFailed);
        let told = failed + of(RejectReason::ServerDraining);
        assert!(failed > 0 && told == ends.len(), "{ends:?}\n{text}");
    }

    /// On a good disk everything is there.
    fn assert_whole(mut self) {
        let oracle = self.clients.compare(&self.place);
        let souk = self.place.start(&How::default());
        self.clients.compare_with_a_node(&souk, &oracle);
        self.clients.run(souk, Listening::terminate);
        self.clients.compare(&self.place);
        self.place.assert_sound();
        self.place.remove();
    }
}

/// Runs under `strace` until it ends by itself.
fn run_traced(patient: &mut Patient, inject: &str, path: Option<&Path>) -> Log {
    let souk = patient.place.run(patient.traced(inject, path));
    patient.clients.load(souk.listening(), Listening::end)
}

/// After the injected fault the thread that met it writes and syncs nothing more.
fn assert_never_again(patient: &Patient) {
    let trace = std::fs::read_to_string(patient.trace()).unwrap();
    let mut after = trace
        .lines()
        .skip_while(|line| !line.contains("(INJECTED)"));
    let thread = after.next().expect("a fault").split(' ').next().unwrap();
    let again: Vec<_> = after
        .filter(|line| line.split(' ').next() == Some(thread))
        .filter(|line| line.contains("fdatasync(") || line.contains("pwrite64("))
        .collect();
    assert!(again.is_empty(), "{again:?}");
}

#[test]
fn a_sync_that_fails_is_the_end_and_never_asked_for_again() {
    // The first groups are the configuration's and the sessions'.
    for when in [25, 40, 70] {
        let mut patient = Patient::new(&format!("sync-{when}"));
        let inject = format!("fdatasync:error=EIO:when={when}");
        let log = run_traced(&mut patient, &inject, None);
        patient.assert_failed(
            &log,
            &["write the journal ", ".journal", "Input/output error"],
        );
        assert_never_again(&patient);
        patient.assert_whole();
    }
}

#[test]
fn a_write_that_fails_is_the_end() {
    for (when, error, said) in [
        (25, "ENOSPC", "No space left on device"),
        (40, "EIO", "Input/output error"),
        (70, "EDQUOT", "quota"),
    ] {
        let mut patient = Patient::new(&format!("write-{when}"));
        let inject = format!("pwrite64:error={error}:when={when}");
        let log = run_traced(&mut patient, &inject, None);
        patient.assert_failed(&log, &["write the journal ", ".journal", said]);
        assert_never_again(&patient);
        patient.assert_whole();
    }
}

#[test]
fn a_write_that_fails_is_the_end_where_nothing_is_synced() {
    let mut patient = Patient::direct("direct-write");
    let log = run_traced(&mut patient, "pwrite64:error=EIO:when=40", None);
    let said = ["write the journal ", ".journal", "Input/output error"];
    patient.assert_failed(&log, &said);
    assert_never_again(&patient);
    patient.assert_whole();
}

#[test]
fn a_next_segment_that_cannot_be_made_is_the_end() {
    for (ahead, call, error, said) in [
        (2, "openat", "EMFILE", "Too many open files"),
        (3, "fdatasync", "EIO", "Input/output error"),
        (3, "pwrite64", "ENOSPC", "No space left on device"),
    ] {
        let mut patient = Patient::new(&format!("segment-{ahead}-{call}"));
        let segment = patient.segment(ahead);
        let inject = format!("{call}:error={error}:when=1");
        let log = run_traced(&mut patient, &inject, Some(&segment));
        patient.assert_failed(&log, &["make the journal's next segment in ", said]);
        patient.assert_whole();
    }
}

#[test]
fn killed_within_a_write_or_a_sync_it_loses_nothing() {
    for (call, when) in [
        ("pwrite64", 1),
        ("pwrite64", 30),
        ("pwrite64", 60),
        ("fdatasync", 1),
        ("fdatasync", 30),
        ("fdatasync", 60),
    ] {
        killed_within(Patient::new(&format!("killed-{call}-{when}")), call, when);
    }
    killed_within(Patient::direct("killed-direct"), "pwrite64", 30);
}

fn killed_within(mut patient: Patient, call: &str, when: u32) {
    let inject = format!("{call}:signal=SIGKILL:when={when}");
    let mut souk = patient.place.run(patient.traced(&inject, None));
    let log = if when == 1 {
        souk.wait()
    } else {
        patient.clients.load(souk.listening(), Listening::end)
    };
    assert_eq!(
        log.status.signal(),
        Some(9),
        "{:?}\n{}",
        log.status,
        log.text
    );
    patient.assert_whole();
}

#[test]
fn a_start_without_room_says_so() {
    let patient = Patient::new("start");
    let segment = patient.segment(0);
    for (call, error, said) in [
        ("pwrite64", "ENOSPC", "No space left on device"),
        ("fdatasync", "EIO", "Input/output error"),
    ] {
        let inject = format!("{call}:error={error}:when=1");
        let log = patient
            .place
            .run(patient.traced(&inject, Some(&segment)))
            .wait();
        assert_eq!(log.status.code(), Some(1), "{:?}\n{}", log.status, log.text);
        let (_, text) = log
            .text
            .rsplit_once("error: cannot make the journal's next segment in")
            .expect(&log.text);
        assert!(
            text.contains(said) && text.contains("remedy: make room"),
            "{text}"
        );
    }
    patient.assert_whole();
}

#[test]
fn files_that_may_not_grow_are_the_end() {
    let mut patient = Patient::new("limit");
    let souk = patient.place.start(&How::default());
    let log = patient.clients.load(souk, |souk| {
        // Half a segment: the next one is written in part, and then no further.
        let limited = Command::new("prlimit")
            .args(["--fsize=524288", "--pid", &souk.id().to_string()])
            .status();
        assert!(limited.unwrap().success(), "prlimit");
        souk.end()
    });
    patient.assert_failed(&log, &["File too large"]);
    patient.assert_whole();
}

/// A small disk of its own, if this process may mount one.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: PathBuf, megabytes: u32) -> Option<Self> {
        std::fs::create_dir_all(&folder).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(&folder)
            .output();
        let is_mounted = mounted.is_ok_and(|mounted| mounted.status.success());
        is_mounted.then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_the_end_and_a_copy_elsewhere_goes_on() {
    let place = Place::new("full");
    let Some(disk) = SmallDisk::mount(place.folder().join("small"), 5) else {
        println!("no disk can be mounted here: `files_that_may_not_grow_are_the_end` stands in");
        return place.remove();
    };
    let full = place.with_data(disk.0.join("data"));
    let mut clients = Clients::new(3);
    let log = clients.load(full.start(&How::default()), Listening::end);
    let elsewhere = place.folder().join("elsewhere");
    let mut copy = Command::new("cp");
    copy.arg("-r").arg(full.data()).arg(&elsewhere);
    assert!(copy.status().unwrap().success(), "cp");
    drop(disk);
    let place = place.with_data(elsewhere);
    let patient = Patient { place, clients };
    let said = [
        "make the journal's next segment in ",
        "No space left on device",
    ];
    patient.assert_failed(&log, &said);
    patient.assert_whole();
}
