use super::check;

#[test]
fn less_at_the_same_price_keeps_the_place() {
    check(
        "
        sell A 101 x 5       -> new
        sell B 101 x 5       -> new
        replace A #1 101 x 3 -> kept #1 101 x 3
        replace A #1 101 x 3 -> kept #1 101 x 3
        book                 -> sell 101 x 8 in 2
        buy  C 101 x 4       -> new, trade 3 @ 101 with #1, trade 1 @ 101 with #2
        ",
    );
}

#[test]
fn more_or_another_price_loses_the_place() {
    check(
        "
        sell A 101 x 5       -> new
        sell B 101 x 5       -> new
        replace A #1 101 x 6 -> lost #1 101 x 6
        buy  C 101 x 1       -> new, trade 1 @ 101 with #2
        replace B #2 102 x 5 -> lost #2 102 x 4
        replace B #2 101 x 5 -> lost #2 101 x 4
        buy  C 101 x 7       -> new, trade 6 @ 101 with #1, trade 1 @ 101 with #2
        book                 -> sell 101 x 3 in 1
        ",
    );
}

#[test]
fn the_new_total_includes_what_has_been_executed() {
    check(
        "
        sell A 101 x 9       -> new
        buy  B 101 x 4       -> new, trade 4 @ 101 with #1
        replace A #1 101 x 8 -> kept #1 101 x 4
        status A #1          -> status #1 101 x 4 cum 4
        replace A #1 101 x 9 -> lost #1 101 x 5
        replace A #1 105 x 4 -> canceled #1 x 5 ReplacedBelowExecuted
        status A #1          -> reject UnknownOrder
        book                 -> empty
        ",
    );
}

#[test]
fn a_replace_below_the_executed_quantity_takes_no_new_id() {
    check(
        "
        sell A 101 x 9 id 1        -> new
        buy  B 101 x 4             -> new, trade 4 @ 101 with #1
        replace A #1 101 x 1 id 2  -> canceled #1 x 5 ReplacedBelowExecuted
        sell A 101 x 9 id 2        -> new
        sell A 101 x 9 id 1        -> new
        ",
    );
}

#[test]
fn a_replace_that_crosses_takes_and_rests_with_what_is_left() {
    check(
        "
        sell A 101 x 5       -> new
        buy  B 99 x 8        -> new
        replace B #2 101 x 8 -> lost #2 101 x 8, trade 5 @ 101 with #1
        status B #2          -> status #2 101 x 3 cum 5
        sell C 101 x 1       -> new, trade 1 @ 101 with #2
        sell C 103 x 2       -> new
        replace B #2 103 x 8 -> lost #2 103 x 2, trade 2 @ 103 with #4
        status B #2          -> reject UnknownOrder
        book                 -> empty
        ",
    );
}

#[test]
fn a_replace_uses_the_self_trade_prevention_the_order_came_with() {
    check(
        "
        buy  A 99 x 5 newest id 4 -> new
        sell A 101 x 5            -> new
        replace A id 4 101 x 5    -> lost #1 101 x 5, canceled #1 x 5 SelfTrade
        buy  A 99 x 5 id 4        -> new
        replace A id 4 101 x 5    -> lost #3 101 x 5, trade 5 @ 101 with #2
        ",
    );
}

#[test]
fn a_replace_may_rename_the_order() {
    check(
        "
        buy A 50 x 5 id 1          -> new
        buy A 50 x 5 id 2          -> new
        buy A 50 x 5               -> new
        replace A id 1 50 x 5 id 2 -> reject DuplicateClOrdId
        replace A id 1 50 x 5 id 1 -> kept #1 50 x 5
        replace A id 1 50 x 4 id 3 -> kept #1 50 x 4
        status A id 1              -> reject UnknownOrder
        replace A id 3 51 x 4 id 4 -> lost #1 51 x 4
        replace A id 4 52 x 4      -> lost #1 52 x 4
        cancel A id 4              -> canceled #1 x 4 ByRequest
        replace A #3 50 x 5 id 9   -> kept #3 50 x 5
        cancel A id 9              -> canceled #3 x 5 ByRequest
        ",
    );
}

#[test]
fn a_post_only_order_stays_passive_when_it_loses_its_place() {
    check(
        "
        sell A 101 x 5        -> new
        buy  B 99 x 5 post    -> new
        buy  B 99 x 5 slide   -> new
        replace B #2 101 x 5  -> reject PostOnlyWouldCross
        replace B #3 101 x 4  -> lost #3 100 x 4
        replace B #3 100 x 3  -> kept #3 100 x 3
        replace B #3 101 x 3  -> lost #3 100 x 3
        replace B #2 100 x 5  -> lost #2 100 x 5
        sell C 100 x 4        -> new, trade 3 @ 100 with #3, trade 1 @ 100 with #2
        ",
    );
}

#[test]
fn the_checks_of_a_replace_are_made_in_their_order() {
    check(
        "
        spec price_max 100
        spec qty_max 10
        sell A 100 x 5 id 1       -> new
        buy  A 50 x 5 id 2 post   -> new
        replace A #2 0 x 0 id 1   -> reject QtyMustNotBeZero
        replace A #2 0 x 11 id 1  -> reject PriceMustBePositive
        replace A #2 -1 x 11      -> reject PriceMustBePositive
        replace A #2 101 x 11 id 1 -> reject PriceOutOfRange
        replace A #2 100 x 11 id 1 -> reject QtyOutOfRange
        replace A #2 100 x 10 id 1 -> reject DuplicateClOrdId
        replace A #2 100 x 10 id 2 -> reject PostOnlyWouldCross
        status A #2               -> status #2 50 x 5 cum 0
        replace A id 3 0 x 0      -> reject UnknownOrder
        ",
    );
}

#[test]
fn a_replace_keeps_the_lots_of_a_side_bounded() {
    check(
        "
        spec price_max 4
        spec qty_max 4611686018427387904
        buy A 1 x 4611686018427387904        -> new
        buy A 2 x 4611686018427387902        -> new
        replace A #2 2 x 4611686018427387904 -> reject BookQtyExceeded
        replace A #2 2 x 4611686018427387903 -> lost #2 2 x 4611686018427387903
        replace A #2 3 x 4611686018427387904 -> reject BookQtyExceeded
        replace A #2 2 x 1                   -> kept #2 2 x 1
        ",
    );
}
