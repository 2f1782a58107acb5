"""The `trade` mode of protocol_client.py: two sessions against a live server, every report checked.

Written from protocol/PROTOCOL.md. Needs a market in which nobody else trades, no earlier orders or sessions, two keys of one
tenant with the permissions for trading and market data (the first one for funding too), and two accounts that both keys may use.
"""
import pathlib
import socket
import struct
import time

from protocol_client import CODES, MESSAGES, WORDS, book_hash, check, decode, encode, sign, signed_bytes, split

GONE = "the connection was closed"


def word(kind, name):
    return WORDS[kind]["values"][name]


class Session:
    """One session: section 6 to log on, section 9 for its numbers, section 13 for its book."""

    def __init__(self, address, key, number=1):
        self.address, self.key_id, self.number = address, int(key[0]), number
        self.seed = bytes.fromhex(pathlib.Path(key[1]).read_text().strip())
        self.client_seq, self.report_seq, self.reports, self.on_report = 0, 0, [], lambda *_: None

    def connect(self, incarnation=None, tamper=0, **changes):
        """Sends hello and logon; gives the server's answer to the logon."""
        self.socket, self.data, self.inbox = socket.create_connection(self.address, timeout=10), b"", []
        self.book, self.ticks, self.status, self.snapshot, self.snapshot_goes_on, self.md_seq = {}, [], None, None, 0, 0
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        hello = encode("Hello", fields=dict(magic=b"SOUKWIRE".hex(), schema_min=1, schema_max=1, version_max=1,
                                            max_frame_in=65536))
        self.socket.sendall(hello)
        name, fields, _ = self.next_message()
        check(name == "Challenge" and fields["schema_id"] == 1 and fields["max_frame_in"] == 4096, "a challenge")
        self.incarnation = incarnation or time.time_ns()
        logon = dict(key_id=self.key_id, session_number=self.number, incarnation=self.incarnation,
                     client_time=time.time_ns(), keepalive_ms=30000, **changes)
        signature = sign(self.seed, signed_bytes(hello, self.last_frame, encode("Logon", fields=logon)))
        logon["signature"] = bytes([signature[0] ^ tamper, *signature[1:]]).hex()
        self.socket.sendall(encode("Logon", fields=logon))
        return self.next_message()

    def log_on(self, **changes):
        name, fields, entries = self.connect(**changes)
        check(name == "LogonAck" and fields["session_id"] == self.key_id * 4096 + self.number, "logged on")
        check(fields["durability"] == word("Durability", "Memory") and fields["keepalive_ms"] == 30000, "as asked for")
        check(fields["incarnation"] == self.incarnation, "the incarnation")
        return [entry["account"] for entry in entries]

    def read_frame(self):
        """Takes one frame: market data goes into the book, the rest into the inbox."""
        while (length := split(self.data, 65536)) is None:
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError(GONE)
            self.data += more
        self.last_frame, self.data = self.data[:length], self.data[length:]
        name, seq, flags, fields, entries, _ = decode("server", self.last_frame)
        template = MESSAGES[name]["template"]
        if 96 <= template < 104:
            self.report_seq += 1
            check(seq == self.report_seq, f"report_seq {seq}, expected {self.report_seq}")
            self.on_report(flags, self.last_frame)
            self.reports.append(self.last_frame)
        if template >= 128:
            self.md_seq += 1
            check(seq == self.md_seq, f"md_seq {seq}, expected {self.md_seq}")
            self.market_data(name, flags, fields, entries)
        elif name != "Heartbeat":
            self.inbox.append((name, fields, entries))

    def market_data(self, name, flags, fields, entries):
        if name == "TradeTick":
            self.ticks.append(fields)
        elif name == "MarketStatus":
            self.status = fields["state"]
        elif name == "DepthSnapshot" and not self.snapshot_goes_on:
            self.book = {}
        for level in entries or []:
            self.book[level["side"], level["price"]] = level["qty"], level["orders"]
            if level["qty"] == 0:
                del self.book[level["side"], level["price"]]
        if name == "DepthSnapshot":
            self.snapshot_goes_on = flags & 2
            if not self.snapshot_goes_on:
                self.snapshot = fields
                sides = [side for side, _ in self.book]
                check(sides.count(1) == fields["buy_levels"] and sides.count(2) == fields["sell_levels"], "levels")
                check(book_hash(self.book) == fields["book_hash"], "book_hash of the snapshot")

    def wait_for(self, what, holds):
        """Reads until it holds; how reports and market data lie to each other is not specified."""
        try:
            while not holds():
                self.read_frame()
        except OSError as error:
            raise AssertionError(f"{what}: {error}; book {self.book}, inbox {self.inbox}") from error
        check(True, what)

    def next_message(self):
        while not self.inbox:
            self.read_frame()
        return self.inbox.pop(0)

    def expect(self, name, **expected):
        found, fields, _ = self.next_message()
        check(found == name, f"{found} {fields}, expected {name} {expected}")
        for key, value in expected.items():
            check(fields[key] == value, f"{name}.{key} is {fields[key]}, expected {value}: {fields}")
        return fields

    def send(self, name, seq=0, header_flags=0, entries=None, **fields):
        self.socket.sendall(encode(name, seq, header_flags, fields, entries))

    def command(self, name, entries=None, **fields):
        """Sends a message to the market under the next number, and gives the number."""
        self.client_seq += 1
        self.send(name, self.client_seq, 0, entries, **fields)
        return self.client_seq

    def log_out(self):
        self.send("Terminate", code=CODES["LoggedOut"])
        self.expect("Terminate", code=CODES["LoggedOut"])
        self.closed()

    def closed(self):
        try:
            message = self.next_message()
        except ConnectionError:
            return check(True, GONE)
        check(False, f"{message}, expected the end")


