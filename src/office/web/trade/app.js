// The page for phones. It is opened inside the platform's app with a one-time code behind the `#`, which is taken out of the address at once.

import { Api } from "../shared/api.js";
import { fill, h, icon } from "../shared/dom.js";
import { localeSlot, tokenSlot } from "../shared/session.js";
import { pickLocale, setLocale, t } from "../shared/i18n.js";
import { Live, liveUrl } from "../shared/live.js";
import { languageSwitch, themeSwitch } from "../shared/switches.js";
import { setBrand, startTheme } from "../shared/theme.js";
import { empty, errorBox, link, liveBadge, loading, startToasts } from "../shared/ui.js";
import { balancesView } from "./balances_view.js";
import { marketsView } from "./markets_view.js";
import { ordersView } from "./orders_view.js";
import { Store } from "./store.js";
import { tradeView } from "./trade_view.js";

const VIEWS = { markets: marketsView, trade: tradeView, orders: ordersView, balances: balancesView };
const MARKS = { markets: "markets", trade: "trades", orders: "orders", balances: "wallet" };

const token = tokenSlot("trade");
const api = new Api({ signedOut: () => ended() });

let self = null;
let store = null;
let live = null;
let leave = [];
let badge = null;
const place = { view: "markets", market: null, side: "buy" };

function takeCode() {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  return code;
}

function message(text, problem) {
  fill(document.body, h("main", { class: "alone" }, h("h1", {}, t("trade.title")), problem ? errorBox(problem) : null, empty(text, self?.brand?.support_url ? link(t("trade.support"), self.brand.support_url, { kind: "button" }) : null)));
}

function ended() {
  live?.stop();
  token.set(null);
  api.token = null;
  message(t("trade.ended"));
}

function go(view, more = {}) {
  Object.assign(place, { view }, more);
  show();
}

function show() {
  for (const end of leave) end();
  leave = [];
  badge?.stop();
  badge = liveBadge(live);
  const main = h("main", { class: `view view-${place.view}`, tabindex: "-1" }, loading());
  const tabs = Object.keys(VIEWS).map((name) =>
    h("button", { type: "button", class: "tab", "aria-current": name === place.view ? "page" : undefined, on: { click: () => go(name) } }, icon(MARKS[name]), h("span", {}, t(`trade.tab_${name}`))),
  );
  const name = self.brand?.name || self.tenant;
  const top = h(
    "header",
    { class: "trade-top" },
    self.brand?.logo ? h("img", { src: self.brand.logo, alt: "", class: "logo" }) : null,
    h("b", { class: "brand-name" }, name),
    h("span", { class: "top-right" }, badge, languageSwitch(language), themeSwitch()),
  );
  fill(document.body, h("div", { class: "trade" }, top, main, h("nav", { class: "bottom", "aria-label": t("nav.label") }, tabs)));
  startToasts();
  document.title = `${t(`trade.tab_${place.view}`)} \u00b7 ${name}`;
  const context = { api, live, store, self, go, place, onLeave: (end) => leave.push(end) };
  try {
    fill(main, VIEWS[place.view](context));
  } catch (error) {
    fill(main, errorBox(error));
  }
  window.scrollTo(0, 0);
}

async function language(next) {
  localeSlot.set(next);
  await setLocale(next);
  show();
}

async function start(who) {
  self = who;
  setBrand(self.brand ?? null);
  await setLocale(pickLocale(localeSlot.get(), navigator.languages, self.brand?.locale));
  const markets = await api.all("/v1/me/markets");
  live = new Live({ url: liveUrl(location), token: api.token, ended });
  store = new Store({ api, live, markets });
  await store.load();
  live.start();
  place.market = store.shown[0]?.id ?? null;
  show();
}

async function begin() {
  const code = takeCode();
  startTheme();
  await setLocale(pickLocale(localeSlot.get(), navigator.languages));
  fill(document.body, loading());
  try {
    if (code) {
      const answer = await api.post("/v1/codes/exchange", { code });
      token.set(answer.token);
      api.token = answer.token;
      return await start(answer.self ?? (await api.get("/v1/self")));
    }
    api.token = token.get();
    if (!api.token) return message(t("trade.no_code"));
    return await start(await api.get("/v1/self"));
  } catch (error) {
    return message(t(code ? "trade.bad_code" : "trade.ended"), error);
  }
}

// The app may open the same page again with a fresh code.
window.addEventListener("hashchange", () => {
  if (location.hash.startsWith("#code=")) {
    live?.stop();
    begin();
  }
});

begin();
