// The pieces pages are made of: buttons, chips, panels, tables, notices, toasts.

import { fill, h, icon } from "./dom.js";
import { t, tx } from "./i18n.js";

export function button(label, { kind = "", on, mark, type = "button", disabled, small, ...rest } = {}) {
  return h(
    "button",
    { type, class: `button ${kind} ${small ? "small" : ""}`, disabled, on: on ? { click: on } : undefined, ...rest },
    mark ? icon(mark) : null,
    h("span", {}, label),
  );
}

export function iconButton(label, mark, on, rest = {}) {
  return h("button", { type: "button", class: "icon-button", title: label, "aria-label": label, on: { click: on }, ...rest }, icon(mark));
}

export const link = (label, href, { kind = "", mark } = {}) => h("a", { href, class: kind }, mark ? icon(mark) : null, h("span", {}, label));

const TONES = {
  continuous: "good", active: "good", listed: "good", open: "info", serving: "good",
  halted: "bad", frozen: "bad", revoked: "bad", rejected: "bad", failed: "bad",
  "cancel-only": "warn", hidden: "warn", delisting: "warn", draining: "warn", canceled: "quiet", filled: "quiet",
};
const SHAPES = { good: "\u25cf", bad: "\u25a0", warn: "\u25b2", info: "\u25cb", quiet: "\u2013" };

/** A state, told by word, shape and colour. */
export function chip(group, value) {
  const tone = TONES[value] ?? "quiet";
  return h("span", { class: `chip ${tone}` }, h("span", { "aria-hidden": "true", class: "shape" }, SHAPES[tone]), tx(group, value));
}

export function panel(title, { actions, note, kind = "" } = {}, ...children) {
  return h(
    "section",
    { class: `panel ${kind}` },
    title || actions
      ? h("header", { class: "panel-head" }, title ? h("h2", {}, title) : null, actions ? h("div", { class: "actions" }, actions) : null)
      : null,
    note ? h("p", { class: "note" }, note) : null,
    children,
  );
}

export const heading = (title, { lead, actions, back } = {}) =>
  h(
    "header",
    { class: "page-head" },
    back ? h("a", { href: back.href, class: "crumb" }, icon("back"), back.label) : null,
    h("div", { class: "page-title" }, h("h1", { tabindex: "-1" }, title), actions ? h("div", { class: "actions" }, actions) : null),
    lead ? h("p", { class: "lead" }, lead) : null,
  );

/** What stands where nothing is: what it would be, and the next step. */
export const empty = (text, action) => h("div", { class: "empty" }, h("p", {}, text), action ?? null);

/** An error as the server told it: code, text, remedy. */
export function errorBox(error) {
  const known = error?.code ? error : { code: "PageError", text: String(error?.message ?? error), remedy: "" };
  const own = known.status === 0 ? { text: t("error.unreachable"), remedy: t("error.unreachable_remedy") } : known;
  return h(
    "div",
    { class: "error-box", role: "alert" },
    icon("warn"),
    h(
      "div",
      {},
      h("p", {}, h("code", {}, known.code), " ", own.text),
      own.remedy ? h("p", { class: "remedy" }, own.remedy) : null,
      known.retryAfterMs ? h("p", { class: "remedy" }, t("error.retry", { seconds: Math.ceil(known.retryAfterMs / 1000) })) : null,
    ),
  );
}

/** An error that took the place of a whole page, and the way to try again. */
export const failedPage = (error, again) => h("div", { class: "page" }, errorBox(error), h("div", { class: "actions" }, button(t("error.again"), { on: again })));

/** Names and values in two columns. */
export const facts = (rows) =>
  h("dl", { class: "facts" }, rows.filter(Boolean).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));

export const stat = (label, value, note) =>
  h("div", { class: "stat" }, h("div", { class: "stat-label" }, label), h("div", { class: "stat-value" }, value), note ? h("div", { class: "stat-note" }, note) : null);

/**
 * A table that becomes a list of cards where it is narrow. Columns: `{label, cell(row), num, main}`; `href(row)` makes the first cell a link.
 */
