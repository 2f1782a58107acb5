//! Requests that are answered by their `request_id`: control, funding, balances, settlements.
//!
//! Must never: take a lost connection for a refusal.

use std::collections::BTreeMap;
use std::time::Duration;

use souk_protocol::message::{
    BalanceEntry, BalanceReport, CATALOGUE, CurrencyDefinition, CurrencyListEnd, FundingResult,
    REQUEST_TEMPLATES, RequestAccepted, RequestRejected, SessionReject, Settlement,
    SettlementsFrom, StatementReport, SubscribeAccount, SubscribeSettlements,
};
use souk_protocol::{
    AccountId, Block, Code, FLAG_MORE_FOLLOWS, FieldError, Group, HEADER_LEN, MarketId, Reserved,
    ServerMessage,
};

use crate::error::ClientError;
use crate::event::Event;
use crate::money::Statement;
use crate::session::{Session, Waiter, tell};

/// The frame of a request, whose number the session fills in.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    frame: Vec<u8>,
}

impl Request {
    /// The request with this frame; its block begins with the `request_id`.
    pub(crate) fn new(frame: &[u8]) -> Self {
        let frame = frame.to_vec();
        let request = Self { frame };
        debug_assert!(REQUEST_TEMPLATES.contains(&request.template()));
        request
    }

    fn template(&self) -> u16 {
        u16::from_le_bytes([self.frame[4], self.frame[5]])
    }

    fn numbered(mut self, request_id: u64) -> Vec<u8> {
        self.frame[HEADER_LEN..HEADER_LEN + 8].copy_from_slice(&request_id.to_le_bytes());
        self.frame
    }
}

/// What a request is to be answered with, and who waits for it. Nobody waits for what the session
/// asks for by itself after a reconnect.
#[derive(Debug)]
pub(crate) enum Awaited {
    Accepted(Waiter<RequestAccepted>),
    Funding(Waiter<FundingResult>),
    Statement(Waiter<Statement>),
    Currencies(Waiter<Vec<CurrencyDefinition>>),
    Balances(Balances),
    Settlements {
        market: MarketId,
        from: u64,
        waiter: Option<Waiter<SettlementsFrom>>,
    },
}

/// Balances that are asked for.
#[derive(Debug)]
pub(crate) struct Balances {
    account: AccountId,
    /// Whether changes are to follow.
    subscribe: bool,
    /// Those of the frames that came.
    entries: Vec<BalanceEntry>,
    waiter: Option<Waiter<Vec<BalanceEntry>>>,
}

impl Awaited {
    /// Balances of an account, once or with every change of them.
    pub(crate) const fn balances(
        account: AccountId,
        subscribe: bool,
        waiter: Option<Waiter<Vec<BalanceEntry>>>,
    ) -> Self {
        Self::Balances(Balances {
            account,
            subscribe,
            entries: Vec::new(),
            waiter,
        })
    }

    fn fail(self, error: ClientError) {
        match self {
            Self::Accepted(waiter) => tell(waiter, Err(error)),
            Self::Funding(waiter) => tell(waiter, Err(error)),
            Self::Statement(waiter) => tell(waiter, Err(error)),
            Self::Currencies(waiter) => tell(waiter, Err(error)),
            Self::Balances(balances) => tell_if_any(balances.waiter, Err(error)),
            Self::Settlements { waiter, .. } => tell_if_any(waiter, Err(error)),
        }
    }

    const fn has_no_waiter(&self) -> bool {
        match self {
            Self::Balances(balances) => balances.waiter.is_none(),
            Self::Settlements { waiter, .. } => waiter.is_none(),
            _ => false,
        }
    }

    /// Whether the answer is all that is asked for: to ask twice changes nothing.
    const fn is_question(&self) -> bool {
        match self {
            Self::Accepted(_) | Self::Funding(_) => false,
            Self::Statement(_)
            | Self::Currencies(_)
            | Self::Balances(_)
            | Self::Settlements { .. } => true,
        }
    }

    const fn expects(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "RequestAccepted",
            Self::Funding(_) => "FundingResult",
            Self::Statement(_) => "StatementReport",
            Self::Currencies(_) => "CurrencyListEnd",
            Self::Balances(_) => "BalanceReport",
            Self::Settlements { .. } => "SettlementsFrom",
        }
    }
}

/// A request on its way.
#[derive(Debug)]
pub(crate) struct Asked {
    template: u16,
    awaited: Awaited,
    /// The request, if it may be sent again after a reconnect.
    question: Option<Request>,
}

impl Asked {
    fn fail_in_doubt(self, reason: &str) {
        self.awaited.fail(ClientError::InDoubt {
            request: request_name(self.template),
            reason: reason.to_owned(),
        });
    }
}

impl Session {
    /// Sends a request under the next number.
    pub(crate) fn ask(&mut self, request: Request, awaited: Awaited) {
        self.requests_sent += 1;
        let template = request.template();
        // What the session asks for by itself it asks for again by itself.
        let is_kept = awaited.is_question() && !awaited.has_no_waiter();
        let question = is_kept.then(|| request.clone());
        let frame = request.numbered(self.requests_sent);
        self.send(&frame);
        let asked = Asked {
            template,
            awaited,
            question,
        };
        self.requests.insert(self.requests_sent, asked);
    }

