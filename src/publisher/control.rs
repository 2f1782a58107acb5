//! What a control stream decided, once it is durable: money moves, names are made known, and the rest
//! goes to the administrator with its answer.

use std::sync::Arc;

use souk_protocol::message::{FundingResult, RequestAccepted};
use souk_protocol::{RejectReason, Reserved};

use super::Desk;
use super::links::{LinkPlace, Links};
use super::money::Gathered;
use crate::control::{Effect, Movement};
use crate::handoff::{ControlRequest, Link, Task, TenantIndex};
use crate::treasury::Moved;

/// A committed record of a control stream.
pub(super) struct Decided<'a> {
    pub tenant: TenantIndex,
    pub request: &'a ControlRequest,
    pub control_seq: u64,
    pub result: &'a Result<Effect, RejectReason>,
    pub transact_time: u64,
}

impl Decided<'_> {
    pub(super) fn publish(
        &self,
        link: &Arc<Link>,
        place: LinkPlace,
        links: &mut Links,
        desk: &Desk,
        gathered: &mut Gathered,
    ) {
        let effect = match self.result {
            Ok(effect) => effect,
            Err(reason) => {
                return links.send(place, &self.request.origin.rejected(*reason).frame(0));
            }
        };
        let tenant = &desk.directory.tenants[self.tenant.0 as usize];
        match effect {
            Effect::Currency(definition) => {
                desk.treasury.define_currency(self.tenant, definition.code);
                tenant.set_currency(*definition);
                links.send(place, &self.accepted());
            }
            Effect::Account { account, terms } => {
                desk.treasury.set_account(self.tenant, *account, terms);
                tenant.add_account(*account);
                links.send(place, &self.accepted());
            }
            Effect::Moved(movement) => {
                let moved = Moved {
                    movement,
                    control_seq: self.control_seq,
                    transact_time: self.transact_time,
                };
                gathered.move_money(self.tenant, &moved, &desk.treasury);
                let funded = self.funded(movement, self.control_seq, false);
                links.send(place, &funded);
            }
            Effect::Repeated {
                movement,
                control_seq,
            } => links.send(place, &self.funded(movement, *control_seq, true)),
            Effect::MarketCreated(_)
            | Effect::Limits { .. }
            | Effect::State { .. }
            | Effect::Fees { .. } => {
                let task = Task {
                    tenant: self.tenant,
                    effect: effect.clone(),
                    link: Arc::clone(link),
                    answer: self.accepted().to_vec(),
                    permit: self.request.permit.clone(),
                };
                // Refused only when the node stops; the change is in the stream.
                let _ = desk.tasks.send(task);
            }
        }
    }

    fn accepted(&self) -> [u8; RequestAccepted::FRAME_LEN] {
        let accepted = RequestAccepted {
            request_id: self.request.origin.request_id,
            control_seq: self.control_seq,
        };
        accepted.frame(0)
    }

    fn funded(
        &self,
        movement: &Movement,
        control_seq: u64,
        repeated: bool,
    ) -> [u8; FundingResult::FRAME_LEN] {
        let result = FundingResult {
            request_id: self.request.origin.request_id,
            control_seq,
            business_id: movement.business_id,
            amount: movement.amount,
            repeated,
            reserved: Reserved,
        };
        result.frame(0)
    }
}
