//! Refusals before a market: what each is answered with. None of them uses up a number.

use std::time::Instant;

use souk_protocol::message::{NotApplied, SessionReject};
use souk_protocol::{
    Code, FieldError, Frame, Header, MarketId, RejectReason, Reserved, request_id_of,
};

use super::established::{Established, RETRY_BUSY_US, Refusal};
use super::market_message::MarketMessage;
use super::session::{Next, session_reject};
use super::throttle::Verdict;
use crate::directory::Route;
use crate::handoff::{Request, RequestOrigin, Submission};

impl Established {
    /// A message to a market is refused.
    pub(super) fn refuse(
        &mut self,
        header: &Header,
        message: &MarketMessage,
        refusal: Refusal,
    ) -> Next {
        match refusal {
            Refusal::Wrong(reason, field) => {
                self.shared.registry.refuse(reason);
                let reject = SessionReject {
                    ref_seq: header.seq,
                    market: message.market(),
                    ref_template: header.template_id,
                    code: Code::from(reason),
                    field_offset: message.offset_of(field) as u16,
                    fatal: false,
                    reserved: Reserved,
                    retry_after_us: 0,
                    cl_ord_id: message.cl_ord_id(),
                };
                self.link.outbox.append(&reject.frame(0));
                Next::Read
            }
            Refusal::TooMuch(reason, retry_after_us) => {
                self.shared.registry.refuse(reason);
                let refused = not_applied(header.seq, message.market(), reason, retry_after_us);
                self.link.outbox.append(&refused.frame(0));
                Next::Read
            }
            Refusal::Flooding => Next::Finish(RejectReason::SessionRateExceeded),
        }
    }

    /// The queue holds too many submissions, or the matcher has ended: says so for each message.
    pub(super) fn submission_refused(
        &mut self,
        matcher: usize,
        submission: Submission,
        messages: u64,
    ) {
        let gauge = &self.shared.doors[matcher].gauge;
        gauge.release(submission.tenant, submission.items.len() as u32);
        self.submitted -= messages;
        for item in &submission.items {
            self.shared.registry.refuse(RejectReason::MarketBusy);
            let market = self
                .key
                .tenant
                .market_at(Route {
                    matcher,
                    seat: item.seat,
                })
                .unwrap_or(MarketId(0));
            match &item.request {
                Request::Command(numbered) if numbered.batch.last => {
                    let refused = not_applied(
                        numbered.client_seq,
                        market,
                        RejectReason::MarketBusy,
                        RETRY_BUSY_US,
                    );
                    self.link.outbox.append(&refused.frame(0));
                }
                Request::Control(request) => {
                    let reason = RejectReason::MarketBusy;
                    self.reject_request(request.origin, reason, RETRY_BUSY_US);
                }
                Request::SubscribeSettlements { origin, .. } => {
                    self.reject_request(*origin, RejectReason::MarketBusy, RETRY_BUSY_US);
                }
                Request::Command(_) => {}
                _ => {
                    if matches!(item.request, Request::Unsubscribe) {
                        let seat = item.seat;
                        self.subscriptions.insert(market, Route { matcher, seat });
                    }
                    let mut reject = session_reject(RejectReason::MarketBusy, 0, false);
                    reject.market = market;
                    reject.retry_after_us = RETRY_BUSY_US;
                    self.link.outbox.append(&reject.frame(0));
                }
            }
        }
    }

    /// A request without a number is refused.
    pub(super) fn refuse_request(
        &mut self,
        header: &Header,
        market: MarketId,
        reason: RejectReason,
        retry_after_us: u32,
    ) -> Next {
        self.shared.registry.refuse(reason);
        let mut reject = session_reject(reason, 0, false);
        reject.market = market;
        reject.ref_template = header.template_id;
        reject.retry_after_us = retry_after_us;
        self.link.outbox.append(&reject.frame(0));
        Next::Read
    }

    /// A whole frame with something wrong inside. The session goes on, unless it sends nothing else.
    pub(super) fn bad_field(
        &mut self,
        frame: &Frame<'_>,
        error: &FieldError,
        now: Instant,
    ) -> Next {
        if self.requests.take(1, now) == Verdict::Flooding {
            return Next::Finish(RejectReason::SessionRateExceeded);
        }
        self.shared.registry.refuse(error.reason);
        let header = &frame.header;
        if let Some(request_id) = request_id_of(frame) {
            let origin = RequestOrigin {
                request_id,
                template: header.template_id,
            };
            let mut rejected = origin.rejected(error.reason);
            rejected.field_offset = error.offset;
            self.link.outbox.append(&rejected.frame(0));
            return Next::Read;
        }
        let mut reject = session_reject(error.reason, error.offset, false);
        reject.ref_seq = header.seq;
        reject.ref_template = header.template_id;
        self.link.outbox.append(&reject.frame(0));
        Next::Read
    }
}

/// Nothing of the message was applied, and the market expects it again.
fn not_applied(
    client_seq: u64,
    market: MarketId,
    reason: RejectReason,
    retry_after_us: u32,
) -> NotApplied {
    NotApplied {
        from_client_seq: client_seq,
        count: 1,
        market,
        expected_client_seq: client_seq,
        code: Code::from(reason),
        reserved: Reserved,
        retry_after_us,
    }
}
