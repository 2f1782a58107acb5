// Balances: read only; money comes and goes in the platform's own app.

import { fill, h } from "../shared/dom.js";
import { num } from "../shared/format.js";
import { t } from "../shared/i18n.js";
import { empty, link } from "../shared/ui.js";

export function balancesView({ store, self, onLeave }) {
  const list = h("div", {});
  const show = () => {
    const rows = [...store.balances.values()].sort((a, b) => (a.currency < b.currency ? -1 : 1));
    if (!rows.length) return fill(list, empty(t("trade.no_balances")));
    return fill(
      list,
      h(
        "ul",
        { class: "rows" },
        rows.map((row) =>
          h(
            "li",
            { class: "row" },
            h("span", { class: "row-line" }, h("b", { class: "row-main" }, row.currency), num(row.total, row.currency, { kind: "row-main" })),
            h("span", { class: "row-line small" }, h("span", {}, t("balance.available"), " ", num(row.available, row.currency)), h("span", { class: "faint" }, t("balance.held"), " ", num(row.held, row.currency))),
          ),
        ),
      ),
    );
  };
  onLeave(store.on("balances", show));
  show();
  return [h("h1", {}, t("trade.tab_balances")), h("p", { class: "lead" }, t("trade.balances_lead")), list, self.brand?.support_url ? h("p", { class: "support" }, link(t("trade.support"), self.brand.support_url)) : null];
}
