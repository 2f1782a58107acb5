//! A disk in memory that fails or crashes at a call of one's choice, and then is as a machine would find it: what was synced
//! is there, of the rest any sectors may be, or none. So is what was being written when the machine stopped, also where a
//! write is durable when it returns. Names are the same: what became of them is there when their folder was synced; until then any
//! file that was made, renamed or removed may be as it was, whatever came after it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use souk::storage::{CommitStrategy, Disk, DiskFile};

/// What a disk writes as a whole.
const SECTOR: usize = 512;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// The call fails and has no effect.
    Eio,
    /// The call fails for want of room.
    Enospc,
    /// A write writes half and fails.
    Short,
    /// The machine stops before the call.
    CrashBefore,
    /// The machine stops within the call: any part of it is done.
    CrashWithin,
    /// The machine stops after the call, before it is answered.
    CrashAfter,
}

impl Fault {
    pub const ALL: [Self; 6] = [
        Self::Eio,
        Self::Enospc,
        Self::Short,
        Self::CrashBefore,
        Self::CrashWithin,
        Self::CrashAfter,
    ];

    /// Those that are a power cut.
    pub const CUTS: [Self; 3] = [Self::CrashBefore, Self::CrashWithin, Self::CrashAfter];
}

#[derive(Clone, Debug, Default)]
struct Image {
    synced: Vec<u8>,
    /// With what is in the cache only.
    cached: Vec<u8>,
    pending: Vec<(u64, Vec<u8>)>,
    sync_failed: bool,
}

/// What names are of which images afterwards; of none: they are gone. All of it happens, or nothing.
type Naming = Vec<(PathBuf, Option<usize>)>;

#[derive(Debug, Default)]
struct State {
    /// All that there ever were.
    images: Vec<Image>,
    names: BTreeMap<PathBuf, usize>,
    /// The names as their folders were synced, and what has happened since.
    synced_names: BTreeMap<PathBuf, usize>,
    pending_names: Vec<Naming>,
    calls: u64,
    fault: Option<(u64, Fault)>,
    fired: Option<&'static str>,
    crashed: bool,
    /// A sync says that it is done, and has done nothing.
    lies: bool,
    /// A sync was asked for again after it had failed.
    retried: bool,
}

/// The disk.
#[derive(Clone, Debug, Default)]
pub struct Twin {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct TwinFile {
    twin: Twin,
    image: usize,
    /// Whether a write is durable when it returns.
    is_synced: bool,
}

fn grow(bytes: &mut Vec<u8>, at: u64, data: &[u8]) {
    let end = at as usize + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[at as usize..end].copy_from_slice(data);
}

impl Image {
    fn write(&mut self, at: u64, bytes: &[u8], is_synced: bool) {
        grow(&mut self.cached, at, bytes);
        if is_synced {
            grow(&mut self.synced, at, bytes);
        } else {
            self.pending.push((at, bytes.to_vec()));
        }
    }

    fn sync(&mut self) {
        for (at, bytes) in self.pending.drain(..) {
            grow(&mut self.synced, at, &bytes);
        }
    }