export function table({ columns, rows, caption, href, empty: nothing, compact }) {
  const body = h("tbody", {});
  const shown = h(
    "table",
    { class: `table ${compact ? "compact" : ""}` },
    h("caption", { class: "hidden" }, caption),
    h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col", class: column.num ? "right" : "" }, column.label)))),
    body,
  );
  const add = (more) => {
    for (const row of more) {
      body.append(
        h(
          "tr",
          {},
          columns.map((column, at) => {
            const content = column.cell(row);
            const address = at === 0 && href ? href(row) : null;
            const linked = address ? h("a", { href: address }, content) : content;
            return h(at === 0 ? "th" : "td", { scope: at === 0 ? "row" : undefined, class: column.num ? "right" : "", data: { label: column.label } }, linked);
          }),
        ),
      );
    }
  };
  add(rows);
  const box = h("div", { class: "table-box" }, rows.length ? shown : nothing ?? empty(t("empty.list")));
  return { element: box, add };
}

/** A list that is loaded page after page. */
export function pagedTable({ load, ...options }) {
  const box = h("div", {}, loading());
  const showMore = (list, next) => {
    if (!next) return;
    const more = button(t("list.more"), {
      on: async () => {
        more.disabled = true;
        try {
          const page = await load(next);
          list.add(page.items);
          more.remove();
          showMore(list, page.next);
        } catch (error) {
          more.replaceWith(errorBox(error));
        }
      },
    });
    box.append(h("div", { class: "more" }, more));
  };
  const reload = async () => {
    try {
      const page = await load(null);
      const list = table({ ...options, rows: page.items });
      fill(box, list.element);
      showMore(list, page.next);
    } catch (error) {
      fill(box, errorBox(error));
    }
  };
  box.reload = reload;
  reload();
  return box;
}

export const loading = () => h("div", { class: "loading", role: "status" }, h("span", { class: "hidden" }, t("loading")), h("i"), h("i"), h("i"));

let toasts = null;

/** A short message that comes and goes; screen readers hear it. */
export function toast(text, tone = "good") {
  startToasts();
  const line = h("div", { class: `toast ${tone}` }, icon(tone === "bad" ? "warn" : "check"), h("span", {}, text));
  toasts.append(line);
  setTimeout(() => line.remove(), 6000);
}

/** The place that toasts are told in has to be there before the first of them, also after the page was drawn anew. */
export function startToasts() {
  toasts ??= h("div", { class: "toasts", "aria-live": "polite", role: "status" });
  if (!toasts.isConnected) document.body.append(toasts);
}

export function copyButton(text) {
  const label = t("copy");
  return iconButton(label, "copy", async () => {
    try {
      await navigator.clipboard.writeText(text());
      toast(t("copied"));
    } catch {
      toast(t("copy_failed"), "bad");
    }
  });
}

/** Saves a file that the API gave. */
export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  const anchor = h("a", { href: address, download: name });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

export function csvButton(api, route, query, name) {
  const self = button(t("csv"), {
    mark: "download",
    small: true,
    on: async () => {
      self.disabled = true;
      try {
        save(await api.csv(route, query()), `${name}.csv`);
      } catch (error) {
        toast(`${error.code}: ${error.text}`, "bad");
      }
      self.disabled = false;
    },
  });
  return self;
}

/** Says how fresh the live data is: nothing is hidden when it is old. */
export function liveBadge(live) {
  const label = h("span", {});
  const badge = h("span", { class: "live-badge", role: "status" }, h("i", { "aria-hidden": "true" }), label);
  badge.stop = live.watch(({ live: fresh, age }) => {
    const state = fresh ? "fresh" : age ? "stale" : "waiting";
    const text = fresh ? t("live.fresh") : age ? t("live.stale", { seconds: age }) : t("live.waiting");
    if (badge.dataset.state !== state) badge.dataset.state = state;
    if (label.textContent !== text) label.textContent = text;
  });
  return badge;
}

/** Tabs by keyboard: arrow keys move, the chosen one is the only stop. */
export function tabs(label, entries, chosen, onChoose) {
  const list = h("div", { class: "tabs", role: "tablist", "aria-label": label });
  const choose = (id, focus) => {
    for (const tab of list.children) {
      const here = tab.dataset.id === id;
      tab.setAttribute("aria-selected", String(here));
      tab.tabIndex = here ? 0 : -1;
      if (here && focus) tab.focus();
    }
    onChoose(id);
  };
  for (const [id, text] of entries) list.append(h("button", { type: "button", role: "tab", data: { id }, on: { click: () => choose(id) } }, text));
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const at = entries.findIndex(([id]) => id === document.activeElement?.dataset.id);
    choose(entries[(at + step + entries.length) % entries.length][0], true);
    event.preventDefault();
  });
  choose(chosen);
  return list;
}
