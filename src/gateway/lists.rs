//! Answers that are as long as what a tenant has: what they cost, and telling them in pages.

use souk_protocol::message::MarketListEnd;
use souk_protocol::{ClientMessage, Reserved};

use super::established::Established;
use crate::directory::PAGE_LEN;

impl Established {
    /// How many requests one with a long answer counts as; nothing if its answer is short.
    pub(super) fn long_answer_cost(&self, message: &ClientMessage<'_>) -> Option<u32> {
        let listed = match message {
            ClientMessage::MarketListRequest(_) => self.key.tenant.catalogue().markets(),
            ClientMessage::CurrencyListRequest(_) => self.key.tenant.catalogue().currencies(),
            ClientMessage::Subscribe(_)
            | ClientMessage::SubscribeSettlements(_)
            | ClientMessage::StatementQuery(_) => 0,
            _ => return None,
        };
        Some(1 + (listed / PAGE_LEN) as u32)
    }

    /// Answers a `MarketListRequest`.
    pub(super) fn tell_markets(&self) {
        let mut count = 0;
        let mut frames = Vec::new();
        for page in self.key.tenant.market_pages() {
            if self.is_ending() {
                return;
            }
            frames.clear();
            for definition in &page {
                frames.extend_from_slice(&definition.frame(0));
            }
            self.link.outbox.append(&frames);
            count += page.len() as u32;
        }
        let end = MarketListEnd {
            count,
            reserved: Reserved,
        };
        self.link.outbox.append(&end.frame(0));
    }

    /// Whether the connection is about to end, which a long answer would only keep waiting.
    pub(super) fn is_ending(&self) -> bool {
        self.link.outbox.overflowed() || self.link.ending().is_some()
    }
}
