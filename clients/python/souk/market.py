"""What the client keeps of a market: its depth (section 13 of protocol/PROTOCOL.md), and the session's numbers there (section 9)."""
import collections
import struct

from .wire import CODES, InDoubt, Message, NotApplied

BUY, SELL, DEPTH = 1, 2, 1
WAITING_MAX, ATTEMPTS_MAX = 65_536, 16


class Book:
    """`levels` is {(side, price): (qty, orders)}; while `complete`, it is what the market had after `stream_seq` commands."""

    def __init__(self, flags=DEPTH):
        self.flags, self.failures, self.due = flags, 0, None
        self.restart(broken=True)

    def restart(self, broken=False):
        self.levels, self.md_seq, self.stream_seq, self.complete, self.broken = {}, 0, 0, False, broken

    def side(self, side):
        """(price, qty, orders) of one side, from the best price."""
        return sorted(((price, *level) for (of, price), level in self.levels.items() if of == side), reverse=side == BUY)

    def hash(self):
        value = 0xCBF29CE484222325
        for byte in b"".join(struct.pack("<BqQI", side, *level) for side in (BUY, SELL) for level in self.side(side)):
            value = (value ^ byte) * 0x100000001B3 % 2**64
        return value

    def apply(self, message):
        """Takes a message of the subscription. Gives why it has to be subscribed to anew, or None."""
        if message.seq == 1:
            self.restart()
        elif self.broken:
            return None  # it is of the subscription that was given up
        self.md_seq += 1
        why = self._levels(message) if message.seq == self.md_seq else f"message {message.seq} came where {self.md_seq} was due"
        self.broken, self.complete = why is not None, self.complete and why is None
        return why

    def _levels(self, message):
        if message.name == "DepthUpdate" and (not self.complete or message.stream_seq < self.stream_seq):
            return "an update follows no snapshot"
        if message.name == "DepthSnapshot" and self.complete:
            self.levels, self.complete = {}, False
        for level in message.entries or ():
            self.levels[level["side"], level["price"]] = level["qty"], level["orders"]
            if level["qty"] == 0:
                del self.levels[level["side"], level["price"]]
        self.stream_seq = message.get("stream_seq", self.stream_seq)
        if message.name == "DepthSnapshot" and not message.flags & 2:
            if (len(self.side(BUY)), len(self.side(SELL)), self.hash()) != (message.buy_levels, message.sell_levels, message.book_hash):
                return f"its hash is {self.hash():x}, the market's is {message.book_hash:x}"
            self.complete, self.failures = True, 0
        return None


class Ticket:
    """What was asked for. Once `done`, `outcome` is what came of it: a message, a list of them, or a SoukError."""

    def __init__(self, frame=None, entries=0):
        self.frame, self.entries, self.done, self.outcome, self.reports = frame, entries, False, None, []
        self.state, self.attempts = "unanswered", 0  # then "answered" by a report, or "refused" and to be sent again

    def end(self, outcome):
        self.done, self.outcome = True, outcome

    def report(self, message):
        """A mass cancel is done with its last report, a batch with one for each entry, anything else with the first."""
        self.state, kind = "answered", self.frame[4]
        if kind == 37 and message.get("batch_index") == len(self.reports):
            self.reports.append(message)
        if kind == 37 and len(self.reports) == self.entries:
            self.end(self.reports)
        elif kind != 37 and (kind != 35 or message.name in ("MassCanceled", "Rejected")):
            self.end(message)