    /// As it is after the machine stopped.
    fn after_crash(mut self, random: &mut Random) -> Self {
        for (at, bytes) in std::mem::take(&mut self.pending) {
            for (index, sector) in bytes.chunks(SECTOR).enumerate() {
                if random.coin() {
                    grow(&mut self.synced, at + (index * SECTOR) as u64, sector);
                }
            }
        }
        Self {
            cached: self.synced.clone(),
            synced: self.synced,
            ..Self::default()
        }
    }
}

fn name(names: &mut BTreeMap<PathBuf, usize>, naming: &[(PathBuf, Option<usize>)]) {
    for (path, image) in naming {
        match image {
            Some(image) => names.insert(path.clone(), *image),
            None => names.remove(path),
        };
    }
}

impl State {
    fn named(&self, path: &Path) -> io::Result<usize> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, path.display().to_string());
        self.names.get(path).copied().ok_or_else(missing)
    }

    fn rename(&mut self, naming: Naming) {
        name(&mut self.names, &naming);
        self.pending_names.push(naming);
    }

    /// Adds a file that is all there.
    fn put(&mut self, path: PathBuf, image: Image) {
        let naming = vec![(path, Some(self.images.len()))];
        self.images.push(image);
        name(&mut self.names, &naming);
        name(&mut self.synced_names, &naming);
    }

    fn sync_folder(&mut self, folder: &Path) {
        let pending = std::mem::take(&mut self.pending_names);
        let of_folder = |naming: &Naming| naming[0].0.parent() == Some(folder);
        let (synced, pending): (Vec<_>, _) = pending.into_iter().partition(of_folder);
        for naming in &synced {
            name(&mut self.synced_names, naming);
        }
        self.pending_names = pending;
    }
}

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }
}

impl Twin {
    /// A disk that fails at this call, counted from 1.
    pub fn failing(call: u64, fault: Fault) -> Self {
        let twin = Self::default();
        twin.lock().fault = Some((call, fault));
        twin
    }

    /// A disk whose syncs do nothing.
    pub fn lying() -> Self {
        let twin = Self::default();
        twin.lock().lies = true;
        twin
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// The call that the fault hit, if it did.
    pub fn fired(&self) -> Option<&'static str> {
        self.lock().fired
    }

    pub fn retried_a_sync(&self) -> bool {
        self.lock().retried
    }

    /// A disk with this file.
    pub fn put(&self, path: PathBuf, bytes: Vec<u8>) {
        let image = Image {
            synced: bytes.clone(),
            cached: bytes,
            ..Image::default()
        };
        self.lock().put(path, image);
    }

    /// The same files on a disk that fails at this call.
    pub fn failing_from_here(&self, call: u64, fault: Fault) -> Self {
        let twin = self.after_kill();
        twin.lock().fault = Some((call, fault));
        twin
    }

    /// Stops the machine now, if it has not stopped, and starts it again.
    pub fn after_crash(&self, seed: u64) -> Self {
        let mut random = Random(seed);
        let state = self.lock();
        let mut names = state.synced_names.clone();
        for naming in &state.pending_names {
            if random.coin() {
                name(&mut names, naming);
            }
        }
        let twin = Self::default();
        for (path, image) in names {
            let image = state.images[image].clone().after_crash(&mut random);
            twin.lock().put(path, image);
        }
        twin
    }

    /// The process stops, the machine does not: everything written is there.
    pub fn after_kill(&self) -> Self {
        let (state, twin) = (self.lock(), Self::default());
        for (path, image) in &state.names {
            let bytes = state.images[*image].cached.clone();
            twin.put(path.clone(), bytes);
        }
        twin
    }

    /// Counts a call, and lets the fault happen that is for it. `act` gets how much of it is done.
    fn call<T>(
        &self,
        what: &'static str,
        act: impl FnOnce(&mut State, Done) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.lock();
        if state.crashed {
            return Err(io::Error::other("the machine has stopped"));
        }
        state.calls += 1;
        let fault = state.fault.filter(|(call, _)| *call == state.calls);
        let Some((_, fault)) = fault else {
            return act(&mut state, Done::All);
        };
        state.fired = Some(what);
        match fault {
            Fault::Eio => {
                let _ = act(&mut state, Done::Nothing);
                Err(io::Error::from_raw_os_error(5))
            }
            Fault::Enospc => {
                let _ = act(&mut state, Done::Nothing);
                Err(io::Error::from_raw_os_error(28))
            }
            Fault::Short => {
                let _ = act(&mut state, Done::Half);
                Err(io::Error::from(io::ErrorKind::WriteZero))
            }
            Fault::CrashBefore => {
                state.crashed = true;
                Err(io::Error::other("the machine stops"))
            }
            Fault::CrashWithin => {
                let _ = act(&mut state, Done::Begun);
                state.crashed = true;
                Err(io::Error::other("the machine stops"))
            }
            Fault::CrashAfter => {
                let _ = act(&mut state, Done::All);
                state.crashed = true;
                Err(io::Error::other("the machine stops"))
            }
        }
    }
}

