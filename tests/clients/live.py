"""clients/python against a live server: live.py ROOT ADDRESS KEY1 KEY2. Nobody else trades in its market 1."""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(sys.argv[1]) / "clients/python"))
import souk  # noqa: E402

CHECKS = [0]


def check(holds, what):
    if not holds:
        raise AssertionError(what)
    CHECKS[0] += 1


def client(key_id, told):
    return souk.Client(sys.argv[2], key_id, pathlib.Path(sys.argv[2 + key_id]).read_text(), on_event=told.append, keepalive_ms=1000)


def until(who, holds, what):
    deadline = time.monotonic() + 20
    while not holds():
        check(time.monotonic() < deadline, what)
        who.poll(0.01)
    check(True, what)


def reports(told):
    return [event for event in told if "client_seq" in event]


def main():
    maker_told, taker_told = [], []
    maker, taker = client(1, maker_told), client(2, taker_told)
    check(maker.info.accounts == [1, 2], "the accounts")
    check([one.symbol for one in maker.wait(maker.markets())] == ["BTC-USDT"], "the markets")
    place = dict(market=1, account=1)
    book = maker.subscribe(1)
    until(maker, lambda: book.complete, "a snapshot")

    order = maker.wait(maker.new_order(**place, side=souk.SELL, price=6_500_000, qty=10, cl_ord_id=1))
    check((order.name, order.client_seq, order.price) == ("Accepted", 1, 6_500_000), order)
    until(maker, lambda: book.side(souk.SELL) == [(6_500_000, 10, 1)], "the order in the book")
    taken = taker.wait(taker.new_order(market=1, account=2, side=souk.BUY, price=6_500_000, qty=4, cl_ord_id=1))
    check(taken.name == "Accepted", taken)
    until(taker, lambda: any(event.name == "Trade" for event in taker_told), "the taker's trade")
    until(maker, lambda: any(event.name == "Trade" and event.leaves == 6 for event in maker_told), "the maker's trade")
    until(maker, lambda: book.side(souk.SELL) == [(6_500_000, 6, 1)], "what is left in the book")

    # The connection is lost while an order is on its way, and a trade is missed.
    taker.wait(taker.new_order(market=1, account=2, side=souk.BUY, price=6_500_000, qty=1, cl_ord_id=2))
    ticket = maker.new_order(**place, side=souk.BUY, price=6_000_000, qty=3, cl_ord_id=2)
    maker.socket.shutdown(2)
    check(maker.wait(ticket).client_seq == 2, "the order over a lost connection")
    until(maker, lambda: [event.leaves for event in maker_told if event.name == "Trade"] == [6, 5], "the trade that was missed")
    until(maker, lambda: book.complete and book.side(souk.BUY) == [(6_000_000, 3, 1)], "the book after it")
    check([event.seq for event in reports(maker_told)] == list(range(1, len(reports(maker_told)) + 1)), "reports once, in order")
    check(any(event.name == "Resumed" for event in maker_told), "resumed")

    rejected = maker.wait(maker.new_order(**place, side=souk.BUY, price=6_000_000, qty=3, cl_ord_id=2))
    check((rejected.name, rejected.code) == ("Rejected", souk.CODES["DuplicateClOrdId"]), rejected)
    replaced = maker.wait(maker.replace(**place, orig_cl_ord_id=2, cl_ord_id=3, price=6_000_001, total_qty=5))
    check((replaced.name, replaced.leaves) == ("Replaced", 5), replaced)
    check(maker.wait(maker.order_status(**place, orig_cl_ord_id=3)).name == "OrderStatus", "the order's status")
    check(maker.wait(maker.cancel(**place, orig_cl_ord_id=3)).name == "Canceled", "canceled")
    entry = dict(operation=32, account=1, side=souk.BUY, price=5_000_000, qty=1)
    batch = maker.wait(maker.batch(1, [dict(entry, cl_ord_id=name) for name in (4, 5, 5)]))
    check([report.name for report in batch] == ["Accepted", "Accepted", "Rejected"], batch)
    check(maker.wait(maker.mass_cancel(**place))["count"] == 3, "a mass cancel")
    try:
        maker.wait(maker.new_order(market=1, account=99, side=souk.BUY, price=1, qty=1))
        check(False, "an account that is none")
    except souk.NotApplied as refused:
        check(refused.code == souk.CODES["UnknownAccount"], refused)
    tickets = [maker.new_order(**place, side=souk.BUY, price=5_000_000 + number, qty=1) for number in range(300)]
    seqs = [maker.wait(ticket).client_seq for ticket in tickets]
    check(seqs == list(range(seqs[0], seqs[0] + 300)), "many at once, in order")
    until(maker, lambda: book.side(souk.BUY)[:1] == [(5_000_299, 1, 1)], "all of them in the book")
    maker.logout()
    check(maker.over.code == souk.CODES["LoggedOut"], maker.over)

    # The program starts again: it has kept the number of its last report.
    last, again = reports(maker_told)[-1].seq, []
    maker = client(1, again)
    joined = maker.wait(maker.join(1, last_report_seq=last - 2))
    check(joined.last_report_seq == last, joined)
    until(maker, lambda: len(reports(again)) == 2, "the reports that were asked for")
    check(maker.wait(maker.mass_cancel(**place)).name == "MassCanceled", "its numbers go on")
    for one in (maker, taker):
        one.logout()
    print(f"{CHECKS[0]} checks passed")


main()
