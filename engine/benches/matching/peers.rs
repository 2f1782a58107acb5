//! The peers, each through its own public calls in the fastest way that we found, reports counted.
//!
//! Both lack accounts, so neither is told whose an order is.

use orderbook_rs::{Id, OrderBook as ConcurrentBook, OrderType, TimeInForce as ConcurrentTif};
use pricelevel::{Hash32, Price, Quantity, TimestampMs};

use crate::support::reference::Totals;
use crate::support::souk::Driver;
use crate::support::workload::{Op, Step, Workload};

/// `matchcore`: one thread, commands in, outcomes out. It names orders by the number of the
/// command that entered them, which the client remembers.
pub struct Matchcore {
    book: matchcore::OrderBook,
    order_ids: Vec<matchcore::OrderId>,
    commands: u64,
    executed: Totals,
}

impl Matchcore {
    /// An empty book.
    pub fn new(workload: &Workload) -> Self {
        let order_ids = vec![matchcore::OrderId(u64::MAX); workload.id_max as usize + 1];
        let book = matchcore::OrderBook::new("BENCH");
        Self {
            book,
            order_ids,
            commands: 0,
            executed: Totals::default(),
        }
    }

    fn execute(&mut self, kind: matchcore::CommandKind) {
        let sequence_number = matchcore::SequenceNumber(self.commands);
        let timestamp = matchcore::Timestamp(self.commands);
        self.commands += 1;
        let meta = matchcore::CommandMeta {
            sequence_number,
            timestamp,
        };
        let outcome = self.book.execute(&matchcore::Command { meta, kind });
        let report = match &outcome {
            matchcore::CommandOutcome::Applied(report) => report,
            matchcore::CommandOutcome::Rejected(failure) => {
                panic!("no command is refused: {failure}")
            }
        };
        let (matchcore::CommandReport::Submit(effects) | matchcore::CommandReport::Amend(effects)) =
            report
        else {
            return;
        };
        for trade in effects
            .target_order()
            .match_result()
            .into_iter()
            .flat_map(|result| result.trades())
        {
            self.executed.trades += 1;
            self.executed.qty += trade.quantity().0;
            self.executed.notional += trade.quantity().0 * trade.price().0;
        }
    }

    /// Enters an order. Its 0.4.0 ignores the limit of an order that crosses, so an order whose
    /// limit ends it is told the quantity at which that happens, and the rest of it comes as an order
    /// of its own; the stream knows the quantity, so that costs it nothing.
    fn submit(&mut self, step: &Step, time_in_force: matchcore::TimeInForce) {
        if step.executed == 0 || step.executed == step.qty {
            return self.submit_qty(step, step.qty, time_in_force);
        }
        self.submit_qty(step, step.executed, matchcore::TimeInForce::Ioc);
        if time_in_force == matchcore::TimeInForce::Gtc {
            self.submit_qty(step, step.qty - step.executed, time_in_force);
        }
    }

    fn submit_qty(&mut self, step: &Step, qty: u32, time_in_force: matchcore::TimeInForce) {
        let side = if step.side == 0 {
            matchcore::Side::Buy
        } else {
            matchcore::Side::Sell
        };
        let quantity = matchcore::Quantity(u64::from(qty));
        let order = matchcore::NewOrder::Limit(matchcore::LimitOrder::new(
            matchcore::Price(u64::from(step.price)),
            matchcore::QuantityPolicy::Standard { quantity },
            matchcore::OrderFlags::new(side, false, time_in_force),
        ));
        self.order_ids[step.id as usize] = matchcore::OrderId(self.commands);
        self.execute(matchcore::CommandKind::Submit(matchcore::SubmitCmd {
            order,
        }));
    }

    fn cancel(&mut self, step: &Step) {
        let order_id = self.order_ids[step.id as usize];
        let order_kind = matchcore::OrderKind::Limit;
        self.execute(matchcore::CommandKind::Cancel(matchcore::CancelCmd {
            order_id,
            order_kind,
        }));
    }

    /// Its amend, in which an order keeps its id.
    fn amend(&mut self, step: &Step) {
        let order_id = self.order_ids[step.id as usize];
        let patch =
            matchcore::LimitOrderPatch::new().with_price(matchcore::Price(u64::from(step.price)));
        let patch = matchcore::AmendPatch::Limit(patch);
        self.execute(matchcore::CommandKind::Amend(matchcore::AmendCmd {
            order_id,
            patch,
        }));
    }
}

impl Driver for Matchcore {
    fn run(&mut self, steps: &[Step]) {
        for step in steps {
            match step.op {
                Op::New => self.submit(step, matchcore::TimeInForce::Gtc),
                Op::Ioc => self.submit(step, matchcore::TimeInForce::Ioc),
                Op::Cancel => self.cancel(step),
                Op::MoveAway => self.amend(step),
                // Its amend ignores the limit too, and keeps priority at the same price.
                Op::MoveAcross | Op::MoveToSamePrice => {
                    self.cancel(step);
                    self.submit(step, matchcore::TimeInForce::Gtc);
                }
            }
        }
    }

    fn totals(&self) -> Totals {
        let open_orders = self.book.limit().orders().len() as u64;
        Totals {
            open_orders,
            ..self.executed
        }
    }
}

/// `orderbook-rs`: built for many threads on one book. It takes the client's order ids.
pub struct OrderbookRs {
    book: ConcurrentBook<()>,
    executed: Totals,
}

impl OrderbookRs {
    /// An empty book without listeners, risk checks or order states.
    pub fn new(_: &Workload) -> Self {
        Self {
            book: ConcurrentBook::new("BENCH"),
            executed: Totals::default(),
        }
    }

    fn submit(&mut self, step: &Step, time_in_force: ConcurrentTif) {
        let order = OrderType::Standard {
            id: Id::from_u64(u64::from(step.id)),
            price: Price::new(u128::from(step.price)),
            quantity: Quantity::new(u64::from(step.qty)),
            side: if step.side == 0 {
                pricelevel::Side::Buy
            } else {
                pricelevel::Side::Sell
            },
            user_id: Hash32::zero(),
            timestamp: TimestampMs::new(0),
            time_in_force,
            extra_fields: (),
        };
        // An IOC that is not filled in full comes back as a failure with its executions.
        let result = match self.book.add_order_with_committed(order) {
            Ok((_, result)) => result,
            Err(failure) => failure.committed.map(|result| *result),
        };
        for trade in result
            .iter()
            .flat_map(|result| result.match_result.trades().as_vec())
        {
            let price = trade.price().as_u128() as u64;
            self.executed.trades += 1;
            self.executed.qty += trade.quantity().as_u64();
            self.executed.notional += price * trade.quantity().as_u64();
        }
    }

    fn cancel(&mut self, step: &Step) {
        let canceled = self.book.cancel_order(Id::from_u64(u64::from(step.id)));
        assert!(
            matches!(canceled, Ok(Some(_))),
            "streams cancel only open orders"
        );
    }
}

impl Driver for OrderbookRs {
    fn run(&mut self, steps: &[Step]) {
        for step in steps {
            match step.op {
                Op::New => self.submit(step, ConcurrentTif::Gtc),
                Op::Ioc => self.submit(step, ConcurrentTif::Ioc),
                Op::Cancel => self.cancel(step),
                Op::MoveAway | Op::MoveAcross | Op::MoveToSamePrice => {
                    self.cancel(step);
                    self.submit(step, ConcurrentTif::Gtc);
                }
            }
        }
    }

    fn totals(&self) -> Totals {
        let open_orders = self.book.get_order_locations_arc().len() as u64;
        Totals {
            open_orders,
            ..self.executed
        }
    }
}
