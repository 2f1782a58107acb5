//! A tenant's back office: creates a currency, a market and an account, credits the account, and prints
//! what it has. The key needs the permissions `control` and `funding`.
//!
//! `cargo run -p souk-client --example back_office -- 127.0.0.1:7001 office.key 9 GOLD USDT 500 alice 1000`

use std::error::Error;

use souk_client::blocking::Client;
use souk_client::{
    AccountId, AccountTerms, BusinessKey, ClientOptions, CurrencyTerms, FeeTerms, Funding, KeyId,
    MarketId, MarketLimits, MarketState, MarketTerms, Ppm, SigningKey, Text,
};

const USAGE: &str =
    "usage: back_office ADDRESS KEY_FILE KEY_ID BASE QUOTE MARKET_ID EXTERNAL_ID AMOUNT";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [
        address,
        key_file,
        key_id,
        base,
        quote,
        market,
        external_id,
        amount,
    ] = &arguments[..]
    else {
        return Err(USAGE.into());
    };
    let options = ClientOptions::new(KeyId(key_id.parse()?));
    let client = Client::connect(address, SigningKey::from_file(key_file)?, options)?;
    let (base, quote) = (code(base)?, code(quote)?);
    client.create_currency(&CurrencyTerms::listed(base, 4))?;
    let market = MarketTerms {
        market: MarketId(market.parse()?),
        symbol: Text::new(&format!("{}-{}", base.as_str(), quote.as_str()))
            .ok_or("the symbol is too long")?,
        base,
        quote,
        tick: "0.01".parse()?,
        lot: "0.01".parse()?,
        state: MarketState::Continuous,
        limits: MarketLimits::default(),
        fees: FeeTerms {
            maker: Ppm(-20),
            taker: Ppm(50),
        },
    };
    client.create_market(&market)?;
    println!("market {} is open", market.symbol.as_str());

    let account = AccountId(market.market.0);
    let external_id = Text::new(external_id).ok_or("the external id is too long")?;
    client.create_account(&AccountTerms::active(account), external_id)?;
    let currencies = client.currencies()?;
    let currency = currencies
        .iter()
        .find(|currency| currency.code() == quote.as_str())
        .ok_or("no such quote currency")?;
    let credit = Funding {
        // The platform's own name for the deposit: sent again, it is carried out once.
        key: BusinessKey::new("deposit", u64::from(account.0)).ok_or("no such key")?,
        account,
        money: currency.money(amount)?,
    };
    let first = client.credit(&credit)?;
    let again = client.credit(&credit)?;
    println!(
        "credited once, as command {}: the repeat says repeated = {}",
        first.control_seq, again.repeated
    );
    for balance in client.balances(account)? {
        let (total, held) = (currency.text(balance.total), currency.text(balance.held));
        println!(
            "{}: {total}, of which {held} held",
            balance.currency.as_str()
        );
    }
    client.terminate()?;
    Ok(())
}

fn code(text: &str) -> Result<Text<8>, String> {
    Text::new(text)
        .filter(Text::is_currency_code)
        .ok_or_else(|| format!("{text} is no currency code"))
}
