//! Entries of a batch: from the flat entry on the wire to the message it stands for, and back.

use crate::field::{Field, Reserved};
use crate::message::{BatchEntry, Block, CancelOrder, FieldError, NewOrder, ReplaceOrder};
use crate::{Amount, ClOrdId, MarketId, OrderId, Price, Qty, RejectReason};

/// What one entry of a batch asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchInstruction {
    /// Enter an order.
    New(NewOrder),
    /// Cancel an order.
    Cancel(CancelOrder),
    /// Change an order.
    Replace(ReplaceOrder),
}

impl BatchEntry {
    /// The message this entry stands for, to the batch's market. `offset` is the entry's offset
    /// in the frame. Checks the operation first, then the other fields in order of offset: those
    /// that the operation has must be legal, the others must be zero.
    ///
    /// # Errors
    /// The first rule that is broken, with the byte of the frame at which it is.
    #[inline]
    pub fn instruction(
        &self,
        market: MarketId,
        offset: usize,
    ) -> Result<BatchInstruction, FieldError> {
        match self.operation {
            OPERATION_NEW => self.new_order(market, offset).map(BatchInstruction::New),
            OPERATION_CANCEL => self.cancel(market, offset).map(BatchInstruction::Cancel),
            OPERATION_REPLACE => self.replace(market, offset).map(BatchInstruction::Replace),
            _ => Err(FieldError {
                reason: RejectReason::UnknownBatchOperation,
                offset: offset as u16,
            }),
        }
    }

    #[inline]
    fn new_order(&self, market: MarketId, entry: usize) -> Result<NewOrder, FieldError> {
        let order = NewOrder {
            cl_ord_id: self.cl_ord_id,
            price: self.price,
            qty: self.qty,
            budget: self.budget,
            market,
            account: self.account,
            side: word(self.side, entry + SIDE)?,
            order_type: word(self.order_type, entry + ORDER_TYPE)?,
            time_in_force: word(self.time_in_force, entry + TIME_IN_FORCE)?,
            post_only: word(self.post_only, entry + POST_ONLY)?,
            stp_mode: word(self.stp_mode, entry + STP_MODE)?,
            stp_scope: word(self.stp_scope, entry + STP_SCOPE)?,
            reserved: Reserved,
        };
        unused(self.orig_cl_ord_id == ClOrdId(0), entry + ORIG_CL_ORD_ID)?;
        unused(self.order_id == OrderId(0), entry + ORDER_ID)?;
        Ok(order)
    }

    #[inline]
    fn cancel(&self, market: MarketId, entry: usize) -> Result<CancelOrder, FieldError> {
        self.unused_order_words(entry)?;
        unused(self.cl_ord_id == ClOrdId(0), entry + CL_ORD_ID)?;
        unused(self.price == Price(0), entry + PRICE)?;
        unused(self.qty == Qty(0), entry + QTY)?;
        unused(self.budget == Amount(0), entry + BUDGET)?;
        Ok(CancelOrder {
            orig_cl_ord_id: self.orig_cl_ord_id,
            order_id: self.order_id,
            market,
            account: self.account,
        })
    }

    #[inline]
    fn replace(&self, market: MarketId, entry: usize) -> Result<ReplaceOrder, FieldError> {
        self.unused_order_words(entry)?;
        unused(self.budget == Amount(0), entry + BUDGET)?;
        Ok(ReplaceOrder {
            cl_ord_id: self.cl_ord_id,
            orig_cl_ord_id: self.orig_cl_ord_id,
            order_id: self.order_id,
            price: self.price,
            total_qty: self.qty,
            market,
            account: self.account,
        })
    }

    /// Side to self-trade prevention scope are those of a new order only.
    #[inline]
    fn unused_order_words(&self, entry: usize) -> Result<(), FieldError> {
        unused(self.side == 0, entry + SIDE)?;
        unused(self.order_type == 0, entry + ORDER_TYPE)?;
        unused(self.time_in_force == 0, entry + TIME_IN_FORCE)?;
        unused(self.post_only == 0, entry + POST_ONLY)?;
        unused(self.stp_mode == 0, entry + STP_MODE)?;
        unused(self.stp_scope == 0, entry + STP_SCOPE)
    }
}

