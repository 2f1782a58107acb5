"""clients/python with one mistake, for the runner to find: broken.py ROOT SCENARIO makes the mistake that the scenario is about."""
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(sys.argv[1]) / "clients/python"))
import conform  # noqa: E402
import souk  # noqa: E402
from souk import client as session  # noqa: E402
from souk import market, wire  # noqa: E402

Client, Lane, Book = session.Client, market.Lane, market.Book
MISTAKES = {}


def mistake(*scenarios):
    def note(make):
        MISTAKES.update(dict.fromkeys(scenarios, make))
        return make
    return note


def change(owner, name, make):
    """Puts `make(before, ...)` where a function was."""
    before = getattr(owner, name)
    setattr(owner, name, lambda *args, **named: make(before, *args, **named))


@mistake("logon")
def signs_something_else():
    change(session, "sign", lambda sign, seed, message: sign(seed, message[:-1] + b"\1"))


@mistake("bad-signature", "taken-over", "fatal-refusal")
def always_comes_back():
    change(souk.Ended, "__init__", lambda before, self, *args: before(self, *args) or setattr(self, "may_help", True))


@mistake("logon-refused", "going-away")
def comes_back_at_once():
    change(souk.Ended, "__init__", lambda before, self, *args: before(self, *args) or setattr(self, "retry_after", 0.0))


@mistake("split-frames")
def takes_a_read_for_a_frame():
    def frame(before, self):
        found = before(self)
        if found is None:
            self.data = b""
        return found
    change(Client, "_frame", frame)


@mistake("merged-frames")
def takes_one_frame_of_a_read():
    def frame(before, self):
        found, self.data = before(self), b""
        return found
    change(Client, "_frame", frame)


@mistake("unknown-template")
def does_not_skip_templates():
    def decode(before, frame, *sender):
        try:
            return before(frame, *sender)
        except wire.Refused as refused:
            raise wire.Refused("ReservedNotZero", 4) if refused.name == "UnknownTemplate" else refused
    change(session, "decode", decode)


@mistake("longer-block")
def knows_one_length_of_a_block():
    def decode(before, frame, *sender):
        message = before(frame, *sender)
        if int.from_bytes(frame[6:8], "little") != wire.LAYOUTS[message.name].block_len:
            raise wire.Refused("BlockLengthMismatch", 6)
        return message
    change(session, "decode", decode)


def after_decoding(alter):
    def decode(before, *args):
        message = before(*args)
        alter(message)
        return message
    change(session, "decode", decode)


@mistake("unknown-code")
def forgets_codes_it_does_not_know():
    after_decoding(lambda message: message.get("code") in souk.NAMES or message.update(code=0))


@mistake("large-ids")
def keeps_ids_in_floats():
    after_decoding(lambda message: "order_id" in message and message.update(order_id=int(float(message.order_id))))


@mistake("market-list")
def keeps_the_last_market():
    def on_message(before, self, message, now):
        if message.name == "MarketDefinition":
            self.listed.clear()
        before(self, message, now)
    change(Client, "_on_message", on_message)


@mistake("commands")
def cancels_by_the_wrong_id():
    Client.cancel = lambda self, market, account, orig_cl_ord_id: self._submit(
        "CancelOrder", dict(market=market, account=account, order_id=orig_cl_ord_id))


@mistake("batch")
def takes_a_batch_apart():
    def batch(self, market, entries):
        for entry in entries:
            del entry["operation"]
            ticket = self.new_order(market=market, **entry)
        return ticket
    Client.batch = batch


@mistake("numbers-go-on")
def begins_with_one():
    change(Lane, "on_joined", lambda before, self, message: before(self, message) or setattr(self, "next_seq", 1))


@mistake("sequence-gap")
def does_not_hear_of_gaps():
    Lane.refuse = lambda *args, **named: None