def trade(host, port, keys):
    maker, taker = Session((host, port), keys[0], 1), Session((host, port), keys[1], 2)
    refused_logons(Session((host, port), keys[0], 3))
    accounts = maker.log_on()
    check(len(accounts) >= 2 and accounts == taker.log_on(), "both may use the accounts")
    market = markets(maker, taker)
    place = dict(market=market["market"], account=accounts[0])
    price, lots = max(market["price_min"], 1000), max(market["qty_min"], 10)
    order = dict(place, price=price, qty=lots, side=word("Side", "Buy"), order_type=word("OrderType", "Limit"),
                 time_in_force=word("TimeInForce", "Gtc"))
    other = dict(order, account=accounts[1])
    sell = first_trades(maker, taker, order, other)
    replaces_and_status(maker, order, sell)
    refusals(maker, order)
    batches(taker, other)
    numbers(maker, order)
    books_agree(Session((host, port), keys[1], 4), (maker, taker), market["market"])
    mass_cancel(maker, taker, order, other)
    money(Session((host, port), keys[0], 5), market, order)
    reconnects(maker, order)
    cancels_on_disconnect(maker, order, keys[0])
    ends(maker, taker, keys[0])


def refused_logons(session):
    for changes, code in ((dict(tamper=1), "AuthenticationFailed"), (dict(cancel_grace_ms=1), "CancelGraceOutOfRange"),
                          (dict(cancel_on_disconnect=1, cancel_grace_ms=60001), "CancelGraceOutOfRange")):
        name, fields, _ = session.connect(**changes)
        check(name == "LogonReject" and fields["code"] == CODES[code], f"{name} {fields}")
        session.closed()
    session.socket = socket.create_connection(session.address, timeout=10)
    session.data, session.inbox = b"", []
    session.socket.sendall(encode("Ping"))
    session.expect("Terminate", code=CODES["ProtocolOrder"])
    session.closed()


def markets(maker, taker):
    maker.send("MarketListRequest")
    market = maker.expect("MarketDefinition", state=word("MarketState", "Continuous"))
    count = 1
    while maker.next_message()[0] == "MarketDefinition":
        count += 1
    check(decode("server", maker.last_frame)[3] == dict(count=count), "all markets were sent")
    maker.send("Ping", nonce=77, time=5)
    maker.expect("Pong", nonce=77, ping_time=5)
    for session in (maker, taker):
        session.send("JoinMarket", market=market["market"])
        session.expect("MarketJoined", last_client_seq=0, last_report_seq=0, market=market["market"])
        session.send("Subscribe", market=market["market"], flags=3)
        session.wait_for("a snapshot", lambda: session.snapshot and session.snapshot["stream_seq"] == 0)
        check(session.snapshot["book_hash"] == 0xCBF29CE484222325, "the hash of an empty book")
        session.wait_for("the status", lambda: session.status == word("MarketState", "Continuous"))
    return market


