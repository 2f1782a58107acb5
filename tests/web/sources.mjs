// The files of the pages, and a reader of the texts in them, for the tests that look at the sources themselves.

import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../src/office/web/", import.meta.url));

export function files(...endings) {
  return readdirSync(ROOT, { recursive: true })
    .filter((name) => endings.some((ending) => name.endsWith(ending)))
    .sort()
    .map((name) => ({ name, text: readFileSync(ROOT + name, "utf8") }));
}

/** The text literals of a script; what a template puts in is left out as `${}`. Comments and patterns are passed over. */
export function literals(text) {
  const found = [];
  let at = 0;
  let last = "";
  while (at < text.length) {
    const two = text.slice(at, at + 2);
    const one = text[at];
    if (two === "//") at = end(text.indexOf("\n", at), text);
    else if (two === "/*") at = end(text.indexOf("*/", at), text) + 2;
    else if (one === '"' || one === "'") {
      const until = closing(text, at, one);
      found.push(text.slice(at + 1, until));
      at = until + 1;
      last = one;
    } else if (one === "`") {
      const { parts, inner, until } = template(text, at);
      found.push(parts.join("${}"), ...inner.flatMap(literals));
      at = until;
      last = one;
    } else if (one === "/" && /[(,=:[!&|?{};\n]/.test(last)) {
      at = pattern(text, at);
      last = "/";
    } else {
      if (!/\s/.test(one)) last = one;
      at += 1;
    }
  }
  return found;
}

const end = (at, text) => (at < 0 ? text.length : at);

function closing(text, from, quote) {
  let at = from + 1;
  while (at < text.length && text[at] !== quote) at += text[at] === "\\" ? 2 : 1;
  return at;
}

function pattern(text, from) {
  let at = from + 1;
  let inClass = false;
  while (at < text.length && (inClass || text[at] !== "/")) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === "[") inClass = true;
    else if (text[at] === "]") inClass = false;
    at += 1;
  }
  return at + 1;
}

function template(text, from) {
  const [parts, inner] = [[], []];
  let at = from + 1;
  let start = at;
  while (text[at] !== "`") {
    if (text[at] === "\\") at += 2;
    else if (text.startsWith("${", at)) {
      parts.push(text.slice(start, at));
      const from = at + 2;
      at = from;
      for (let depth = 1; depth > 0; at += 1) {
        if (text[at] === "`") at = template(text, at).until - 1;
        else if (text[at] === '"') at = closing(text, at, '"');
        else if (text[at] === "{") depth += 1;
        else if (text[at] === "}") depth -= 1;
      }
      inner.push(text.slice(from, at - 1));
      start = at;
    } else at += 1;
  }
  parts.push(text.slice(start, at));
  return { parts, inner, until: at + 1 };
}
