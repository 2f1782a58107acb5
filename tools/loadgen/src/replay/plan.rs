//! What is sent to one market: the frames of a symbol's inputs in order, and after which of them
//! the book is looked at.

use std::collections::HashMap;
use std::ops::Range;

use souk_protocol::message::{
    Batch, BatchEntry, CancelOrder, NewOrder, OrderStatusRequest, ReplaceOrder,
};
use souk_protocol::{
    Amount, BatchMode, ClOrdId, MarketId, OrderId, OrderType, PostOnly, Price, Qty, Reserved, Side,
    StpMode, StpScope, TimeInForce, frame_len_with_group, write_frame_with_group,
};

use super::ReplayError;
use super::money::Dealing;
use super::set::{Input, Operation, Set};

/// Without golden books the book is looked at after this many inputs.
const CHECK_EVERY: usize = 1_000;

/// A thing to do.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Send a message.
    Message {
        /// Its frame in [`Plan::bytes`].
        frame: Range<usize>,
        /// Orders it counts as for the session's rates.
        orders: u32,
        /// Cancels it counts as.
        cancels: u32,
    },
    /// Ask for the depth: the check with this index.
    Check(usize),
}

/// A look at the book.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check {
    /// After which input of the set.
    pub(crate) input_seq: u64,
    /// After which message to the market.
    pub(crate) client_seq: u64,
}

/// Everything that is sent to one market.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) sym: u32,
    pub(crate) market: MarketId,
    /// Whose orders they are.
    pub(crate) dealing: Dealing,
    /// The number of the first message.
    pub(crate) first_seq: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) steps: Vec<Step>,
    /// The input of each message. The one message more than these ends the replay.
    pub(crate) inputs: Vec<u64>,
    pub(crate) checks: Vec<Check>,
}

impl Plan {
    /// The plan of a symbol. `first_seq` is the number that the market expects next.
    pub(crate) fn new(
        set: &Set,
        sym: u32,
        market: MarketId,
        dealing: &Dealing,
        first_seq: u64,
    ) -> Result<Self, ReplayError> {
        let inputs: Vec<&Input> = set.inputs.iter().filter(|input| input.sym == sym).collect();
        let mut encoder = Encoder {
            market,
            dealing,
            next_seq: first_seq,
            bytes: Vec::with_capacity(inputs.len() * NewOrder::FRAME_LEN),
            steps: Vec::with_capacity(inputs.len()),
            totals: HashMap::new(),
        };
        let mut checks = Vec::new();
        let mut due = check_points(set, sym, &inputs).into_iter().peekable();
        for input in &inputs {
            while let Some(input_seq) = due.next_if(|point| *point < input.seq) {
                encoder.check(&mut checks, input_seq);
            }
            encoder.input(input)?;
        }
        due.for_each(|input_seq| encoder.check(&mut checks, input_seq));
        encoder.fence();
        Ok(Self {
            sym,
            market,
            dealing: dealing.clone(),
            first_seq,
            bytes: encoder.bytes,
            steps: encoder.steps,
            inputs: inputs.iter().map(|input| input.seq).collect(),
            checks,
        })
    }

    /// The input that the message with this number is.
    pub(crate) fn input_of(&self, client_seq: u64) -> Option<u64> {
        let index = usize::try_from(client_seq.checked_sub(self.first_seq)?).ok()?;
        self.inputs.get(index).copied()
    }

    /// The number of the message that ends the replay.
    pub(crate) fn fence_seq(&self) -> u64 {
        self.first_seq + self.inputs.len() as u64
    }
}

/// After which inputs the book is looked at: where the goldens do, and at the end.
fn check_points(set: &Set, sym: u32, inputs: &[&Input]) -> Vec<u64> {
    let golden = set.books.iter().flatten().filter(|row| row.sym == sym);
    let mut points: Vec<u64> = golden.map(|row| row.input_seq).collect();
    if points.is_empty() {
        let every = inputs
            .chunks_exact(CHECK_EVERY)
            .map(|chunk| chunk[CHECK_EVERY - 1].seq);
        points.extend(every);
    }
    points.extend(set.inputs.last().map(|last| last.seq));
    points.sort_unstable();
    points.dedup();
    points
}

/// Writes the frames of a plan.
struct Encoder<'a> {
    market: MarketId,
    dealing: &'a Dealing,
    next_seq: u64,
    bytes: Vec<u8>,
    steps: Vec<Step>,
    /// Total quantity (executed and open) of the orders entered so far: executions do not change
    /// it, so it is known without waiting for them.
    totals: HashMap<u64, u64>,
}

