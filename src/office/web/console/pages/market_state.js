// Halting and resuming: the dialog names the effect, asks why, and what becomes of the open orders.

import { path } from "../../shared/api.js";
import { destroy, formDialog } from "../../shared/dialog.js";
import { field, reasonField } from "../../shared/form.js";
import { count } from "../../shared/format.js";
import { t, tx } from "../../shared/i18n.js";
import { toast } from "../../shared/ui.js";

const COUNTED = 500;

async function openOrders(ctx, market) {
  try {
    const page = await ctx.api.get("/v1/orders", { market: market.id, state: "open", limit: COUNTED });
    return page.next ? `${count(COUNTED)}+` : count(page.items.length);
  } catch {
    return "\u2013";
  }
}

export async function changeState(ctx, market, from, to, changed) {
  const put = (reason, cancel) => ctx.api.put(path("markets", market.id, "state"), { state: to, reason, cancel_orders: cancel });
  const symbol = market.symbol;
  let answer;
  if (to === "continuous") {
    answer = await formDialog(t("market.resume_title", { symbol }), {
      lead: t("market.resume_lead", { symbol, from: tx("state", from) }),
      fields: [reasonField()],
      label: t("market.resume"),
      submit: ({ reason }) => put(reason, false),
    });
  } else {
    const open = await openOrders(ctx, market);
    const orders = field({
      name: "orders",
      label: t("market.open_orders", { n: open }),
      kind: "select",
      required: true,
      value: "keep",
      choices: [
        ["keep", t("market.keep")],
        ["cancel", t("market.cancel_all", { n: open })],
      ],
    });
    const halt = to === "halted";
    answer = await destroy(t(halt ? "market.halt_title" : "market.only_title", { symbol }), {
      lead: t("market.halt_lead", { symbol }),
      effects: halt ? [t("market.effect_orders"), t("market.effect_cancels"), t("market.effect_stays")] : [t("market.effect_orders"), t("market.effect_only")],
      fields: [orders],
      type: symbol,
      label: t(halt ? "market.halt" : "state.cancel-only"),
      submit: (values) => put(values.reason, values.orders === "cancel"),
    });
  }
  if (!answer) return;
  toast(to === "continuous" ? t("market.resumed", { symbol }) : t("market.halted_done", { symbol, state: tx("state", to), n: count(answer.canceled ?? 0) }));
  ctx.forget();
  changed(to);
}
