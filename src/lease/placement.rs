//! Which node a tenant belongs to: weighted rendezvous hashing. When a node comes or goes, only the tenants move that belong
//! to it.

use std::hash::Hasher;

use souk_protocol::TenantId;
use twox_hash::XxHash64;

use super::identity::NodeId;

/// Of the hash: never changed, or every tenant moves.
const SEED: u64 = 0x534f_554b_5241_4e4b;

/// A node that may be given tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Which.
    pub node: NodeId,
    /// Its name, which decides: a restart moves nothing.
    pub name: &'a str,
    /// Its share against the others', 1 or more: so many lots does it draw.
    pub weight: u32,
}

/// The candidates of a tenant, whom it belongs to first, who is next behind it.
#[must_use]
pub fn ranking(tenant: TenantId, candidates: &[Candidate<'_>]) -> Vec<NodeId> {
    let mut drawn: Vec<_> = candidates
        .iter()
        .map(|candidate| (best_lot(tenant, candidate), candidate.node))
        .collect();
    drawn.sort_unstable_by(|a, b| b.cmp(a));
    drawn.into_iter().map(|(_, node)| node).collect()
}

fn best_lot(tenant: TenantId, candidate: &Candidate<'_>) -> u64 {
    let lot = |number: u32| {
        let mut hasher = XxHash64::with_seed(SEED);
        hasher.write(&tenant.0.to_le_bytes());
        hasher.write(&number.to_le_bytes());
        hasher.write(candidate.name.as_bytes());
        hasher.finish()
    };
    (0..candidate.weight.max(1)).map(lot).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: [Candidate<'_>; 4] = [
        Candidate {
            node: NodeId(1),
            name: "a",
            weight: 1,
        },
        Candidate {
            node: NodeId(2),
            name: "b",
            weight: 1,
        },
        Candidate {
            node: NodeId(3),
            name: "c",
            weight: 1,
        },
        Candidate {
            node: NodeId(4),
            name: "d",
            weight: 3,
        },
    ];

    #[test]
    fn a_node_that_leaves_moves_its_own_tenants_only_and_to_the_next_in_line() {
        let rest: Vec<_> = NODES
            .into_iter()
            .filter(|it| it.node != NodeId(2))
            .collect();
        for tenant in (1..=1_000).map(TenantId) {
            let before = ranking(tenant, &NODES);
            let after = ranking(tenant, &rest);
            let kept: Vec<_> = before.into_iter().filter(|it| *it != NodeId(2)).collect();
            assert_eq!(after, kept, "{tenant:?}");
        }
    }

    #[test]
    fn tenants_are_shared_out_by_weight() {
        let mut first = [0_u32; 5];
        for tenant in (1..=6_000).map(TenantId) {
            first[ranking(tenant, &NODES)[0].0 as usize] += 1;
        }
        for (node, share) in [(1, 1_000), (2, 1_000), (3, 1_000), (4, 3_000)] {
            let of = first[node];
            assert!(of.abs_diff(share) < share / 8, "node {node} has {of}");
        }
    }

    #[test]
    fn the_hash_is_frozen() {
        let first: Vec<_> = (1..=8)
            .map(|it| ranking(TenantId(it), &NODES)[0].0)
            .collect();
        assert_eq!(first, FIRST);
    }

    const FIRST: [u32; 8] = [3, 4, 3, 3, 3, 3, 4, 4];
}
