//! What `RULES.md` says, as sentences. [`check`] is the only caller of the market in these tests.
//!
//! One command to a line, and after `->` the events it must give. Accounts are letters; `#3` is
//! the third order that was accepted. `book` shows the levels, `watch` asks for level updates, and
//! `spec` sets limits in front of the first command.
#![allow(clippy::unwrap_used)]

mod cancel;
mod fill_or_kill;
mod level_updates;
mod new_order;
mod order_ids;
mod replace;
mod self_trade;
mod window_edges;

use crate::{
    CancelOrder, Command, Event, EventSink, FeeTier, LevelUpdate, Market, MarketSpec, MassCancel,
    NewOrder, OrderRef, OrderStatus, ReplaceOrder,
};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use souk_protocol::{
    AccountId, Amount, CancelReason, ClOrdId, MarketState, OrderId, OrderType, PostOnly, Price,
    Qty, SessionId, Side, StpGroup, StpMode, StpScope, TimeInForce,
};

/// Applies the script's commands to a market and compares what it says. Gives back the market.
#[track_caller]
fn check(script: &str) -> Market {
    let mut player = Player::new();
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let (command, expected) = line.split_once("->").unwrap_or((line, ""));
        let words: Vec<&str> = command.split_whitespace().collect();
        let said = player.play(&words);
        let expected: Vec<&str> = expected.split_whitespace().collect();
        assert_eq!(said, expected.join(" "), "on the line: {line}");
        if let Some(market) = &player.market {
            market.check_invariants();
        }
    }
    player.market.unwrap()
}

struct Player {
    spec: MarketSpec,
    market: Option<Market>,
    /// The orders accepted so far: `#1` is the first.
    accepted: Vec<OrderId>,
    watch: bool,
}

#[derive(Default)]
struct Events {
    events: Vec<Event>,
    watch: bool,
}

impl EventSink for Events {
    fn on(&mut self, event: Event) {
        self.events.push(event);
    }

    fn wants_levels(&self) -> bool {
        self.watch
    }
}

impl Player {
    fn new() -> Self {
        Self {
            spec: MarketSpec::WIDE,
            market: None,
            accepted: Vec::new(),
            watch: false,
        }
    }

    fn market(&mut self) -> &mut Market {
        let spec = self.spec;
        self.market
            .get_or_insert_with(|| Market::new(spec, 7).unwrap())
    }

    fn play(&mut self, words: &[&str]) -> String {
        match words[0] {
            "spec" => self.limit(words[1], words[2].parse().unwrap()),
            "watch" => self.watch = true,
            "book" => return self.book(),
            _ => {
                let command = self.command(words);
                return self.apply(&command);
            }
        }
        String::new()
    }

    fn limit(&mut self, name: &str, value: u64) {
        assert!(self.market.is_none(), "limits come first");
        match name {
            "price_min" => self.spec.price_min = Price(value.cast_signed()),
            "price_max" => self.spec.price_max = Price(value.cast_signed()),
            "qty_min" => self.spec.qty_min = Qty(value),
            "qty_max" => self.spec.qty_max = Qty(value),
            "notional_unit" => self.spec.notional_unit = value,
            "orders_max" => self.spec.orders_max = value as u32,
            "account_orders_max" => self.spec.account_orders_max = value as u32,
            _ => panic!("no such limit: {name}"),
        }
    }