class Lane:
    """`inflight` has the numbers that were given and are not done with, in order; `next_seq` follows the last that was given."""

    def __init__(self, market, report_seq=None):
        self.market, self.report_seq, self.applied, self.next_seq = market, report_seq, 0, 1
        self.joined, self.known, self.resume_to, self.resumed = False, False, None, None
        self.waiting, self.inflight, self.joins, self.rejoin = collections.deque(), {}, [], None
        self.free_from, self.hold_until, self.window = None, 0.0, WAITING_MAX

    def unanswered(self):
        return sum(ticket.state == "unanswered" for ticket in self.inflight.values())

    def on_report(self, message, now):
        """Gives whether the report is new."""
        if self.report_seq is not None and message.seq <= self.report_seq:
            return False
        self.report_seq, ticket = message.seq, self.inflight.get(message.client_seq)
        self.applied = max(self.applied, message.client_seq)
        if ticket:
            self.window += ticket.state == "unanswered"
            ticket.report(message)
            if ticket.done:
                del self.inflight[message.client_seq]
            self.settle(now)
        return True

    def refuse(self, seqs, code, retry_after, now, final=False):
        """Of these numbers the market says that they were not applied; `final`: sending them again is useless."""
        for seq in [seq for seq, ticket in self.inflight.items() if seq in seqs and ticket.state == "unanswered"]:
            ticket = self.inflight[seq]
            if code == CODES["AlreadyApplied"]:
                self.inflight.pop(seq).end(InDoubt("it was applied before, and its reports did not come:", code))
                continue
            ticket.state, ticket.code, ticket.retry_after = "refused", code, retry_after
            self.free_from = min(seq, self.free_from or seq)
            if final:
                self.inflight.pop(seq).end(NotApplied("refused:", code))
        self.settle(now)

    def settle(self, now):
        """Once all in flight is answered, what was refused goes to the front of the queue, and the first gets the first free number."""
        if self.free_from is None or any(ticket.state != "refused" for ticket in self.inflight.values()):
            return
        again, wait = list(self.inflight.values()), 0.0
        if again and again[0].code != CODES["SequenceGap"]:
            first, wait = again[0], max(again[0].retry_after, min(0.0001 * 2**again[0].attempts, 1.0))
            first.attempts, self.window = first.attempts + 1, max(1, len(again) // 2)
            if first.attempts > ATTEMPTS_MAX:
                again.pop(0).end(NotApplied("refused again and again:", first.code))
        self.waiting.extendleft(reversed(again))
        self.inflight, self.next_seq, self.free_from, self.hold_until = {}, self.free_from, None, now + wait if wait else 0.0

    def on_joined(self, message):
        """The market says where the session stands: what is in flight was applied, or is sent again, or is in doubt."""
        if self.joined:
            return
        last, again, applied, resent = message.last_client_seq, [], {}, 0
        lost, foreign = self.known and (self.report_seq is None or last < self.applied), last >= self.next_seq
        for seq, ticket in self.inflight.items():
            if ticket.state == "refused" and not lost:
                again.append(ticket)
            elif lost or foreign and seq <= last:
                ticket.end(InDoubt("the server has lost what it told" if lost else "another program has used its number"))
            elif seq <= last:
                applied[seq] = ticket
            else:
                again.append(ticket)
                ticket.frame[10], resent = 1, resent + 1
        self.waiting.extendleft(reversed(again))
        self.resumed = Message("Resumed", dict(market=self.market, last_client_seq=last, resent=resent, state_lost=lost))
        if self.report_seq is None or lost:
            self.report_seq = self.resume_to = message.last_report_seq
        self.inflight, self.next_seq, self.applied, self.free_from = applied, last + 1, last, None
        self.joined = self.known = True

    def on_reports_resent(self, message):
        """Gives the first and the last report that is lost, if some are."""
        self.resume_to, first = message.to_report_seq, self.report_seq + 1
        self.report_seq = max(self.report_seq, message.from_report_seq - 1)
        return (first, self.report_seq) if self.report_seq >= first else None

    def finish_resume(self):
        """Gives what there is to say once every report that was missed has come."""
        if self.resume_to is None or self.report_seq < self.resume_to:
            return None
        for seq in [seq for seq in self.inflight if seq <= self.resumed.last_client_seq]:
            self.inflight.pop(seq).end(InDoubt("it was applied, and its reports are not kept any more"))
        resumed, self.resume_to, self.resumed = self.resumed, None, None
        return resumed
