//! Watches a market: keeps its book from the depth feed and prints the touch and the trades.
//!
//! `cargo run -p souk-client --example watch -- 127.0.0.1:7001 trader.key 1 BTC-USDT`

use std::error::Error;

use souk_client::{
    Book, Client, ClientOptions, Event, Feed, KeyId, Level, Market, MarketDataBody,
    ReconnectPolicy, SigningKey,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, key_file, key_id, symbol] = &arguments[..] else {
        return Err("usage: watch ADDRESS KEY_FILE KEY_ID SYMBOL".into());
    };
    let mut options = ClientOptions::new(KeyId(key_id.parse()?));
    options.session_number = 1;
    options.reconnect = Some(ReconnectPolicy::default());
    let client = Client::connect(address, SigningKey::from_file(key_file)?, options).await?;
    let market = client.market(symbol).await?;
    let mut events = client.events().await?;
    client.subscribe(market.id(), Feed::DepthAndTrades).await?;
    let mut book = Book::new(market.id());
    while let Some(event) = events.next().await {
        match event {
            Event::MarketData(data) => {
                if let MarketDataBody::Trade(trade) = &data.body {
                    let (price, qty) = (market.price_text(trade.price), market.qty_text(trade.qty));
                    println!("trade {qty} @ {price}");
                }
                if let Err(error) = book.apply(&data) {
                    println!("{error}");
                    client.subscribe(market.id(), Feed::DepthAndTrades).await?;
                } else if matches!(data.body, MarketDataBody::Update { .. }) {
                    let (buy, sell) = (book.best_buy(), book.best_sell());
                    println!("{} / {}", touch(&market, buy), touch(&market, sell));
                }
            }
            Event::SessionRejected(reject) => return Err(reject.code.to_string().into()),
            Event::Terminated(end) => println!("the server ends the connection: {}", end.code),
            Event::Disconnected { reason } => println!("disconnected: {reason}"),
            Event::Reconnected { .. } => println!("reconnected"),
            _ => {}
        }
    }
    Err(client.closed().await.into())
}

fn touch(market: &Market, level: Option<&Level>) -> String {
    level.map_or("-".to_owned(), |level| {
        let (price, qty) = (market.price_text(level.price), market.qty_text(level.qty));
        format!("{qty} @ {price} ({} orders)", level.orders)
    })
}