    fn book(&mut self) -> String {
        let market = self.market();
        let levels = [Side::Sell, Side::Buy].map(|side| market.levels(side).collect::<Vec<_>>());
        let levels: Vec<String> = levels.iter().flatten().map(level_text).collect();
        if levels.is_empty() {
            "empty".to_string()
        } else {
            levels.join(", ")
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        match words[0] {
            "buy" => Command::New(self.new_order(Side::Buy, words)),
            "sell" => Command::New(self.new_order(Side::Sell, words)),
            "cancel" => Command::Cancel(CancelOrder {
                account: account(words[1]),
                order: self.order(&words[2..]),
            }),
            "status" => Command::Status(OrderStatus {
                account: account(words[1]),
                order: self.order(&words[2..]),
            }),
            "replace" => Command::Replace(self.replace(words)),
            "mass-cancel" => Command::MassCancel(MassCancel::asked(
                account(words[1]),
                words.get(2).map(|&side| match side {
                    "buy" => Side::Buy,
                    "sell" => Side::Sell,
                    _ => panic!("no such side: {side}"),
                }),
            )),
            "gone" => Command::MassCancel(MassCancel {
                session: SessionId(words[2].parse().unwrap()),
                reason: CancelReason::OnDisconnect,
                ..MassCancel::asked(account(words[1]), None)
            }),
            "state" => Command::SetState(match words[1] {
                "continuous" => MarketState::Continuous,
                "halted" => MarketState::Halted,
                "cancel-only" => MarketState::CancelOnly,
                state => panic!("no such state: {state}"),
            }),
            command => panic!("no such command: {command}"),
        }
    }

    /// `buy A 101 x 5`, `buy A market x 5`, `buy A market@101 x 5`, then the options.
    fn new_order(&self, side: Side, words: &[&str]) -> NewOrder {
        assert_eq!(words[3], "x");
        let (order_type, price) = match words[2].split_once("market") {
            Some((_, "")) => (OrderType::Market, 0),
            Some((_, price)) => (OrderType::Market, price[1..].parse().unwrap()),
            None => (OrderType::Limit, words[2].parse().unwrap()),
        };
        let mut new = NewOrder {
            cl_ord_id: ClOrdId(0),
            account: account(words[1]),
            session: SessionId(1),
            side,
            order_type,
            time_in_force: TimeInForce::Gtc,
            post_only: PostOnly::No,
            price: Price(price),
            qty: Qty(words[4].parse().unwrap()),
            budget: Amount(0),
            stp_mode: StpMode::None,
            stp_scope: StpScope::Account,
            stp_group: StpGroup(0),
            fee_tier: FeeTier(0),
        };
        let mut options = words[5..].iter();
        while let Some(&option) = options.next() {
            let mut number = || options.next().unwrap().parse::<u64>().unwrap();
            match option {
                "ioc" => new.time_in_force = TimeInForce::Ioc,
                "fok" => new.time_in_force = TimeInForce::Fok,
                "post" => new.post_only = PostOnly::Reject,
                "slide" => new.post_only = PostOnly::Slide,
                "budget" => new.budget = Amount(number()),
                "id" => new.cl_ord_id = ClOrdId(number()),
                "group" => new.stp_group = StpGroup(number() as u16),
                "by-group" => new.stp_scope = StpScope::Group,
                mode => new.stp_mode = stp_mode(mode),
            }
        }
        new
    }

    /// `replace A #1 101 x 5`, then the options.
    fn replace(&self, words: &[&str]) -> ReplaceOrder {
        let at = words.iter().position(|&word| word == "x").unwrap();
        let mut replace = ReplaceOrder {
            account: account(words[1]),
            session: SessionId(1),
            order: self.order(&words[2..at - 1]),
            cl_ord_id: ClOrdId(0),
            price: Price(words[at - 1].parse().unwrap()),
            total_qty: Qty(words[at + 1].parse().unwrap()),
        };
        for option in words[at + 2..].chunks(2) {
            match option[0] {
                "id" => replace.cl_ord_id = ClOrdId(option[1].parse().unwrap()),
                "session" => replace.session = SessionId(option[1].parse().unwrap()),
                name => panic!("no such option: {name}"),
            }
        }
        replace
    }

    /// `#1`, `id 7`, `order 4294967296`, both, or nothing.
    fn order(&self, words: &[&str]) -> OrderRef {
        let mut order = OrderRef::default();
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            match word {
                "id" => order.cl_ord_id = ClOrdId(words.next().unwrap().parse().unwrap()),
                "order" => order.order_id = OrderId(words.next().unwrap().parse().unwrap()),
                number => {
                    let number: usize = number.strip_prefix('#').unwrap().parse().unwrap();
                    order.order_id = self.accepted[number - 1];
                }
            }
        }
        order
    }

    fn apply(&mut self, command: &Command) -> String {
        let mut sink = Events {
            events: Vec::new(),
            watch: self.watch,
        };
        self.market().apply(command, &mut sink);
        let said: Vec<String> = sink
            .events
            .iter()
            .map(|event| self.event(command, event))
            .collect();
        said.join(", ")
    }

    fn event(&mut self, command: &Command, event: &Event) -> String {
        match event {
            Event::Accepted(accepted) => {
                self.accepted.push(accepted.order_id);
                let Command::New(new) = command else {
                    panic!("only a new order is accepted");
                };
                if accepted.price == new.price {
                    return "new".to_string();
                }
                format!("new @ {}", accepted.price)
            }
            Event::Rejected(reason) => format!("reject {}", reason.name()),
            Event::Trade(trade) => {
                let maker = self.name(trade.maker.order_id);
                format!("trade {} @ {} with {maker}", trade.qty, trade.price)
            }
            Event::Canceled(canceled) => {
                let order = self.name(canceled.order.order_id);
                let (leaves, reason) = (canceled.order.leaves, canceled.reason.name());
                format!("canceled {order} x {leaves} {reason}")
            }
            Event::Replaced(replaced) => {
                let order = self.name(replaced.order.order_id);
                let place = if replaced.kept_priority {
                    "kept"
                } else {
                    "lost"
                };
                format!(
                    "{place} {order} {} x {}",
                    replaced.price, replaced.order.leaves
                )
            }
            Event::SelfTradePrevented(prevented) => {
                let maker = self.name(prevented.maker.order_id);
                format!("prevented {} with {maker}", prevented.qty)
            }
            Event::MassCanceled { count } => format!("mass-canceled {count}"),
            Event::Status(status) => {
                let order = self.name(status.order.order_id);
                let (leaves, cum) = (status.order.leaves, status.order.cum);
                format!("status {order} {} x {leaves} cum {cum}", status.price)
            }
            Event::StateChanged(state) => format!("state {}", state.name()),
            Event::FeesAdded { tier } => format!("tier {}", tier.0),
            Event::LimitsChanged => "limits changed".to_string(),
            Event::Level(level) => format!("level {}", level_text(level)),
        }
    }

    fn name(&self, id: OrderId) -> String {
        // An id is never used again, so the name is the one of the order.
        let place = self.accepted.iter().position(|&accepted| accepted == id);
        format!("#{}", place.unwrap() + 1)
    }
}

fn level_text(level: &LevelUpdate) -> String {
    let side = level.side.name().to_lowercase();
    format!("{side} {} x {} in {}", level.price, level.qty, level.orders)
}

fn account(letter: &str) -> AccountId {
    let letter = letter.as_bytes()[0];
    assert!(letter.is_ascii_uppercase(), "accounts are letters");
    AccountId(u32::from(letter - b'A') + 1)
}

fn stp_mode(name: &str) -> StpMode {
    match name {
        "newest" => StpMode::CancelNewest,
        "oldest" => StpMode::CancelOldest,
        "both" => StpMode::CancelBoth,
        "decrement" => StpMode::DecrementAndCancel,
        _ => panic!("no such option: {name}"),
    }
}
