//! How the benches drive Souk: like a matcher, in batches, and like a client that knows an order
//! by the id it was told.

use std::hint::black_box;

use souk_engine::{
    CancelOrder, Command, Event, EventSink, FeeTier, Market, MarketSpec, NewOrder, OrderRef,
    ReplaceOrder,
};
use souk_protocol::{
    AccountId, Amount, ClOrdId, OrderId, OrderType, PostOnly, Price, Qty, SessionId, Side,
    StpGroup, StpMode, StpScope, TimeInForce,
};

use super::clock::Meter;
use super::reference::Totals;
use super::workload::{Op, Step, Workload};

/// Most commands of a batch, as in the matcher.
pub const BATCH_COMMANDS_MAX: usize = 64;

/// An id that no engine gives.
const UNKNOWN: OrderId = OrderId(u64::MAX);

/// Drives one engine with steps of a stream.
pub trait Driver {
    /// Applies the steps.
    fn run(&mut self, steps: &[Step]);
    /// What it has done.
    fn totals(&self) -> Totals;
}

/// What takes the commands: a market, or nothing, to know what the driver itself costs.
pub trait Target {
    /// See [`Market::prefetch_far`].
    fn prefetch_far(&self, command: &Command);
    /// See [`Market::prefetch`].
    fn prefetch(&self, command: &Command);
    /// See [`Market::apply`].
    fn apply(&mut self, command: &Command, reports: &mut Reports);
    /// See [`Market::open_orders`].
    fn open_orders(&self) -> u32;
    /// What it does when all commands of a batch are applied.
    #[inline]
    fn end_batch(&mut self, commands: &[(Command, u32)], reports: &mut Reports) {
        let _ = (commands, reports);
    }
}

impl Target for Market {
    #[inline]
    fn prefetch_far(&self, command: &Command) {
        Self::prefetch_far(self, command);
    }

    #[inline]
    fn prefetch(&self, command: &Command) {
        Self::prefetch(self, command);
    }

    #[inline]
    fn apply(&mut self, command: &Command, reports: &mut Reports) {
        Self::apply(self, command, reports);
    }

    fn open_orders(&self) -> u32 {
        Self::open_orders(self)
    }
}

/// Takes commands and does nothing.
pub struct Nothing;

impl Target for Nothing {
    fn prefetch_far(&self, _: &Command) {}

    fn prefetch(&self, _: &Command) {}

    #[inline]
    fn apply(&mut self, command: &Command, _: &mut Reports) {
        black_box(command);
    }

    fn open_orders(&self) -> u32 {
        0
    }
}

/// Counts the reports, and remembers the ids of the orders.
pub struct Reports {
    /// What was executed.
    pub totals: Totals,
    /// Commands that were refused. No stream contains one.
    pub rejected: u64,
    /// Reports other than executions.
    pub others: u64,
    order_ids: Vec<OrderId>,
    /// The number of the order whose reports come now.
    pub order: usize,
}

impl EventSink for Reports {
    #[inline]
    fn on(&mut self, event: Event) {
        match event {
            Event::Accepted(accepted) => {
                self.order_ids[self.order] = accepted.order_id;
                self.others += 1;
            }
            Event::Trade(trade) => {
                self.totals.trades += 1;
                self.totals.qty += trade.qty.0;
                self.totals.notional += trade.price.0.cast_unsigned() * trade.qty.0;
            }
            Event::Rejected(_) => self.rejected += 1,
            _ => self.others += 1,
        }
    }
}

/// How a client names its orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// By the engine's id.
    OrderId,
    /// By the client's own id, which every order then carries.
    ClOrdId,
}

/// A client and a batching matcher in one.
pub struct Client<T> {
    /// What takes the commands.
    pub target: T,
    /// What came back.
    pub reports: Reports,
    naming: Naming,
    /// How many commands ahead of the one applied memory is asked for, and twice as many ahead
    /// what that needs itself; 0 for not at all.
    pub prefetch_ahead: usize,
    batch: Vec<(Command, u32)>,
}

/// The market that the streams run on.
pub fn market() -> Market {
    Market::new(MarketSpec::WIDE, 0x5eed).expect("the widest market is legal")
}

impl<T: Target> Client<T> {
    /// A client that will send orders up to number `id_max`.
    pub fn new(target: T, id_max: u32, naming: Naming, prefetch_ahead: usize) -> Self {
        let order_ids = vec![UNKNOWN; id_max as usize + 1];
        let reports = Reports {
            totals: Totals::default(),
            rejected: 0,
            others: 0,
            order_ids,
            order: 0,
        };
        let batch = Vec::with_capacity(BATCH_COMMANDS_MAX + 1);
        Self {
            target,
            reports,
            naming,
            prefetch_ahead,
            batch,
        }
    }

