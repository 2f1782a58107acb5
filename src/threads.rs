//! Cores and waiting: which thread runs where, and what it does when it has nothing to do.

use std::time::Duration;

use core_affinity::CoreId;
use crossbeam_channel::{TryRecvError, select};

use crate::clock;
use crate::config::{Layout, ThreadsConfig, Wait};
use crate::handoff::TakesBatches;
use crate::matcher::Matcher;

/// How long a parked matcher sleeps before it looks around, when nothing wakes it.
const PARK: Duration = Duration::from_secs(1);

/// What `auto` came to on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// `Inline` or `Threads`.
    pub layout: Layout,
    /// `Spin` or `Park`.
    pub wait: Wait,
    /// Gateway threads.
    pub gateways: usize,
    /// Matchers.
    pub matchers: usize,
    /// Cores this process may use, by number.
    pub cores: Vec<usize>,
}

/// Why the threads cannot be laid out as asked.
#[derive(Debug, thiserror::Error)]
#[error(
    "layout = inline runs gateway and matcher on one thread, but gateways = {gateways} and matchers = {matchers}\nremedy: set both to 1, or layout = \"threads\""
)]
pub struct PlanError {
    gateways: usize,
    matchers: usize,
}

impl Plan {
    /// Decides on the cores this process may use now.
    ///
    /// # Errors
    /// When `inline` is asked for with more than one gateway or matcher.
    pub fn new(config: &ThreadsConfig) -> Result<Self, PlanError> {
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        Self::on(config, cores.into_iter().map(|core| core.id).collect())
    }

    fn on(config: &ThreadsConfig, cores: Vec<usize>) -> Result<Self, PlanError> {
        let (gateways, matchers) = (config.gateways, config.matchers);
        let single = gateways == 1 && matchers == 1;
        let layout = match config.layout {
            Layout::Auto if single && cores.len() < 4 => Layout::Inline,
            Layout::Auto => Layout::Threads,
            Layout::Inline if !single => return Err(PlanError { gateways, matchers }),
            asked => asked,
        };
        let wait = match config.wait {
            Wait::Auto if cores.len() > gateways + matchers => Wait::Spin,
            Wait::Auto => Wait::Park,
            asked => asked,
        };
        Ok(Self {
            layout,
            wait,
            gateways,
            matchers,
            cores,
        })
    }

    /// Whether there are fewer cores than threads that want one for themselves.
    #[must_use]
    pub const fn shares_cores(&self) -> bool {
        let inline = matches!(self.layout, Layout::Inline);
        let wanted = if inline {
            1
        } else {
            self.gateways + self.matchers
        };
        self.cores.len() < wanted
    }

    /// The core of a matcher: counted from the last one down, so that the first cores stay free
    /// for the system. With fewer cores than matchers they share.
    #[must_use]
    pub fn matcher_core(&self, matcher: usize) -> Option<usize> {
        let count = self.cores.len();
        let from_end = 1 + matcher.checked_rem(count)?;
        self.cores.get(count - from_end).copied()
    }
}

/// Pins the calling thread. A core that cannot be had is not worth failing for.
pub fn pin(core: Option<usize>) {
    if let Some(id) = core
        && !core_affinity::set_for_current(CoreId { id })
    {
        tracing::warn!(core = id, "cannot pin a thread");
    }
}

/// A matcher's thread: polls until all senders are gone and everything is applied and published.
pub fn run_matcher<J: TakesBatches>(matcher: &mut Matcher<J>, wait: Wait) {
    while !matcher.is_finished() {
        if matcher.poll(clock::wall_ns()) > 0 {
            continue;
        }
        if wait == Wait::Spin {
            match matcher.queue().try_recv() {
                Ok(submission) => matcher.accept(submission),
                Err(TryRecvError::Empty) => std::hint::spin_loop(),
                Err(TryRecvError::Disconnected) => matcher.close(),
            }
        } else {
            rest(matcher);
        }
    }
    matcher.end();
}

/// Sleeps until there is something to apply or to publish.
fn rest<J: TakesBatches>(matcher: &mut Matcher<J>) {
    if matcher.is_closed() {
        // Whichever it is, the loop looks.
        let _ = matcher.committed().recv_timeout(PARK);
        return;
    }
    let received = select! {
        recv(matcher.queue()) -> submission => Some(submission),
        recv(matcher.committed()) -> _ => None,
        default(PARK) => None,
    };
    match received {
        Some(Ok(submission)) => matcher.accept(submission),
        Some(Err(_)) => matcher.close(),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(layout: Layout, gateways: usize, matchers: usize) -> ThreadsConfig {
        ThreadsConfig {
            layout,
            gateways,
            matchers,
            wait: Wait::Auto,
            queue_commands_max: 1_024,
            queue_submissions_max: 16,
            tenant_share_percent: 50,
        }
    }

    #[test]
    fn a_small_machine_runs_to_completion_and_never_spins() {
        let plan = Plan::on(&config(Layout::Auto, 1, 1), vec![0, 1]).expect("legal");
        assert_eq!((plan.layout, plan.wait), (Layout::Inline, Wait::Park));
    }

    #[test]
    fn a_matcher_spins_only_when_every_thread_has_a_core_and_one_is_left() {
        let exact = Plan::on(&config(Layout::Auto, 2, 2), vec![0, 1, 2, 3]).expect("legal");
        assert_eq!((exact.layout, exact.wait), (Layout::Threads, Wait::Park));
        let spare = Plan::on(&config(Layout::Auto, 2, 2), vec![0, 1, 2, 3, 4]).expect("legal");
        assert_eq!(spare.wait, Wait::Spin);
    }

    #[test]
    fn inline_is_refused_for_more_than_one_matcher() {
        let error = Plan::on(&config(Layout::Inline, 1, 2), vec![0]).expect_err("two matchers");
        assert!(error.to_string().contains("matchers = 2"), "{error}");
    }

    #[test]
    fn matchers_take_cores_from_the_last_one_down_and_share_when_there_are_too_few() {
        let plan = Plan::on(&config(Layout::Threads, 1, 3), vec![2, 5]).expect("legal");
        let cores: Vec<_> = (0..3).map(|matcher| plan.matcher_core(matcher)).collect();
        assert_eq!(cores, [Some(5), Some(2), Some(5)]);
        let unknown = Plan::on(&config(Layout::Threads, 1, 1), vec![]).expect("legal");
        assert_eq!(unknown.matcher_core(0), None);
    }
}
