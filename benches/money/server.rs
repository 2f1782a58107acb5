//! A market behind its real matcher and publisher: items in, execution reports out.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crossbeam_channel::{Sender, bounded, unbounded};
use souk::directory::Directory;
use souk::handoff::{
    Batch, BatchPlace, CountsAs, Item, Lane, Link, Numbered, Outcome, QueueGauge, Record, Request,
    Seat, SeatConfig, SessionTerms, Submission, SubmissionTimes, TakesBatches,
};
use souk::matcher::{Inbox, Matcher};
use souk::publisher::{Desk, Publisher};
use souk_engine::{Command, Event, EventSink};
use souk_protocol::SessionId;

use crate::support::souk::{BATCH_COMMANDS_MAX, Reports, Target};
use crate::support::workload::Workload;
use crate::venue::{Bank, TENANT};

/// Each batch is read before the next one, so that it never holds more.
const OUTBOX_BYTES_MAX: usize = 1 << 24;
const QUEUE_COMMANDS_MAX: u32 = 1 << 16;
const ALL_PERCENT: u32 = 100;
const NOW_NS: u64 = 1_700_000_000_000_000_000;

/// What came of a batch, for its client.
#[derive(Debug, Default)]
struct Done {
    records: Vec<Record>,
    events: Vec<Event>,
}

/// Publishes, and leaves what happened for the client.
struct Door {
    publisher: Publisher,
    done: Rc<RefCell<Done>>,
}

impl TakesBatches for Door {
    fn take(&mut self, batch: &mut Batch) {
        self.publisher.take(batch);
        let mut done = self.done.borrow_mut();
        std::mem::swap(&mut done.records, &mut batch.records);
        std::mem::swap(&mut done.events, &mut batch.events);
    }
}

/// A node of one market, on this thread.
pub struct Server {
    /// The money.
    pub bank: Bank,
    matcher: Matcher<Door>,
    gauge: Arc<QueueGauge>,
    link: Arc<Link>,
    items: Vec<Item>,
    spare: crossbeam_channel::Receiver<Vec<Item>>,
    done: Rc<RefCell<Done>>,
    frames: Vec<u8>,
    client_seq: u64,
    open_orders: u32,
    /// Keeps the queue from ending.
    _queue: Sender<Submission>,
}

impl Server {
    /// For one run of a stream.
    pub fn new(workload: &Workload, statement_entries_max: usize) -> Self {
        let bank = Bank::new(workload, statement_entries_max);
        let desk = Desk {
            recorder: None,
            treasury: Arc::clone(&bank.treasury),
            directory: Arc::new(Directory::default()),
            tasks: unbounded().0,
        };
        let seats = || vec![SeatConfig::Market(bank.seat.clone())];
        let done = Rc::default();
        let door = Door {
            publisher: Publisher::new(&seats(), desk),
            done: Rc::clone(&done),
        };
        let gauge = Arc::new(QueueGauge::new(1, QUEUE_COMMANDS_MAX, ALL_PERCENT));
        let (queue, submissions) = bounded(1);
        let (spare_in, spare) = bounded(1);
        let inbox = Inbox {
            queue: submissions,
            gauge: Arc::clone(&gauge),
            spare: spare_in,
            committed: crossbeam_channel::never(),
        };
        let treasury = Arc::clone(&bank.treasury);
        let matcher = Matcher::new(inbox, 1, seats(), treasury, 0x5eed, door);
        Self {
            matcher: matcher.expect("the widest market is legal"),
            bank,
            gauge,
            link: Arc::new(Link::new(
                SessionId(1),
                SessionTerms::plain(1),
                1,
                OUTBOX_BYTES_MAX,
            )),
            items: Vec::new(),
            spare,
            done,
            frames: Vec::new(),
            client_seq: 0,
            open_orders: 0,
            _queue: queue,
        }
    }

    fn submit(&mut self) {
        let spare = self.spare.try_recv().unwrap_or_default();
        let items = std::mem::replace(&mut self.items, spare);
        let count = items.len() as u32;
        self.gauge
            .admit(TENANT, CountsAs::Order, count)
            .expect("a batch is less than the queue");
        self.matcher.accept(Submission {
            tenant: TENANT,
            link: Arc::clone(&self.link),
            lane: Lane::Orders,
            items,
            times: SubmissionTimes::default(),
        });
        self.matcher.poll(NOW_NS);
        self.link.outbox.take(&mut self.frames);
        assert!(!self.frames.is_empty(), "every command is answered");
        self.frames.clear();
    }

    fn tell(&mut self, numbers: impl Iterator<Item = u32>, reports: &mut Reports) {
        let mut done = self.done.borrow_mut();
        let Done { records, events } = &mut *done;
        let mut rest = events.iter();
        // The first command opens its session.
        let opens = |record: &Record| matches!(record.outcome, Outcome::SessionOpened(_));
        let applied = records.iter().filter(|record| !opens(record));
        for (number, record) in numbers.zip(applied) {
            let Outcome::Applied { events, .. } = record.outcome else {
                panic!("commands are applied: {record:?}");
            };
            reports.order = number as usize;
            for event in rest.by_ref().take(events as usize) {
                self.open_orders += u32::from(matches!(event, Event::Accepted(_)));
                self.open_orders -= gone(event);
                reports.on(*event);
            }
        }
        assert!(rest.next().is_none(), "each event is of a command");
        records.clear();
        events.clear();
    }
}

/// Orders that are not open any more.
fn gone(event: &Event) -> u32 {
    match event {
        Event::Trade(trade) => {
            u32::from(trade.maker.leaves.0 == 0) + u32::from(trade.taker.leaves.0 == 0)
        }
        Event::Canceled(_) => 1,
        _ => 0,
    }
}

impl Target for Server {
    // The matcher asks for memory itself.
    fn prefetch_far(&self, _: &Command) {}

    fn prefetch(&self, _: &Command) {}

    #[inline]
    fn apply(&mut self, command: &Command, _: &mut Reports) {
        self.client_seq += 1;
        let numbered = Numbered {
            client_seq: self.client_seq,
            command: *command,
            batch: BatchPlace {
                index: 0,
                last: true,
                stop_at_reject: false,
            },
        };
        self.items.push(Item {
            seat: Seat(0),
            request: Request::Command(numbered),
        });
    }

    fn open_orders(&self) -> u32 {
        self.open_orders
    }

    fn end_batch(&mut self, commands: &[(Command, u32)], reports: &mut Reports) {
        if commands.is_empty() {
            return;
        }
        assert!(
            commands.len() <= BATCH_COMMANDS_MAX + 1,
            "as a matcher takes them"
        );
        self.submit();
        self.tell(commands.iter().map(|(_, number)| *number), reports);
    }
}
