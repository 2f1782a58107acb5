//! Enters a limit order, prints what becomes of it, and cancels what is left. The blocking face.
//!
//! `cargo run -p souk-client --example trade -- 127.0.0.1:7001 trader.key 1 BTC-USDT 1 buy 0.25 61234.50`

use std::error::Error;
use std::time::Duration;

use souk_client::blocking::Client;
use souk_client::{
    AccountId, ClientOptions, Event, KeyId, Order, OrderRef, Outcome, Report, Side, SigningKey,
};

const USAGE: &str = "usage: trade ADDRESS KEY_FILE KEY_ID SYMBOL ACCOUNT buy|sell QTY PRICE";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, key_file, key_id, symbol, account, side, qty, price] = &arguments[..] else {
        return Err(USAGE.into());
    };
    let side = match side.as_str() {
        "buy" => Side::Buy,
        "sell" => Side::Sell,
        _ => return Err(USAGE.into()),
    };
    let account = AccountId(account.parse()?);
    let options = ClientOptions::new(KeyId(key_id.parse()?));
    let client = Client::connect(address, SigningKey::from_file(key_file)?, options)?;
    let market = client.market(symbol)?;
    let order = Order::limit(account, side, market.price(price)?, market.qty(qty)?);
    let mut events = client.events()?;
    let mut pending = client.new_order(market.id(), &order)?;
    let accepted = match pending.within(Duration::from_secs(5)) {
        Outcome::Accepted(accepted) => accepted,
        Outcome::Rejected(rejected) => return Err(rejected.code.to_string().into()),
        Outcome::NotApplied(refusal) => return Err(format!("not applied: {refusal:?}").into()),
        Outcome::Unknown(doubt) => {
            return Err(format!("unknown: {doubt:?}; it may have been applied").into());
        }
    };
    println!("order {} accepted", accepted.order_id);
    let cancel = client.cancel(market.id(), account, OrderRef::Id(accepted.order_id))?;
    match cancel.wait() {
        Outcome::Accepted(canceled) => println!(
            "canceled {}, executed {}",
            market.qty_text(canceled.qty),
            market.qty_text(canceled.cum)
        ),
        other => println!("nothing to cancel: {other:?}"),
    }
    while let Some(event) = events.next_within(Duration::from_millis(100)) {
        if let Event::Report {
            report: Report::Trade(trade),
            ..
        } = event
        {
            let (qty, price) = (market.qty_text(trade.qty), market.price_text(trade.price));
            println!("traded {qty} @ {price}");
        }
    }
    client.terminate()?;
    Ok(())
}
