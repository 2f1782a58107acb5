use super::check;

#[test]
fn a_limit_order_rests_where_nothing_crosses_it() {
    check(
        "
        sell A 101 x 5 -> new
        buy  B 99 x 3  -> new
        buy  C 99 x 4  -> new
        book           -> sell 101 x 5 in 1, buy 99 x 7 in 2
        ",
    );
}

#[test]
fn the_best_price_trades_first_and_within_it_the_oldest() {
    check(
        "
        sell A 102 x 5 -> new
        sell B 101 x 5 -> new
        sell C 101 x 5 -> new
        buy  D 102 x 12 -> new, trade 5 @ 101 with #2, trade 5 @ 101 with #3, trade 2 @ 102 with #1
        book           -> sell 102 x 3 in 1
        ",
    );
    check(
        "
        buy  A 98 x 5  -> new
        buy  B 99 x 5  -> new
        buy  C 99 x 5  -> new
        sell D 98 x 12 -> new, trade 5 @ 99 with #2, trade 5 @ 99 with #3, trade 2 @ 98 with #1
        book           -> buy 98 x 3 in 1
        ",
    );
}

#[test]
fn what_a_limit_order_does_not_trade_rests_at_its_own_price() {
    check(
        "
        sell A 101 x 5 -> new
        buy  B 103 x 8 -> new, trade 5 @ 101 with #1
        book           -> buy 103 x 3 in 1
        sell C 103 x 1 -> new, trade 1 @ 103 with #2
        ",
    );
}

#[test]
fn ioc_takes_what_is_there_and_cancels_the_rest() {
    check(
        "
        sell A 101 x 5     -> new
        sell A 103 x 5     -> new
        buy  B 102 x 8 ioc -> new, trade 5 @ 101 with #1, canceled #3 x 3 ImmediateOrCancel
        buy  B 102 x 8 ioc -> new, canceled #4 x 8 ImmediateOrCancel
        book               -> sell 103 x 5 in 1
        ",
    );
}

#[test]
fn a_market_order_takes_up_to_its_protection_price() {
    check(
        "
        buy  A 99 x 5              -> new
        buy  A 97 x 5              -> new
        sell B market@98 x 9 ioc   -> new, trade 5 @ 99 with #1, canceled #3 x 4 ImmediateOrCancel
        sell B market@97 x 5 fok   -> new, trade 5 @ 97 with #2
        sell B market@97 x 5 ioc   -> new, canceled #5 x 5 ImmediateOrCancel
        buy  B market x 5 ioc budget 9 -> new, canceled #6 x 5 ImmediateOrCancel
        ",
    );
}

#[test]
fn a_budget_buys_as_many_lots_as_it_pays_for() {
    check(
        "
        spec notional_unit 10
        sell A 10 x 3                     -> new
        sell A 20 x 9                     -> new
        buy  B market x 9 ioc budget 799  -> new, trade 3 @ 10 with #1, trade 2 @ 20 with #2, canceled #3 x 4 BudgetSpent
        buy  B market x 2 ioc budget 400  -> new, trade 2 @ 20 with #2
        buy  B market x 2 ioc budget 199  -> new, canceled #5 x 2 BudgetSpent
        buy  B market@19 x 2 ioc budget 400 -> new, canceled #6 x 2 ImmediateOrCancel
        book                              -> sell 20 x 5 in 1
        ",
    );
}

#[test]
fn a_budget_smaller_than_the_largest_notional_is_spent_at_once() {
    check(
        "
        spec notional_unit 18446744073709551615
        spec qty_max 2
        sell A 1099511627776 x 2 -> new
        buy B market x 2 ioc budget 18446744073709551615 -> new, canceled #2 x 2 BudgetSpent
        ",
    );
}

#[test]
fn the_table_of_combinations() {
    check(
        "
        sell A 101 x 5                  -> new
        buy B 99 x 1 budget 5           -> reject UnsupportedCombination
        buy B 99 x 1 ioc post           -> reject UnsupportedCombination
        buy B 99 x 1 fok slide          -> reject UnsupportedCombination
        buy B market@99 x 1             -> reject UnsupportedCombination
        buy B market@99 x 1 ioc post    -> reject UnsupportedCombination
        sell B market@99 x 1 ioc budget 5 -> reject UnsupportedCombination
        sell B market x 1 ioc budget 5  -> reject UnsupportedCombination
        buy B market x 1 ioc            -> reject MarketOrderUnbounded
        sell B market x 1 ioc           -> reject MarketOrderUnbounded
        buy B market x 1 fok            -> reject MarketOrderUnbounded
        buy B market x 1 fok budget 101 -> new, trade 1 @ 101 with #1
        buy B market@101 x 1 ioc        -> new, trade 1 @ 101 with #1
        buy B market@101 x 1 ioc budget 101 -> new, trade 1 @ 101 with #1
        ",
    );
}

