//! A market that has reached its size allocates nothing, whatever the commands.
#![allow(clippy::unwrap_used)]

mod counting;

use counting::{Counting, allocations};
use souk_engine::{
    BalanceChange, BalanceSink, CancelOrder, Command, Event, EventSink, FeeRates, FeeTier, Hold,
    Market, MarketSpec, MassCancel, NewOrder, OrderRef, OrderStatus, OrderView, ReplaceOrder,
    Settlement,
};
use souk_protocol::{
    AccountId, Amount, ClOrdId, OrderId, OrderType, PostOnly, Price, Qty, RejectReason, SessionId,
    Side, StpGroup, StpMode, StpScope, TimeInForce,
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ACCOUNTS: u64 = 500;
const COMMANDS: u32 = 1_000_000;
/// Client order ids in use while the market gets warm, and afterwards.
const IDS_WARM: u64 = 24_000;
const IDS: u64 = 16_000;
/// More than one command can lead to.
const EVENTS_MAX: usize = 1 << 16;

/// Sends commands and keeps the books of one client who owns all accounts.
struct Client {
    /// By client order id, which belongs to one account for ever: the open order.
    open: Vec<OrderId>,
    random: u64,
    mid: i64,
    sent: ClOrdId,
    trades: u32,
    levels: u32,
    rejected: u32,
    canceled: u32,
    events: Vec<Event>,
    hold: Amount,
    held: Vec<i64>,
    earned: u64,
}

impl BalanceSink for Client {
    fn change(&mut self, change: BalanceChange) {
        self.held[change.account.0 as usize] += change.held;
    }

    fn earn(&mut self, fees: Amount) {
        self.earned += fees.0;
    }
}

impl EventSink for Client {
    fn on(&mut self, event: Event) {
        self.events.push(event);
        match event {
            Event::Accepted(accepted) => self.open[self.sent.0 as usize] = accepted.order_id,
            Event::Trade(trade) => {
                self.trades += 1;
                self.seen(&trade.maker);
                self.seen(&trade.taker);
            }
            Event::SelfTradePrevented(prevented) => {
                self.seen(&prevented.maker);
                self.seen(&prevented.taker);
            }
            Event::Canceled(canceled) => {
                self.canceled += 1;
                self.open[canceled.order.cl_ord_id.0 as usize] = OrderId(0);
            }
            Event::Level(_) => self.levels += 1,
            Event::Rejected(_) => self.rejected += 1,
            _ => {}
        }
    }

    fn wants_levels(&self) -> bool {
        self.random & 0x300 != 0
    }

    fn takes_holds(&self) -> bool {
        true
    }

    /// One in sixteen has not got what it needs.
    fn hold(&mut self, hold: Hold) -> Result<(), RejectReason> {
        if self.random & 0xf000 == 0 {
            return Err(RejectReason::InsufficientFunds);
        }
        self.hold = hold.amount;
        Ok(())
    }
}

impl Client {
    fn new() -> Self {
        Self {
            open: vec![OrderId(0); IDS_WARM as usize + 1],
            random: 0x5eed,
            mid: 1_000_000,
            sent: ClOrdId(0),
            trades: 0,
            levels: 0,
            rejected: 0,
            canceled: 0,
            events: Vec::with_capacity(EVENTS_MAX),
            hold: Amount(0),
            held: vec![0; ACCOUNTS as usize + 1],
            earned: 0,
        }
    }

    /// Applies a command and settles it.
    fn apply(&mut self, market: &mut Market, settlement: &mut Settlement, command: &Command) {
        self.events.clear();
        self.hold = Amount(0);
        market.apply(command, self);
        let events = core::mem::take(&mut self.events);
        settlement.settle(command, self.hold, &events, self);
        self.events = events;
    }

    fn seen(&mut self, order: &OrderView) {
        if order.leaves == Qty(0) {
            self.open[order.cl_ord_id.0 as usize] = OrderId(0);
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % bound
    }

    fn command(&mut self, ids: u64) -> Command {
        self.sent = ClOrdId(1 + self.below(ids));
        let account = AccountId(1 + (self.sent.0 % ACCOUNTS) as u32);
        let order_id = self.open[self.sent.0 as usize];
        let order = match self.below(2) {
            0 => OrderRef {
                order_id,
                cl_ord_id: ClOrdId(0),
            },
            _ => OrderRef {
                order_id: OrderId(0),
                cl_ord_id: self.sent,
            },
        };
        match self.below(1000) {
            0 => Command::MassCancel(MassCancel::asked(account, None)),
            1..20 => Command::Status(OrderStatus { account, order }),
            _ if order_id == OrderId(0) => Command::New(self.new_order(account)),
            _ if self.below(2) == 0 => Command::Cancel(CancelOrder { account, order }),
            _ => Command::Replace(ReplaceOrder {
                account,
                session: SessionId(1),
                order,
                cl_ord_id: ClOrdId(0),
                price: self.price(Side::ALL[self.sent.0 as usize % 2]),
                total_qty: Qty(1 + self.below(100)),
            }),
        }
    }

    /// Mostly near a slowly moving middle, at times across it, at times far away.
    fn price(&mut self, side: Side) -> Price {
        let distance = match self.below(20) {
            0 => self.below(500_000),
            1 => return Price(self.mid),
            _ => self.below(2_000).min(self.below(2_000)),
        };
        let distance = distance.cast_signed() + 1;
        self.mid += self.below(3).cast_signed() - 1;
        self.mid = self.mid.clamp(999_000, 1_001_000);
        match side {
            Side::Buy => Price(self.mid - distance),
            Side::Sell => Price(self.mid + distance),
        }
    }

    fn new_order(&mut self, account: AccountId) -> NewOrder {
        let time_in_force = [
            TimeInForce::Gtc,
            TimeInForce::Gtc,
            TimeInForce::Gtc,
            TimeInForce::Ioc,
            TimeInForce::Fok,
        ][self.below(5) as usize];
        let side = Side::ALL[self.sent.0 as usize % 2];
        let gtc = time_in_force == TimeInForce::Gtc;
        NewOrder {
            cl_ord_id: self.sent,
            account,
            session: SessionId(1),
            side,
            order_type: OrderType::Limit,
            time_in_force,
            post_only: PostOnly::ALL[if gtc { self.below(3) as usize } else { 0 }],
            price: self.price(if gtc { side } else { side.opposite() }),
            qty: Qty(1 + self.below(100)),
            budget: Amount(0),
            stp_mode: StpMode::ALL[self.below(5) as usize],
            stp_scope: StpScope::ALL[self.below(2) as usize],
            stp_group: StpGroup(self.below(9) as u16),
            fee_tier: FeeTier(0),
        }
    }
}

#[test]
fn a_million_commands_allocate_nothing_once_the_market_has_its_size() {
    let fees = FeeRates {
        maker_ppm: -500,
        taker_ppm: 1_500,
    };
    let spec = MarketSpec {
        fees,
        ..MarketSpec::WIDE
    };
    let mut market = Market::new(spec, 11).unwrap();
    let mut settlement = Settlement::new(&spec);
    let mut client = Client::new();
    for _ in 0..COMMANDS / 2 {
        let command = client.command(IDS_WARM);
        client.apply(&mut market, &mut settlement, &command);
    }
    let warm = market.open_orders();
    for _ in 0..COMMANDS / 4 {
        let command = client.command(IDS);
        client.apply(&mut market, &mut settlement, &command);
    }

    (
        client.trades,
        client.levels,
        client.rejected,
        client.canceled,
    ) = (0, 0, 0, 0);
    let before = allocations();
    for _ in 0..COMMANDS {
        let command = client.command(IDS);
        market.prefetch_far(&command);
        market.prefetch(&command);
        client.apply(&mut market, &mut settlement, &command);
    }
    assert_eq!(allocations(), before);

    market.check_invariants();
    assert!(warm > 4_000, "the book was full: {warm}");
    assert!(client.trades > 50_000, "orders met: {}", client.trades);
    assert!(
        client.canceled > 100_000,
        "orders were canceled: {}",
        client.canceled
    );
    assert!(
        client.levels > 500_000,
        "levels were told: {}",
        client.levels
    );
    assert!(
        client.rejected < COMMANDS / 4,
        "commands were accepted: {}",
        client.rejected
    );
    assert!(client.earned > 0, "trades earned fees");
    let held: i64 = client.held.iter().sum();
    let needs = Side::ALL.iter().flat_map(|side| market.orders(*side));
    let needs = needs.map(|(o, price)| settlement.need(o.side, price, o.leaves, o.fee_tier));
    let needs: u64 = needs.map(|need| need.0).sum();
    assert_eq!(
        held.cast_unsigned(),
        needs,
        "what is held is what open orders need"
    );
    drop(Box::new(1));
    assert_eq!(allocations(), before + 1, "the counter counts");
}
