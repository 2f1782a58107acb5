//! The machine a figure was made on, and what a process used of it. Read from /proc; elsewhere
//! the facts are unknown and said to be.

use std::fs;
use std::path::Path;

/// What a reader of a figure must know of the machine.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: usize,
    /// Their list, as the kernel writes it.
    pub cores_allowed: String,
    /// The processor.
    pub processor: String,
    /// The kernel.
    pub kernel: String,
    /// Load average of the last minute, at the start: what else was running.
    pub load_average: String,
}

impl Machine {
    /// The facts of this machine now.
    #[must_use]
    pub fn now() -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            cores_allowed: cores_of("self").unwrap_or_else(unknown),
            processor: line_of("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
            kernel: read_trimmed("/proc/sys/kernel/osrelease").unwrap_or_else(unknown),
            load_average: read_trimmed("/proc/loadavg")
                .and_then(|text| text.split(' ').next().map(str::to_owned))
                .unwrap_or_else(unknown),
        }
    }
}

/// The cores that a process may use; `None` when it cannot be known.
#[must_use]
pub fn cores_of(pid: &str) -> Option<String> {
    line_of(&format!("/proc/{pid}/status"), "Cpus_allowed_list")
}

/// Processor time that a process used so far, in nanoseconds, all threads together, user and
/// system. Counted by the kernel in hundredths of a second.
#[must_use]
pub fn processor_time_ns(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may contain anything; fields are counted after it.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(ticks * (1_000_000_000 / rustix::param::clock_ticks_per_second()))
}

/// Memory of a process that is resident, in bytes.
#[must_use]
pub fn resident_bytes(pid: u32) -> Option<u64> {
    // Such as `12345 kB`.
    let resident = line_of(&format!("/proc/{pid}/status"), "VmRSS")?;
    Some(resident.split(' ').next()?.parse::<u64>().ok()? * 1_024)
}

/// File descriptors that a process has open.
#[must_use]
pub fn open_descriptors(pid: u32) -> Option<usize> {
    fs::read_dir(format!("/proc/{pid}/fd"))
        .ok()
        .map(Iterator::count)
}

/// What a thread of a process, known by its name, did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadTimes {
    /// Time on a processor, in nanoseconds.
    pub running_ns: u64,
    /// Time in which it could have run and had no processor, in nanoseconds.
    pub waiting_ns: u64,
}

/// What the first thread with this name did.
#[must_use]
pub fn thread_times(pid: u32, name: &str) -> Option<ThreadTimes> {
    let mut threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
    let of_name = |path: &Path| read_trimmed(path.join("comm")).is_some_and(|it| it == name);
    let thread = threads.find(|thread| of_name(&thread.path()))?;
    let times = read_trimmed(thread.path().join("schedstat"))?;
    let mut times = times.split(' ').map(str::parse);
    Some(ThreadTimes {
        running_ns: times.next()?.ok()?,
        waiting_ns: times.next()?.ok()?,
    })
}

/// The kind of file system that a path is on, such as `ext4`.
#[must_use]
pub fn file_system(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mut found: Option<(usize, String)> = None;
    for line in mounts.lines() {
        let Some((of_mount, of_system)) = line.split_once(" - ") else {
            continue;
        };
        let (Some(at), Some(kind)) = (of_mount.split(' ').nth(4), of_system.split(' ').next())
        else {
            continue;
        };
        // What is mounted later hides what was there.
        if path.starts_with(at) && found.as_ref().is_none_or(|(len, _)| at.len() >= *len) {
            found = Some((at.len(), kind.to_owned()));
        }
    }
    found.map(|(_, kind)| kind)
}

/// Ticks that the hypervisor took from this machine so far, and all ticks.
#[must_use]
pub fn steal() -> Option<(u64, u64)> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let ticks: Vec<u64> = stat
        .lines()
        .next()?
        .split_whitespace()
        .skip(1)
        .filter_map(|field| field.parse().ok())
        .collect();
    Some((*ticks.get(7)?, ticks.iter().take(8).sum()))
}

fn line_of(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn read_trimmed(path: impl AsRef<Path>) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn unknown() -> String {
    "unknown".to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_machine_has_cores() {
        assert!(Machine::now().cores > 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_that_is_used_and_files_that_are_open_are_counted() {
        let pid = std::process::id();
        let (resident, open) = (resident_bytes(pid).unwrap(), open_descriptors(pid).unwrap());
        let used = std::hint::black_box(vec![1u8; 64 << 20]);
        let files: Vec<_> = (0..100)
            .map(|_| fs::File::open("/proc/stat").unwrap())
            .collect();
        // Other tests run meanwhile, so nothing is exact.
        assert!(resident_bytes(pid).unwrap() > resident + used.len() as u64 / 2);
        assert!(open_descriptors(pid).unwrap() > open + files.len() / 2);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn files_have_a_file_system_and_threads_have_times() {
        assert_eq!(file_system(Path::new("/proc/self")).unwrap(), "proc");
        assert_eq!(file_system(Path::new("/no/such/path")), None);
        let busy = std::thread::Builder::new().name("facts-busy".to_owned());
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let busy = busy.spawn(move || wait.recv().is_err()).unwrap();
        let pid = std::process::id();
        while thread_times(pid, "facts-busy").is_none_or(|times| times.running_ns == 0) {
            std::thread::yield_now();
        }
        drop(done);
        assert!(busy.join().unwrap());
        assert_eq!(thread_times(pid, "facts-nobody"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn work_uses_processor_time() {
        let pid = std::process::id();
        let before = processor_time_ns(pid).unwrap();
        let mut sum = 0u64;
        while processor_time_ns(pid).unwrap() < before + 30_000_000 {
            for step in 0..100_000u64 {
                sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(step));
            }
        }
    }
}
