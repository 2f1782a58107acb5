use super::check;

#[test]
fn a_fok_order_is_filled_in_full_or_rejected() {
    check(
        "
        sell A 101 x 5      -> new
        sell A 102 x 5      -> new
        sell A 104 x 5      -> new
        buy B 102 x 11 fok  -> reject FokUnfillable
        buy B 103 x 11 fok  -> reject FokUnfillable
        buy B 102 x 10 fok  -> new, trade 5 @ 101 with #1, trade 5 @ 102 with #2
        buy B market@104 x 5 fok -> new, trade 5 @ 104 with #3
        buy B market@104 x 5 fok -> reject FokUnfillable
        sell B 1 x 1 fok    -> reject FokUnfillable
        ",
    );
}

#[test]
fn a_fok_order_is_filled_only_if_its_budget_pays_for_all_of_it() {
    check(
        "
        sell A 10 x 3 -> new
        sell A 20 x 3 -> new
        buy B market x 5 fok budget 69 -> reject FokUnfillable
        buy B market x 7 fok budget 1000 -> reject FokUnfillable
        buy B market x 5 fok budget 70 -> new, trade 3 @ 10 with #1, trade 2 @ 20 with #2
        ",
    );
}

#[test]
fn an_own_order_in_the_way_kills_unless_it_is_the_one_canceled() {
    check(
        "
        sell B 101 x 5               -> new
        sell A 101 x 5               -> new
        sell B 102 x 5               -> new
        buy A 102 x 6 fok newest     -> reject FokUnfillable
        buy A 102 x 6 fok both       -> reject FokUnfillable
        buy A 102 x 6 fok decrement  -> reject FokUnfillable
        buy A 102 x 11 fok oldest    -> reject FokUnfillable
        buy A 102 x 6 fok oldest     -> new, trade 5 @ 101 with #1, canceled #2 x 5 SelfTrade, trade 1 @ 102 with #3
        book                         -> sell 102 x 4 in 1
        ",
    );
}

#[test]
fn an_own_order_behind_the_last_lot_does_not_matter() {
    check(
        "
        sell B 101 x 5           -> new
        sell A 101 x 5           -> new
        buy A 101 x 5 fok newest -> new, trade 5 @ 101 with #1
        ",
    );
}

#[test]
fn an_own_order_counts_without_a_mode() {
    check(
        "
        sell A 101 x 5       -> new
        sell B 102 x 5       -> new
        buy A 102 x 10 fok   -> new, trade 5 @ 101 with #1, trade 5 @ 102 with #2
        ",
    );
}

#[test]
fn an_own_order_that_is_canceled_costs_no_budget() {
    check(
        "
        sell A 10 x 50 -> new
        sell B 10 x 5  -> new
        buy A market x 5 fok budget 49 oldest -> reject FokUnfillable
        buy A market x 5 fok budget 50 oldest -> new, canceled #1 x 50 SelfTrade, trade 5 @ 10 with #2
        ",
    );
}

#[test]
fn a_group_member_in_the_way_kills_too() {
    check(
        "
        sell A 101 x 5 group 3                    -> new
        buy B 101 x 5 fok newest by-group group 3 -> reject FokUnfillable
        buy B 101 x 5 fok newest group 3          -> new, trade 5 @ 101 with #1
        ",
    );
}
