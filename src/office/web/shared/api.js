// The client of the HTTP API in docs/office.md. Errors come out as they are: code, text, remedy.

export class ApiError extends Error {
  constructor(status, { code, text, remedy, retry_after_ms } = {}) {
    super(text ?? code ?? String(status));
    this.status = status;
    this.code = code ?? `Http${status}`;
    this.text = text ?? "";
    this.remedy = remedy ?? "";
    this.retryAfterMs = retry_after_ms ?? null;
  }
}

/** Puts path segments together; what stands in them is data. */
export const path = (...parts) => `/v1/${parts.map((part) => encodeURIComponent(part)).join("/")}`;

export class Api {
  constructor({ base = "", fetch = (...args) => globalThis.fetch(...args), token = null, signedOut = () => {} } = {}) {
    Object.assign(this, { base, fetch, token, signedOut });
  }

  url(route, query = {}) {
    const search = new URLSearchParams();
    for (const [key, value] of Object.entries(query)) {
      if (value !== null && value !== undefined && value !== "") search.set(key, String(value));
    }
    const text = search.toString();
    return this.base + route + (text ? `?${text}` : "");
  }

  async send(method, route, { query, body, accept = "application/json" } = {}) {
    const headers = { Accept: accept };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let response;
    try {
      response = await this.fetch(this.url(route, query), {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: "omit",
        cache: "no-store",
      });
    } catch {
      throw new ApiError(0, { code: "Unreachable" });
    }
    if (!response.ok) throw await this.failure(response);
    return response;
  }

  async failure(response) {
    let error = {};
    try {
      error = (await response.json()).error ?? {};
    } catch {
      // Not from the API, but from something before it: the status has to do.
    }
    const failure = new ApiError(response.status, error);
    if (response.status === 401 && this.token) this.signedOut(failure);
    return failure;
  }

  async json(method, route, options) {
    const response = await this.send(method, route, options);
    return response.status === 204 ? null : response.json();
  }

  get(route, query) {
    return this.json("GET", route, { query });
  }

  post(route, body = {}) {
    return this.json("POST", route, { body });
  }

  put(route, body) {
    return this.json("PUT", route, { body });
  }

  delete(route, body) {
    return this.json("DELETE", route, { body });
  }

  /** Every item of a list, page after page, up to a bound. */
  async all(route, query = {}, most = 2000) {
    const items = [];
    let after = null;
    do {
      const page = await this.get(route, { limit: 500, ...query, after });
      items.push(...page.items);
      after = page.next;
    } while (after && items.length < most);
    return items;
  }

  /** A list as a CSV file, with the token in the header: a plain link could not send one. */
  async csv(route, query) {
    const response = await this.send("GET", route, { query: { ...query, format: "csv" }, accept: "text/csv" });
    return response.blob();
  }
}
