// Whether the audit log is whole. The server keeps what each hash is made of and walks the chain; this asks it, and looks at the
// order of what it gives.

/** `{holds, entries, newest, at}`; `holds` is null where the server does not say, `at` is where the chain breaks. */
export async function checkChain(api) {
  const answer = await api.get("/v1/audit", { limit: 500 });
  const { items } = answer;
  const result = { holds: null, entries: items.length, newest: items[0]?.hash ?? null, at: null };
  for (let at = 1; at < items.length; at += 1) {
    if (BigInt(items[at - 1].number) <= BigInt(items[at].number)) return { ...result, holds: false, at: items[at].number };
  }
  return answer.chain ? { ...result, ...answer.chain } : result;
}