#[test]
fn prices_and_quantities_stay_within_the_limits() {
    check(
        "
        spec price_min 10
        spec price_max 20
        spec qty_min 2
        spec qty_max 4
        buy A 10 x 0            -> reject QtyMustNotBeZero
        buy A 0 x 2             -> reject PriceMustBePositive
        buy A -5 x 2            -> reject PriceMustBePositive
        buy A 9 x 2             -> reject PriceOutOfRange
        buy A 21 x 2            -> reject PriceOutOfRange
        buy A market@-1 x 2 ioc -> reject PriceOutOfRange
        buy A market@21 x 2 ioc -> reject PriceOutOfRange
        buy A market x 2 ioc budget 1 -> new, canceled #1 x 2 ImmediateOrCancel
        buy A 10 x 1            -> reject QtyOutOfRange
        buy A 10 x 5            -> reject QtyOutOfRange
        buy A 10 x 2            -> new
        sell A 20 x 4           -> new
        ",
    );
}

#[test]
fn checks_are_made_in_their_order() {
    check(
        "
        spec price_max 100
        spec qty_max 10
        spec orders_max 1
        buy A 50 x 5 id 7          -> new
        buy A 0 x 0 budget 1       -> reject QtyMustNotBeZero
        buy A 0 x 11 budget 1      -> reject UnsupportedCombination
        buy A 0 x 11 id 7          -> reject PriceMustBePositive
        buy A 101 x 11 id 7        -> reject PriceOutOfRange
        buy A 100 x 11 id 7        -> reject QtyOutOfRange
        buy A 100 x 10 id 7        -> reject DuplicateClOrdId
        sell A 50 x 10 post        -> reject TooManyOpenOrders
        sell A 50 x 10 fok id 7    -> reject DuplicateClOrdId
        sell A 50 x 10 fok         -> reject FokUnfillable
        state cancel-only          -> state CancelOnly
        buy A 0 x 0                -> reject MarketCancelOnly
        state halted               -> state Halted
        buy A 0 x 0                -> reject MarketHalted
        ",
    );
}

#[test]
fn the_number_of_open_orders_is_bounded_for_orders_that_may_rest() {
    check(
        "
        spec orders_max 3
        spec account_orders_max 2
        buy A 50 x 5       -> new
        buy A 51 x 5       -> new
        buy A 52 x 5       -> reject TooManyOpenOrdersOfAccount
        sell A 51 x 5      -> reject TooManyOpenOrdersOfAccount
        sell A 51 x 4 ioc  -> new, trade 4 @ 51 with #2
        buy B 49 x 5       -> new
        buy C 48 x 5       -> reject TooManyOpenOrders
        sell A 48 x 1      -> reject TooManyOpenOrders
        cancel A #1        -> canceled #1 x 5 ByRequest
        buy A 53 x 5       -> new
        ",
    );
}

#[test]
fn the_lots_of_a_side_are_bounded() {
    check(
        "
        spec price_max 4
        spec qty_max 4611686018427387904
        buy A 1 x 4611686018427387904 -> new
        buy A 2 x 4611686018427387904 -> reject BookQtyExceeded
        buy A 2 x 4611686018427387903 -> new
        buy A 1 x 1                   -> reject BookQtyExceeded
        sell A 4 x 1                  -> new
        buy A 4 x 1                   -> reject BookQtyExceeded
        buy A 4 x 1 ioc               -> new, trade 1 @ 4 with #3
        ",
    );
}

#[test]
fn a_client_order_id_is_taken_while_its_order_is_open() {
    check(
        "
        buy A 50 x 5 id 7      -> new
        buy A 50 x 5 id 7      -> reject DuplicateClOrdId
        buy A 50 x 5 id 7 ioc  -> reject DuplicateClOrdId
        buy B 50 x 5 id 7      -> new
        cancel A id 7          -> canceled #1 x 5 ByRequest
        buy A 50 x 5 id 7      -> new
        sell C 50 x 10 id 7    -> new, trade 5 @ 50 with #2, trade 5 @ 50 with #3
        buy A 50 x 5 id 7      -> new
        sell C 60 x 10 id 7    -> new
        ",
    );
}

#[test]
fn post_only_rejects_or_slides_where_it_would_trade() {
    check(
        "
        spec price_min 99
        spec price_max 101
        sell A 101 x 5       -> new
        buy  A 101 x 1 post  -> reject PostOnlyWouldCross
        buy  A 101 x 1 slide -> new @ 100
        buy  A 100 x 1 post  -> new
        sell A 99 x 1 post   -> reject PostOnlyWouldCross
        sell A 99 x 1 slide  -> new @ 101
        buy  B 101 x 6       -> new, trade 5 @ 101 with #1, trade 1 @ 101 with #4
        sell B 101 x 2 slide -> new
        sell B 100 x 2 slide -> new @ 101
        book                 -> sell 101 x 4 in 2, buy 100 x 2 in 2
        ",
    );
}

#[test]
fn post_only_slides_only_to_a_legal_price() {
    check(
        "
        spec price_min 99
        spec price_max 101
        buy  A 101 x 5       -> new
        sell A 101 x 1 slide -> reject PostOnlyWouldCross
        cancel A #1          -> canceled #1 x 5 ByRequest
        sell A 99 x 5        -> new
        buy  A 99 x 1 slide  -> reject PostOnlyWouldCross
        buy  A 101 x 1 slide -> reject PostOnlyWouldCross
        ",
    );
}
