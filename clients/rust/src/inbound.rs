//! What the session does with each message of the server.

use std::time::Instant;

use souk_protocol::message::{DepthSnapshot, LevelEntry, MarketJoined, ReportsResent, Terminate};
use souk_protocol::{FLAG_MORE_FOLLOWS, FieldError, Group, MarketId, ServerMessage};

use crate::error::ClientError;
use crate::event::{Event, MarketData, MarketDataBody, SnapshotFrame, Terminated};
use crate::lane::{Lane, Seen};
use crate::report::Report;
use crate::session::{Session, tell};

impl Session {
    /// Takes one message. An error ends the connection.
    pub(crate) fn on_message(
        &mut self,
        seq: u64,
        flags: u8,
        message: &ServerMessage<'_>,
        now: Instant,
    ) -> Result<(), ClientError> {
        if let Some(report) = Report::of(message) {
            self.on_report(seq, report, now);
            return Ok(());
        }
        if self.on_answer(flags, message)? {
            return Ok(());
        }
        match message {
            ServerMessage::NotApplied(news) => {
                if let Some(lane) = self.lanes.get_mut(&news.market) {
                    lane.on_not_applied(news, &self.retry, now);
                }
                self.tell_event(Event::NotApplied(*news));
            }
            ServerMessage::SessionReject(news) => self.on_session_reject(news, now),
            ServerMessage::MarketJoined(news) => self.on_joined(news),
            ServerMessage::ReportsResent(news) => self.on_reports_resent(news),
            ServerMessage::MarketDefinition(definition) => self.listed.push(*definition),
            ServerMessage::MarketListEnd(_) => {
                let definitions = std::mem::take(&mut self.listed);
                if let Some(waiter) = self.listing.pop_front() {
                    tell(waiter, Ok(definitions));
                }
            }
            ServerMessage::Heartbeat(heartbeat) => self.tell_event(Event::Heartbeat {
                server_time: heartbeat.time,
            }),
            ServerMessage::Ping(ping) => self.send_pong(ping),
            ServerMessage::Pong(pong) => {
                if let Some((sent, waiter)) = self.pings.remove(&pong.nonce) {
                    tell(waiter, Ok(now.duration_since(sent)));
                }
            }
            ServerMessage::Redirect(redirect) => self.redirect = Some(*redirect),
            ServerMessage::Terminate(end) => return Err(self.on_terminate(end)),
            other => return self.on_other(seq, flags, other),
        }
        Ok(())
    }

    fn on_report(&mut self, report_seq: u64, report: Report, now: Instant) {
        let market = report.market();
        let lane = self.lanes.get_mut(&market);
        match lane.map(|lane| lane.on_report(report_seq, report, &self.retry, now)) {
            Some(Seen::Before) => return,
            Some(Seen::After { expected }) => self.tell_event(Event::ReportGap {
                market,
                expected,
                found: report_seq,
            }),
            Some(Seen::Next) | None => {}
        }
        self.tell_event(Event::Report { report_seq, report });
        self.finish_resume(market);
    }

    /// The server says which reports it sends again.
    fn on_reports_resent(&mut self, news: &ReportsResent) {
        let market = news.market;
        let lane = self.lanes.get_mut(&market);
        if let Some((from, to)) = lane.and_then(|lane| lane.on_reports_resent(news)) {
            self.tell_event(Event::ReportsLost { market, from, to });
        }
        self.finish_resume(market);
    }

    /// Says that a market is resumed, if it is by now, and asks for the next one.
    fn finish_resume(&mut self, market: MarketId) {
        let lane = self.lanes.get_mut(&market);
        if let Some(resumed) = lane.and_then(Lane::finish_resume) {
            self.tell_event(Event::Resumed(resumed));
        }
        self.resume_next();
    }

    fn on_joined(&mut self, news: &MarketJoined) {
        self.rejoin.remove(&news.market);
        self.tell_event(Event::Joined(*news));
        let resumed = self
            .lanes
            .get_mut(&news.market)
            .and_then(|lane| lane.on_joined(news));
        if let Some(resumed) = resumed {
            self.tell_event(Event::Resumed(resumed));
        }
        self.resume_next();
        for waiter in self.joining.remove(&news.market).unwrap_or_default() {
            tell(waiter, Ok(*news));
        }
    }

    fn on_terminate(&mut self, end: &Terminate) -> ClientError {
        self.tell_event(Event::Terminated(Terminated {
            code: end.code,
            retry_after_ms: end.retry_after_ms,
            detail: end.detail,
        }));
        ClientError::Terminated { code: end.code }
    }

    /// Market data; and what has no place after the logon.
    fn on_other(
        &mut self,
        seq: u64,
        flags: u8,
        message: &ServerMessage<'_>,
    ) -> Result<(), ClientError> {
        let (market, body) = match message {
            ServerMessage::DepthSnapshot(root, group) => {
                (root.market, snapshot_frame(root, group, flags)?)
            }
            ServerMessage::DepthUpdate(root, group) => {
                let body = MarketDataBody::Update {
                    stream_seq: root.stream_seq,
                    transact_time: root.transact_time,
                    levels: levels(group)?,
                };
                (root.market, body)
            }
            ServerMessage::TradeTick(tick) => (tick.market, MarketDataBody::Trade(*tick)),
            ServerMessage::MarketStatus(status) => (status.market, MarketDataBody::Status(*status)),
            // A challenge or logon answer in mid-session: nothing waits for it.
            _ => return Ok(()),
        };
        self.on_market_data(MarketData {
            market,
            md_seq: seq,
            body,
        });
        Ok(())
    }

    fn on_market_data(&mut self, data: MarketData) {
        let market = data.market;
        let Some(queue) = self.snapshots.get_mut(&market) else {
            self.tell_event(Event::MarketData(data));
            return;
        };
        let Some((mut book, waiter)) = queue.pop_front() else {
            self.tell_event(Event::MarketData(data));
            return;
        };
        match book.apply(&data) {
            Ok(()) if !book.is_complete() => queue.push_front((book, waiter)),
            Ok(()) => tell(waiter, Ok(book)),
            Err(source) => tell(waiter, Err(snapshot_error(market, source))),
        }
    }
}

fn snapshot_error(market: MarketId, source: crate::BookError) -> ClientError {
    ClientError::Snapshot { market, source }
}

fn snapshot_frame(
    root: &DepthSnapshot,
    group: &Group<'_, LevelEntry>,
    flags: u8,
) -> Result<MarketDataBody, FieldError> {
    Ok(MarketDataBody::Snapshot(SnapshotFrame {
        state: root.state,
        stream_seq: root.stream_seq,
        book_hash: root.book_hash,
        buy_levels: root.buy_levels,
        sell_levels: root.sell_levels,
        levels: levels(group)?,
        more_follows: flags & FLAG_MORE_FOLLOWS != 0,
    }))
}

fn levels(group: &Group<'_, LevelEntry>) -> Result<Vec<LevelEntry>, FieldError> {
    group
        .iter()
        .map(|entry| entry.map(|(level, _)| level))
        .collect()
}
