use super::check;
use alloc::format;

#[test]
fn an_order_is_canceled_by_either_id() {
    check(
        "
        buy A 50 x 5 id 7 -> new
        buy A 50 x 6      -> new
        buy A 50 x 7 id 8 -> new
        cancel A #2       -> canceled #2 x 6 ByRequest
        cancel A id 7     -> canceled #1 x 5 ByRequest
        cancel A #3       -> canceled #3 x 7 ByRequest
        book              -> empty
        ",
    );
}

#[test]
fn exactly_one_id_names_an_order() {
    check(
        "
        buy A 50 x 5 id 7   -> new
        cancel A            -> reject OrderReferenceMissing
        cancel A #1 id 7    -> reject OrderReferenceMissing
        status A            -> reject OrderReferenceMissing
        replace A 50 x 5    -> reject OrderReferenceMissing
        cancel A id 8       -> reject UnknownOrder
        status A id 8       -> reject UnknownOrder
        ",
    );
}

#[test]
fn nobody_acts_on_an_order_of_another_account() {
    check(
        "
        buy A 50 x 5 id 7      -> new
        cancel B #1            -> reject UnknownOrder
        cancel B id 7          -> reject UnknownOrder
        replace B #1 50 x 4    -> reject UnknownOrder
        replace B id 7 50 x 4  -> reject UnknownOrder
        status B #1            -> reject UnknownOrder
        mass-cancel B          -> mass-canceled 0
        status A #1            -> status #1 50 x 5 cum 0
        ",
    );
}

#[test]
fn an_order_that_is_gone_is_unknown() {
    check(
        "
        buy  A 50 x 5 id 7  -> new
        sell B 50 x 5       -> new, trade 5 @ 50 with #1
        cancel A #1         -> reject UnknownOrder
        cancel A id 7       -> reject UnknownOrder
        cancel B #2         -> reject UnknownOrder
        cancel A order 1    -> reject UnknownOrder
        cancel A order 18446744073709551615 -> reject UnknownOrder
        ",
    );
}

#[test]
fn an_order_in_the_middle_of_a_queue_leaves_it_whole() {
    check(
        "
        buy A 50 x 1   -> new
        buy B 50 x 2   -> new
        buy C 50 x 3   -> new
        buy D 50 x 4   -> new
        cancel B #2    -> canceled #2 x 2 ByRequest
        cancel D #4    -> canceled #4 x 4 ByRequest
        buy E 50 x 5   -> new
        cancel A #1    -> canceled #1 x 1 ByRequest
        sell F 50 x 8  -> new, trade 3 @ 50 with #3, trade 5 @ 50 with #5
        ",
    );
}

#[test]
fn mass_cancel_goes_through_an_account_in_the_order_in_which_its_orders_came_to_rest() {
    check(
        "
        buy  A 50 x 1  -> new
        sell A 60 x 2  -> new
        buy  B 50 x 3  -> new
        buy  A 49 x 4  -> new
        sell A 59 x 5  -> new
        replace A #1 48 x 9 -> lost #1 48 x 9
        mass-cancel A sell -> canceled #2 x 2 MassCancel, canceled #5 x 5 MassCancel, mass-canceled 2
        mass-cancel A sell -> mass-canceled 0
        mass-cancel A  -> canceled #1 x 9 MassCancel, canceled #4 x 4 MassCancel, mass-canceled 2
        mass-cancel A  -> mass-canceled 0
        book           -> buy 50 x 3 in 1
        ",
    );
}

#[test]
fn what_each_state_allows() {
    check(
        "
        buy A 50 x 5 id 7   -> new
        state cancel-only   -> state CancelOnly
        state cancel-only   -> state CancelOnly
        buy A 50 x 5        -> reject MarketCancelOnly
        replace A #1 50 x 4 -> reject MarketCancelOnly
        replace A 50 x 4    -> reject MarketCancelOnly
        status A #1         -> status #1 50 x 5 cum 0
        cancel A #1         -> canceled #1 x 5 ByRequest
        mass-cancel A       -> mass-canceled 0
        state continuous    -> state Continuous
        buy A 50 x 5 id 7   -> new
        state halted        -> state Halted
        buy A 50 x 5        -> reject MarketHalted
        replace A #2 50 x 4 -> reject MarketHalted
        cancel A            -> reject MarketHalted
        mass-cancel A       -> reject MarketHalted
        status A id 7       -> status #2 50 x 5 cum 0
        ",
    );
}

#[test]
fn what_a_session_that_is_gone_left_open_is_canceled_in_every_state() {
    for state in [
        "continuous -> state Continuous",
        "cancel-only -> state CancelOnly",
        "halted -> state Halted",
    ] {
        check(&format!(
            "
            buy  A 50 x 5 id 7  -> new
            sell A 60 x 2       -> new
            buy  B 50 x 1       -> new
            replace A #2 61 x 2 session 2 -> lost #2 61 x 2
            state {state}
            gone A 1            -> canceled #1 x 5 OnDisconnect, mass-canceled 1
            gone A 1            -> mass-canceled 0
            gone C 1            -> mass-canceled 0
            state continuous    -> state Continuous
            sell C 50 x 6 ioc   -> new, trade 1 @ 50 with #3, canceled #4 x 5 ImmediateOrCancel
            cancel A #2         -> canceled #2 x 2 ByRequest
            "
        ));
    }
}
