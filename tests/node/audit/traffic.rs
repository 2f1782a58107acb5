//! Sessions that do everything that moves money, at random, on tight funds.

use std::net::SocketAddr;
use std::path::Path;

use souk_protocol::message::*;
use souk_protocol::*;

use crate::support::{Wire, cancel, limit, public_hex};

/// Commands that are sent before their answers are waited for.
const WINDOW: u64 = 50;

/// Two tenants on two matchers: acme with fees and money of its own, globex in external custody.
pub fn config(data: &Path) -> String {
    let market = |id: u32, symbol: &str, base: &str, quote: &str, more: &str| {
        format!(
            "[[tenant.market]]\nid = {id}\nsymbol = \"{symbol}\"\nbase = \"{base}\"\nquote = \"{quote}\"\ntick_size = \"0.01\"\nlot_size = \"1\"\n{more}\n"
        )
    };
    let fees = "maker_ppm = -200\ntaker_ppm = 1500\nfees = [{ group = 1, maker_ppm = 300, taker_ppm = 700 }]";
    let account = |id: u32, group: u32| {
        format!(
            "[[tenant.account]]\nid = {id}\nfee_group = {group}\nstp_group = {group}\ncredit = {{ BTC = \"60\", USDT = \"900\" }}\n"
        )
    };
    let key = |id: u32| {
        format!(
            "[[tenant.key]]\nid = {id}\npublic_key = \"{}\"\naccounts = \"all\"\npermissions = [\"trade\", \"market-data\", \"control\", \"funding\"]\n",
            public_hex(id)
        )
    };
    let currencies = "[[tenant.currency]]\ncode = \"BTC\"\nscale = 4\n[[tenant.currency]]\ncode = \"USDT\"\nscale = 6\n";
    let parts = [
        format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[journal]\ndirectory = \"{}\"\nsegment_bytes = 1048576\n[threads]\nlayout = \"threads\"\nmatchers = 2\n",
            data.display()
        ),
        format!("[[tenant]]\nid = 1\nname = \"acme\"\n{currencies}"),
        market(1, "BTC-USDT", "BTC", "USDT", fees),
        market(2, "BTC-USD2", "BTC", "USDT", fees),
        market(3, "BTC-USD3", "BTC", "USDT", ""),
        account(1, 0),
        account(2, 1),
        account(3, 1),
        account(4, 0),
        (1..=3).map(key).collect(),
        format!("[[tenant]]\nid = 2\nname = \"globex\"\ncustody = \"external\"\n{currencies}"),
        market(1, "BTC-USDT", "BTC", "USDT", fees),
        "[[tenant.account]]\nid = 1\n[[tenant.account]]\nid = 2\n".to_owned(),
        key(4),
    ];
    parts.concat()
}

/// A session that sends at random.
pub struct Trader {
    pub wire: Wire,
    random: u64,
    /// Of acme: may fund and control.
    accounts: u32,
    markets: Vec<u32>,
    /// By market.
    seqs: Vec<u64>,
    cl_ord_id: u64,
    requests: u64,
}

pub fn session(address: SocketAddr, key: u32, seed: u64) -> Trader {
    let mut wire = Wire::logged_on(address, key);
    let (accounts, markets) = if key == 4 {
        (2, vec![1])
    } else {
        (4, vec![1, 2, 3])
    };
    let mut seqs = vec![0; 10];
    for market in &markets {
        // Orders of an earlier run may trade meanwhile.
        let (_, joined) = wire.answers_until_joined(*market);
        seqs[*market as usize] = joined.last_client_seq;
    }
    Trader {
        wire,
        random: seed,
        accounts,
        markets,
        seqs,
        cl_ord_id: seed << 32,
        requests: seed << 32,
    }
}

