// The list of markets with live prices.

import { fill, h } from "../shared/dom.js";
import { amount, brief, change, digitsOf } from "../shared/format.js";
import { t } from "../shared/i18n.js";
import { chip, empty } from "../shared/ui.js";

export function marketsView({ store, go, onLeave }) {
  const title = h("h1", {}, t("trade.tab_markets"));
  const { shown } = store;
  if (!shown.length) return [title, empty(t("trade.no_markets"))];
  const rows = new Map();
  const list = h("ul", { class: "rows" });
  for (const market of shown) {
    const price = h("span", { class: "num row-main" });
    const moved = h("span", { class: "row-side" });
    const volume = h("span", { class: "num faint" });
    const draw = (now) => {
      fill(price, amount(now.last_price, now.last_price ? digitsOf(market.tick_size) : null), h("span", { class: "unit" }, ` ${market.quote}`));
      fill(moved, market.state === "continuous" || !market.state ? change(now) : chip("state", market.state));
      fill(volume, t("trade.volume"), " ", brief(now.quote_volume_24h, market.quote));
    };
    draw(market);
    rows.set(market.id, draw);
    list.append(
      h(
        "li",
        {},
        h(
          "button",
          { type: "button", class: "row", on: { click: () => go("trade", { market: market.id }) } },
          h("span", { class: "row-line" }, h("b", { class: "row-main" }, market.symbol), price),
          h("span", { class: "row-line" }, volume, moved),
        ),
      ),
    );
  }
  onLeave(store.on("ticker", ({ detail }) => rows.get(detail.id)?.(detail)));
  return [title, list];
}
