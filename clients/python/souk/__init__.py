"""A client for Souk: this folder, Python 3.9 or later, standard library only.

    from souk import BUY, Client

    client = Client("127.0.0.1:7001", key_id=1, key=open("acme.key").read(), on_event=print)
    order = client.new_order(market=1, account=1, side=BUY, price=6_512_345, qty=10, cl_ord_id=1)
    print(client.wait(order))
    client.logout()

Prices are ticks, quantities lots. It works while `poll`, `wait` or `logout` run, in one thread: they send, receive, keep the session alive,
and make a lost connection again. A message is applied once, whatever happens to connections; each report is handed on once, in order; a
book is the market's, or it is not complete. What is in doubt is told, never guessed.
"""
from .client import Client
from .market import BUY, DEPTH, SELL, Book, Ticket
from .wire import CODES, NAMES, Ended, InDoubt, Message, NotApplied, Refused, SoukError

LIMIT, MARKET, GTC, IOC, FOK, TRADES = 2, 1, 1, 3, 4, 2
__all__ = ["BUY", "CODES", "DEPTH", "FOK", "GTC", "IOC", "LIMIT", "MARKET", "NAMES", "SELL", "TRADES", "Book", "Client", "Ended", "InDoubt",
           "Message", "NotApplied", "Refused", "SoukError", "Ticket"]
