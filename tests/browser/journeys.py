"""What people do in the console and on the trading page, step by step, as they would: by what they see."""

import time

from driver import BrowserError


class Journey:
    """One page and who signs in on it; `shot(name)` keeps a picture where pictures are wanted."""

    def __init__(self, page, options, shot=lambda name: None):
        self.page = page
        self.options = options
        self.shot = shot
        # A name that no run before this one has used.
        self.mark = format(int(time.time() * 1000) % 36**5, "x").upper()[-6:]

    def visit(self, place):
        self.page.open(self.options.base + "/" + place)

    def sign_in(self):
        page, options = self.page, self.options
        self.visit("")
        page.find("input[name=password]")
        self.shot("login")
        page.type("input[name=tenant]", options.tenant)
        page.type("input[name=user]", options.user)
        page.type("input[name=password]", options.password)
        page.click("form button[type=submit]")
        page.find(".shell h1")
        self.settled()

    def settled(self):
        """Waits until the page is drawn, and checks that nothing stands out of it."""
        self.page.wait("a page that has loaded", lambda: not self.page.all("main .loading"))
        over = self.page.overflow()
        if over > 0:
            raise BrowserError(f"the page is {over} pixels wider than the window: {self.page.address()}")

    def submit(self):
        """Presses the button of the dialog that is open."""
        self.page.click("dialog .form-actions button:last-child")

    def closed(self):
        self.page.wait("a closed dialog", lambda: not self.page.all("dialog"), 20)
        self.settled()

    def every_page(self):
        """Looks at each page of the navigation."""
        page = self.page
        links = page.run("return [...document.querySelectorAll('.nav-link')].map(one => one.getAttribute('href'))")
        for link in links:
            self.visit(link)
            page.wait(link, lambda: page.address().endswith(link))
            page.find("main h1")
            self.settled()
            self.shot("page-" + link.removeprefix("#/"))
        return links

    def list_currency(self, code):
        page = self.page
        self.visit("#/currencies")
        page.find("main h1")
        self.settled()
        if code in page.text("main"):
            return
        page.click(".page-head .button.primary, .empty .button.primary")
        page.type("dialog input[name=code]", code)
        self.submit()
        page.type("dialog input[name=scale]", "8")
        page.see("dialog .example", "100,000,000")
        self.shot("currency-wizard")
        self.submit()
        page.find("dialog input[name=amount_min]")
        self.submit()
        page.see("dialog .facts", code)
        self.submit()
        self.closed()
        page.see("main", code)

    def open_market(self):
        """A new currency against the quote of the first market, by the wizard. Gives the symbol."""
        page = self.page
        base = "T" + self.mark
        self.list_currency(base)
        self.visit("#/markets")
        page.click(".page-head .button.primary, .empty .button.primary")
        page.find("dialog select[name=base]")
        page.choose("dialog select[name=base]", base)
        page.choose("dialog select[name=quote]", self.options.quote)
        self.shot("market-wizard-pair")
        self.submit()
        page.type("dialog input[name=tick_size]", "0.01")
        page.type("dialog input[name=lot_size]", "0.001")
        page.wait("the smallest order", lambda: self.options.quote in page.text("dialog .preview-box"))
        self.shot("market-wizard-steps")
        self.submit()
        page.find("dialog input[name=price_min]")
        self.shot("market-wizard-limits")
        self.submit()
        page.find("dialog input[name=maker_ppm]")
        page.choose("dialog select[name=state]", "continuous")
        self.submit()
        symbol = f"{base}-{self.options.quote}"
        page.see("dialog .facts", symbol)
        self.shot("market-wizard-review")
        self.submit()
        self.closed()
        page.see("main h1", symbol, 20)
        return symbol

    def see_live_trades(self):
        """Opens the first market that trades and waits until a trade comes in by itself."""
        page = self.page
        self.visit("#/markets")
        page.click(f"a[href='#/markets/{self.options.market}']")
        page.find(".ladder .level.buy:not(.blank)", 20)
        if page.all(".page-head .chip.bad"):
            # A run before this one ended while it was halted.
            self.resume()
        first = page.wait("trades", lambda: page.text(".ticks tbody"), 20)
        page.wait("a new trade", lambda: page.text(".ticks tbody") != first, 30)
        page.wait("a verified book", lambda: page.text(".proof"), 20)
        self.settled()
        self.shot("market")

    def halt_and_resume(self, symbol):
        page = self.page
        page.click(".page-head .button.danger")
        page.find("dialog input[name=typed]")
        self.keyboard_stays_in_dialog()
        page.type("dialog input[name=reason]", "browser test")
        page.type("dialog input[name=typed]", symbol[:-1])
        self.shot("halt")
        self.submit()
        page.wait("a refusal of the wrong name", lambda: page.text("dialog .field:has(input[name=typed]) .field-error"))
        page.type("dialog input[name=typed]", symbol)
        self.submit()
        self.closed()
        page.find(".page-head .chip.bad")
        page.see(".page > .panel:last-child", "browser test")
        self.shot("halted")
        self.resume()

    def resume(self):
        page = self.page
        page.click(".page-head .button.primary")
        page.type("dialog input[name=reason]", "browser test is over")
        self.submit()
        self.closed()
        page.find(".page-head .chip.good")

    def keyboard_stays_in_dialog(self):
        page = self.page
        for key in ("\ue004",) * 12:
            page.keys(key)
            if not page.run("return document.activeElement.closest('dialog') !== null"):
                raise BrowserError("the focus left the dialog")

    def escape_closes(self):
        page = self.page
        page.click(".page-head .button.danger")
        page.find("dialog")
        page.keys("\ue00c")
        page.wait("a dialog closed by Escape", lambda: not page.all("dialog"))
        if not page.run("return document.activeElement.classList.contains('danger')"):
            raise BrowserError("the focus did not go back to the button that opened the dialog")

    def new_account(self):
        """A new account with the name of this run. Gives its id."""
        page = self.page
        self.visit("#/accounts")
        page.click(".page-head .button.primary")
        page.type("dialog input[name=external_id]", f"browser-{self.mark}")
        self.submit()
        self.closed()
        page.see("main h1", f"browser-{self.mark}", 20)
        return page.address().rsplit("/", 1)[1]

    def credit(self, account, amount):
        """Credits an account and finds it in the statement and in the audit log."""
        page = self.page
        self.visit(f"#/accounts/{account}")
        page.see("main h1", f"browser-{self.mark}", 20)
        page.click(".page-head .button.primary")
        page.choose("dialog select[name=currency]", self.options.quote)
        page.type("dialog input[name=amount]", amount)
        reason = f"browser test {self.mark}"
        page.type("dialog input[name=reason]", reason)
        number = page.run("return document.querySelector('dialog input[name=business_id]').value")
        self.shot("credit")
        self.submit()
        self.closed()
        page.wait("the credit in the statement", lambda: number in page.text("main") or self.reload(), 20)
        page.see("main", f"+{amount[:-3]},{amount[-3:]}")
        self.shot("account")
        self.visit("#/audit")
        page.see("main", reason, 20)
        self.shot("audit")

    def reload(self):
        self.page.run("location.reload()")
        time.sleep(0.7)
        return False

    def code(self, account):
        """A one-time code for the trading page, asked for in the console."""
        page = self.page
        self.visit(f"#/accounts/{account}")
        page.click(".panel-head .button.small")
        link = page.wait("a code", lambda: page.text("dialog .secret code"))
        page.keys("\ue00c")
        page.wait("a closed dialog", lambda: not page.all("dialog"))
        return link[link.index("#code=") :]

    def trade(self, code):
        """Opens the trading page with a code, places an order, sees it in the live book, and cancels it."""
        page = self.page
        self.page.open("about:blank")
        self.visit("trade/" + code)
        page.find(".rows .row", 20)
        if "code" in page.address():
            raise BrowserError(f"the code is still in the address: {page.address()}")
        self.settled()
        self.shot("trade-markets")
        page.run("document.querySelectorAll('.bottom .tab')[1].click()")
        page.choose(".picker", self.options.market)
        page.find(".order-form")
        page.wait("a live book", lambda: page.text(".level.buy:not(.blank) .price"), 20)
        page.wait("a price", lambda: page.run("return document.querySelector('.order-form input').value"))
        self.shot("trade-form")
        price = self.place_below()
        self.settled()
        page.wait("the order in the live book", lambda: self.in_book(price), 20)
        page.find(".row.order")
        self.shot("trade-open")
        page.click(".row.order .button")
        page.wait("a book without the order", lambda: not page.all(".row.order") and not self.in_book(price), 20)
        for at, name in ((2, "orders"), (3, "balances")):
            page.run("document.querySelectorAll('.bottom .tab')[arguments[0]].click()", at)
            page.wait(name, lambda: page.all(f".view-{name} h1"))
            self.settled()
            self.shot(f"trade-{name}")

    def place_below(self):
        """A small buy a few ticks below the best price. Gives its price."""
        page = self.page
        page.run("document.querySelectorAll('.quick-price')[0].click()")
        for _ in range(self.options.ticks_below):
            page.run("document.querySelectorAll('.stepper')[0].click()")
        price = page.run("return document.querySelector('.order-form input').value")
        page.type(".order-form .field:not([hidden]) ~ .field input", self.options.qty)
        page.wait("a total", lambda: self.options.quote in page.text(".summary div:last-child"))
        page.click(".order-form button[type=submit]")
        page.find("dialog .facts")
        self.shot("trade-confirm")
        self.submit()
        page.wait("a closed dialog", lambda: not page.all("dialog"), 20)
        return price

    def in_book(self, price):
        """Whether a level of the live book has the mark of an own order at the price; others may be there, too."""
        texts = self.page.run("return [...document.querySelectorAll('.level.buy.mine .price')].map(one => one.textContent)")
        return price in [one.replace(",", "") for one in texts]