/// Four sessions at one time, the first of which also funds, freezes, halts, and opens a market.
pub fn run_sessions(address: SocketAddr, commands: u64) {
    let run = |key: u32| {
        std::thread::spawn(move || {
            let mut trader = session(address, key, u64::from(key));
            for window in 0..commands / WINDOW {
                trader.send(WINDOW);
                if key == 1 {
                    trader.rule(window);
                }
                let market = trader.markets[0];
                let _ = trader.wire.answers_until_joined(market);
            }
            if key == 1 {
                trader.trade_in_a_new_market();
            }
            for market in trader.markets.clone() {
                let _ = trader.wire.answers_until_joined(market);
            }
        })
    };
    let threads: Vec<_> = (1..=4).map(run).collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

impl Trader {
    fn below(&mut self, bound: u64) -> u64 {
        let mixed = self.random.wrapping_mul(6_364_136_223_846_793_005);
        self.random = mixed.wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % bound
    }

    fn account(&mut self) -> u32 {
        1 + self.below(u64::from(self.accounts)) as u32
    }

    fn number(&mut self, market: u32) -> u64 {
        self.seqs[market as usize] += 1;
        self.seqs[market as usize]
    }

    fn order(&mut self, market: u32) -> NewOrder {
        self.cl_ord_id += 1;
        let side = if self.below(2) == 0 {
            Side::Buy
        } else {
            Side::Sell
        };
        let (account, qty) = (self.account(), 1 + self.below(9));
        let price = 1_000 + self.below(60) as i64;
        let mut order = NewOrder {
            market: MarketId(market),
            ..limit(self.cl_ord_id, account, side, price, qty)
        };
        match self.below(12) {
            0 => order.time_in_force = TimeInForce::Ioc,
            1 => order.time_in_force = TimeInForce::Fok,
            2 => order.post_only = PostOnly::Slide,
            3 if side == Side::Buy => {
                order.order_type = OrderType::Market;
                order.time_in_force = TimeInForce::Ioc;
                order.price = Price(0);
                order.budget = Amount(1 + self.below(90_000_000));
            }
            4 => order.stp_mode = StpMode::DecrementAndCancel,
            5 => (order.stp_mode, order.stp_scope) = (StpMode::CancelOldest, StpScope::Group),
            _ => {}
        }
        order
    }

    /// Sends commands to its markets without waiting for anything.
    pub fn send(&mut self, count: u64) {
        let mut frames = Vec::new();
        for _ in 0..count {
            let markets = self.markets.len() as u64;
            let place = self.below(markets) as usize;
            let market = self.markets[place];
            let recent = self.cl_ord_id.saturating_sub(self.below(12)).max(1);
            let account = self.account();
            match self.below(10) {
                0..=5 => {
                    let order = self.order(market);
                    frames.extend_from_slice(&order.frame(self.number(market)));
                }
                6 => {
                    let cancel = CancelOrder {
                        market: MarketId(market),
                        ..cancel(recent, account)
                    };
                    frames.extend_from_slice(&cancel.frame(self.number(market)));
                }
                7 => {
                    let replace = ReplaceOrder {
                        cl_ord_id: ClOrdId(0),
                        orig_cl_ord_id: ClOrdId(recent),
                        order_id: OrderId(0),
                        price: Price(1_000 + self.below(60) as i64),
                        total_qty: Qty(1 + self.below(12)),
                        market: MarketId(market),
                        account: AccountId(account),
                    };
                    frames.extend_from_slice(&replace.frame(self.number(market)));
                }
                8 if self.below(6) == 0 => {
                    let mass_cancel = MassCancel {
                        market: MarketId(market),
                        account: AccountId(account),
                        side: None,
                        reserved: Reserved,
                    };
                    frames.extend_from_slice(&mass_cancel.frame(self.number(market)));
                }
                _ => self.batch(market, &mut frames),
            }
        }
        self.wire.send(&frames);
    }

    /// Three orders that stop at the first reject; the middle one costs more than anybody has.
    fn batch(&mut self, market: u32, frames: &mut Vec<u8>) {
        let mut orders = [(); 3].map(|()| self.order(market));
        orders[1] = NewOrder {
            market: MarketId(market),
            ..limit(self.cl_ord_id + 1, 1, Side::Buy, 1_000, 1_000_000)
        };
        self.cl_ord_id += 1;
        let root = Batch {
            market: MarketId(market),
            mode: BatchMode::StopAtFirstReject,
            reserved: Reserved,
        };
        let entries = orders.map(BatchEntry::from);
        let at = frames.len();
        frames.resize(at + frame_len_with_group::<Batch, BatchEntry>(3), 0);
        let seq = self.number(market);
        write_frame_with_group(&root, &entries, seq, 0, &mut frames[at..]).unwrap();
    }

    fn request(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }

    /// One of the things that a tenant does besides trading.
    fn rule(&mut self, window: u64) {
        let (account, market) = (AccountId(self.account()), MarketId(1));
        let state = |state, request_id| SetMarketState {
            request_id,
            market,
            state,
            reserved: Reserved,
        };
        match window % 6 {
            0 => {
                let credit = self.credit(account, 3_000_000 + window);
                self.wire.send(&credit.frame(0));
                // The same again, and the same key for another amount.
                self.wire.send(&credit.frame(0));
                let amount = Amount(1);
                self.wire.send(&Credit { amount, ..credit }.frame(0));
            }
            1 => {
                let Credit {
                    business,
                    business_id,
                    currency,
                    ..
                } = self.credit(account, 1);
                for (business_id, amount) in [(business_id, 40_000_000), (business_id + 1, 1 << 50)]
                {
                    let debit = Debit {
                        request_id: self.request(),
                        business,
                        business_id,
                        account,
                        scale: 6,
                        reserved: Reserved,
                        currency,
                        amount: Amount(amount),
                    };
                    self.wire.send(&debit.frame(0));
                }
                self.requests += 2;
            }
            2 => {
                let Credit {
                    business,
                    business_id,
                    currency,
                    ..
                } = self.credit(account, 1);
                let transfer = Transfer {
                    request_id: self.request(),
                    business,
                    business_id,
                    from: account,
                    to: AccountId(1 + account.0 % 4),
                    scale: 6,
                    reserved: Reserved,
                    currency,
                    amount: Amount(25_000_000),
                };
                self.wire.send(&transfer.frame(0));
            }
            3 => {
                let request_id = self.request();
                self.wire
                    .send(&state(MarketState::Halted, request_id).frame(0));
                // Halted when this is answered: orders are refused.
                self.wait_for(request_id);
                self.send(10);
                let request_id = self.request();
                self.wire
                    .send(&state(MarketState::Continuous, request_id).frame(0));
            }
            4 => {
                let fees = SetFees {
                    request_id: self.request(),
                    market: MarketId(3),
                    fee_group: FeeGroup(1),
                    reserved: Reserved,
                    maker_ppm: Ppm(100),
                    taker_ppm: Ppm(200 + window as i32),
                };
                self.wire.send(&fees.frame(0));
            }
            _ => {
                for status in [AccountStatus::Frozen, AccountStatus::Active] {
                    let request_id = self.request();
                    let update = UpdateAccount {
                        request_id,
                        account: AccountId(4),
                        fee_group: FeeGroup((window % 2) as u16),
                        stp_group: StpGroup(0),
                        status,
                        reserved: Reserved,
                    };
                    self.wire.send(&update.frame(0));
                    self.wait_for(request_id);
                    self.send(20);
                }
            }
        }
    }

    fn credit(&mut self, account: AccountId, amount: u64) -> Credit {
        Credit {
            request_id: self.request(),
            business: Text::new("deposit").unwrap(),
            business_id: self.request(),
            account,
            scale: 6,
            reserved: Reserved,
            currency: Text::new("USDT").unwrap(),
            amount: Amount(amount),
        }
    }

    /// Waits until a request is accepted.
    fn wait_for(&mut self, request_id: u64) {
        loop {
            match self.wire.next().message() {
                ServerMessage::RequestAccepted(accepted) if accepted.request_id == request_id => {
                    return;
                }
                ServerMessage::RequestRejected(rejected) if rejected.request_id == request_id => {
                    // Of an earlier run against the same journal.
                    assert_eq!(
                        rejected.code,
                        RejectReason::MarketExists.into(),
                        "{rejected:?}"
                    );
                    return;
                }
                _ => {}
            }
        }
    }

    fn trade_in_a_new_market(&mut self) {
        let request_id = self.request();
        let create = CreateMarket {
            request_id,
            market: MarketId(9),
            state: MarketState::Continuous,
            tick_scale: 2,
            lot_scale: 0,
            reserved: Reserved,
            symbol: Text::new("LATE-USDT").unwrap(),
            base: Text::new("BTC").unwrap(),
            quote: Text::new("USDT").unwrap(),
            tick_mantissa: 1,
            lot_mantissa: 1,
            price_min: Price(1),
            price_max: Price(1 << 40),
            qty_min: Qty(1),
            qty_max: Qty(1 << 40),
            notional_min: Amount(0),
            notional_max: Amount(0),
            orders_max: 1_000,
            account_orders_max: 1_000,
            maker_ppm: Ppm(0),
            taker_ppm: Ppm(1_000),
        };
        self.wire.send(&create.frame(0));
        self.wait_for(request_id);
        self.markets.push(9);
        for (account, side) in [
            (1, Side::Sell),
            (2, Side::Sell),
            (3, Side::Buy),
            (2, Side::Buy),
        ] {
            self.cl_ord_id += 1;
            let order = NewOrder {
                market: MarketId(9),
                ..limit(self.cl_ord_id, account, side, 7, 1)
            };
            let frame = order.frame(self.number(9));
            self.wire.send(&frame);
        }
    }
}
