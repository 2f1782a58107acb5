// Where the token is kept: in the tab's own storage, gone with the tab; in memory where a browser refuses storage to embedded pages.

const memory = new Map();

function storage(kind) {
  try {
    return globalThis[kind] ?? null;
  } catch {
    return null;
  }
}

function slot(kind, key) {
  return {
    get() {
      try {
        return storage(kind)?.getItem(key) ?? memory.get(key) ?? null;
      } catch {
        return memory.get(key) ?? null;
      }
    },
    set(value) {
      if (value === null) memory.delete(key);
      else memory.set(key, value);
      try {
        if (value === null) storage(kind)?.removeItem(key);
        else storage(kind)?.setItem(key, value);
      } catch {
        // The value stays in memory.
      }
    },
  };
}

export const tokenSlot = (page) => slot("sessionStorage", `souk.${page}.token`);
export const themeSlot = slot("localStorage", "souk.theme");
export const localeSlot = slot("localStorage", "souk.locale");
export const tenantSlot = slot("localStorage", "souk.tenant");