/// The entry that stands for the instruction. Its market is the batch's and is not in the entry.
impl From<BatchInstruction> for BatchEntry {
    fn from(instruction: BatchInstruction) -> Self {
        match instruction {
            BatchInstruction::New(order) => order.into(),
            BatchInstruction::Cancel(cancel) => cancel.into(),
            BatchInstruction::Replace(replace) => replace.into(),
        }
    }
}

impl From<NewOrder> for BatchEntry {
    fn from(order: NewOrder) -> Self {
        Self {
            operation: OPERATION_NEW,
            side: order.side as u8,
            order_type: order.order_type as u8,
            time_in_force: order.time_in_force as u8,
            post_only: order.post_only as u8,
            stp_mode: order.stp_mode as u8,
            stp_scope: order.stp_scope as u8,
            account: order.account,
            cl_ord_id: order.cl_ord_id,
            price: order.price,
            qty: order.qty,
            budget: order.budget,
            ..EMPTY
        }
    }
}

impl From<CancelOrder> for BatchEntry {
    fn from(cancel: CancelOrder) -> Self {
        Self {
            operation: OPERATION_CANCEL,
            account: cancel.account,
            orig_cl_ord_id: cancel.orig_cl_ord_id,
            order_id: cancel.order_id,
            ..EMPTY
        }
    }
}

impl From<ReplaceOrder> for BatchEntry {
    fn from(replace: ReplaceOrder) -> Self {
        Self {
            operation: OPERATION_REPLACE,
            account: replace.account,
            cl_ord_id: replace.cl_ord_id,
            orig_cl_ord_id: replace.orig_cl_ord_id,
            order_id: replace.order_id,
            price: replace.price,
            qty: replace.total_qty,
            ..EMPTY
        }
    }
}

#[inline(always)]
fn word<W: Field>(byte: u8, offset: usize) -> Result<W, FieldError> {
    W::read(&[byte]).map_err(|reason| FieldError {
        reason,
        offset: offset as u16,
    })
}

#[inline(always)]
fn unused(is_zero: bool, offset: usize) -> Result<(), FieldError> {
    if is_zero {
        return Ok(());
    }
    Err(FieldError {
        reason: RejectReason::ReservedNotZero,
        offset: offset as u16,
    })
}

const EMPTY: BatchEntry = BatchEntry {
    operation: 0,
    side: 0,
    order_type: 0,
    time_in_force: 0,
    post_only: 0,
    stp_mode: 0,
    stp_scope: 0,
    reserved: Reserved,
    account: crate::AccountId(0),
    reserved2: Reserved,
    cl_ord_id: ClOrdId(0),
    orig_cl_ord_id: ClOrdId(0),
    order_id: OrderId(0),
    price: Price(0),
    qty: Qty(0),
    budget: Amount(0),
};

/// A batch entry's operation is the template of the message it stands for.
const OPERATION_NEW: u8 = NewOrder::TEMPLATE as u8;
const OPERATION_CANCEL: u8 = CancelOrder::TEMPLATE as u8;
const OPERATION_REPLACE: u8 = ReplaceOrder::TEMPLATE as u8;

/// Where a field of the entry begins, from its byte table.
const fn offset_of(name: &str) -> usize {
    match BatchEntry::INFO.offset_of(name) {
        Some(offset) => offset,
        None => panic!("the entry has the field"),
    }
}

