//! What a node makes of what the database shows: who is alive, whose tenants are without an owner, who comes next.

use std::collections::BTreeMap;

use souk_protocol::message::Redirect;
use souk_protocol::{TenantId, Text};

use crate::database::Ownership;
use crate::gateway::entrance::Place;
use crate::ids::Epoch;
use crate::lease::{Candidate, Incarnation, NodeId, NodeRow, NodeState, Registered, ranking};

/// A process of a node.
pub(crate) type Process = (NodeId, Incarnation);

/// The nodes and the owners, as this process sees them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub own: &'a Registered,
    pub nodes: &'a [NodeRow],
    pub owners: &'a BTreeMap<TenantId, Ownership>,
}

impl View<'_> {
    pub(crate) fn node(&self, id: NodeId) -> Option<&NodeRow> {
        self.nodes.iter().find(|node| node.id == id)
    }

    pub(crate) fn is_own(&self, owner: &Ownership) -> bool {
        owner.node == self.own.node && owner.incarnation == self.own.incarnation
    }

    /// Whether a tenant's owner is at work, as far as this process has seen.
    fn is_open(&self, owner: &Ownership) -> bool {
        self.node(owner.node)
            .is_some_and(|node| node.state.is_open() && node.incarnation == owner.incarnation)
    }

    /// Whether a tenant's owner has ended for ever. A process that registered after the nodes were looked at, and before the
    /// owners were, has not.
    fn has_ended(&self, owner: &Ownership) -> bool {
        let Some(node) = self.node(owner.node) else {
            return owner.node == NodeId(0);
        };
        node.incarnation > owner.incarnation
            || node.incarnation == owner.incarnation && !node.state.is_open()
    }

    /// Nodes that take tenants, in the order in which a tenant belongs to them, without `but`.
    fn line(&self, tenant: TenantId, but: Option<NodeId>) -> Vec<NodeId> {
        let candidates: Vec<_> = self
            .nodes
            .iter()
            .filter(|node| node.state == NodeState::Live && Some(node.id) != but)
            .map(|node| Candidate {
                node: node.id,
                name: &node.name,
                weight: node.weight,
            })
            .collect();
        ranking(tenant, &candidates)
    }

    /// The process that a tenant belongs to, of all that take tenants, without `but`.
    pub(crate) fn heir(&self, tenant: TenantId, but: Option<NodeId>) -> Option<Process> {
        let first = self.line(tenant, but).first().copied()?;
        self.node(first).map(|node| (node.id, node.incarnation))
    }

    /// Whether this node is the next for a tenant that another one has.
    pub(crate) fn is_next(&self, tenant: TenantId, owner: &Ownership) -> bool {
        let heir = self.heir(tenant, Some(owner.node));
        heir.is_some_and(|(node, _)| node == self.own.node)
    }

    /// Tenants whose owner has ended for ever, by that process. The owner's own next process takes them when it registers.
    pub(crate) fn orphans(&self) -> BTreeMap<Process, Vec<TenantId>> {
        let mut orphans: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (tenant, owner) in self.owners {
            if self.has_ended(owner) {
                let process = (owner.node, owner.incarnation);
                orphans.entry(process).or_default().push(*tenant);
            }
        }
        orphans
    }

    /// What clients of a tenant are told that another process owns.
    pub(crate) fn place(&self, owner: &Ownership) -> Place {
        match self.node(owner.node) {
            Some(node) if self.is_open(owner) => elsewhere(node, owner.epoch),
            _ => Place::Moving,
        }
    }

    /// What clients are told of a tenant that is given to `heir`.
    pub(crate) fn place_of(&self, heir: Option<Process>, epoch: Epoch) -> Place {
        let node = heir.and_then(|(id, _)| self.node(id));
        // The epoch after is this one's or higher.
        node.map_or(Place::Moving, |node| elsewhere(node, Epoch(epoch.0 + 1)))
    }
}

fn elsewhere(node: &NodeRow, epoch: Epoch) -> Place {
    Text::new(&node.advertise).map_or(Place::Moving, |address| {
        Place::Elsewhere(Redirect {
            epoch: epoch.0,
            address,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::BootId;
    use std::time::Duration;

    fn node(id: u32, incarnation: u64, state: NodeState) -> NodeRow {
        NodeRow {
            id: NodeId(id),
            name: format!("node-{id}"),
            incarnation: Incarnation(incarnation),
            boot: BootId([id as u8; 16]),
            state,
            beat: 1,
            ttl: Duration::from_secs(3),
            advertise: format!("10.0.0.{id}:7001"),
            weight: 1,
        }
    }

    const OWN: Registered = Registered {
        node: NodeId(1),
        incarnation: Incarnation(5),
        boot: BootId([1; 16]),
    };

    fn owner(node: u32, incarnation: u64) -> Ownership {
        Ownership {
            node: NodeId(node),
            incarnation: Incarnation(incarnation),
            epoch: Epoch(40),
        }
    }

    #[test]
    fn tenants_of_processes_that_cannot_come_back_are_orphans() {
        let nodes = [
            node(1, 5, NodeState::Live),
            node(2, 7, NodeState::Fenced),
            node(3, 9, NodeState::Live),
            node(4, 2, NodeState::Released),
        ];
        let owners = [
            owner(0, 0),
            owner(1, 5),
            owner(2, 7),
            owner(3, 8),
            owner(3, 9),
            owner(4, 2),
            // Registered after the nodes were looked at.
            owner(8, 1),
            owner(2, 8),
            owner(3, 10),
        ];
        let owners = (1..).map(TenantId).zip(owners).collect();
        let view = View {
            own: &OWN,
            nodes: &nodes,
            owners: &owners,
        };
        let orphans: Vec<_> = view.orphans().into_values().flatten().collect();
        assert_eq!(orphans, [1, 3, 4, 6].map(TenantId));
    }

    #[test]
    fn draining_nodes_are_nobodys_heirs_and_still_owners() {
        let nodes = [
            node(1, 5, NodeState::Live),
            node(2, 7, NodeState::Draining),
            node(3, 9, NodeState::Fenced),
        ];
        let owners = BTreeMap::new();
        let view = View {
            own: &OWN,
            nodes: &nodes,
            owners: &owners,
        };
        let heir = view.heir(TenantId(1), None);
        assert_eq!(heir, Some((NodeId(1), Incarnation(5))));
        assert_eq!(view.heir(TenantId(1), Some(NodeId(1))), None);
        assert!(view.is_next(TenantId(1), &owner(2, 7)));
        assert!(!view.is_next(TenantId(1), &owner(1, 5)));
        let Place::Elsewhere(redirect) = view.place(&owner(2, 7)) else {
            panic!("it is still there");
        };
        assert_eq!(redirect.address.as_str(), "10.0.0.2:7001");
        assert!(matches!(view.place(&owner(2, 6)), Place::Moving));
        assert!(matches!(view.place(&owner(3, 9)), Place::Moving));
    }
}
