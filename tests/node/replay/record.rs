//! The project's own recorded stream: a seeded generator of order flow, and a naive engine that
//! says what must come of it. Shares no code with Souk's engine, nor with the replay that is
//! tested with it: a flat list, looked through from end to end for every step.

use std::fmt::Write;

/// Inputs of the recorded stream.
const INPUTS: u64 = 5_000;
/// Seed of the recorded stream.
const SEED: u64 = 20_261_122;
/// Symbols of the recorded stream.
const SYMBOLS: u64 = 2;
/// The book is written after this many inputs, and at the end.
const BOOK_EVERY: u64 = 1_000;

/// The files of the recorded stream: name and content.
pub fn files() -> Vec<(&'static str, String)> {
    let mut recording = Recording::new();
    for seq in 1..=INPUTS {
        recording.step(seq);
        if seq % BOOK_EVERY == 0 {
            (0..SYMBOLS).for_each(|sym| recording.write_book(seq, sym));
        }
    }
    (0..SYMBOLS).for_each(|sym| recording.write_final_book(sym));
    vec![
        ("input.csv", recording.inputs),
        ("expected_trades.csv", recording.trades),
        ("expected_book.csv", recording.books),
        ("final_book.csv", recording.final_book),
    ]
}

/// An order of the naive engine. The list is in order of arrival.
#[derive(Clone)]
struct Order {
    sym: u64,
    id: u64,
    is_buy: bool,
    price: i64,
    left: u64,
}

struct Recording {
    random: u64,
    orders: Vec<Order>,
    ids: u64,
    middle: [i64; SYMBOLS as usize],
    trade_no: u64,
    inputs: String,
    trades: String,
    books: String,
    final_book: String,
}

impl Recording {
    fn new() -> Self {
        let mut book_header =
            "input_seq,sym,orders_b,orders_s,levels_b,levels_s,l3_crc32".to_owned();
        for side in ["b", "s"] {
            for level in 1..=10 {
                let name = format!("{side}{level}");
                write!(book_header, ",{name}_px,{name}_qty,{name}_n").expect("a string grows");
            }
        }
        Self {
            random: SEED,
            orders: Vec::new(),
            ids: 0,
            middle: [10_000, 500],
            trade_no: 0,
            inputs: "seq,ts_ns,sym,op,order_id,side,price,qty,new_id\n".to_owned(),
            trades:
                "trade_no,input_seq,ts_ns,sym,maker_id,taker_id,taker_side,price,qty,maker_left\n"
                    .to_owned(),
            books: book_header + "\n",
            final_book: "sym,side,price,order_id,qty\n".to_owned(),
        }
    }

    /// A number from 0 to below `bound` (SplitMix64).
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn new_id(&mut self) -> u64 {
        // Ids of real feeds are neither small nor consecutive.
        self.ids += 1 + self.below(40);
        7_000_000_000 + self.ids
    }

    /// A price near the middle, on the passive side more often than not.
    fn price(&mut self, sym: u64, is_buy: bool) -> i64 {
        let distance = match self.below(10) {
            0..=1 => -(self.below(4) as i64),
            2..=7 => self.below(8) as i64,
            _ => self.below(60) as i64,
        };
        let middle = self.middle[sym as usize];
        (if is_buy {
            middle - distance
        } else {
            middle + 1 + distance
        })
        .max(1)
    }

    fn qty(&mut self) -> u64 {
        match self.below(20) {
            0 => 1 + self.below(5_000),
            _ => 1 + self.below(200),
        }
    }

    /// One random input, and what the naive engine makes of it.
    fn step(&mut self, seq: u64) {
        let sym = u64::from(self.below(3) == 0);
        if self.below(25) == 0 {
            self.middle[sym as usize] += self.below(7) as i64 - 3;
        }
        let open: Vec<Order> = self
            .orders
            .iter()
            .filter(|o| o.sym == sym)
            .cloned()
            .collect();
        let chosen = match open.len() {
            0 => None,
            count => Some(open[self.below(count as u64) as usize].clone()),
        };
        match (self.below(100), chosen) {
            (0..=29, Some(order)) => {
                self.input(seq, 'C', &order, None);
                self.remove(&order);
            }
            (30..=36, Some(order)) if order.left > 1 => {
                let by = 1 + self.below(order.left - 1);
                let change = Order {
                    left: by,
                    ..order.clone()
                };
                self.input(seq, 'R', &change, None);
                let left = order.left - by;
                let same = |o: &&mut Order| o.sym == sym && o.id == order.id;
                self.orders.iter_mut().find(same).expect("it is open").left = left;
            }
            (37..=44, Some(order)) => self.replace(seq, &order),
            (45..=54, _) => {
                let taker = self.random_order(sym, -2);
                self.input(seq, 'I', &taker, None);
                self.matched(seq, taker);
            }
            _ => {
                let order = self.random_order(sym, 0);
                self.input(seq, 'N', &order, None);
                if let Some(rest) = self.matched(seq, order) {
                    self.orders.push(rest);
                }
            }
        }
    }

