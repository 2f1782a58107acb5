//! Requests about a tenant's money and its control stream: who may ask, and where the answer comes
//! from. What only reads is answered here.

use souk_protocol::message::{
    self as wire, BalanceReport, CurrencyListEnd, STATEMENT_ENTRIES_MAX, StatementReport,
};
use souk_protocol::{
    AccountId, Block, ClientMessage, FLAG_MORE_FOLLOWS, FRAME_FROM_SERVER_MAX, RejectReason,
    Reserved, frame_len_with_group, write_frame_with_group,
};

use super::established::{Established, RETRY_BUSY_US};
use super::session::Next;
use crate::control::{ControlCommand, Custody};
use crate::handoff::{ControlRequest, CountsAs, Permit, Request, RequestOrigin};

const _: () = assert!(
    frame_len_with_group::<StatementReport, wire::StatementEntry>(STATEMENT_ENTRIES_MAX as usize)
        <= FRAME_FROM_SERVER_MAX as usize,
    "a page fits one frame"
);
/// Changes of markets that a tenant may have under way.
const CHANGES_MAX: u32 = 64;
/// Balances that fit one frame.
const BALANCES_PER_FRAME_MAX: usize = (FRAME_FROM_SERVER_MAX as usize
    - frame_len_with_group::<BalanceReport, wire::BalanceEntry>(0))
    / wire::BalanceEntry::LEN;

/// The command of a message to the control stream.
fn command_of(message: &ClientMessage<'_>) -> Option<ControlCommand> {
    Some(match message {
        ClientMessage::CreateCurrency(m) => ControlCommand::CreateCurrency(*m),
        ClientMessage::UpdateCurrency(m) => ControlCommand::UpdateCurrency(*m),
        ClientMessage::CreateMarket(m) => ControlCommand::CreateMarket(*m),
        ClientMessage::SetMarketLimits(m) => ControlCommand::SetMarketLimits(*m),
        ClientMessage::SetMarketState(m) => ControlCommand::SetMarketState(*m),
        ClientMessage::SetFees(m) => ControlCommand::SetFees(*m),
        ClientMessage::CreateAccount(m) => ControlCommand::CreateAccount(*m),
        ClientMessage::UpdateAccount(m) => ControlCommand::UpdateAccount(*m),
        ClientMessage::Credit(m) => ControlCommand::Credit(*m),
        ClientMessage::Debit(m) => ControlCommand::Debit(*m),
        ClientMessage::Transfer(m) => ControlCommand::Transfer(*m),
        _ => return None,
    })
}

impl Established {
    /// Takes a request of this kind; its rate has been looked at.
    pub(super) fn tenant_request(
        &mut self,
        origin: RequestOrigin,
        message: &ClientMessage<'_>,
    ) -> Next {
        let done = match command_of(message) {
            Some(command) => self.control_command(origin, command),
            None => self.read_request(origin, message),
        };
        if let Err(reason) = done {
            let full = matches!(
                reason,
                RejectReason::MarketBusy | RejectReason::TenantShareExceeded
            );
            self.reject_request(origin, reason, if full { RETRY_BUSY_US } else { 0 });
        }
        Next::Read
    }

    pub(super) fn reject_request(
        &self,
        origin: RequestOrigin,
        reason: RejectReason,
        retry_after_us: u32,
    ) {
        self.shared.registry.refuse(reason);
        let mut rejected = origin.rejected(reason);
        rejected.retry_after_us = retry_after_us;
        self.link.outbox.append(&rejected.frame(0));
    }

    fn control_command(
        &mut self,
        origin: RequestOrigin,
        command: ControlCommand,
    ) -> Result<(), RejectReason> {
        let permissions = self.key.permissions;
        let allowed = if command.is_funding() {
            permissions.funding
        } else {
            permissions.control
        };
        if !allowed {
            return Err(RejectReason::PermissionDenied);
        }
        let tenant = &self.key.tenant;
        let permit = if command.changes_a_market() {
            let permit = Permit::take(&tenant.changes, CHANGES_MAX);
            Some(permit.ok_or(RejectReason::TenantShareExceeded)?)
        } else {
            None
        };
        let route = tenant.control;
        let gauge = &self.shared.doors[route.matcher].gauge;
        gauge.admit(tenant.index, CountsAs::Order, 1)?;
        let request = Box::new(ControlRequest {
            origin,
            command,
            permit,
        });
        self.push(route, Request::Control(request), false);
        Ok(())
    }

