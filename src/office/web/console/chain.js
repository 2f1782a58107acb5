// Whether the audit log is whole: its numbers have no gap, and nothing in it stands twice or out of order.

const MOST = 5000;

/** Reads the newest entries, up to a bound: `{holds, entries, whole, newest, at}`; `at` is where it breaks. */
export async function checkChain(api) {
  const items = await api.all("/v1/audit", {}, MOST);
  const result = { holds: true, entries: items.length, whole: true, newest: items[0]?.hash ?? null, at: null };
  for (let at = 1; at < items.length; at += 1) {
    if (BigInt(items[at - 1].number) !== BigInt(items[at].number) + 1n) return { ...result, holds: false, at: items[at].number };
  }
  const oldest = items.at(-1);
  result.whole = !oldest || BigInt(oldest.number) <= 1n;
  return result;
}
