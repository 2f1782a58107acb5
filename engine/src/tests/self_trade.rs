use super::check;

#[test]
fn without_a_mode_an_owner_trades_with_itself() {
    check(
        "
        sell A 101 x 5 newest -> new
        buy  A 101 x 3        -> new, trade 3 @ 101 with #1
        ",
    );
}

#[test]
fn cancel_newest_stops_the_taker_and_spares_the_maker() {
    check(
        "
        sell B 101 x 2        -> new
        sell A 101 x 5        -> new
        sell B 101 x 2        -> new
        buy  A 101 x 9 newest -> new, trade 2 @ 101 with #1, canceled #4 x 7 SelfTrade
        book                  -> sell 101 x 7 in 2
        ",
    );
}

#[test]
fn cancel_oldest_clears_the_way_and_goes_on() {
    check(
        "
        sell B 101 x 2        -> new
        sell A 101 x 5        -> new
        sell A 102 x 5        -> new
        sell B 102 x 2        -> new
        buy  A 102 x 9 oldest -> new, trade 2 @ 101 with #1, canceled #2 x 5 SelfTrade, canceled #3 x 5 SelfTrade, trade 2 @ 102 with #4
        book                  -> buy 102 x 5 in 1
        ",
    );
}

#[test]
fn cancel_both_ends_the_two() {
    check(
        "
        sell A 101 x 5          -> new
        sell A 102 x 5          -> new
        buy  A 102 x 9 both     -> new, canceled #1 x 5 SelfTrade, canceled #3 x 9 SelfTrade
        buy  A 101 x 9 both ioc -> new, canceled #4 x 9 ImmediateOrCancel
        book                    -> sell 102 x 5 in 1
        ",
    );
}

#[test]
fn decrement_takes_the_smaller_quantity_off_both() {
    check(
        "
        sell A 101 x 5           -> new
        sell A 102 x 5           -> new
        sell B 102 x 5           -> new
        buy  A 102 x 7 decrement -> new, prevented 5 with #1, prevented 2 with #2
        book                     -> sell 102 x 8 in 2
        buy  C 102 x 4           -> new, trade 3 @ 102 with #2, trade 1 @ 102 with #3
        ",
    );
}

#[test]
fn a_decrement_executes_nothing() {
    check(
        "
        sell A 101 x 5               -> new
        buy  A 101 x 2 decrement ioc -> new, prevented 2 with #1
        status A #1                  -> status #1 101 x 3 cum 0
        replace A #1 101 x 3         -> kept #1 101 x 3
        ",
    );
}

#[test]
fn a_decrement_costs_budget() {
    check(
        "
        sell A 10 x 3 -> new
        sell B 10 x 9 -> new
        buy  A market x 9 ioc budget 55 decrement -> new, prevented 3 with #1, trade 2 @ 10 with #2, canceled #3 x 4 BudgetSpent
        ",
    );
}

#[test]
fn the_budget_is_looked_at_before_the_owner() {
    check(
        "
        sell A 10 x 3 -> new
        buy  A market x 9 ioc budget 9 newest -> new, canceled #2 x 9 BudgetSpent
        buy  A market x 9 ioc budget 9 oldest -> new, canceled #3 x 9 BudgetSpent
        buy  A market x 9 ioc budget 10 oldest -> new, canceled #1 x 3 SelfTrade, canceled #4 x 9 ImmediateOrCancel
        ",
    );
}

#[test]
fn a_group_is_one_owner_if_the_taker_says_so() {
    check(
        "
        sell A 101 x 5 group 3                  -> new
        buy  B 101 x 1 group 3 newest           -> new, trade 1 @ 101 with #1
        buy  B 101 x 1 group 4 newest by-group  -> new, trade 1 @ 101 with #1
        buy  B 101 x 1 newest by-group          -> new, trade 1 @ 101 with #1
        buy  B 101 x 1 group 3 newest by-group  -> new, canceled #5 x 1 SelfTrade
        buy  B 101 x 1 group 3 by-group         -> new, trade 1 @ 101 with #1
        sell C 101 x 1                          -> new
        buy  B 101 x 2 newest by-group          -> new, trade 1 @ 101 with #1, trade 1 @ 101 with #7
        ",
    );
}

#[test]
fn the_same_account_is_one_owner_in_every_scope() {
    check(
        "
        sell A 101 x 5 group 3                 -> new
        buy  A 101 x 1 group 4 newest by-group -> new, canceled #2 x 1 SelfTrade
        buy  A 101 x 1 newest                  -> new, canceled #3 x 1 SelfTrade
        ",
    );
}