def first_trades(maker, taker, order, other):
    """A buy and a sell rest; the taker takes part of the sell."""
    lots, price = order["qty"], order["price"]
    seq = maker.command("NewOrder", **order, cl_ord_id=1)
    buy = maker.expect("Accepted", client_seq=seq, cl_ord_id=1, price=price, qty=lots, side=1, batch_index=0)
    maker.wait_for("the buy is in the book", lambda: maker.book == {(1, price): (lots, 1)})
    seq = maker.command("NewOrder", **dict(order, side=2, price=price + 10, cl_ord_id=2))
    sell = maker.expect("Accepted", client_seq=seq, cl_ord_id=2, side=2)
    check(sell["order_id"] != buy["order_id"], "orders have ids of their own")
    ioc = dict(other, price=price + 12, qty=lots - 6, time_in_force=word("TimeInForce", "Ioc"), cl_ord_id=3)
    seq = taker.command("NewOrder", **ioc)
    taker.expect("Accepted", client_seq=seq, order_type=2, time_in_force=3)
    both = dict(price=price + 10, qty=lots - 6, cum=lots - 6)
    took = taker.expect("Trade", client_seq=seq, leaves=0, side=1, liquidity=word("Liquidity", "Taker"), **both)
    maker.expect("Trade", client_seq=0, order_id=sell["order_id"], leaves=6, side=2, match_id=took["match_id"],
                 liquidity=word("Liquidity", "Maker"), account=order["account"], **both)
    for session in (maker, taker):
        session.wait_for("a public trade", lambda: session.ticks)
        tick = session.ticks.pop()
        check((tick["match_id"], tick["taker_side"], tick["qty"]) == (took["match_id"], 1, lots - 6), f"the trade {tick}")
        session.wait_for("the book", lambda: session.book == {(1, price): (lots, 1), (2, price + 10): (6, 1)})
    ioc.update(qty=lots, cl_ord_id=4)
    seq = taker.command("NewOrder", **dict(ioc, price=price + 5))
    taker.expect("Accepted", client_seq=seq)
    taker.expect("Canceled", client_seq=seq, qty=lots, cum=0, reason=word("CancelReason", "ImmediateOrCancel"))
    return sell["order_id"]


def replaces_and_status(maker, order, sell):
    lots, price, place = order["qty"], order["price"], {key: order[key] for key in ("market", "account")}
    seq = maker.command("ReplaceOrder", **place, order_id=sell, price=price + 10, total_qty=lots - 1, cl_ord_id=5)
    maker.expect("Replaced", client_seq=seq, cl_ord_id=5, orig_cl_ord_id=2, order_id=sell, leaves=5, cum=lots - 6,
                 kept_priority=1, side=2)
    seq = maker.command("OrderStatusRequest", **place, orig_cl_ord_id=5)
    maker.expect("OrderStatus", client_seq=seq, order_id=sell, leaves=5, cum=lots - 6,
                 state=word("OrderState", "PartiallyFilled"))
    seq = maker.command("ReplaceOrder", **place, orig_cl_ord_id=5, price=price + 20, total_qty=lots)
    maker.expect("Replaced", client_seq=seq, cl_ord_id=5, price=price + 20, leaves=6, kept_priority=0)
    seq = maker.command("ReplaceOrder", **place, orig_cl_ord_id=5, price=price + 20, total_qty=1)
    maker.expect("Canceled", client_seq=seq, qty=6, cum=lots - 6, reason=word("CancelReason", "ReplacedBelowExecuted"))
    seq = maker.command("CancelOrder", **place, orig_cl_ord_id=1)
    maker.expect("Canceled", client_seq=seq, cl_ord_id=1, qty=lots, cum=0, reason=word("CancelReason", "ByRequest"))
    seq = maker.command("CancelOrder", **place, orig_cl_ord_id=1)
    maker.expect("Rejected", client_seq=seq, code=CODES["UnknownOrder"], ref_template=33, cl_ord_id=1)
    maker.wait_for("an empty book", lambda: not maker.book)