impl Encoder<'_> {
    fn input(&mut self, input: &Input) -> Result<(), ReplayError> {
        match input.operation {
            Operation::Limit => self.new_order(input, TimeInForce::Gtc),
            Operation::ImmediateOrCancel => self.new_order(input, TimeInForce::Ioc),
            Operation::Cancel => {
                let cancel = CancelOrder {
                    orig_cl_ord_id: ClOrdId(input.order_id),
                    order_id: OrderId(0),
                    market: self.market,
                    account: self.dealing.account_of(input.order_id),
                };
                self.message(&cancel.frame(self.next_seq), 0, 1);
            }
            Operation::Reduce => self.reduce(input)?,
            Operation::Replace => self.cancel_and_new(input),
        }
        Ok(())
    }

    fn new_order(&mut self, input: &Input, time_in_force: TimeInForce) {
        let order = NewOrder {
            cl_ord_id: ClOrdId(input.order_id),
            price: Price(input.price),
            qty: Qty(input.qty),
            budget: Amount(0),
            market: self.market,
            account: self.dealing.account_of(input.order_id),
            side: input.side,
            order_type: OrderType::Limit,
            time_in_force,
            post_only: PostOnly::No,
            stp_mode: StpMode::None,
            stp_scope: StpScope::Account,
            reserved: Reserved,
        };
        self.totals.insert(input.order_id, input.qty);
        self.message(&order.frame(self.next_seq), 1, 0);
    }

    /// A reduce is a replace at the same price whose total is smaller by as much.
    fn reduce(&mut self, input: &Input) -> Result<(), ReplayError> {
        let total = self.totals.get_mut(&input.order_id);
        let reduced = total.and_then(|total| {
            *total = total.checked_sub(input.qty)?;
            Some(*total)
        });
        let total_qty = reduced.ok_or(ReplayError::BadReduce {
            input_seq: input.seq,
            order_id: input.order_id,
        })?;
        let replace = ReplaceOrder {
            cl_ord_id: ClOrdId(0),
            orig_cl_ord_id: ClOrdId(input.order_id),
            order_id: OrderId(0),
            price: Price(input.price),
            total_qty: Qty(total_qty),
            market: self.market,
            account: self.dealing.account_of(input.order_id),
        };
        self.message(&replace.frame(self.next_seq), 1, 0);
        Ok(())
    }

    /// A replace of the set loses priority in every case, which a replace of the wire does not;
    /// so it is a cancel and a new order that nothing comes between.
    fn cancel_and_new(&mut self, input: &Input) {
        let root = Batch {
            market: self.market,
            mode: BatchMode::StopAtFirstReject,
            reserved: Reserved,
        };
        let cancel = BatchEntry {
            operation: CancelOrder::TEMPLATE as u8,
            side: 0,
            order_type: 0,
            time_in_force: 0,
            post_only: 0,
            stp_mode: 0,
            stp_scope: 0,
            reserved: Reserved,
            account: self.dealing.account_of(input.order_id),
            reserved2: Reserved,
            cl_ord_id: ClOrdId(0),
            orig_cl_ord_id: ClOrdId(input.order_id),
            order_id: OrderId(0),
            price: Price(0),
            qty: Qty(0),
            budget: Amount(0),
        };
        let new = BatchEntry {
            operation: NewOrder::TEMPLATE as u8,
            side: input.side as u8,
            order_type: OrderType::Limit as u8,
            time_in_force: TimeInForce::Gtc as u8,
            account: self.dealing.account_of(input.new_id),
            cl_ord_id: ClOrdId(input.new_id),
            orig_cl_ord_id: ClOrdId(0),
            price: Price(input.price),
            qty: Qty(input.qty),
            ..cancel
        };
        self.totals.remove(&input.order_id);
        self.totals.insert(input.new_id, input.qty);
        let mut frame = [0; frame_len_with_group::<Batch, BatchEntry>(2)];
        write_frame_with_group(&root, &[cancel, new], self.next_seq, 0, &mut frame)
            .expect("the buffer has the length of the frame");
        self.message(&frame, 2, 0);
    }

    /// A question whose answer comes after everything else: no order has that name.
    fn fence(&mut self) {
        let question = OrderStatusRequest {
            orig_cl_ord_id: ClOrdId(u64::MAX),
            order_id: OrderId(0),
            market: self.market,
            account: self.dealing.first(),
        };
        self.message(&question.frame(self.next_seq), 1, 0);
    }

    fn message(&mut self, frame: &[u8], orders: u32, cancels: u32) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(frame);
        self.next_seq += 1;
        self.steps.push(Step::Message {
            frame: start..self.bytes.len(),
            orders,
            cancels,
        });
    }

    fn check(&mut self, checks: &mut Vec<Check>, input_seq: u64) {
        self.steps.push(Step::Check(checks.len()));
        checks.push(Check {
            input_seq,
            client_seq: self.next_seq - 1,
        });
    }
}

/// The sides in the order in which books are written.
pub(crate) const SIDES: [Side; 2] = [Side::Buy, Side::Sell];
