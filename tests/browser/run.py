#!/usr/bin/env python3
"""Drives the console and the trading page of a running Souk in a real browser, in every size, colour scheme and language.

    python3 tests/browser/run.py --base http://127.0.0.1:7080 --tenant acme --user demo --password plum-otter-41

The tenant needs a market with live traffic, and a user with the role of an owner. With `--stop PID` the run ends by
stopping that process, and the stale badge has to appear. `--shots FOLDER` keeps pictures. Exits with 1 if anything went wrong.
"""

import argparse
import itertools
import os
import signal
import sys
import time
import traceback

from driver import BrowserError, Driver, Page
from journeys import Journey

SIZES = ((360, 740), (1280, 800))


def main():
    options = arguments()
    driver = Driver()
    failures = 0
    try:
        for size, dark, locale in combinations(options):
            name = f"{size[0]}-{'dark' if dark else 'light'}-{locale}"
            failures += not passes(driver, options, size, dark, locale, name)
        if options.stop:
            failures += not goes_stale(driver, options)
    finally:
        driver.stop()
    print("all good" if not failures else f"{failures} failed")
    sys.exit(1 if failures else 0)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True, help="where the office listens, such as http://127.0.0.1:7080")
    parser.add_argument("--tenant", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--market", default="1", help="id of a market with live traffic")
    parser.add_argument("--symbol", default="BTC-USDT", help="its symbol")
    parser.add_argument("--quote", default="USDT", help="its quote currency")
    parser.add_argument("--amount", default="90000", help="what the account of the trading page is credited with")
    parser.add_argument("--qty", default="0.01", help="quantity of the order that is placed")
    parser.add_argument("--ticks-below", type=int, default=3, help="how many ticks below the best bid it is placed")
    parser.add_argument("--only", help="one combination, such as 360-dark-zh")
    parser.add_argument("--shots", help="folder for pictures")
    parser.add_argument("--stop", type=int, help="id of the server's process, which is stopped at the end")
    options = parser.parse_args()
    options.base = options.base.rstrip("/")
    if options.shots:
        os.makedirs(options.shots, exist_ok=True)
    return options


def combinations(options):
    for size, dark, locale in itertools.product(SIZES, (False, True), ("en", "zh")):
        if options.only in (None, f"{size[0]}-{'dark' if dark else 'light'}-{locale}"):
            yield size, dark, locale


def passes(driver, options, size, dark, locale, name):
    page = Page(driver, *size, dark, locale)
    began = time.monotonic()

    def shot(what):
        if options.shots:
            page.screenshot(os.path.join(options.shots, f"{name}-{what}.png"))

    try:
        journey = Journey(page, options, shot)
        journey.sign_in()
        if page.run("return document.documentElement.dataset.theme") != ("dark" if dark else "light"):
            raise BrowserError("the colour scheme is not the browser's")
        if not page.run("return document.documentElement.lang").startswith(locale):
            raise BrowserError("the language is not the browser's")
        journey.every_page()
        journey.open_market()
        journey.see_live_trades()
        journey.escape_closes()
        journey.halt_and_resume(options.symbol)
        account = journey.new_account()
        journey.credit(account, options.amount)
        journey.trade(journey.code(account))
        troubles = page.read_log()
        if troubles:
            raise BrowserError("the console told: " + "; ".join(troubles))
        print(f"{name}: passed in {time.monotonic() - began:.1f} s")
        return True
    except Exception:
        shot("failed")
        print(f"{name}: FAILED at {page.address()}\n{traceback.format_exc()}")
        for trouble in page.read_log():
            print("   ", trouble)
        return False
    finally:
        page.close()


def goes_stale(driver, options):
    """Stops the server while a market is shown: the badge says how old the data is, and the data stays."""
    page = Page(driver, 1280, 800)
    try:
        journey = Journey(page, options)
        journey.sign_in()
        journey.see_live_trades()
        page.find(".live-badge[data-state=fresh]")
        os.kill(options.stop, signal.SIGSTOP)
        page.find(".live-badge[data-state=stale]", 10)
        if not page.text(".level.buy:not(.blank) .price"):
            raise BrowserError("the book is gone")
        if options.shots:
            page.screenshot(os.path.join(options.shots, "stale.png"))
        os.kill(options.stop, signal.SIGCONT)
        page.find(".live-badge[data-state=fresh]", 20)
        os.kill(options.stop, signal.SIGTERM)
        page.find(".live-badge[data-state=stale], .live-badge[data-state=waiting]", 20)
        print("stale badge: passed")
        return True
    except Exception:
        print(f"stale badge: FAILED\n{traceback.format_exc()}")
        return False
    finally:
        page.close()


if __name__ == "__main__":
    main()
