//! Prices that a window near the touch cannot hold all at once.

use super::check;

#[test]
fn prices_at_both_ends_of_the_range_keep_their_rank() {
    check(
        "
        spec price_max 4611686018427387904
        spec qty_max 9
        spec orders_max 100
        buy  A 1 x 1                    -> new
        buy  A 4611686018427387902 x 1  -> new
        buy  A 5000 x 1                 -> new
        buy  A 4000 x 1                 -> new
        sell A 4611686018427387904 x 1  -> new
        sell A 4611686018427387903 x 1  -> new
        book -> sell 4611686018427387903 x 1 in 1, sell 4611686018427387904 x 1 in 1, buy 4611686018427387902 x 1 in 1, buy 5000 x 1 in 1, buy 4000 x 1 in 1, buy 1 x 1 in 1
        sell B 2 x 4 -> new, trade 1 @ 4611686018427387902 with #2, trade 1 @ 5000 with #3, trade 1 @ 4000 with #4
        book -> sell 2 x 1 in 1, sell 4611686018427387903 x 1 in 1, sell 4611686018427387904 x 1 in 1, buy 1 x 1 in 1
        ",
    );
}

#[test]
fn a_level_far_away_is_the_same_level_when_the_touch_comes_near() {
    check(
        "
        sell A 100000 x 1 -> new
        sell A 500 x 1    -> new
        sell A 100000 x 2 -> new
        sell A 100001 x 3 -> new
        buy  B 500 x 1    -> new, trade 1 @ 500 with #2
        sell A 100000 x 4 -> new
        book              -> sell 100000 x 7 in 3, sell 100001 x 3 in 1
        buy  B 100001 x 9 -> new, trade 1 @ 100000 with #1, trade 2 @ 100000 with #3, trade 4 @ 100000 with #6, trade 2 @ 100001 with #4
        ",
    );
}