def refusals(maker, order):
    """By the market, which uses the number up; and before it, which does not."""
    for changes, code in ((dict(qty=0), "QtyMustNotBeZero"), (dict(price=0), "PriceMustBePositive"),
                          (dict(budget=5), "UnsupportedCombination"), (dict(time_in_force=4), "FokUnfillable"),
                          (dict(order_type=1, time_in_force=3, price=0), "MarketOrderUnbounded")):
        seq = maker.command("NewOrder", **dict(order, **changes))
        maker.expect("Rejected", client_seq=seq, code=CODES[code], ref_template=32)
    seq = maker.command("CancelOrder", market=order["market"], account=order["account"])
    maker.expect("Rejected", client_seq=seq, code=CODES["OrderReferenceMissing"])
    for changes, code in ((dict(side=9), "UnknownSide"), (dict(market=4000000), "UnknownMarket"),
                          (dict(account=4000000), "UnknownAccount")):
        offset = 24 + next(row[0] for row in MESSAGES["NewOrder"]["block"] if row[3] in changes)
        maker.send("NewOrder", maker.client_seq + 1, **dict(order, **changes))
        maker.expect("SessionReject", ref_seq=maker.client_seq + 1, ref_template=32, code=CODES[code],
                     field_offset=offset, fatal=0)
    maker.send("Batch", maker.client_seq + 1, market=order["market"], entries=[dict(operation=32, side=1), dict(operation=7)])
    maker.expect("SessionReject", code=CODES["UnknownOrderType"], field_offset=42, fatal=0)
    unknown = bytearray(encode("Ping"))
    unknown[4:6] = struct.pack("<H", 99)
    maker.socket.sendall(unknown)
    maker.expect("SessionReject", code=CODES["UnknownTemplate"], field_offset=4, ref_template=99, fatal=0)


def batches(taker, other):
    common = {key: other[key] for key in ("account", "side", "order_type", "time_in_force", "price", "qty")}
    new = dict(common, operation=32)
    cancel, replace = dict(operation=33, account=other["account"]), dict(operation=34, account=other["account"])
    seq = taker.command("Batch", market=other["market"], mode=1, entries=[
        dict(new, cl_ord_id=10), dict(replace, orig_cl_ord_id=10, cl_ord_id=11, price=other["price"], qty=other["qty"] - 1),
        dict(cancel, orig_cl_ord_id=10), dict(new, cl_ord_id=12)])
    taker.expect("Accepted", client_seq=seq, batch_index=0, cl_ord_id=10)
    taker.expect("Replaced", client_seq=seq, batch_index=1, cl_ord_id=11, orig_cl_ord_id=10, leaves=other["qty"] - 1)
    taker.expect("Rejected", client_seq=seq, batch_index=2, code=CODES["UnknownOrder"], ref_template=33, cl_ord_id=10)
    taker.expect("Rejected", client_seq=seq, batch_index=3, code=CODES["BatchStopped"], ref_template=32, cl_ord_id=12)
    seq = taker.command("Batch", market=other["market"], mode=0, entries=[
        dict(cancel, orig_cl_ord_id=99), dict(cancel, orig_cl_ord_id=11), dict(new, side=2, price=other["price"] + 50)])
    taker.expect("Rejected", client_seq=seq, batch_index=0, code=CODES["UnknownOrder"])
    taker.expect("Canceled", client_seq=seq, batch_index=1, cl_ord_id=11)
    taker.expect("Accepted", client_seq=seq, batch_index=2, cl_ord_id=0, side=2)


def numbers(maker, order):
    """A gap, a resend, and the number that is still free."""
    last = maker.client_seq
    maker.send("NewOrder", last + 3, **order)
    maker.expect("NotApplied", from_client_seq=last + 3, count=1, expected_client_seq=last + 1, code=CODES["SequenceGap"])
    maker.send("NewOrder", last, 1, **order)
    maker.expect("NotApplied", from_client_seq=last, count=1, expected_client_seq=last + 1, code=CODES["AlreadyApplied"])
    seq = maker.command("NewOrder", **order, cl_ord_id=20)
    maker.expect("Accepted", client_seq=seq, cl_ord_id=20)
    seq = maker.command("NewOrder", **order, cl_ord_id=20)
    maker.expect("Rejected", client_seq=seq, cl_ord_id=20, code=CODES["DuplicateClOrdId"])


def books_agree(reader, sessions, market):
    """Another session's snapshot is the book that the increments made."""
    reader.log_on()
    reader.send("Subscribe", market=market, flags=4)
    reader.wait_for("a snapshot", lambda: reader.snapshot)
    check(reader.snapshot["buy_levels"] == 1 and reader.snapshot["sell_levels"] == 1, "two levels")
    for session in sessions:
        session.wait_for("the same book", lambda: book_hash(session.book) == reader.snapshot["book_hash"])
        check(session.book == reader.book, "the books are equal")
    reader.send("Unsubscribe", market=market)
    reader.expect("SessionReject", code=CODES["NotJoined"], ref_template=129)
    reader.log_out()


