"""What `souk conform` drives: takes an instruction a line, tells an event a line, as docs/conform.md says.

    souk conform -- python3 clients/python/conform.py
"""
import json
import queue
import sys
import threading

import souk

NAMES = {"LoggedOn": "logged_on", "Disconnected": "disconnected", "MarketJoined": "joined", "ReportsLost": "reports_lost"}


def tell(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


class Driver:
    def __init__(self, client_class=souk.Client):
        self.client_class, self.client, self.entered = client_class, None, []

    def on_event(self, event):
        if "client_seq" in event:
            tell("report", **event, report_seq=event.seq, message=event.name)
        elif event.name in NAMES:
            tell(NAMES[event.name], **event)
        elif event.name in ("DepthSnapshot", "DepthUpdate") and self.client.books[event.market].complete:
            book = self.client.books[event.market]
            tell("book", market=event.market, buys=book.side(souk.BUY), sells=book.side(souk.SELL))

    def do(self, do, **asked):
        client = self.client
        if do == "connect":
            self.client = self.client_class(asked["addr"], asked["key_id"], asked["key"], session=asked["session"], on_event=self.on_event,
                                            keepalive_ms=asked["keepalive_ms"])
        elif do == "markets":
            definitions = client.wait(client.markets())
            tell("markets", markets=[{"market": one.market, "symbol": one.symbol} for one in definitions])
        elif do == "logout":
            client.logout()
        elif do in ("join", "subscribe"):
            getattr(client, do)(**asked)
        else:
            ticket = getattr(client, {"new": "new_order"}.get(do, do))(**asked)
            self.entered.append((asked, ticket))

    def work(self):
        """Moves bytes, and tells what became of what was asked."""
        if self.client:
            self.client.poll(0.005)
        for asked, ticket in [pair for pair in self.entered if pair[1].done]:
            self.entered.remove((asked, ticket))
            if isinstance(ticket.outcome, souk.NotApplied):
                tell("not_applied", market=asked["market"], cl_ord_id=asked.get("cl_ord_id", 0), code=ticket.outcome.code)


def main(driver):
    instructions = queue.Queue()

    def read():
        for line in sys.stdin:
            instructions.put(json.loads(line))
        instructions.put({"do": "quit"})

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            instruction = instructions.get_nowait() if driver.client else instructions.get()
            if instruction["do"] == "quit":
                return
            driver.do(**instruction)
        except queue.Empty:
            pass
        except souk.SoukError as error:
            return ended(error, instructions)
        try:
            driver.work()
        except souk.SoukError as error:
            return ended(error, instructions)


def ended(error, instructions):
    tell("ended", code=error.code, reason=str(error))
    while instructions.get()["do"] != "quit":
        pass


if __name__ == "__main__":
    main(Driver())
