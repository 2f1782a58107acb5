//! What a frame from the server is for: a stream's report, or a word about the session.

use souk_protocol::message::{
    MarketJoined, NotApplied, Ping, Pong, Redirect, SessionReject, Terminate,
};
use souk_protocol::{Block, FieldError, Frame, HEADER_LEN, MarketId, RejectReason, ServerMessage};

use crate::connection::unix_time_ns;
use crate::stream::{Common, MarketView, Standing, Stream};
use crate::verify::Fault;

/// The streams of a session by market.
pub(crate) struct Lookup<'a> {
    pub(crate) streams: &'a mut [Stream],
    pub(crate) by_market: &'a [u32],
}

impl Lookup<'_> {
    #[inline]
    fn find(&mut self, market: MarketId) -> Option<&mut Stream> {
        match self.by_market.get(market.0 as usize) {
            Some(index) => self.streams.get_mut(*index as usize),
            None => self
                .streams
                .iter_mut()
                .find(|stream| stream.market == market),
        }
    }

    /// Every report begins with its market.
    #[inline]
    pub(crate) fn report(
        &mut self,
        common: &mut Common,
        views: &mut [MarketView],
        frame: &Frame<'_>,
        now: u64,
    ) -> Result<(), FieldError> {
        let market = frame.body.first_chunk::<4>().ok_or(FieldError {
            reason: RejectReason::BlockLengthMismatch,
            offset: 6,
        })?;
        let market = MarketId(u32::from_le_bytes(*market));
        let Some(stream) = self.find(market) else {
            foreign(common, market);
            return Ok(());
        };
        let view = &mut views[stream.view];
        stream.report(common, view, frame, now)
    }
}

#[cold]
fn foreign(common: &mut Common, market: MarketId) {
    common
        .faults
        .note(Fault::ForeignReport, format_args!("market {market}"));
}

/// A measurement of two nodes is one of none, so the session is not gone on with.
#[cold]
fn tenant_moved(common: &mut Common, owner: &str) {
    let text = format_args!("the tenant of a session moved to {owner} during the run: run again");
    common.faults.note(Fault::Ended, text);
}

/// Everything that is not a report.
#[cold]
pub(crate) fn session_message(
    lookup: &mut Lookup<'_>,
    common: &mut Common,
    outbox: &mut Vec<u8>,
    ended: &mut bool,
    frame: &Frame<'_>,
    now: u64,
) -> Result<(), FieldError> {
    match frame.header.template_id {
        NotApplied::TEMPLATE => {
            let refusal = NotApplied::read(frame.body, HEADER_LEN)?;
            match lookup.find(refusal.market) {
                Some(stream) => stream.not_applied(common, &refusal, now),
                None => foreign(common, refusal.market),
            }
        }
        SessionReject::TEMPLATE => {
            let reject = SessionReject::read(frame.body, HEADER_LEN)?;
            common
                .faults
                .note(Fault::Refused, format_args!("{reject:?}"));
            match lookup.find(reject.market) {
                Some(stream) => stream.session_rejected(common, reject.ref_seq),
                None if reject.market.0 != 0 => foreign(common, reject.market),
                None => {}
            }
        }
        MarketJoined::TEMPLATE => {
            let joined = MarketJoined::read(frame.body, HEADER_LEN)?;
            let standing = Standing {
                client_seq: joined.last_client_seq,
                report_seq: joined.last_report_seq,
            };
            match lookup.find(joined.market) {
                Some(stream) => stream.stand(standing),
                None => foreign(common, joined.market),
            }
        }
        Ping::TEMPLATE => {
            let ping = Ping::read(frame.body, HEADER_LEN)?;
            let pong = Pong {
                nonce: ping.nonce,
                ping_time: ping.time,
                time: unix_time_ns(),
            };
            outbox.extend_from_slice(&pong.frame(0));
        }
        Redirect::TEMPLATE => {
            let redirect = Redirect::read(frame.body, HEADER_LEN)?;
            *ended = true;
            tenant_moved(common, redirect.address.as_str());
        }
        Terminate::TEMPLATE => {
            let end = Terminate::read(frame.body, HEADER_LEN)?;
            *ended = true;
            if end.code.reason() == Some(RejectReason::NotOwner) {
                tenant_moved(common, "a node that is not named");
                return Ok(());
            }
            common.faults.note(
                Fault::Ended,
                format_args!(
                    "the server ended a session: {}, detail {}",
                    end.code, end.detail
                ),
            );
        }
        _ => match ServerMessage::decode(frame)? {
            ServerMessage::Heartbeat(_) | ServerMessage::Pong(_) => {}
            other => common
                .faults
                .note(Fault::BadMessage, format_args!("out of place: {other:?}")),
        },
    }
    Ok(())
}