@mistake("throttle")
def sends_again_at_once():
    change(Lane, "refuse", lambda before, self, seqs, code, retry_after, now, **named: before(self, seqs, code, 0.0, now, **named))


@mistake("credits")
def gives_itself_credit():
    after_decoding(lambda message: message.name == "LogonAck" and message.update(max_inflight=1000))


@mistake("session-reject")
def sends_again_what_is_refused_for_good():
    change(Lane, "refuse", lambda before, self, seqs, code, retry_after, now, final=False: before(self, seqs, code, retry_after, now))


@mistake("duplicate-cl-ord-id")
def enters_a_rejected_order_again():
    def report(before, self, message):
        before(self, message)
        if message.name == "Rejected":
            driver.client._lane(message.market).waiting.append(market.Ticket(self.frame))
    change(market.Ticket, "report", report)


@mistake("lost-ack")
def sends_everything_again():
    def on_joined(before, self, message):
        again = [ticket for seq, ticket in self.inflight.items() if seq <= message.last_client_seq]
        before(self, message)
        self.waiting.extendleft(reversed(again))
    change(Lane, "on_joined", on_joined)


@mistake("lost-order")
def sends_nothing_again():
    change(Lane, "on_joined", lambda before, self, message: self.inflight.clear() or before(self, message))


@mistake("cut-in-a-frame")
def keeps_bytes_over_connections():
    def log_on(before, self, address):
        self.kept = getattr(self, "rest", b"")
        return before(self, address)

    def put(self, value):
        value, self.kept = (self.kept, b"") if value == b"" and self.kept else (value, self.kept)
        self.rest = value
    Client.data = property(lambda self: self.rest, put)
    change(Client, "_log_on", log_on)


@mistake("duplicate-report")
def hands_on_whatever_comes():
    change(Lane, "on_report", lambda before, self, message, now: setattr(self, "report_seq", message.seq - 1) or before(self, message, now))


@mistake("reports-lost")
def does_not_tell_of_lost_reports():
    change(Lane, "on_reports_resent", lambda before, self, message: before(self, message) and None)


@mistake("redirect-logon", "redirect-session")
def follows_no_redirect():
    after_decoding(lambda message: message.name == "Redirect" and message.update(address=""))


@mistake("heartbeat", "silent-server")
def does_not_look_at_the_clock():
    change(Client, "_connect", lambda before, self, lost: setattr(self, "keepalive", 3600.0) or before(self, lost))


@mistake("ping")
def does_not_answer():
    change(Client, "send", lambda before, self, name, **fields: None if name == "Pong" else before(self, name, **fields))


@mistake("logout")
def leaves_without_a_word():
    def logout(self):
        while any(lane.waiting or lane.inflight for lane in self.lanes.values()):
            self.poll()
        self._end(souk.Ended("left"))
    Client.logout = logout


@mistake("book")
def keeps_empty_levels():
    def levels(before, self, message):
        gone = [level for level in message.entries or () if level["qty"] == 0]
        why = before(self, message)
        self.levels.update({(level["side"], level["price"]): (0, 0) for level in gone})
        return why
    change(Book, "_levels", levels)


@mistake("book-in-two-frames")
def takes_a_frame_for_a_snapshot():
    def levels(before, self, message):
        before(self, message)
        self.complete = True
    change(Book, "_levels", levels)


@mistake("md-gap")
def does_not_count_market_data():
    change(Book, "apply", lambda before, self, message: setattr(self, "md_seq", message.seq - 1) or before(self, message))


@mistake("wrong-book-hash")
def does_not_check_the_hash():
    def levels(before, self, message):
        why = before(self, message)
        if why and "hash" in why:
            self.complete = True
            return None
        return why
    change(Book, "_levels", levels)


@mistake("book-after-a-cut")
def subscribes_once():
    change(Client, "_on_lost", lambda before, self, error: self.books.clear() or before(self, error))


driver = conform.Driver()
MISTAKES[sys.argv[2]]()
conform.main(driver)