/// How much of a call is done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Done {
    All,
    /// Nobody knows: the machine stops before it is durable.
    Begun,
    Half,
    Nothing,
}

impl Done {
    /// Of what is done as a whole: whether a process that lives on sees it.
    fn has_begun(self) -> bool {
        matches!(self, Self::All | Self::Begun)
    }
}

impl DiskFile for TwinFile {
    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.twin.call("write", |state, done| {
            let len = match done {
                Done::All | Done::Begun => bytes.len(),
                Done::Half => bytes.len() / 2,
                Done::Nothing => 0,
            };
            let is_synced = self.is_synced && done != Done::Begun;
            state.images[self.image].write(at, &bytes[..len], is_synced);
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.is_synced {
            return Ok(());
        }
        self.twin.call("sync", |state, done| {
            let lies = state.lies;
            let image = &mut state.images[self.image];
            let retried = image.sync_failed;
            match done {
                Done::All if !lies => image.sync(),
                Done::All | Done::Begun => {}
                // The pages count as clean now: what was in them is lost.
                _ => {
                    image.pending.clear();
                    image.sync_failed = true;
                }
            }
            state.retried |= retried;
            Ok(())
        })
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        let state = self.twin.lock();
        let rest = state.images[self.image]
            .cached
            .get(at as usize..)
            .unwrap_or(&[]);
        let count = rest.len().min(bytes.len());
        bytes[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.twin.lock().images[self.image].cached.len() as u64)
    }
}

impl Twin {
    fn file(&self, image: usize, strategy: CommitStrategy) -> Box<dyn DiskFile> {
        let is_synced = matches!(
            strategy,
            CommitStrategy::Dsync | CommitStrategy::DirectDsync
        );
        Box::new(TwinFile {
            twin: self.clone(),
            image,
            is_synced,
        })
    }
}

impl Disk for Twin {
    fn make_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = self.lock();
        let names = state.names.keys();
        let names = names.filter(|path| path.parent() == Some(folder));
        let name = |path: &PathBuf| path.file_name()?.to_str().map(str::to_owned);
        Ok(names.filter_map(name).collect())
    }

    fn create(&self, path: &Path, strategy: CommitStrategy) -> io::Result<Box<dyn DiskFile>> {
        let image = self.call("create", |state, done| {
            if state.names.contains_key(path) {
                return Err(io::Error::from(io::ErrorKind::AlreadyExists));
            }
            let image = state.images.len();
            if done.has_begun() {
                state.images.push(Image::default());
                state.rename(vec![(path.to_owned(), Some(image))]);
            }
            Ok(image)
        })?;
        Ok(self.file(image, strategy))
    }

    fn open(&self, path: &Path, strategy: CommitStrategy) -> io::Result<Box<dyn DiskFile>> {
        let image = self.call("open", |state, _| state.named(path))?;
        Ok(self.file(image, strategy))
    }

    fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let image = self.lock().named(path)?;
        Ok(self.file(image, CommitStrategy::Fdatasync))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call("rename", |state, done| {
            let image = state.named(from)?;
            if done.has_begun() {
                state.rename(vec![(from.to_owned(), None), (to.to_owned(), Some(image))]);
            }
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call("remove", |state, done| {
            state.named(path)?;
            if done.has_begun() {
                state.rename(vec![(path.to_owned(), None)]);
            }
            Ok(())
        })
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.call("sync folder", |state, done| {
            if done == Done::All {
                state.sync_folder(folder);
            }
            Ok(())
        })
    }
}