    /// Cancels an order and enters another on its side; sometimes under the same id, sometimes
    /// smaller at the same price, which in the set loses its place all the same.
    fn replace(&mut self, seq: u64, order: &Order) {
        let id = if self.below(2) == 0 {
            order.id
        } else {
            self.new_id()
        };
        let (price, left) = match self.below(3) {
            0 => (order.price, order.left),
            1 => (order.price, 1 + self.below(order.left)),
            _ => (self.price(order.sym, order.is_buy), self.qty()),
        };
        let new = Order {
            id,
            price,
            left,
            ..order.clone()
        };
        let row = Order {
            id: order.id,
            ..new.clone()
        };
        self.input(seq, 'X', &row, Some(id));
        self.remove(order);
        if let Some(rest) = self.matched(seq, new) {
            self.orders.push(rest);
        }
    }

    fn random_order(&mut self, sym: u64, nearer: i64) -> Order {
        let is_buy = self.below(2) == 0;
        let price = self.price(sym, is_buy);
        let price = if is_buy {
            price - 3 * nearer
        } else {
            price + 3 * nearer
        };
        Order {
            sym,
            id: self.new_id(),
            is_buy,
            price: price.max(1),
            left: self.qty(),
        }
    }

    fn remove(&mut self, order: &Order) {
        self.orders
            .retain(|o| o.sym != order.sym || o.id != order.id);
    }

    /// Matches a taker: again and again the best order that it may trade with, of those the
    /// first that came. Gives what is left of it.
    fn matched(&mut self, seq: u64, mut taker: Order) -> Option<Order> {
        while taker.left > 0 {
            let mut best: Option<usize> = None;
            for (index, maker) in self.orders.iter().enumerate() {
                let crosses = if taker.is_buy {
                    maker.price <= taker.price
                } else {
                    maker.price >= taker.price
                };
                if maker.sym != taker.sym || maker.is_buy == taker.is_buy || !crosses {
                    continue;
                }
                let better = best.is_none_or(|best| {
                    let best = self.orders[best].price;
                    if taker.is_buy {
                        maker.price < best
                    } else {
                        maker.price > best
                    }
                });
                if better {
                    best = Some(index);
                }
            }
            let Some(index) = best else { break };
            self.trade(seq, &mut taker, index);
        }
        (taker.left > 0).then_some(taker)
    }

    fn trade(&mut self, seq: u64, taker: &mut Order, index: usize) {
        let maker = &mut self.orders[index];
        let qty = maker.left.min(taker.left);
        maker.left -= qty;
        taker.left -= qty;
        self.trade_no += 1;
        writeln!(
            self.trades,
            "{},{seq},{},{},{},{},{},{},{qty},{}",
            self.trade_no,
            seq * 1_000,
            taker.sym,
            maker.id,
            taker.id,
            letter(taker.is_buy),
            maker.price,
            maker.left
        )
        .expect("a string grows");
        if maker.left == 0 {
            self.orders.remove(index);
        }
    }

    fn input(&mut self, seq: u64, operation: char, order: &Order, new_id: Option<u64>) {
        let new_id = new_id.map_or(String::new(), |id| id.to_string());
        writeln!(
            self.inputs,
            "{seq},{},{},{operation},{},{},{},{},{new_id}",
            seq * 1_000,
            order.sym,
            order.id,
            letter(order.is_buy),
            order.price,
            order.left
        )
        .expect("a string grows");
    }

    /// Orders of a symbol's side, best price first, in order of arrival within a price.
    fn ranked(&self, sym: u64, is_buy: bool) -> Vec<&Order> {
        let of_side = |o: &&Order| o.sym == sym && o.is_buy == is_buy;
        let mut orders: Vec<&Order> = self.orders.iter().filter(of_side).collect();
        orders.sort_by_key(|o| if is_buy { -o.price } else { o.price });
        orders
    }

    fn write_final_book(&mut self, sym: u64) {
        let mut rows = String::new();
        for is_buy in [true, false] {
            for o in self.ranked(sym, is_buy) {
                let side = letter(is_buy);
                writeln!(rows, "{sym},{side},{},{},{}", o.price, o.id, o.left)
                    .expect("a string grows");
            }
        }
        self.final_book += &rows;
    }

    fn write_book(&mut self, seq: u64, sym: u64) {
        let mut lines = String::new();
        let mut best = String::new();
        let mut counts = Vec::new();
        for is_buy in [true, false] {
            let orders = self.ranked(sym, is_buy);
            for o in &orders {
                writeln!(lines, "{},{},{},{}", letter(is_buy), o.price, o.id, o.left)
                    .expect("a string grows");
            }
            let levels: Vec<&[&Order]> = orders.chunk_by(|a, b| a.price == b.price).collect();
            for at in 0..10 {
                match levels.get(at) {
                    Some(level) => {
                        let qty: u64 = level.iter().map(|o| o.left).sum();
                        write!(best, ",{},{qty},{}", level[0].price, level.len())
                    }
                    None => write!(best, ",,,"),
                }
                .expect("a string grows");
            }
            counts.push((orders.len(), levels.len()));
        }
        let [(buys, buy_levels), (sells, sell_levels)] = counts[..] else {
            unreachable!("there are two sides");
        };
        let crc = crc32(lines.as_bytes());
        writeln!(
            self.books,
            "{seq},{sym},{buys},{sells},{buy_levels},{sell_levels},{crc:08x}{best}"
        )
        .expect("a string grows");
    }
}

fn letter(is_buy: bool) -> char {
    if is_buy { 'B' } else { 'S' }
}

/// CRC-32 of zlib, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xedb8_8320
            } else {
                crc >> 1
            };
        }
    }
    !crc
}