def mass_cancel(maker, taker, order, other):
    """Each session cancels the orders of one account; the reports go to the session that entered them."""
    place = {key: other[key] for key in ("market", "account")}
    seq = taker.command("MassCancel", **place, side=1)
    taker.expect("MassCanceled", client_seq=seq, count=0)
    seq = taker.command("MassCancel", **place)
    taker.expect("Canceled", client_seq=seq, side=2, qty=other["qty"], reason=word("CancelReason", "MassCancel"))
    taker.expect("MassCanceled", client_seq=seq, count=1)
    seq = maker.command("NewOrder", **order, cl_ord_id=21)
    maker.expect("Accepted", client_seq=seq)
    mine = dict(market=order["market"], account=order["account"])
    seq = taker.command("CancelOrder", **mine, orig_cl_ord_id=21)
    maker.expect("Canceled", client_seq=0, cl_ord_id=21, reason=word("CancelReason", "ByRequest"))
    taker.expect("Canceled", client_seq=seq, cl_ord_id=21, account=order["account"])
    seq = taker.command("MassCancel", **mine)
    maker.expect("Canceled", client_seq=0, cl_ord_id=20, reason=word("CancelReason", "MassCancel"))
    taker.expect("MassCanceled", client_seq=seq, count=1)
    for session in (maker, taker):
        session.wait_for("an empty book", lambda: not session.book)


def money(session, market, order):
    """A credit, told once however often it is sent; what an order holds, and that a cancel gives it back."""
    session.log_on()
    session.send("CurrencyListRequest", request_id=1)
    scale = {}
    while (message := session.next_message())[0] == "CurrencyDefinition":
        scale[message[1]["code"]] = message[1]["scale"]
    check(message[:2] == ("CurrencyListEnd", dict(request_id=1, count=len(scale))), f"all currencies: {message}")
    quote, account = market["quote"], order["account"]
    check(scale[quote] == market["quote_scale"] and scale[market["base"]] == market["base_scale"], "the market's scales")

    def balance(request_id):
        session.send("BalanceQuery", request_id=request_id, account=account)
        name, fields, entries = session.next_message()
        check((name, fields["request_id"], fields["account"]) == ("BalanceReport", request_id, account), f"{name} {fields}")
        return next((entry for entry in entries if entry["currency"] == quote), dict(total=0, held=0, available=0))

    before = balance(2)
    check(before["held"] == 0 and before["available"] == before["total"], f"no order is open: {before}")
    session.send("SubscribeAccount", request_id=3, account=account)
    session.expect("BalanceReport", request_id=3, account=account)
    notional = order["price"] * order["qty"] * market["notional_unit"]
    credit = dict(business="deposit", business_id=time.time_ns(), account=account, scale=scale[quote], currency=quote,
                  amount=2 * notional)
    session.send("Credit", request_id=4, **credit)
    answers = dict(session.next_message()[:2] for _ in range(2))
    first, update = answers["FundingResult"], answers["AccountUpdate"]
    check((first["request_id"], first["amount"], first["repeated"]) == (4, 2 * notional, 0), f"{first}")
    check((update["currency"], update["available"], update["held"]) == (quote, before["total"] + 2 * notional, 0), f"{update}")
    session.send("Credit", request_id=5, **credit)
    session.expect("FundingResult", request_id=5, control_seq=first["control_seq"], repeated=1)
    session.send("Credit", request_id=6, **dict(credit, amount=1))
    session.expect("RequestRejected", request_id=6, ref_template=56, code=CODES["BusinessIdReused"])
    session.send("Credit", request_id=7, **dict(credit, business_id=1, scale=scale[quote] + 1))
    session.expect("RequestRejected", request_id=7, code=CODES["WrongScale"])

    seq = session.command("NewOrder", **order, cl_ord_id=1)
    answers = dict(session.next_message()[:2] for _ in range(2))
    check(answers["Accepted"]["client_seq"] == seq, f"{answers}")
    held = balance(8)
    # What the fee adds is not told; it is at most the notional again.
    check(notional <= held["held"] <= 2 * notional and held["total"] == before["total"] + 2 * notional, f"{held}")
    told = {key: answers["AccountUpdate"][key] for key in ("available", "held", "sequence")}
    check(told == {key: held[key] for key in told}, f"the update {told} says what the balance is: {held}")
    session.command("CancelOrder", market=order["market"], account=account, orig_cl_ord_id=1)
    answers = dict(session.next_message()[:2] for _ in range(2))
    check("Canceled" in answers and answers["AccountUpdate"]["held"] == 0, f"{answers}")
    session.send("StatementQuery", request_id=9, account=account, currency=quote, count=512, after_sequence=update["sequence"] - 1)
    name, fields, entries = session.next_message()
    check(name == "StatementReport" and fields["more"] == 0 and len(entries) == 1, f"{name} {fields} {entries}")
    entry = entries[0]
    check((entry["change"], entry["total"], entry["reference"]) ==
          (2 * notional, held["total"], credit["business_id"]), f"{entry}")
    session.log_out()