    /// Applies the steps in batches and measures each command.
    pub fn run_measured(&mut self, steps: &[Step], meter: &mut impl Meter) {
        for step in steps {
            match step.op {
                Op::New | Op::Ioc => self.push(step, self.new_order(step)),
                Op::Cancel => {
                    self.wait_for(step, meter);
                    self.push(step, self.cancel_order(step));
                }
                Op::MoveAway | Op::MoveAcross => {
                    self.wait_for(step, meter);
                    self.push(step, self.replace_order(step));
                }
                // A replace at the same price would keep its priority.
                Op::MoveToSamePrice => {
                    self.wait_for(step, meter);
                    self.push(step, self.cancel_order(step));
                    self.push(step, self.new_order(step));
                    self.reports.order_ids[step.id as usize] = UNKNOWN;
                }
            }
            if self.batch.len() >= BATCH_COMMANDS_MAX {
                self.apply_batch(meter);
            }
        }
        self.apply_batch(meter);
    }

    /// A client can name an order by the engine's id only when it was told that id.
    #[inline]
    fn wait_for(&mut self, step: &Step, meter: &mut impl Meter) {
        let known = self.reports.order_ids[step.id as usize] != UNKNOWN;
        if self.naming == Naming::OrderId && !known {
            self.apply_batch(meter);
        }
    }

    #[inline]
    fn push(&mut self, step: &Step, command: Command) {
        self.batch.push((command, step.id));
    }

    #[inline]
    fn new_order(&self, step: &Step) -> Command {
        Command::New(NewOrder {
            cl_ord_id: match self.naming {
                Naming::OrderId => ClOrdId(0),
                Naming::ClOrdId => ClOrdId(u64::from(step.id)),
            },
            account: account(step),
            session: SessionId(1),
            side: [Side::Buy, Side::Sell][usize::from(step.side & 1)],
            order_type: OrderType::Limit,
            time_in_force: [TimeInForce::Gtc, TimeInForce::Ioc][usize::from(step.op == Op::Ioc)],
            post_only: PostOnly::No,
            price: Price(i64::from(step.price)),
            qty: Qty(u64::from(step.qty)),
            budget: Amount(0),
            stp_mode: StpMode::None,
            stp_scope: StpScope::Account,
            stp_group: StpGroup(0),
            fee_tier: FeeTier(0),
        })
    }

    fn cancel_order(&self, step: &Step) -> Command {
        Command::Cancel(CancelOrder {
            account: account(step),
            order: self.order_ref(step),
        })
    }

    fn replace_order(&self, step: &Step) -> Command {
        Command::Replace(ReplaceOrder {
            account: account(step),
            session: SessionId(1),
            order: self.order_ref(step),
            cl_ord_id: ClOrdId(0),
            price: Price(i64::from(step.price)),
            total_qty: Qty(u64::from(step.total)),
        })
    }

    fn order_ref(&self, step: &Step) -> OrderRef {
        match self.naming {
            Naming::OrderId => OrderRef {
                order_id: self.reports.order_ids[step.id as usize],
                cl_ord_id: ClOrdId(0),
            },
            Naming::ClOrdId => OrderRef {
                order_id: OrderId(0),
                cl_ord_id: ClOrdId(u64::from(step.id)),
            },
        }
    }

    fn apply_batch(&mut self, meter: &mut impl Meter) {
        let (near, far) = (self.prefetch_ahead, 2 * self.prefetch_ahead);
        for (command, _) in self.batch.iter().take(far) {
            self.target.prefetch_far(command);
        }
        for (command, _) in self.batch.iter().take(near) {
            self.target.prefetch(command);
        }
        for (index, (command, id)) in self.batch.iter().enumerate() {
            if near > 0 {
                if let Some((later, _)) = self.batch.get(index + far) {
                    self.target.prefetch_far(later);
                }
                if let Some((later, _)) = self.batch.get(index + near) {
                    self.target.prefetch(later);
                }
            }
            self.reports.order = *id as usize;
            let trades = self.reports.totals.trades;
            let start = meter.start();
            self.target.apply(command, &mut self.reports);
            meter.stop(start, self.reports.totals.trades - trades);
        }
        self.target.end_batch(&self.batch, &mut self.reports);
        self.batch.clear();
    }
}

impl Client<Nothing> {
    /// A client of nothing: what building batches of commands costs.
    pub fn of_nothing(workload: &Workload) -> Self {
        let mut client = Self::new(Nothing, workload.id_max, Naming::OrderId, 0);
        client.reports.order_ids.fill(OrderId(1));
        client
    }
}

impl<T: Target> Driver for Client<T> {
    fn run(&mut self, steps: &[Step]) {
        self.run_measured(steps, &mut ());
    }

    fn totals(&self) -> Totals {
        assert_eq!(
            self.reports.rejected, 0,
            "no command of a stream is refused"
        );
        let open_orders = u64::from(self.target.open_orders());
        Totals {
            open_orders,
            ..self.reports.totals
        }
    }
}

/// Accounts are `1..`, the streams' users `0..`.
fn account(step: &Step) -> AccountId {
    AccountId(u32::from(step.user) + 1)
}