    /// Asks for balances and every change of them.
    pub(crate) fn subscribe_account(
        &mut self,
        account: AccountId,
        waiter: Option<Waiter<Vec<BalanceEntry>>>,
    ) {
        let request = SubscribeAccount {
            request_id: 0,
            account,
            reserved: Reserved,
        };
        let awaited = Awaited::balances(account, true, waiter);
        self.ask(Request::new(&request.frame(0)), awaited);
    }

    /// Asks for the settlements of a market.
    pub(crate) fn subscribe_settlements(
        &mut self,
        market: MarketId,
        from_number: u64,
        waiter: Option<Waiter<SettlementsFrom>>,
    ) {
        let request = SubscribeSettlements {
            request_id: 0,
            market,
            reserved: Reserved,
            from_number,
        };
        let awaited = Awaited::Settlements {
            market,
            from: from_number,
            waiter,
        };
        self.ask(Request::new(&request.frame(0)), awaited);
    }

    /// Asks anew for what the session gets until its connection ends.
    pub(crate) fn subscribe_money_again(&mut self) {
        for account in self.accounts.clone() {
            self.subscribe_account(account, None);
        }
        for (market, next) in self.settlements.clone() {
            self.subscribe_settlements(market, next, None);
        }
    }

    /// Takes a message about requests, money or settlements. Gives whether it was one.
    pub(crate) fn on_answer(
        &mut self,
        flags: u8,
        message: &ServerMessage<'_>,
    ) -> Result<bool, ClientError> {
        match message {
            ServerMessage::RequestAccepted(answer) => self.on_accepted(answer),
            ServerMessage::FundingResult(answer) => self.on_funding(answer),
            ServerMessage::StatementReport(root, group) => {
                let statement = Statement {
                    entries: entries(group)?,
                    more: root.more,
                };
                self.on_statement(root.request_id, statement);
            }
            ServerMessage::BalanceReport(root, group) => {
                let more = flags & FLAG_MORE_FOLLOWS != 0;
                self.on_balances(root.request_id, entries(group)?, more);
            }
            ServerMessage::SettlementsFrom(answer) => self.on_settlements_from(answer),
            ServerMessage::CurrencyDefinition(definition) => self.currencies.push(*definition),
            ServerMessage::CurrencyListEnd(end) => self.on_currencies(end.request_id),
            ServerMessage::RequestRejected(news) => self.on_request_rejected(news),
            ServerMessage::AccountUpdate(update) => {
                self.tell_event(Event::AccountUpdate(*update));
            }
            ServerMessage::Settlement(settlement) => self.on_settlement(settlement),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The one who waits for this answer. An answer of another kind than the request's fails the
    /// request.
    fn take_awaited<T>(
        &mut self,
        request_id: u64,
        template: u16,
        pick: impl FnOnce(Awaited) -> Result<T, Awaited>,
    ) -> Option<T> {
        let asked = self.requests.remove(&request_id)?;
        let other = match pick(asked.awaited) {
            Ok(picked) => return Some(picked),
            Err(other) => other,
        };
        let expected = other.expects();
        other.fail(ClientError::UnexpectedMessage { template, expected });
        None
    }

    fn on_accepted(&mut self, answer: &RequestAccepted) {
        let pick = |awaited| match awaited {
            Awaited::Accepted(waiter) => Ok(waiter),
            other => Err(other),
        };
        let waiter = self.take_awaited(answer.request_id, RequestAccepted::TEMPLATE, pick);
        tell_if_any(waiter, Ok(*answer));
    }

    fn on_funding(&mut self, answer: &FundingResult) {
        let pick = |awaited| match awaited {
            Awaited::Funding(waiter) => Ok(waiter),
            other => Err(other),
        };
        let waiter = self.take_awaited(answer.request_id, FundingResult::TEMPLATE, pick);
        tell_if_any(waiter, Ok(*answer));
    }

    fn on_statement(&mut self, request_id: u64, statement: Statement) {
        let pick = |awaited| match awaited {
            Awaited::Statement(waiter) => Ok(waiter),
            other => Err(other),
        };
        let waiter = self.take_awaited(request_id, StatementReport::TEMPLATE, pick);
        tell_if_any(waiter, Ok(statement));
    }

    fn on_currencies(&mut self, request_id: u64) {
        let definitions = std::mem::take(&mut self.currencies);
        let pick = |awaited| match awaited {
            Awaited::Currencies(waiter) => Ok(waiter),
            other => Err(other),
        };
        let waiter = self.take_awaited(request_id, CurrencyListEnd::TEMPLATE, pick);
        tell_if_any(waiter, Ok(definitions));
    }

    fn on_balances(&mut self, request_id: u64, found: Vec<BalanceEntry>, more: bool) {
        if let Some(asked) = self.requests.get_mut(&request_id)
            && let Awaited::Balances(balances) = &mut asked.awaited
        {
            balances.entries.extend(found);
            if more {
                return;
            }
        }
        let pick = |awaited| match awaited {
            Awaited::Balances(balances) => Ok(balances),
            other => Err(other),
        };
        let balances = self.take_awaited(request_id, BalanceReport::TEMPLATE, pick);
        let Some(balances) = balances else { return };
        if balances.subscribe {
            self.accounts.insert(balances.account);
        }
        match balances.waiter {
            Some(waiter) => tell(waiter, Ok(balances.entries)),
            None => self.tell_event(Event::Balances {
                account: balances.account,
                balances: balances.entries,
            }),
        }
    }

    fn on_settlements_from(&mut self, answer: &SettlementsFrom) {
        let pick = |awaited| match awaited {
            Awaited::Settlements {
                market,
                from,
                waiter,
            } => Ok((market, from, waiter)),
            other => Err(other),
        };
        let asked = self.take_awaited(answer.request_id, SettlementsFrom::TEMPLATE, pick);
        if let Some((market, from, waiter)) = asked {
            self.settlements.insert(market, from);
            tell_if_any(waiter, Ok(*answer));
        }
    }

    /// Hands each number on once; a gap is told, and the numbers go on after it.
    fn on_settlement(&mut self, settlement: &Settlement) {
        let market = settlement.market;
        let (found, next) = (settlement.number, self.settlements.get(&market).copied());
        // Of a subscription that another one took the place of.
        let Some(expected) = next.filter(|next| found >= *next) else {
            return;
        };
        if found > expected {
            self.tell_event(Event::SettlementGap {
                market,
                expected,
                found,
            });
        }
        self.settlements.insert(market, found.saturating_add(1));
        self.tell_event(Event::Settlement(*settlement));
    }

    fn on_request_rejected(&mut self, news: &RequestRejected) {
        let Some(asked) = self.requests.remove(&news.request_id) else {
            return;
        };
        let nobody = asked.awaited.has_no_waiter();
        self.refuse(asked, news.code, news.field_offset, news.retry_after_us);
        if nobody {
            self.tell_event(Event::RequestRejected(*news));
        }
    }

    /// A server that does not know requests refuses them without their numbers, in the order in
    /// which they came.
    pub(crate) fn on_unnumbered_reject(&mut self, news: &SessionReject) {
        let of_template = |asked: &Asked| asked.template == news.ref_template;
        let first = self.requests.iter().find(|(_, asked)| of_template(asked));
        let Some(asked) = first
            .map(|(id, _)| *id)
            .and_then(|id| self.requests.remove(&id))
        else {
            return;
        };
        self.refuse(asked, news.code, news.field_offset, news.retry_after_us);
    }

    /// Fails a request. A subscription that cannot be had again is given up.
    fn refuse(&mut self, asked: Asked, code: Code, field_offset: u16, retry_after_us: u32) {
        match &asked.awaited {
            Awaited::Balances(balances) if balances.waiter.is_none() => {
                self.accounts.remove(&balances.account);
            }
            Awaited::Settlements {
                market,
                waiter: None,
                ..
            } => {
                self.settlements.remove(market);
            }
            _ => {}
        }
        asked.awaited.fail(ClientError::RequestRefused {
            request: request_name(asked.template),
            code,
            field_offset,
            retry_after: Duration::from_micros(u64::from(retry_after_us)),
        });
    }

    /// The connection is gone: whether what changes something was carried out is not known. Questions wait.
    pub(crate) fn fail_changes(&mut self, reason: &str) {
        self.currencies.clear();
        let is_change = |_: &u64, asked: &mut Asked| asked.question.is_none();
        let changes = self.requests.extract_if(.., is_change);
        changes.for_each(|(_, asked)| asked.fail_in_doubt(reason));
    }

    /// The session is over.
    pub(crate) fn fail_unanswered(&mut self, reason: &str) {
        let asked = std::mem::take(&mut self.requests).into_values();
        asked.for_each(|asked| asked.fail_in_doubt(reason));
    }

    /// Sends questions again, under new numbers.
    pub(crate) fn ask_requests_again(&mut self, unanswered: BTreeMap<u64, Asked>) {
        for asked in unanswered.into_values() {
            let Some(question) = asked.question else {
                continue;
            };
            let mut awaited = asked.awaited;
            if let Awaited::Balances(balances) = &mut awaited {
                balances.entries.clear();
            }
            self.ask(question, awaited);
        }
    }
}

/// The name of a request's message.
fn request_name(template: u16) -> &'static str {
    let info = CATALOGUE.iter().find(|info| info.template == template);
    info.map_or("a request", |info| info.name)
}

fn tell_if_any<T>(waiter: Option<Waiter<T>>, outcome: Result<T, ClientError>) {
    if let Some(waiter) = waiter {
        tell(waiter, outcome);
    }
}

fn entries<E: Block>(group: &Group<'_, E>) -> Result<Vec<E>, FieldError> {
    group
        .iter()
        .map(|entry| entry.map(|(one, _)| one))
        .collect()
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