    fn read_request(
        &mut self,
        origin: RequestOrigin,
        message: &ClientMessage<'_>,
    ) -> Result<(), RejectReason> {
        let about_balances = matches!(
            message,
            ClientMessage::BalanceQuery(_)
                | ClientMessage::SubscribeAccount(_)
                | ClientMessage::StatementQuery(_)
        );
        if about_balances && self.key.tenant.custody == Custody::External {
            return Err(RejectReason::ExternalCustody);
        }
        match message {
            ClientMessage::BalanceQuery(m) => {
                self.may_see(m.account)?;
                self.tell_balances(origin, m.account);
            }
            ClientMessage::SubscribeAccount(m) => {
                self.may_see(m.account)?;
                let treasury = &self.shared.treasury;
                treasury.watch(self.key.tenant.index, m.account, &self.link)?;
                self.tell_balances(origin, m.account);
            }
            ClientMessage::StatementQuery(m) => {
                self.may_see(m.account)?;
                self.tell_statement(m)?;
            }
            ClientMessage::SubscribeSettlements(m) => return self.subscribe_settlements(origin, m),
            ClientMessage::CurrencyListRequest(_) => self.tell_currencies(origin),
            _ => {}
        }
        Ok(())
    }

    /// Whether the key may see an account of its tenant that exists.
    fn may_see(&self, account: AccountId) -> Result<(), RejectReason> {
        let may = self.key.permissions.funding || self.key.accounts.contain(account);
        let tenant = self.key.tenant.index;
        if may && self.shared.treasury.account(tenant, account).is_some() {
            Ok(())
        } else {
            Err(RejectReason::UnknownAccount)
        }
    }

    fn tell_balances(&self, origin: RequestOrigin, account: AccountId) {
        let entries = self
            .shared
            .treasury
            .balances(self.key.tenant.index, account);
        let root = BalanceReport {
            request_id: origin.request_id,
            account,
            reserved: Reserved,
        };
        let mut frames = Vec::new();
        let mut rest = &entries[..];
        loop {
            let (now, later) = rest.split_at(rest.len().min(BALANCES_PER_FRAME_MAX));
            append_group(&mut frames, &root, now, !later.is_empty());
            if later.is_empty() {
                break;
            }
            rest = later;
        }
        self.link.outbox.append(&frames);
    }

    fn tell_statement(&self, m: &wire::StatementQuery) -> Result<(), RejectReason> {
        let treasury = &self.shared.treasury;
        let tenant = self.key.tenant.index;
        treasury
            .currency(tenant, m.currency)
            .ok_or(RejectReason::UnknownCurrency)?;
        let page = treasury.statements().page(
            tenant,
            m.account,
            m.currency,
            m.after_sequence,
            usize::from(m.count),
        );
        let root = StatementReport {
            request_id: m.request_id,
            account: m.account,
            more: page.more,
            reserved: Reserved,
            currency: m.currency,
        };
        let mut frames = Vec::new();
        append_group(&mut frames, &root, &page.entries, false);
        self.link.outbox.append(&frames);
        Ok(())
    }

    fn subscribe_settlements(
        &mut self,
        origin: RequestOrigin,
        m: &wire::SubscribeSettlements,
    ) -> Result<(), RejectReason> {
        if !self.key.permissions.drop_copy {
            return Err(RejectReason::PermissionDenied);
        }
        let route = self.route(m.market).ok_or(RejectReason::UnknownMarket)?;
        let full = self.subscriptions.len() >= self.shared.limits.subscriptions_max;
        if full && !self.subscriptions.contains_key(&m.market) {
            return Err(RejectReason::TooManySubscriptions);
        }
        let gauge = &self.shared.doors[route.matcher].gauge;
        gauge.admit(self.key.tenant.index, CountsAs::Order, 1)?;
        self.subscriptions.insert(m.market, route);
        self.ever_subscribed.insert(m.market, route);
        let from_number = m.from_number;
        let request = Request::SubscribeSettlements {
            origin,
            from_number,
        };
        self.push(route, request, false);
        // Alone, so that the matcher can see to others between two of them.
        self.submit_to(route.matcher);
        Ok(())
    }

    fn tell_currencies(&self, origin: RequestOrigin) {
        let mut count = 0;
        let mut frames = Vec::new();
        for page in self.key.tenant.currency_pages() {
            if self.is_ending() {
                return;
            }
            for currency in &page {
                frames.extend_from_slice(&currency.frame(0));
            }
            count += page.len() as u32;
        }
        let end = CurrencyListEnd {
            request_id: origin.request_id,
            count,
            reserved: Reserved,
        };
        frames.extend_from_slice(&end.frame(0));
        self.link.outbox.append(&frames);
    }
}

/// Appends a frame of `root` and `entries`, of which the caller knows that they fit.
fn append_group<B: Block, E: Block>(frames: &mut Vec<u8>, root: &B, entries: &[E], more: bool) {
    let from = frames.len();
    frames.resize(from + frame_len_with_group::<B, E>(entries.len()), 0);
    let flags = if more { FLAG_MORE_FOLLOWS } else { 0 };
    let written = write_frame_with_group(root, entries, 0, flags, &mut frames[from..]);
    debug_assert!(written.is_some(), "the frame has room for its entries");
}
