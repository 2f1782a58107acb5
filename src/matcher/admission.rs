//! What a market's stream asks outside its book before a command goes in: what the account may do,
//! which rates it pays, and whether the money is there.

use std::sync::Arc;

use hashbrown::HashMap;
use souk_engine::{Command, FeeTier, Hold};
use souk_protocol::{AccountId, AccountStatus, FeeGroup, RejectReason, Side};

use crate::control::Custody;
use crate::handoff::{Admitted, MarketSeat, Recorded};
use crate::ledger::{BalanceSlot, Leg, Wallets};
use crate::treasury::Treasury;

/// The accounts of one market as its matcher sees them.
#[derive(Debug)]
pub(super) struct Admission {
    treasury: Arc<Treasury>,
    wallets: Wallets,
    /// Groups without an entry pay the rates of group 0.
    tiers: HashMap<FeeGroup, FeeTier>,
    custody: Custody,
    /// The account admitted last and its balances, base and quote, which its order is about to hold from.
    last: (AccountId, [Option<BalanceSlot>; 2]),
    /// What the journal says of the command that is replayed.
    pub(super) recorded: Option<Recorded>,
}

impl Admission {
    pub(super) fn new(seat: &MarketSeat, treasury: Arc<Treasury>) -> Self {
        Self {
            treasury,
            wallets: Wallets::new(seat.tenant, seat.base, seat.quote),
            tiers: HashMap::new(),
            custody: seat.custody,
            last: (AccountId(0), [None; 2]),
            recorded: None,
        }
    }

    /// Whether the account may give the command, and what its order gets from the account.
    #[inline]
    pub(super) fn admit(&mut self, command: &mut Command) -> Admitted {
        // Whatever an account's status is, it may take its orders back.
        let id = match command {
            Command::New(new) => new.account,
            Command::Replace(replace) => replace.account,
            _ => return Admitted::default(),
        };
        let ledger = self.treasury.ledger();
        let Some(wallet) = self.wallets.wallet(ledger, id) else {
            return refused(RejectReason::UnknownAccount);
        };
        self.last = (id, [wallet.known(Leg::Base), wallet.known(Leg::Quote)]);
        if let Some(recorded) = &self.recorded {
            return admitted_then(recorded, command);
        }
        let terms = ledger.terms(wallet.account());
        match terms.status {
            AccountStatus::Active => {}
            AccountStatus::CancelOnly => return refused(RejectReason::AccountCancelOnly),
            AccountStatus::Frozen => return refused(RejectReason::AccountFrozen),
        }
        let mut admitted = Admitted::default();
        if let Command::New(new) = command {
            new.fee_tier = self.tier(FeeGroup(terms.fee_group));
            new.stp_group = terms.stp_group;
            admitted.fee_tier = new.fee_tier;
            admitted.stp_group = new.stp_group;
        }
        admitted
    }

    #[inline]
    fn tier(&self, group: FeeGroup) -> FeeTier {
        if self.tiers.is_empty() {
            return FeeTier::default();
        }
        let tier = self
            .tiers
            .get(&group)
            .or_else(|| self.tiers.get(&FeeGroup(0)));
        tier.copied().unwrap_or_default()
    }

    /// The tiers that groups have, by group.
    pub(super) fn tiers(&self) -> Vec<(FeeGroup, FeeTier)> {
        let mut tiers: Vec<_> = self
            .tiers
            .iter()
            .map(|(group, tier)| (*group, *tier))
            .collect();
        tiers.sort_unstable_by_key(|(group, _)| *group);
        tiers
    }

    /// Orders of a group get this tier from now on.
    pub(super) fn set_tier(&mut self, group: FeeGroup, tier: FeeTier) {
        self.tiers.insert(group, tier);
    }

    /// Takes what an order needs off what its account has available, where Souk keeps the money.
    #[inline]
    pub(super) fn hold(&mut self, hold: Hold) -> Result<(), RejectReason> {
        if self.custody == Custody::External {
            return Ok(());
        }
        if let Some(recorded) = &self.recorded {
            return held_then(recorded);
        }
        let (last, slots) = &self.last;
        let known = slots[usize::from(hold.side == Side::Buy)];
        let slot = match known {
            Some(slot) if *last == hold.account => slot,
            _ => self.find(&hold).ok_or(RejectReason::InsufficientFunds)?,
        };
        self.treasury
            .ledger()
            .hold(slot, hold.amount)
            .map_err(|_| RejectReason::InsufficientFunds)
    }

    /// The balance to hold from, where the market did not know of it.
    #[cold]
    fn find(&mut self, hold: &Hold) -> Option<BalanceSlot> {
        let leg = match hold.side {
            Side::Buy => Leg::Quote,
            Side::Sell => Leg::Base,
        };
        let ledger = self.treasury.ledger();
        let mut wallet = self.wallets.wallet(ledger, hold.account)?;
        wallet.balance(leg)
    }
}

/// What was said of the command then.
const fn admitted_then(recorded: &Recorded, command: &mut Command) -> Admitted {
    let Recorded::Applied { admitted, .. } = recorded else {
        return refused(RejectReason::UnknownAccount);
    };
    if let Command::New(new) = command {
        new.fee_tier = admitted.fee_tier;
        new.stp_group = admitted.stp_group;
    }
    *admitted
}

/// Whether the money was there then. Whoever makes the changes of balances takes it, and finds out if it was not.
const fn held_then(recorded: &Recorded) -> Result<(), RejectReason> {
    match recorded {
        Recorded::Applied {
            refused: Some(RejectReason::InsufficientFunds),
            ..
        } => Err(RejectReason::InsufficientFunds),
        _ => Ok(()),
    }
}

const fn refused(reason: RejectReason) -> Admitted {
    Admitted {
        refused: Some(reason),
        hold: souk_protocol::Amount(0),
        fee_tier: FeeTier(0),
        stp_group: souk_protocol::StpGroup(0),
    }
}
