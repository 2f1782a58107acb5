//! The state of a stream in bytes, and back.

use std::sync::Arc;

use souk_engine::{FeeRates, FeeTable, FeeTier, Market};
use souk_protocol::{AccountId, FeeGroup, SessionId};

use super::control_stream::ControlStream;
use super::stream::Stream;
use super::{Matcher, Seated};
use crate::control::Control;
use crate::handoff::{MarketSeat, Seat, SessionTerms, TenantIndex};
use crate::storage::{StateFileError, StateReader, StateWriter};
use crate::treasury::Treasury;

impl<J> Matcher<J> {
    /// The book of a seat, if it is a market.
    #[must_use]
    pub fn book(&self, seat: Seat) -> Option<&Market> {
        match self.seats.get(seat.0 as usize) {
            Some(Seated::Market(stream)) => Some(stream.book()),
            _ => None,
        }
    }

    /// What groups with rates of their own pay in the market of a seat.
    #[must_use]
    pub fn fees(&self, seat: Seat) -> Vec<(FeeGroup, FeeRates)> {
        let Some(fees) = self.book(seat).map(Market::fees) else {
            return Vec::new();
        };
        let tiers = self.tiers(seat).into_iter();
        tiers
            .map(|(group, tier)| (group, fees.rates(tier)))
            .collect()
    }

    /// The hash of the stream in a seat, for a node that starts: a book that comes out of a snapshot as it is, is not gone
    /// through again.
    #[must_use]
    pub fn state_hash_at_start(&self, seat: Seat) -> Option<u64> {
        match self.seats.get(seat.0 as usize)? {
            Seated::Market(stream) => Some(stream.state_hash_at_start()),
            Seated::Control(_) => None,
        }
    }

    /// The tiers of groups with rates of their own in the market of a seat, by group.
    #[must_use]
    pub fn tiers(&self, seat: Seat) -> Vec<(FeeGroup, FeeTier)> {
        match self.seats.get(seat.0 as usize) {
            Some(Seated::Market(stream)) => stream.tiers(),
            _ => Vec::new(),
        }
    }

    /// Writes the state of the stream in a seat.
    pub fn write_state(&self, seat: Seat, out: &mut StateWriter) {
        match &self.seats[seat.0 as usize] {
            Seated::Market(stream) => stream.write_state(out),
            Seated::Control(stream) => stream.control().write_state(out),
        }
    }

    /// Opens the next seat with a market whose state was written. Gives its pairs of rates; `needs` is told what the open
    /// orders of each account need, in the base and in the quote currency.
    ///
    /// # Errors
    /// The first thing that is not a market's.
    pub fn restore_market(
        &mut self,
        seat: &MarketSeat,
        source: &mut StateReader,
        needs: &mut dyn FnMut(AccountId, [u128; 2]),
    ) -> Result<FeeTable, StateFileError> {
        let treasury = Arc::clone(&self.treasury);
        let stream = Stream::read_state(seat, source, treasury, self.index_key, needs)?;
        if stream.book().spec().units() != seat.spec.units() {
            return Err(source.content(
                "a market whose ticks and lots are others",
                seat.market.0.into(),
            ));
        }
        let fees = stream.book().fees().clone();
        self.seats.push(Seated::Market(Box::new(stream)));
        Ok(fees)
    }

    /// Gives a seat the control stream whose state was read.
    pub fn restore_control(&mut self, seat: Seat, tenant: TenantIndex, control: Control) {
        let treasury = Arc::clone(&self.treasury);
        let stream = ControlStream::new(tenant, control, treasury);
        self.seats[seat.0 as usize] = Seated::Control(Box::new(stream));
    }
}

impl Stream {
    /// [`Self::state_hash`]. Of a book that was restored and has done nothing since it is what was found while it was read.
    fn state_hash_at_start(&self) -> u64 {
        match self.restored {
            Some((seq, book)) if seq == self.seq() => self.hash_with(book),
            _ => self.state_hash(),
        }
    }

    fn write_state(&self, out: &mut StateWriter) {
        out.u64(self.seq());
        let mut sessions: Vec<_> = self.sessions().collect();
        sessions.sort_unstable_by_key(|(session, _)| *session);
        out.u32(sessions.len() as u32);
        for (session, mark) in sessions {
            out.u32(session.0);
            out.u64(mark.client_seq);
            out.u64(mark.terms.incarnation);
            out.u8(mark.terms.cancel_on_disconnect as u8);
            out.u32(mark.terms.grace_ms);
            out.u32(mark.accounts.len() as u32);
            for account in &mark.accounts {
                out.u32(account.0);
            }
        }
        let tiers = self.tiers();
        out.u32(tiers.len() as u32);
        for (group, tier) in tiers {
            out.u16(group.0);
            out.u8(tier.0);
        }
        self.book().write_state(out);
    }

    fn read_state(
        seat: &MarketSeat,
        source: &mut StateReader,
        treasury: Arc<Treasury>,
        index_key: u64,
        needs: &mut dyn FnMut(AccountId, [u128; 2]),
    ) -> Result<Self, StateFileError> {
        let seq = source.sequence()?;
        let mut marks = Vec::new();
        for _ in 0..source.u32()? {
            let session = SessionId(source.u32()?);
            let client_seq = source.sequence()?;
            let terms = SessionTerms {
                incarnation: source.u64()?,
                cancel_on_disconnect: source.word()?,
                grace_ms: source.u32()?,
            };
            let mut accounts = Vec::new();
            for _ in 0..source.u32()? {
                accounts.push(AccountId(source.u32()?));
            }
            marks.push((session, client_seq, terms, accounts));
        }
        let mut tiers = Vec::new();
        for _ in 0..source.u32()? {
            tiers.push((FeeGroup(source.u16()?), FeeTier(source.u8()?)));
        }
        // Who keeps the money is the same to a book: in each market an order is refused whose amount does not fit.
        let read = Market::read_state(source, index_key, Some(needs));
        let (book, hash) = read.map_err(|error| source.market(error))?;
        let known = book.fees().tiers().len();
        if let Some((_, tier)) = tiers.iter().find(|(_, tier)| usize::from(tier.0) >= known) {
            return Err(source.content("a fee group's tier", tier.0.into()));
        }
        let mut stream = Self::restore(seat, book, treasury, seq);
        for (group, tier) in tiers {
            stream.set_tier(group, tier);
        }
        for (session, client_seq, terms, accounts) in marks {
            stream.restore_mark(session, client_seq, terms, accounts);
        }
        stream.restored = Some((seq, hash));
        Ok(stream)
    }
}
