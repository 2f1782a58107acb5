//! The engine's market as a subject.

use super::{Step, Subject};
use crate::oracle::Snapshot;
use souk_engine::{Event, EventSink, Market, MarketSpec};
use souk_protocol::Side;

/// The engine's market.
pub struct EngineMarket(Market);

impl EngineMarket {
    pub fn new(spec: MarketSpec, index_key: u64) -> Self {
        Self(Market::new(spec, index_key).expect("the profiles make legal specs"))
    }
}

impl Subject for EngineMarket {
    fn apply(&mut self, step: &Step) -> Vec<Event> {
        if step.prefetch {
            self.0.prefetch(&step.command);
        }
        let mut events = Collected {
            levels: step.levels,
            events: Vec::new(),
        };
        self.0.apply(&step.command, &mut events);
        events.events
    }

    fn snapshot(&self) -> Snapshot {
        let sides = [Side::Buy, Side::Sell];
        Snapshot {
            state: self.0.state(),
            open_orders: self.0.open_orders(),
            last_match_id: self.0.last_match_id(),
            book_hash: self.0.book_hash(),
            best: sides.map(|side| self.0.best(side)),
            levels: sides.map(|side| self.0.levels(side).collect()),
            orders: sides.map(|side| self.0.orders(side).collect()),
        }
    }

    fn state_hash(&self) -> Option<u64> {
        Some(self.0.state_hash())
    }

    fn check_invariants(&self) {
        self.0.check_invariants();
    }
}

struct Collected {
    levels: bool,
    events: Vec<Event>,
}

impl EventSink for Collected {
    fn on(&mut self, event: Event) {
        self.events.push(event);
    }

    fn wants_levels(&self) -> bool {
        self.levels
    }
}
