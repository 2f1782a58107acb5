//! From records to the requests that they tell of, each for the matcher of its stream.

use super::{Recovery, RecoveryError};
use crate::handoff::{ControlRequest, Item, Recorded, Request, RequestOrigin};
use crate::journal::{BatchHead, Body, StreamRecord};
use crate::matcher::{Difference, Matcher, ReplayBatch, Said};
use crate::publisher::Publisher;
use crate::treasury::Posting;

/// What one batch of the journal has for one matcher, and what came of it.
#[derive(Debug, Default)]
pub(super) struct Job {
    requests: ReplayBatch,
    transact_time: u64,
    /// Changes of balances, in the order of the requests.
    postings: Vec<Posting>,
    /// How many events there were, once it is done.
    events: Option<Result<usize, Difference>>,
}

/// Jobs that are being made.
#[derive(Debug)]
pub(super) struct Jobs {
    /// One for each matcher.
    jobs: Vec<Job>,
    /// The matchers whose job has something, in the order in which they were first asked.
    touched: Vec<usize>,
    /// Jobs that are over.
    spare: Vec<Job>,
}

impl Jobs {
    pub(super) fn new(matchers: usize) -> Self {
        Self {
            jobs: (0..matchers).map(|_| Job::default()).collect(),
            touched: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Takes what was made, with the matchers that are to do it.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (usize, Job)> {
        let Self {
            jobs,
            touched,
            spare,
        } = self;
        touched.drain(..).map(|matcher| {
            let next = spare.pop().unwrap_or_default();
            (matcher, std::mem::replace(&mut jobs[matcher], next))
        })
    }

    /// Takes a job that is over, to be used again.
    pub(super) fn give_back(&mut self, job: Job) {
        self.spare.push(job);
    }
}

impl Job {
    /// Does it.
    pub(super) fn run(&mut self, matcher: &mut Matcher<Publisher>) {
        let events = matcher.replay(&mut self.requests);
        self.events = Some(events);
        matcher.journal_mut().swap_postings(&mut self.postings);
    }

    /// Whether it did not come out as it was recorded.
    pub(super) const fn is_different(&self) -> bool {
        matches!(self.events, Some(Err(_)))
    }
}

impl Recovery {
    /// Adds the request that a record tells of to the job of its matcher.
    pub(super) fn route(
        &mut self,
        head: &BatchHead,
        record: &StreamRecord,
    ) -> Result<(), RecoveryError> {
        let (tenant, route) = self.streams.find(record)?;
        let Some((request, recorded)) = self.request(record)? else {
            return Ok(());
        };
        let Jobs { jobs, touched, .. } = &mut self.jobs;
        let job = &mut jobs[route.matcher];
        if !touched.contains(&route.matcher) {
            touched.push(route.matcher);
            job.transact_time = head.transact_time;
            job.requests.begin(head.transact_time);
        }
        let item = Item {
            seat: route.seat,
            request,
        };
        let said = Said {
            stream_seq: record.stream_seq,
            recorded,
        };
        let streams = &mut self.streams;
        let link = || streams.link(record.session);
        job.requests.push(tenant, record.session, link, item, said);
        Ok(())
    }

    /// The request that a record tells of, and what it says of it.
    #[inline]
    fn request(
        &mut self,
        record: &StreamRecord,
    ) -> Result<Option<(Request, Recorded)>, RecoveryError> {
        Ok(Some(match &record.body {
            Body::Command {
                numbered,
                admitted,
                refused,
            } => (
                Request::Command(*numbered),
                Recorded::Applied {
                    admitted: *admitted,
                    refused: *refused,
                },
            ),
            Body::Change { change, refused } => {
                self.streams.carried(record, change)?;
                (Request::Change(*change), Recorded::Changed(*refused))
            }
            // A session asks for something when it is opened; what that was is nothing of the stream's.
            Body::SessionOpened(terms) => (Request::Join, Recorded::Opened(*terms)),
            Body::SessionCanceled { account, refused } => {
                let request = Request::CancelSession {
                    session: record.session,
                    incarnation: u64::MAX,
                };
                let (account, refused) = (*account, *refused);
                (request, Recorded::SessionCanceled { account, refused })
            }
            Body::Control { command, verdict } => {
                let request = ControlRequest {
                    origin: RequestOrigin {
                        request_id: 0,
                        template: 0,
                    },
                    command: *command,
                    permit: None,
                };
                let recorded = Recorded::Controlled(*verdict);
                (Request::Control(Box::new(request)), recorded)
            }
            Body::Tenant { .. } | Body::StateHash(_) | Body::Balances(_) | Body::End { .. } => {
                return Ok(None);
            }
        }))
    }

    /// Makes the changes that a job left, and says how many events it had. The job is over then.
    pub(super) fn settle(&mut self, matcher: usize, mut job: Job) -> Result<usize, RecoveryError> {
        let Job {
            postings,
            transact_time,
            events,
            ..
        } = &mut job;
        // First: what is posted came before a difference.
        self.treasury
            .post_recorded(postings, *transact_time)
            .map_err(|refused| self.not_covered(&refused))?;
        let events = events.take().unwrap_or(Ok(0));
        let events = events.map_err(|difference| {
            let (tenant, market) = self.streams.name(matcher, difference.seat);
            RecoveryError::Difference {
                tenant,
                market,
                stream_seq: difference.stream_seq,
                what: difference.to_string(),
            }
        })?;
        self.jobs.give_back(job);
        Ok(events)
    }

    /// The journal says that a hold was granted, but the money was not there.
    fn not_covered(&self, refused: &Posting) -> RecoveryError {
        let tenant = &self.config.tenants[refused.tenant.0 as usize];
        let Posting { account, hold, .. } = refused;
        RecoveryError::Difference {
            tenant: tenant.id,
            market: refused.market,
            stream_seq: refused.stream_seq,
            what: format!(
                "the journal says that it was done, but account {account} cannot hold {hold}: InsufficientFunds"
            ),
        }
    }
}
