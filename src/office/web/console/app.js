// The console: signs in, shows the navigation of the role, and the page that the address names.

import { Api, path } from "../shared/api.js";
import { fill } from "../shared/dom.js";
import { setLocale, pickLocale, t } from "../shared/i18n.js";
import { Live, liveUrl } from "../shared/live.js";
import { localeSlot, tokenSlot } from "../shared/session.js";
import { setBrand, startTheme } from "../shared/theme.js";
import { errorBox, loading, startToasts, toast } from "../shared/ui.js";
import { loginPage } from "./login.js";
import { can, pagesOf } from "./roles.js";
import { shell } from "./shell.js";

const token = tokenSlot("console");
const api = new Api({ token: token.get(), signedOut: () => signOut(t("login.expired")) });

const PAGES = {
  overview: () => import("./pages/overview.js"),
  currencies: () => import("./pages/currencies.js"),
  markets: () => import("./pages/markets.js"),
  orders: () => import("./pages/orders.js"),
  trades: () => import("./pages/trades.js"),
  accounts: () => import("./pages/accounts.js"),
  fees: () => import("./pages/fees.js"),
  keys: () => import("./pages/keys.js"),
  users: () => import("./pages/users.js"),
  audit: () => import("./pages/audit.js"),
  brand: () => import("./pages/brand.js"),
  nodes: () => import("./pages/nodes.js"),
  tenants: () => import("./pages/tenants.js"),
};

let self = null;
let live = null;
let frame = null;
let leave = [];

/** What pages work with. Lists that many pages need are asked for once and kept for a few seconds. */
function context(query) {
  const cached = (route) => {
    const known = cache.get(route);
    if (known && Date.now() - known.at < 5000) return known.items;
    const items = api.all(route);
    cache.set(route, { at: Date.now(), items });
    items.catch(() => cache.delete(route));
    return items;
  };
  return {
    api,
    live,
    self,
    query,
    can: (right) => can(self.role, right),
    markets: () => cached("/v1/markets"),
    currencies: () => cached("/v1/currencies"),
    market: async (id) => (await cached("/v1/markets")).find((one) => one.id === id) ?? api.get(path("markets", id)),
    forget: () => cache.clear(),
    go: (address) => (location.hash === address ? route() : (location.hash = address)),
    again: () => route(),
    brand: (brand) => {
      self.brand = brand;
      setBrand(brand);
      showShell();
    },
    onLeave: (end) => leave.push(end),
  };
}

const cache = new Map();

function address() {
  const [where, search] = location.hash.replace(/^#\/?/, "").split("?");
  const [page, ...args] = where.split("/").map(decodeURIComponent);
  return { page: page || pagesOf(self.role)[0], args: args.filter(Boolean), query: Object.fromEntries(new URLSearchParams(search ?? "")) };
}

let turn = 0;

async function route() {
  if (!self) return;
  const mine = (turn += 1);
  for (const end of leave) end();
  leave = [];
  const { page, args, query } = address();
  frame.mark(page);
  fill(frame.main, loading());
  try {
    if (!pagesOf(self.role).includes(page)) throw Object.assign(new Error(t("error.no_page")), { code: "NotFound", text: t("error.no_page"), remedy: t("error.no_page_remedy") });
    const element = await (await PAGES[page]()).default(context(query), ...args);
    if (mine !== turn) return;
    fill(frame.main, element);
  } catch (error) {
    if (mine !== turn) return;
    fill(frame.main, errorBox(error));
  }
  const title = frame.main.querySelector("h1");
  document.title = [title?.textContent, self.brand?.name || self.tenant || "Souk"].filter(Boolean).join(" \u00b7 ");
  frame.main.scrollTop = 0;
  if (moved) title?.focus({ preventScroll: true });
  window.scrollTo(0, 0);
  moved = true;
}

// The first page keeps the focus at the top; later ones take it to their title, so that screen readers tell it.
let moved = false;

function showShell() {
  frame?.stop();
  frame = shell({ self, live, pages: pagesOf(self.role), signOut: () => leaveServer(), language, api });
  fill(document.body, frame.element);
  startToasts();
  route();
}

async function language(next) {
  localeSlot.set(next);
  await setLocale(next);
  if (self) showShell();
  else showLogin();
}

async function signIn(answer) {
  token.set(answer.token);
  api.token = answer.token;
  await start(answer.self ?? (await api.get("/v1/self")));
}

async function start(who) {
  self = who;
  setBrand(self.brand ?? null);
  await setLocale(pickLocale(localeSlot.get(), null, [...navigator.languages, self.brand?.locale]));
  live = can(self.role, "read")
    ? new Live({ url: liveUrl(location), token: api.token, ended: () => signOut(t("login.expired")) }).start()
    : null;
  showShell();
}

function signOut(message) {
  for (const end of leave) end();
  leave = [];
  turn += 1;
  live?.stop();
  live = null;
  self = null;
  moved = false;
  token.set(null);
  api.token = null;
  cache.clear();
  setBrand(null);
  showLogin(message);
}

async function leaveServer() {
  try {
    await api.post("/v1/logout");
  } catch {
    // The token is thrown away here in any case.
  }
  signOut();
  toast(t("login.left"));
}

function showLogin(message) {
  fill(document.body, loginPage({ api, message, done: signIn, language }));
  startToasts();
  document.title = `${t("login.title")} \u00b7 Souk`;
}

async function begin() {
  startTheme();
  await setLocale(pickLocale(localeSlot.get(), null, navigator.languages));
  window.addEventListener("hashchange", route);
  if (!api.token) return showLogin();
  try {
    await start(await api.get("/v1/self"));
  } catch (error) {
    if (error.status !== 401) fill(document.body, errorBox(error));
  }
}

begin();