const SIDE: usize = offset_of("side");
const ORDER_TYPE: usize = offset_of("order_type");
const TIME_IN_FORCE: usize = offset_of("time_in_force");
const POST_ONLY: usize = offset_of("post_only");
const STP_MODE: usize = offset_of("stp_mode");
const STP_SCOPE: usize = offset_of("stp_scope");
const CL_ORD_ID: usize = offset_of("cl_ord_id");
const ORIG_CL_ORD_ID: usize = offset_of("orig_cl_ord_id");
const ORDER_ID: usize = offset_of("order_id");
const PRICE: usize = offset_of("price");
const QTY: usize = offset_of("qty");
const BUDGET: usize = offset_of("budget");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        AccountId, OrderType, PostOnly, RejectReason::*, Side, StpMode, StpScope, TimeInForce,
    };

    const MARKET: MarketId = MarketId(7);
    const AT: usize = 40;

    fn new_order() -> NewOrder {
        NewOrder {
            cl_ord_id: ClOrdId(1),
            price: Price(100),
            qty: Qty(5),
            budget: Amount(9),
            market: MARKET,
            account: AccountId(3),
            side: Side::Sell,
            order_type: OrderType::Market,
            time_in_force: TimeInForce::Ioc,
            post_only: PostOnly::No,
            stp_mode: StpMode::CancelBoth,
            stp_scope: StpScope::Group,
            reserved: Reserved,
        }
    }

    fn cancel() -> CancelOrder {
        CancelOrder {
            orig_cl_ord_id: ClOrdId(4),
            order_id: OrderId(5),
            market: MARKET,
            account: AccountId(3),
        }
    }

    fn replace() -> ReplaceOrder {
        ReplaceOrder {
            cl_ord_id: ClOrdId(6),
            orig_cl_ord_id: ClOrdId(4),
            order_id: OrderId(5),
            price: Price(101),
            total_qty: Qty(8),
            market: MARKET,
            account: AccountId(3),
        }
    }

    #[test]
    fn an_instruction_becomes_an_entry_and_comes_back() {
        for instruction in [
            BatchInstruction::New(new_order()),
            BatchInstruction::Cancel(cancel()),
            BatchInstruction::Replace(replace()),
        ] {
            let entry = BatchEntry::from(instruction);
            assert_eq!(entry.instruction(MARKET, AT), Ok(instruction));
        }
    }

    /// Changes one thing in an entry that was legal.
    fn check(
        mut entry: BatchEntry,
        change: impl FnOnce(&mut BatchEntry),
        reason: RejectReason,
        offset: usize,
    ) {
        change(&mut entry);
        let error = FieldError {
            reason,
            offset: (AT + offset) as u16,
        };
        assert_eq!(entry.instruction(MARKET, AT), Err(error));
    }

    #[test]
    fn illegal_words_of_a_new_order_are_named_with_their_byte() {
        let new = BatchEntry::from(new_order());
        check(new, |e| e.operation = 35, UnknownBatchOperation, 0);
        check(new, |e| e.side = 0, UnknownSide, 1);
        check(new, |e| e.order_type = 0, UnknownOrderType, 2);
        check(new, |e| e.time_in_force = 2, UnknownTimeInForce, 3);
        check(new, |e| e.post_only = 3, UnknownPostOnly, 4);
        check(new, |e| e.stp_mode = 5, UnknownStpMode, 5);
        check(new, |e| e.stp_scope = 2, UnknownStpScope, 6);
        check(new, |e| e.orig_cl_ord_id.0 = 1, ReservedNotZero, 24);
        check(new, |e| e.order_id.0 = 1, ReservedNotZero, 32);
    }

    #[test]
    fn fields_that_an_operation_does_not_have_must_be_zero() {
        for entry in [BatchEntry::from(cancel()), BatchEntry::from(replace())] {
            check(entry, |e| e.side = 1, ReservedNotZero, 1);
            check(entry, |e| e.order_type = 1, ReservedNotZero, 2);
            check(entry, |e| e.time_in_force = 1, ReservedNotZero, 3);
            check(entry, |e| e.post_only = 1, ReservedNotZero, 4);
            check(entry, |e| e.stp_mode = 1, ReservedNotZero, 5);
            check(entry, |e| e.stp_scope = 1, ReservedNotZero, 6);
            check(entry, |e| e.budget.0 = 1, ReservedNotZero, 56);
        }
        let cancel = BatchEntry::from(cancel());
        check(cancel, |e| e.cl_ord_id.0 = 1, ReservedNotZero, 16);
        check(cancel, |e| e.price.0 = -1, ReservedNotZero, 40);
        check(cancel, |e| e.qty.0 = 1, ReservedNotZero, 48);
    }

    #[test]
    fn of_two_broken_rules_the_operation_is_named_and_then_the_lower_byte() {
        let new = BatchEntry::from(new_order());
        check(
            new,
            |e| {
                e.operation = 0;
                e.side = 0;
            },
            UnknownBatchOperation,
            0,
        );
        check(
            new,
            |e| {
                e.order_id.0 = 1;
                e.stp_scope = 9;
            },
            UnknownStpScope,
            6,
        );
    }
}
