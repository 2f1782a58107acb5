//! What a publisher keeps of a market in bytes, and back.

use souk_engine::{FeeTable, Settlement, TakesBytes};
use souk_protocol::SessionId;
use souk_protocol::message as wire;

use super::market::MarketReports;
use super::{Publisher, SeatReports};
use crate::handoff::{MarketSeat, Seat};
use crate::storage::{StateFileError, StateReader, StateWriter};

impl Publisher {
    /// Writes what is kept of the market in a seat.
    pub fn write_state(&self, seat: Seat, out: &mut StateWriter) {
        let SeatReports::Market(market) = &self.seats[seat.0 as usize] else {
            return;
        };
        out.u64(market.money.settled_seq());
        let mut told: Vec<_> = market.told().collect();
        told.sort_unstable_by_key(|reports| reports.session);
        out.u32(told.len() as u32);
        for reports in told {
            let (front, back) = reports.kept;
            out.u32(reports.session.0);
            out.u64(reports.report_seq);
            out.u32((front.len() + back.len()) as u32);
            out.take(front);
            out.take(back);
        }
        let log = &market.money.log;
        out.u64(log.last());
        out.u32(log.kept().len() as u32);
        for settlement in log.kept() {
            out.block(settlement);
        }
    }

    /// Writes the numbers of what was told of the market in a seat, without what was told: how much of that is kept is a
    /// setting, not state.
    pub fn write_numbers(&self, seat: Seat, out: &mut StateWriter) {
        let SeatReports::Market(market) = &self.seats[seat.0 as usize] else {
            return;
        };
        out.u64(market.money.settled_seq());
        out.u64(market.money.log.last());
        let told = market.told().filter(|reports| reports.report_seq > 0);
        let mut told: Vec<_> = told.map(|it| (it.session, it.report_seq)).collect();
        told.sort_unstable();
        out.u32(told.len() as u32);
        for (session, report_seq) in told {
            out.u32(session.0);
            out.u64(report_seq);
        }
    }

    /// Opens the next seat with what was kept of a market, whose pairs of rates are `fees`.
    ///
    /// # Errors
    /// The first thing that is not a publisher's.
    pub fn restore_market(
        &mut self,
        seat: &MarketSeat,
        fees: FeeTable,
        source: &mut StateReader,
    ) -> Result<(), StateFileError> {
        let mut market = MarketReports::new(seat, &self.desk.treasury);
        let settled_seq = source.sequence()?;
        let settlement = Settlement::resume(&seat.spec, fees);
        market.money.restore(settlement, settled_seq);
        for _ in 0..source.u32()? {
            let (session, report_seq) = (SessionId(source.u32()?), source.sequence()?);
            let len = source.u32()? as usize;
            let mut kept = Vec::new();
            for _ in 0..len / 8 {
                kept.extend_from_slice(&source.bytes::<8>()?);
            }
            let place = self.links.place(session);
            let restored = market.restore(session, place, report_seq, &kept);
            restored.map_err(|_| source.content("a session's kept reports", session.0.into()))?;
        }
        let last = source.sequence()?;
        let mut settlements = Vec::new();
        for _ in 0..source.u32()? {
            let settlement: wire::Settlement = source.block()?;
            settlements.push(settlement);
        }
        market.money.log.restore(last, settlements);
        self.seats.push(SeatReports::Market(Box::new(market)));
        Ok(())
    }
}
