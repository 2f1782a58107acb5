// Who may do what, as in the table of docs/office.md. The server decides; this only hides what it would refuse.

const STAFF = ["owner", "operator", "support", "auditor"];

const RIGHTS = {
  read: STAFF,
  accounts: ["owner", "operator", "support"],
  manage: ["owner", "operator"],
  audit: ["owner", "auditor"],
  own: ["owner"],
  platform: ["platform"],
};

export const can = (role, right) => RIGHTS[right]?.includes(role) ?? false;

/** The pages in the order of the navigation: `[page, right]`. */
export const PAGES = [
  ["overview", "read"],
  ["markets", "read"],
  ["orders", "read"],
  ["trades", "read"],
  ["accounts", "read"],
  ["currencies", "read"],
  ["fees", "read"],
  ["keys", "own"],
  ["users", "own"],
  ["brand", "own"],
  ["audit", "audit"],
  ["nodes", "platform"],
  ["tenants", "platform"],
];

export const pagesOf = (role) => PAGES.filter(([, right]) => can(role, right)).map(([page]) => page);
