//! A lane after a new connection: what is in doubt, what is sent again, and which reports come again.

use souk_protocol::message::{MarketJoined, ReportsResent};

use crate::event::Resumed;
use crate::lane::{Lane, State};
use crate::outcome::{Answer, Doubt};

/// Reports that the client has not seen are being sent again.
#[derive(Debug)]
pub(crate) struct Resuming {
    /// What there is to say when all have come.
    resumed: Resumed,
    /// The last of them, once the server has told.
    to: Option<u64>,
    /// Nothing to say of it: it was no reconnect.
    first: bool,
}

impl Lane {
    /// A lane of which the program knows the last report.
    pub(crate) fn resume_after(&mut self, report_seq: u64) {
        self.report_seq = report_seq;
        self.resumable = true;
    }

    /// The report after which the market is to be resumed, if the lane knows one.
    pub(crate) fn last_report(&self) -> Option<u64> {
        self.resumable.then_some(self.report_seq)
    }

    /// Whether everything has come again that was asked for.
    pub(crate) const fn is_resumed(&self) -> bool {
        self.joined && self.resuming.is_none()
    }

    /// The server has never given the report that the client has: what it knew is gone.
    pub(crate) fn on_resume_refused(&mut self) {
        self.resumable = false;
    }

    /// The market says where the session stands. After a reconnect this decides what is in doubt
    /// and what is sent again. Gives what there is to say when no reports come again.
    pub(crate) fn on_joined(&mut self, news: &MarketJoined) -> Option<Resumed> {
        let (first, again) = (self.epoch == 0, self.joined);
        self.joined = true;
        self.epoch = news.epoch.max(1);
        if again && self.resumable {
            return None;
        }
        let mut resumed = Resumed {
            market: self.market,
            last_client_seq: news.last_client_seq,
            applied_unanswered: 0,
            resent: 0,
            state_lost: !first && (news.last_client_seq < self.applied || !self.resumable),
        };
        let reports_come = self.resumable && !resumed.state_lost;
        self.sort_in_flight(news, &mut resumed);
        if reports_come {
            self.resuming = Some(Resuming {
                resumed,
                to: None,
                first,
            });
            return None;
        }
        self.resumable = true;
        self.report_seq = news.last_report_seq;
        (!first).then_some(resumed)
    }

    /// What was applied stays in flight, for its reports come again; what was not is sent again.
    fn sort_in_flight(&mut self, news: &MarketJoined, resumed: &mut Resumed) {
        let mut seq = self.next_seq;
        let mut applied = std::collections::VecDeque::new();
        for mut item in self.inflight.drain(..).rev() {
            seq -= 1;
            match item.state {
                State::Done if seq > news.last_client_seq => {}
                State::Refused(_) if !resumed.state_lost => self.waiting.push_front(item),
                State::Done => applied.push_front(item),
                _ if resumed.state_lost => item.resolve(Answer::Unknown(Doubt::StateLost)),
                _ if seq <= news.last_client_seq => applied.push_front(item),
                _ => {
                    resumed.resent += 1;
                    item.poss_resend = true;
                    self.waiting.push_front(item);
                }
            }
        }
        let follows = seq + applied.len() as u64 == news.last_client_seq.saturating_add(1);
        if !resumed.state_lost && follows {
            self.inflight = applied;
        } else {
            // Somebody else has used the session's numbers meanwhile: what they were used for is open.
            for mut item in applied {
                if item.state != State::Done {
                    resumed.applied_unanswered += 1;
                    item.resolve(Answer::Unknown(Doubt::AppliedUnanswered));
                }
            }
        }
        self.next_seq = news.last_client_seq.saturating_add(1);
        self.applied = news.last_client_seq;
        let open = |item: &&crate::lane::Item| item.state == State::Unanswered;
        self.unanswered = self.inflight.iter().filter(open).count();
        self.free_from = None;
    }

    /// The server says which reports come again. Gives the first and the last of those that are lost, if
    /// some are.
    pub(crate) fn on_reports_resent(&mut self, news: &ReportsResent) -> Option<(u64, u64)> {
        let resuming = self.resuming.as_mut()?;
        resuming.to = Some(news.to_report_seq);
        let first = self.report_seq.saturating_add(1);
        if news.from_report_seq <= first {
            return None;
        }
        self.report_seq = news.from_report_seq - 1;
        Some((first, self.report_seq))
    }

    /// When the last report has come again: whatever was applied and is unanswered stays so. Gives what
    /// there is to say.
    pub(crate) fn finish_resume(&mut self) -> Option<Resumed> {
        let to = self.resuming.as_ref()?.to?;
        if self.report_seq < to {
            return None;
        }
        let Resuming {
            mut resumed, first, ..
        } = self.resuming.take()?;
        let first_in_flight = self.first_in_flight();
        for (seq, item) in (first_in_flight..).zip(&mut self.inflight) {
            let open = matches!(item.state, State::Unanswered | State::Answered);
            if open && seq <= resumed.last_client_seq {
                self.unanswered -= usize::from(item.state == State::Unanswered);
                resumed.applied_unanswered += 1;
                item.resolve(Answer::Unknown(Doubt::AppliedUnanswered));
            }
        }
        self.forget_done();
        (!first).then_some(resumed)
    }
}
