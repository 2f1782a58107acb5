//! What a connection asks and brings about money.

use std::time::{Duration, Instant};

use souk_protocol::message::{BalanceEntry, BalanceQuery, Credit, FundingResult};
use souk_protocol::{
    AMOUNT_MAX, AccountId, Amount, FLAG_MORE_FOLLOWS, Header, RejectReason, Reserved,
    ServerMessage, Text,
};

use crate::connection::{ANSWER_TIMEOUT, Connection, ConnectionError, unix_time_ns};

/// How long a request that the server has no room for is repeated.
const PATIENCE: Duration = ANSWER_TIMEOUT;

/// Money to bring into an account, under a name that has never been used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Funds {
    /// The account.
    pub account: AccountId,
    /// Code of the currency.
    pub currency: Text<8>,
    /// Digits after the point of its unit.
    pub scale: u8,
    /// How many units.
    pub amount: Amount,
}

/// Whether a server's refusal of a request says that there is nothing to see or to move, rather
/// than that something is wrong: no permission, or no money in the server's custody.
#[must_use]
pub fn is_out_of_sight(error: &ConnectionError) -> bool {
    let ConnectionError::Refused { code, .. } = error else {
        return false;
    };
    matches!(
        code.reason(),
        Some(
            RejectReason::UnknownAccount
                | RejectReason::PermissionDenied
                | RejectReason::ExternalCustody
        )
    )
}

impl Connection {
    /// The balances of an account, one for each currency it ever had. Call it while nothing else is
    /// outstanding.
    ///
    /// # Errors
    /// When the socket fails, the server refuses, or does not answer.
    pub fn balances(&mut self, account: AccountId) -> Result<Vec<BalanceEntry>, ConnectionError> {
        let query = BalanceQuery {
            request_id: u64::from(account.0),
            account,
            reserved: Reserved,
        };
        let mut entries = Vec::new();
        self.request(&query.frame(0), |message, header| match message {
            ServerMessage::BalanceReport(root, group) if root.account == account => {
                entries.extend(group.iter().flatten().map(|(entry, _)| entry));
                (header.flags & FLAG_MORE_FOLLOWS == 0).then_some(())
            }
            _ => None,
        })?;
        Ok(entries)
    }

    /// Brings money into an account. Call it while nothing else is outstanding.
    ///
    /// # Errors
    /// As [`Self::balances`].
    pub fn credit(&mut self, funds: &Funds) -> Result<FundingResult, ConnectionError> {
        let credit = Credit {
            request_id: u64::from(funds.account.0),
            business: BUSINESS,
            // The clock does not say the same nanosecond twice between two round trips.
            business_id: unix_time_ns(),
            account: funds.account,
            scale: funds.scale,
            reserved: Reserved,
            currency: funds.currency,
            amount: funds.amount,
        };
        self.request(&credit.frame(0), |message, _| match message {
            ServerMessage::FundingResult(result) if result.business_id == credit.business_id => {
                Some(result)
            }
            _ => None,
        })
    }

    /// Sends a request that may be repeated, until it is answered or refused for good.
    fn request<T>(
        &mut self,
        frame: &[u8],
        mut pick: impl FnMut(ServerMessage<'_>, Header) -> Option<T>,
    ) -> Result<T, ConnectionError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.send(frame)?;
            let mut retry_after = None;
            let answer = self.wait_for(ANSWER_TIMEOUT, |message, header| {
                if let ServerMessage::RequestRejected(rejected) = &message {
                    retry_after = Some(rejected.retry_after_us);
                }
                pick(message, header)
            });
            let wait = retry_after.filter(|us| *us > 0 && Instant::now() < deadline);
            match (answer, wait) {
                (Err(ConnectionError::Refused { .. }), Some(us)) => {
                    std::thread::sleep(Duration::from_micros(u64::from(us)));
                }
                (answer, _) => return answer,
            }
        }
    }
}

/// The amount of so many whole coins of a currency, if a balance can have it.
#[must_use]
pub fn coins(count: u64, scale: u8) -> Option<Amount> {
    let unit = 10u64.checked_pow(u32::from(scale))?;
    let amount = Amount(count.checked_mul(unit)?);
    (amount <= AMOUNT_MAX).then_some(amount)
}

/// First part of the idempotency keys of this program's credits.
const BUSINESS: Text<16> = Text(*b"souk-loadgen\0\0\0\0");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coins_become_units_unless_no_balance_can_have_them() {
        assert_eq!(coins(12, 6), Some(Amount(12_000_000)));
        assert_eq!(coins(9, 18), Some(Amount(9_000_000_000_000_000_000)));
        assert_eq!(coins(10, 18), None);
        assert_eq!(coins(u64::MAX, 0), None);
        assert!(BUSINESS.is_name());
    }
}
