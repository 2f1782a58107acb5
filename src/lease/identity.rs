//! Who a node is: its configured name, the number of its process, and what tells two processes of one name apart. Never an
//! address.

use std::fmt;
use std::time::Duration;

/// A node's number in the database, given to its name once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// The number of a node's process: each registration's is higher than the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

/// Random, one for each process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BootId(pub [u8; 16]);

impl BootId {
    /// From what [`fmt::Display`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        u128::from_str_radix(text, 16)
            .ok()
            .filter(|_| text.len() == 32)
            .map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a node's row says of its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum NodeState {
    /// It renews its lease, and takes tenants.
    Live = 1,
    /// It renews its lease, and gives its tenants away.
    Draining = 2,
    /// It has ended in good order.
    Released = 3,
    /// Others took it for dead: it must not come back as what it was.
    Fenced = 4,
}

impl NodeState {
    /// From the database.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Live),
            2 => Some(Self::Draining),
            3 => Some(Self::Released),
            4 => Some(Self::Fenced),
            _ => None,
        }
    }

    /// Whether its process may still be at work.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Live | Self::Draining)
    }
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Live => "live",
            Self::Draining => "draining",
            Self::Released => "released",
            Self::Fenced => "fenced",
        })
    }
}

/// A node as the database knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRow {
    /// Its number.
    pub id: NodeId,
    /// Its configured name.
    pub name: String,
    /// Its newest process.
    pub incarnation: Incarnation,
    /// That process.
    pub boot: BootId,
    /// What it does.
    pub state: NodeState,
    /// The number of its last renewal.
    pub beat: u64,
    /// What it has promised: whoever is silent for so long has stopped.
    pub ttl: Duration,
    /// Where its clients connect.
    pub advertise: String,
    /// Its share of the tenants, against the other nodes'.
    pub weight: u32,
}

/// A process that is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Whose.
    pub node: NodeId,
    /// Its number.
    pub incarnation: Incarnation,
    /// Itself.
    pub boot: BootId,
}

/// Why a renewal changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// A later one was there first: all is well.
    Later,
    /// Others took this process for dead, or it has released its lease.
    Fenced,
    /// A newer process has the name.
    Superseded(Incarnation),
}

impl Renewal {
    /// What a row says to a process whose renewal `beat` changed nothing.
    #[must_use]
    pub fn of(row: Option<&NodeRow>, own: &Registered, beat: u64) -> Self {
        match row {
            Some(row) if row.incarnation > own.incarnation || row.boot != own.boot => {
                Self::Superseded(row.incarnation)
            }
            Some(row) if row.state.is_open() && row.beat >= beat => Self::Later,
            Some(_) | None => Self::Fenced,
        }
    }
}

/// What a process that wants to be a node may do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Register: whoever had the name has ended.
    Now,
    /// Look again: whoever had the name may be alive.
    Wait,
    /// Give up: whoever has the name is alive.
    Duplicate,
}

/// Decides whether a process may take a name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Registration {
    /// Of the process that is proved to be dead: this one holds its lock.
    pub dead: Option<BootId>,
    first: Option<(Incarnation, u64)>,
}

impl Registration {
    /// Of a process that holds the lock which `dead` held.
    #[must_use]
    pub const fn new(dead: Option<BootId>) -> Self {
        Self { dead, first: None }
    }

    /// What to do, given the name's row and how long it has been silent.
    pub fn decide(&mut self, row: Option<&NodeRow>, silence: Duration) -> Entry {
        let Some(row) = row else {
            return Entry::Now;
        };
        if !row.state.is_open() || self.dead == Some(row.boot) {
            return Entry::Now;
        }
        let shown = (row.incarnation, row.beat);
        if *self.first.get_or_insert(shown) != shown {
            return Entry::Duplicate;
        }
        if silence >= row.ttl {
            Entry::Now
        } else {
            Entry::Wait
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(incarnation: u64, beat: u64, state: NodeState) -> NodeRow {
        NodeRow {
            id: NodeId(1),
            name: "a".to_owned(),
            incarnation: Incarnation(incarnation),
            boot: BootId([incarnation as u8; 16]),
            state,
            beat,
            ttl: Duration::from_secs(3),
            advertise: "127.0.0.1:7001".to_owned(),
            weight: 1,
        }
    }

    const OWN: Registered = Registered {
        node: NodeId(1),
        incarnation: Incarnation(4),
        boot: BootId([4; 16]),
    };

    #[test]
    fn a_renewal_that_changes_nothing_is_late_fenced_or_of_an_old_process() {
        let of = |row: NodeRow| Renewal::of(Some(&row), &OWN, 10);
        assert_eq!(of(row(4, 10, NodeState::Live)), Renewal::Later);
        assert_eq!(of(row(4, 11, NodeState::Draining)), Renewal::Later);
        assert_eq!(of(row(4, 9, NodeState::Fenced)), Renewal::Fenced);
        assert_eq!(of(row(4, 11, NodeState::Released)), Renewal::Fenced);
        assert_eq!(
            of(row(5, 11, NodeState::Live)),
            Renewal::Superseded(Incarnation(5)),
            "who may not take the name back, whatever the new process does"
        );
        assert_eq!(
            of(row(5, 0, NodeState::Fenced)),
            Renewal::Superseded(Incarnation(5))
        );
        assert_eq!(Renewal::of(None, &OWN, 10), Renewal::Fenced);
    }

    #[test]
    fn a_name_is_free_by_its_end_by_proof_or_by_silence() {
        let second = Duration::from_secs(1);
        let live = row(4, 10, NodeState::Live);
        let mut stranger = Registration::new(None);
        assert_eq!(stranger.decide(None, Duration::ZERO), Entry::Now);
        for ended in [NodeState::Released, NodeState::Fenced] {
            let row = row(4, 10, ended);
            assert_eq!(stranger.decide(Some(&row), Duration::ZERO), Entry::Now);
        }
        let mut heir = Registration::new(Some(live.boot));
        assert_eq!(heir.decide(Some(&live), Duration::ZERO), Entry::Now);
        let mut of_another = Registration::new(Some(BootId([9; 16])));
        assert_eq!(of_another.decide(Some(&live), Duration::ZERO), Entry::Wait);
        assert_eq!(stranger.decide(Some(&live), second * 2), Entry::Wait);
        assert_eq!(stranger.decide(Some(&live), second * 3), Entry::Now);
    }

    #[test]
    fn a_name_whose_process_beats_is_taken() {
        let mut twin = Registration::new(None);
        let silence = Duration::ZERO;
        let first = row(4, 10, NodeState::Live);
        assert_eq!(twin.decide(Some(&first), silence), Entry::Wait);
        let next = row(4, 11, NodeState::Live);
        assert_eq!(twin.decide(Some(&next), silence), Entry::Duplicate);
        let mut other = Registration::new(None);
        assert_eq!(other.decide(Some(&first), silence), Entry::Wait);
        let third = row(5, 10, NodeState::Live);
        assert_eq!(
            other.decide(Some(&third), silence),
            Entry::Duplicate,
            "somebody else was faster"
        );
    }

    #[test]
    fn a_boot_id_is_read_back() {
        let boot = BootId(*b"0123456789abcdef");
        assert_eq!(BootId::parse(&boot.to_string()), Some(boot));
        assert_eq!(BootId::parse("30"), None);
        assert_eq!(BootId::parse(&"g".repeat(32)), None);
    }
}
