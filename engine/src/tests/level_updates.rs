use super::check;

#[test]
fn each_touched_level_is_told_once_with_its_final_content() {
    check(
        "
        watch
        sell A 101 x 5  -> new, level sell 101 x 5 in 1
        sell B 101 x 4  -> new, level sell 101 x 9 in 2
        sell B 102 x 4  -> new, level sell 102 x 4 in 1
        buy  C 102 x 15 -> new, trade 5 @ 101 with #1, trade 4 @ 101 with #2, trade 4 @ 102 with #3, level buy 102 x 2 in 1, level sell 101 x 0 in 0, level sell 102 x 0 in 0
        cancel C #4     -> canceled #4 x 2 ByRequest, level buy 102 x 0 in 0
        ",
    );
}

#[test]
fn a_level_that_ends_as_it_began_is_not_told() {
    check(
        "
        watch
        buy  A 99 x 5        -> new, level buy 99 x 5 in 1
        buy  A 98 x 5        -> new, level buy 98 x 5 in 1
        replace A #1 99 x 5  -> kept #1 99 x 5
        status A #1          -> status #1 99 x 5 cum 0
        buy  A 99 x 5 ioc    -> new, canceled #3 x 5 ImmediateOrCancel
        buy  A 0 x 5         -> reject PriceMustBePositive
        replace A #1 99 x 4  -> kept #1 99 x 4, level buy 99 x 4 in 1
        state halted         -> state Halted
        ",
    );
}

#[test]
fn a_replace_that_takes_tells_buys_first_each_from_the_best() {
    check(
        "
        watch
        buy  A 90 x 9  -> new, level buy 90 x 9 in 1
        sell B 95 x 2  -> new, level sell 95 x 2 in 1
        sell B 94 x 2  -> new, level sell 94 x 2 in 1
        replace A #1 95 x 9 -> lost #1 95 x 9, trade 2 @ 94 with #3, trade 2 @ 95 with #2, level buy 95 x 5 in 1, level buy 90 x 0 in 0, level sell 94 x 0 in 0, level sell 95 x 0 in 0
        ",
    );
}

#[test]
fn a_mass_cancel_tells_every_level_once() {
    check(
        "
        watch
        buy  A 90 x 1  -> new, level buy 90 x 1 in 1
        sell A 99 x 2  -> new, level sell 99 x 2 in 1
        buy  A 91 x 3  -> new, level buy 91 x 3 in 1
        buy  A 90 x 4  -> new, level buy 90 x 5 in 2
        buy  B 91 x 5  -> new, level buy 91 x 8 in 2
        sell A 98 x 6  -> new, level sell 98 x 6 in 1
        mass-cancel A  -> canceled #1 x 1 MassCancel, canceled #2 x 2 MassCancel, canceled #3 x 3 MassCancel, canceled #4 x 4 MassCancel, canceled #6 x 6 MassCancel, mass-canceled 5, level buy 91 x 5 in 1, level buy 90 x 0 in 0, level sell 98 x 0 in 0, level sell 99 x 0 in 0
        ",
    );
}

#[test]
fn prevented_self_trades_change_levels_too() {
    check(
        "
        watch
        sell A 95 x 2            -> new, level sell 95 x 2 in 1
        sell A 96 x 5            -> new, level sell 96 x 5 in 1
        buy  A 96 x 3 decrement  -> new, prevented 2 with #1, prevented 1 with #2, level sell 95 x 0 in 0, level sell 96 x 4 in 1
        buy  A 96 x 3 oldest ioc -> new, canceled #2 x 4 SelfTrade, canceled #4 x 3 ImmediateOrCancel, level sell 96 x 0 in 0
        ",
    );
}
