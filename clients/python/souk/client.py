"""One session with Souk: what it asks for, what comes, and its connection. Sections named here are those of protocol/PROTOCOL.md."""
import collections
import socket
import ssl
import struct
import time

from .market import DEPTH, WAITING_MAX, Book, Lane, Ticket
from .wire import CODES, FRAME_MAX, LAYOUTS, Ended, InDoubt, Message, NotApplied, Refused, SoukError
from .wire import decode, encode, sign, signed_bytes, split

REDIRECTS_MAX = 5
PAUSE_MIN, PAUSE_MAX = 0.05, 2.0  # seconds between attempts to connect; doubles
LIMIT, GTC = 2, 1


class Client:
    """One session: it is logged on when this is made. `on_event` gets everything the server says but reports that came before, and
    `LoggedOn`, `Disconnected`, `Resumed`, `ReportsLost`, `BookBroken`. `addresses` are nodes with commas between them; `tls` is the
    `ssl.SSLContext` that says which nodes to trust, and None is a plain connection."""

    def __init__(self, addresses, key_id, key, session=0, on_event=None, keepalive_ms=5000, cancel_on_disconnect=0, cancel_grace_ms=0,
                 timeout=5.0, attempts=20, tls=None):
        self.seeds, self.seed, self.on_event = addresses.split(","), bytes.fromhex(key.strip()), on_event or (lambda event: None)
        self.logon = dict(key_id=key_id, session_number=session, keepalive_ms=keepalive_ms, cancel_on_disconnect=cancel_on_disconnect,
                          cancel_grace_ms=cancel_grace_ms)
        self.timeout, self.attempts, self.keepalive, self.incarnation, self.tls = timeout, attempts, keepalive_ms / 1000, 0, tls
        self.lanes, self.books, self.lists, self.listed, self.resuming = {}, {}, [], [], []
        self.owner, self.epoch, self.followed, self.redirect, self.logged_on_at = None, 0, 0, None, 0.0
        self.online, self.over, self.leaving, self.due, self.told = False, None, False, [0.0, 0.0], collections.deque()
        self._connect(None)

    # Messages to a market give a Ticket for `wait`. The first use of a market joins it.
    def new_order(self, market, account, side, qty, price=0, order_type=LIMIT, time_in_force=GTC, **more):
        return self._submit("NewOrder", dict(more, market=market, account=account, side=side, qty=qty, price=price, order_type=order_type,
                                             time_in_force=time_in_force))

    def cancel(self, market, account, orig_cl_ord_id=0, order_id=0):
        return self._submit("CancelOrder", dict(market=market, account=account, orig_cl_ord_id=orig_cl_ord_id, order_id=order_id))

    def replace(self, market, account, price, total_qty, **more):
        return self._submit("ReplaceOrder", dict(more, market=market, account=account, price=price, total_qty=total_qty))

    def mass_cancel(self, market, account, side=0):
        return self._submit("MassCancel", dict(market=market, account=account, side=side))

    def order_status(self, market, account, orig_cl_ord_id=0, order_id=0):
        return self._submit("OrderStatusRequest", dict(market=market, account=account, orig_cl_ord_id=orig_cl_ord_id, order_id=order_id))

    def batch(self, market, entries, mode=0):
        """`entries` are dicts of a BatchEntry's fields; new orders are limit orders, good till canceled, unless they say otherwise."""
        words = dict(order_type=LIMIT, time_in_force=GTC)
        return self._submit("Batch", dict(market=market, mode=mode), [{**(words if it["operation"] == 32 else {}), **it} for it in entries])

    def join(self, market, last_report_seq=None):
        """Where the session stands. With the last report that an earlier run of the program kept, those after it come first."""
        lane, ticket = self._lane(market, last_report_seq), Ticket()
        if lane.joined:
            self.send("JoinMarket", market=market)
        lane.joins.append(ticket)
        return ticket

    def markets(self):
        """The tenant's market definitions."""
        self.lists.append(Ticket())
        self.send("MarketListRequest")
        return self.lists[-1]

    def subscribe(self, market, flags=DEPTH):
        """Gives the book, which is kept from now on, over connections too."""
        self.books[market] = Book(flags)
        self.send("Subscribe", market=market, flags=flags)
        return self.books[market]

    def unsubscribe(self, market):
        if self.books.pop(market, None):
            self.send("Unsubscribe", market=market)

    def send(self, name, **fields):
        """Any message without a number, such as a request of section 14: once, on this connection. Its answer is an event."""
        if self.over:
            raise self.over
        if self.online:  # else what is to be asked again is asked after the logon
            self.out += encode(name, fields)

    def wait(self, ticket, timeout=10.0):
        """What came of it; raises NotApplied or InDoubt. A TimeoutError says nothing of what will come of it."""
        until = time.monotonic() + timeout
        while not ticket.done:
            if time.monotonic() >= until:
                raise TimeoutError(f"no outcome in {timeout} s; it may still come")
            try:
                self.poll(until - time.monotonic())
            except SoukError:
                if not ticket.done:
                    raise
        if isinstance(ticket.outcome, SoukError):
            raise ticket.outcome
        return ticket.outcome

    def logout(self, timeout=5.0):
        """Sends what waits, waits for the answers, says goodbye."""
        self.leaving, until = True, time.monotonic() + timeout
        while not self.over and time.monotonic() < until:
            try:
                self.poll(until - time.monotonic())
            except SoukError:
                break
        self._end(Ended("logged out"))

    def poll(self, timeout=0.1):
        """Sends, and receives once, for at most so long; longer if the connection has to be made again. Raises why the session is over."""
        if not self.over:
            try:
                self._step(max(timeout, 0.0))
            except Refused as refused:
                self._end(refused)
            except (OSError, Ended) as error:
                self._recover(error if isinstance(error, Ended) else Ended(f"the connection was lost: {error}"))
        while self.told:
            self.on_event(self.told.popleft())
        if self.over:
            raise self.over

    # --- the session without its connection
    def _submit(self, name, fields, entries=None):
        frame, waiting = bytearray(encode(name, fields, 1, 0, entries)), sum(len(lane.waiting) for lane in self.lanes.values())
        decode(frame, "C")
        if self.over or self.leaving or waiting >= WAITING_MAX:
            raise self.over or SoukError(f"{waiting} messages wait, the most is {WAITING_MAX}, and none after logout: wait for answers")
        ticket = Ticket(frame, len(entries or ()))
        self._lane(fields["market"]).waiting.append(ticket)
        return ticket

    def _lane(self, market, report_seq=None):
        if market not in self.lanes:
            self.lanes[market] = Lane(market, report_seq)
            self._send_join(self.lanes[market])
        return self.lanes[market]

    def _send_join(self, lane):
        if lane.report_seq is None:
            self.send("JoinMarket", market=lane.market)
        else:
            self.send("ResumeMarket", market=lane.market, last_report_seq=lane.report_seq)

    def _resume_next(self):
        """One market after the other, as what a server sends again is bounded for each of them."""
        while self.resuming:
            lane = self.lanes.get(self.resuming[0])
            if lane and (not lane.joined or lane.resumed):
                return
            self.resuming.pop(0)
            if self.resuming:
                self._send_join(self.lanes[self.resuming[0]])

    def _pump(self, now):
        """Sends what credits, rates and refusals allow: section 12. Gives when there is more to do."""
        wake = [now + 3600.0]
        for market, book in self.books.items():
            if book.due is not None and book.due <= now:
                book.due = self.send("Subscribe", market=market, flags=book.flags)
            wake += [book.due] if book.due else []
        credits = self.info.max_inflight - sum(lane.unanswered() for lane in self.lanes.values())
        for lane in self.lanes.values():
            if lane.rejoin and lane.rejoin <= now:
                lane.rejoin = self._send_join(lane)
            wake += [lane.rejoin] if lane.rejoin else []
            room = min(credits, lane.window - lane.unanswered())
            while lane.joined and lane.free_from is None and lane.waiting and room > 0:
                at = max(lane.hold_until, self._pace(lane.waiting[0], now)) if lane.hold_until <= now else lane.hold_until
                if at > now:
                    wake.append(at)
                    break
                ticket = lane.waiting.popleft()
                ticket.state, ticket.frame[16:24] = "unanswered", struct.pack("<Q", lane.next_seq)
                lane.inflight[lane.next_seq] = ticket
                lane.next_seq, room, credits = lane.next_seq + 1, room - 1, credits - 1
                self.out += ticket.frame
        busy = self.lists or any(lane.waiting or lane.inflight or lane.joins for lane in self.lanes.values())
        if self.leaving is True and not busy:
            self.send("Terminate", code=CODES["LoggedOut"])
            self.leaving = "said"
        return min(wake)

    def _pace(self, ticket, now):
        """Takes what the message counts for from its rate. Gives 0, or when it may be sent."""
        cancels, count = ticket.frame[4] in (33, 35), max(ticket.entries, 1)
        rate, burst = (self.info.cancel_rate, self.info.cancel_burst) if cancels else (self.info.order_rate, self.info.order_burst)
        due, ahead = max(self.due[cancels], now) + count / max(rate, 1), max(burst, count) / max(rate, 1)
        if due > now + ahead + 1e-9:
            return due - ahead
        self.due[cancels] = due
        return 0.0

    def _on_message(self, m, now):
        template, lane, book = LAYOUTS[m.name].template, self.lanes.get(m.get("market")), self.books.get(m.get("market"))
        if 96 <= template < 104 and lane:
            if lane.report_seq is not None and m.seq > lane.report_seq + 1:
                self.told.append(Message("ReportsLost", dict(market=lane.market, first=lane.report_seq + 1, last=m.seq - 1)))
            if not lane.on_report(m, now):
                return
        elif template >= 128 and book:
            why = book.apply(m)
            if why:
                book.due, book.failures = now + min(0.05 * (2**book.failures - 1), 2.0), book.failures + 1
                self.told.append(Message("BookBroken", dict(market=m.market, why=why)))
        elif m.name == "Ping":
            self.send("Pong", nonce=m.nonce, ping_time=m.time, time=time.time_ns())
        elif m.name == "Redirect":
            self.redirect = m
        elif m.name == "NotApplied" and lane:
            lane.refuse(range(m.from_client_seq, m.from_client_seq + m["count"]), m.code, m.retry_after_us / 1e6, now)
        elif m.name == "SessionReject":
            self._on_session_reject(m, lane, now)
        elif m.name == "MarketJoined" and lane:
            lane.on_joined(m)
            while lane.joins:
                lane.joins.pop().end(m)
        elif m.name == "ReportsResent" and lane and lane.resumed and lane.resume_to is None:
            lost = lane.on_reports_resent(m)
            if lost:
                self.told.append(Message("ReportsLost", dict(market=lane.market, first=lost[0], last=lost[1])))
        elif m.name == "MarketDefinition":
            self.listed.append(m)
        elif m.name == "MarketListEnd" and self.lists:
            self.lists.pop(0).end(self.listed)
            self.listed = []
        self.told.append(m)
        resumed = lane and lane.finish_resume()
        if resumed:
            self.told.append(resumed)
        self._resume_next()
        if m.name == "Terminate":
            raise Ended("the server ended the connection:", m.code, m.retry_after_ms)

    def _on_session_reject(self, m, lane, now):
        again, book, error = now + m.retry_after_us / 1e6, self.books.get(m.market), NotApplied("refused:", m.code)
        if 32 <= m.ref_template < 48 and lane:
            lane.refuse([m.ref_seq], m.code, 0.0, now, final=True)
        elif m.ref_template in (12, 17) and lane and m.code == CODES["ReportSeqNotReached"]:
            lane.report_seq = None  # what the server told is lost: joined as if for the first time
            self._send_join(lane)
        elif m.ref_template in (12, 17) and lane and m.retry_after_us:
            lane.rejoin = again
        elif m.ref_template in (12, 17) and lane and not lane.joined:
            for ticket in [*lane.joins, *lane.waiting]:
                ticket.end(error)
            del self.lanes[lane.market]
        elif m.ref_template == 128 and book:
            book.due = again if m.retry_after_us else None
        elif m.ref_template == 14 and self.lists:
            self.lists.pop(0).end(error)

    def _on_logged_on(self):
        self.online, self.out, self.due, self.resuming = True, bytearray(), [0.0, 0.0], list(self.lanes)
        self.heard = self.spoke = self.logged_on_at = time.monotonic()
        for market in self.resuming[:1]:
            self._send_join(self.lanes[market])
        for market, book in self.books.items():
            book.restart(broken=True)
            book.due = self.send("Subscribe", market=market, flags=book.flags)
        for _ in self.lists:
            self.send("MarketListRequest")
        self.told.append(Message("LoggedOn", self.info))

    def _recover(self, lost):
        self._on_lost(lost)
        try:
            if self.leaving == "said" or not lost.may_help:
                raise lost
            self._connect(lost)
        except SoukError as error:
            self._end(error)

    def _on_lost(self, error):
        self.socket.close()
        self.online, self.listed = False, []
        for lane in self.lanes.values():
            lane.joined, lane.resumed, lane.resume_to, lane.rejoin = False, None, None, None
        for book in self.books.values():
            book.restart(broken=True)
        self.told.append(Message("Disconnected", dict(code=error.code, reason=str(error))))

    def _end(self, error):
        """The session is over: what is unanswered stays in doubt, what was not sent is not applied."""
        if not self.over:
            self.over, self.online = error, False
            self.socket.close()
            for lane in self.lanes.values():
                for ticket in lane.inflight.values():
                    doubt = InDoubt(f"the session is over: {error}")
                    ticket.end(NotApplied("refused:", ticket.code) if ticket.state == "refused" else doubt)
                for ticket in lane.waiting:
                    ticket.end(NotApplied(f"never sent: {error}"))
            for ticket in [*self.lists, *(ticket for lane in self.lanes.values() for ticket in lane.joins)]:
                ticket.end(error)

    # --- the connection: sections 5 and 6
    def _step(self, timeout):
        now = time.monotonic()
        wake = self._pump(now)
        if now >= self.spoke + self.keepalive and not self.out:
            self.send("Heartbeat", time=time.time_ns())
        self._flush()
        self.socket.settimeout(max(0.0001, min(now + timeout, wake, self.spoke + self.keepalive, self.heard + 2 * self.keepalive) - now))
        try:
            more = self.socket.recv(FRAME_MAX)
        except (socket.timeout, BlockingIOError):
            more = None
        if more == b"":
            raise Ended("the server closed the connection")
        if more is None and time.monotonic() >= self.heard + 2 * self.keepalive:
            self.socket.sendall(encode("Terminate", dict(code=CODES["KeepaliveLapsed"])))
            raise Ended("nothing came for two keepalive intervals")
        self.data, self.heard = self.data + (more or b""), time.monotonic() if more else self.heard
        for frame in iter(self._frame, None):
            try:
                message = decode(frame)
            except Refused as refused:
                if refused.name != "UnknownTemplate":
                    raise
            else:
                self._on_message(message, time.monotonic())
        self._pump(time.monotonic())
        self._flush()

    def _flush(self):
        if self.out:
            self.socket.settimeout(self.timeout)
            self.socket.sendall(self.out)
            self.out, self.spoke = bytearray(), time.monotonic()

    def _frame(self):
        length = split(self.data)
        frame, self.data = self.data[:length or 0], self.data[length or 0:]
        return frame or None

    def _connect(self, lost):
        """Asks the node that a redirect names, then the others, in rounds with pauses between them: section 5, "Several nodes"."""
        first, dialing, tried, failures = lost is None, lost is None, 0, 0
        while True:
            if lost:
                pause, redirect, self.redirect = max(lost.retry_after, min(PAUSE_MIN * 2**failures, PAUSE_MAX)), self.redirect, None
                if time.monotonic() > self.logged_on_at + 1.0 and not dialing:
                    self.followed = 0
                newer = redirect is not None and redirect.address != "" and redirect.epoch >= self.epoch
                if newer and self.followed < REDIRECTS_MAX:
                    self.owner, self.epoch, self.followed, pause = redirect.address, redirect.epoch, self.followed + 1, 0.0
                elif lost.code == CODES["NotOwner"] or dialing and lost.code == 0:
                    if not self.owner:
                        self.seeds, tried = self.seeds[1:] + self.seeds[:1], tried + 1
                    self.owner = None
                    if first and lost.code == 0 and tried == len(self.seeds):
                        raise lost
                    if tried < len(self.seeds) and not newer:
                        pause = 0.0
                    else:
                        tried, self.epoch, self.followed = 0, 0, 0
                failures += pause > 0
                if failures > self.attempts or not lost.may_help:
                    raise lost
                time.sleep(pause)
            try:
                self._log_on(self.owner or self.seeds[0])
                return self._on_logged_on()
            except ssl.SSLCertVerificationError as error:  # it will not be believed later either
                raise Ended(f"{self.owner or self.seeds[0]}: {error}") from error
            except (OSError, ValueError, Ended) as error:
                lost, dialing = error if isinstance(error, Ended) else Ended(f"{self.owner or self.seeds[0]}: {error}"), True

    def _log_on(self, address):
        host, _, port = address.strip().rpartition(":")
        self.data, deadline = b"", time.monotonic() + self.timeout
        self.socket = socket.create_connection((host.strip("[]"), int(port)), self.timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            self.socket = self.tls.wrap_socket(self.socket, server_hostname=host.strip("[]"))

        def receive():
            for frame in iter(self._frame, None):
                message = decode(frame)
                if message.name in ("LogonReject", "Terminate"):
                    self.socket.close()
                    raise Ended("the logon was refused:", message.code, message.retry_after_ms)
                return frame, message
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            more = self.socket.recv(FRAME_MAX)
            if not more:
                raise Ended("the server closed the connection")
            self.data += more
            return receive()

        hello = encode("Hello", dict(magic=b"SOUKWIRE", schema_min=1, schema_max=1, version_max=1, max_frame_in=FRAME_MAX))
        self.socket.sendall(hello)
        challenge, _ = receive()
        self.incarnation = max(self.incarnation + 1, time.time_ns())
        fields = dict(self.logon, incarnation=self.incarnation, client_time=time.time_ns())
        fields["signature"] = sign(self.seed, signed_bytes(hello, challenge, encode("Logon", fields)))
        self.socket.sendall(encode("Logon", fields))
        accounts, goes_on = [], True
        while goes_on:
            _, message = receive()
            if message.name == "Redirect":
                self.redirect = message
            elif message.name == "LogonAck":
                accounts += [entry["account"] for entry in message.entries]
                self.info, goes_on = Message("LogonAck", dict(message, accounts=accounts, address=address)), message.flags & 2