def reconnects(maker, order):
    """The connection is lost with two messages under way; the numbers say what was applied."""
    market, last, reports = order["market"], maker.client_seq, maker.report_seq
    maker.socket.close()
    maker.log_on()
    maker.send("ResumeMarket", market=market, last_report_seq=reports + 1)
    maker.expect("SessionReject", code=CODES["ReportSeqNotReached"], ref_template=17, field_offset=32, fatal=0)
    seen, maker.report_seq = [], reports - 3
    maker.on_report = lambda flags, data: seen.append((flags, data[:10] + bytes([0]) + data[11:]))
    maker.send("ResumeMarket", market=market, last_report_seq=reports - 3)
    maker.expect("MarketJoined", last_client_seq=last, last_report_seq=reports)
    maker.expect("ReportsResent", market=market, from_report_seq=reports - 2, to_report_seq=reports)
    for again in list(maker.reports)[-3:]:
        maker.next_message()
        check(seen.pop(0) == (1, again), "the same report, marked as a possible resend")
    maker.on_report = lambda *_: None
    maker.send("ResumeMarket", market=market, last_report_seq=reports)
    maker.expect("MarketJoined", last_client_seq=last, last_report_seq=reports)
    maker.expect("ReportsResent", market=market, from_report_seq=reports + 1, to_report_seq=reports)
    maker.send("NewOrder", last, 1, **order)
    maker.expect("NotApplied", from_client_seq=last, code=CODES["AlreadyApplied"], expected_client_seq=last + 1)
    seq = maker.command("NewOrder", **order, cl_ord_id=30)
    maker.expect("Accepted", client_seq=seq, cl_ord_id=30)
    seq = maker.command("CancelOrder", market=market, account=order["account"], orig_cl_ord_id=30)
    maker.expect("Canceled", client_seq=seq, cl_ord_id=30)


def cancels_on_disconnect(maker, order, key):
    """What a session that asked for it has open is canceled when its connection is gone, after its grace."""
    market, account, both = order["market"], order["account"], word("CancelOnDisconnect", "Both")
    session = Session(maker.address, key, 7)
    session.log_on(cancel_on_disconnect=both, cancel_grace_ms=60000)
    seq = session.command("NewOrder", **{**order, "cl_ord_id": 901})
    session.expect("Accepted", client_seq=seq)
    session.socket.close()
    session.log_on(cancel_on_disconnect=both)
    session.send("ResumeMarket", market=market, last_report_seq=1)
    session.expect("MarketJoined", last_client_seq=1, last_report_seq=1)
    session.expect("ReportsResent", from_report_seq=2, to_report_seq=1)
    session.log_out()
    deadline = time.time() + 10
    while True:
        session.log_on()
        session.send("ResumeMarket", market=market, last_report_seq=1)
        told = session.expect("MarketJoined", last_client_seq=1)["last_report_seq"]
        if told == 3:
            break
        check(told == 1 and time.time() < deadline, f"canceled in time, {told} reports")
        session.log_out()
    session.expect("ReportsResent", from_report_seq=2, to_report_seq=3)
    session.expect("Canceled", client_seq=0, cl_ord_id=901, account=account, reason=word("CancelReason", "OnDisconnect"))
    session.expect("MassCanceled", client_seq=0, count=1, account=account)
    session.log_out()


def ends(maker, taker, key):
    """An old incarnation, a session taken over, a logout, and frames that are none."""
    name, fields, _ = Session(maker.address, key, 1).connect(maker.incarnation)
    check(name == "LogonReject" and fields["code"] == CODES["IncarnationNotNewer"], f"{name} {fields}")
    newer = Session(maker.address, key, 1)
    newer.log_on()
    maker.expect("Terminate", code=CODES["SessionTakenOver"])
    maker.closed()
    newer.log_out()
    taker.socket.sendall(struct.pack("<I", 28) + bytes(24))
    taker.expect("SessionReject", code=CODES["FrameLengthNotAligned"], field_offset=0, fatal=1)
    taker.expect("Terminate", code=CODES["FrameLengthNotAligned"], detail=0)
    taker.closed()
