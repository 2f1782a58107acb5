// What a strict content security policy and hostile names ask of the sources: no markup from text, nothing inline, nothing from elsewhere.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import test from "node:test";

import { PAGES, can, pagesOf } from "../../src/office/web/console/roles.js";
import { contrast, palette } from "../../src/office/web/shared/theme.js";
import { files } from "./sources.mjs";

const ROOT = new URL("../../src/office/web/", import.meta.url);
const scripts = files(".js");

const FORBIDDEN = {
  "markup from text": /\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|srcdoc)\b/,
  "code from text": /\beval\s*\(|new Function\b|setTimeout\s*\(\s*["'`]|import\s*\(\s*[^"'`.\s]/,
  "a style attribute": /setAttribute\(\s*["']style|cssText|style:\s*["'`]/,
  "a handler attribute": /\bon[a-z]+\s*=\s*["']|setAttribute\(\s*["']on/,
  "a cookie": /document\.cookie/,
  "an address elsewhere": /https?:\/\/(?!www\.w3\.org\/2000\/svg|app\.example\.com)[a-z]/,
  "a floating-point amount": /parseFloat|Number\.parseFloat/,
};

test("scripts make no markup from text and run no text as code", () => {
  for (const { name, text } of scripts) {
    const code = text.replace(/^\s*\/\/.*$/gm, "");
    for (const [what, shape] of Object.entries(FORBIDDEN)) assert.ok(!shape.test(code), `${name}: ${what}`);
  }
});

test("pages have nothing inline, and nothing from elsewhere", () => {
  const pages = files(".html");
  assert.equal(pages.length, 2);
  for (const { name, text } of pages) {
    assert.ok(!/\sstyle\s*=|\son[a-z]+\s*=|javascript:|<style|<script(?![^>]*\ssrc=)/i.test(text), name);
    assert.ok(!/(src|href)="(https?:)?\/\//.test(text), name);
  }
});

test("style sheets take nothing from elsewhere", () => {
  for (const { name, text } of files(".css")) assert.ok(!/@import|url\(|expression\(/.test(text), name);
});

test("everything that a page or a script names is there", () => {
  for (const { name, text } of files(".html")) {
    for (const [, address] of text.matchAll(/(?:src|href)="([^"]+)"/g)) {
      // The console is served at `/`, so that `shared/` is beside its own files.
      const found = name.startsWith("console/") && address.startsWith("shared/") ? address : new URL(address, new URL(name, ROOT)).href.slice(ROOT.href.length);
      assert.ok(existsSync(new URL(found, ROOT)), `${name}: ${address}`);
    }
  }
  for (const { name, text } of scripts) {
    for (const [, address] of text.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)) {
      assert.ok(existsSync(new URL(address, new URL(name, ROOT))), `${name}: ${address}`);
    }
  }
});

test("what is imported is used", () => {
  for (const { name, text } of scripts) {
    for (const [whole, names] of text.matchAll(/^import \{([^}]+)\} from .*$/gm)) {
      const rest = text.replace(whole, "");
      for (const one of names.split(",").map((part) => part.trim().split(" as ").at(-1)).filter(Boolean)) {
        assert.ok(new RegExp(`\\b${one.replace("$", "\\$")}\\b`).test(rest), `${name}: ${one}`);
      }
    }
  }
});

test("no file is longer than 500 lines", () => {
  for (const { name, text } of files(".js", ".css", ".html")) assert.ok(text.split("\n").length <= 500, name);
});

test("amounts never become floating-point numbers", () => {
  // Counts, rates and scales are numbers; amounts are not. Where a script makes a number of a text, it is one of these.
  const allowed = /Number\((?:scale\.value|value|values\.(?:fee_group|stp_group|overlap_s|expires_in_days|account_orders_max|maker_ppm|taker_ppm)|f\.(?:account_orders_max|maker_ppm|taker_ppm)\.value|fields\.display\.value|row\.group|one\.group|group\.value \|\| 0|rest & 0xffn|this\.toString\(\))\)|Number\.isNaN\(/;
  for (const { name, text } of scripts) {
    for (const [call] of text.matchAll(/\bNumber[.(][^)]*\)+/g)) assert.ok(allowed.test(call), `${name}: ${call}`);
  }
});

test("text on a brand's colour can be read, whatever the colour", () => {
  for (const color of ["#000000", "#ffffff", "#ffff00", "#808080", "#ff0000", "#0f766e", "#777777", "#2757d6"]) {
    for (const [theme, surface] of [["light", "#ffffff"], ["dark", "#141a22"]]) {
      const colors = palette({ color, color_dark: color }, theme);
      assert.ok(contrast(colors.accent, colors.text) >= 4.3, `${color} ${theme} button`);
      assert.ok(contrast(colors.ink, surface) >= 4.5, `${color} ${theme} link`);
    }
  }
});

test("a colour that is none does not become a style", () => {
  assert.equal(palette({ color: "red; background: url(x)" }, "light").accent, "#2757d6");
});

test("the navigation is what the table of roles in docs/office.md says", () => {
  const office = readFileSync(new URL("../../docs/office.md", import.meta.url), "utf8");
  const rows = [...office.matchAll(/^\| ([a-z][^|]+) \|((?: yes \|| \|){4})$/gm)];
  const who = (words) => {
    const row = rows.find(([, what]) => what.includes(words));
    return ["owner", "operator", "support", "auditor"].filter((_, at) => row[2].split("|")[at].trim() === "yes");
  };
  const RIGHTS = { read: "read markets", accounts: "freeze accounts", manage: "currencies, markets", audit: "audit log", own: "keys, users" };
  for (const [right, words] of Object.entries(RIGHTS)) {
    for (const role of ["owner", "operator", "support", "auditor"]) assert.equal(can(role, right), who(words).includes(role), `${role} ${right}`);
  }
  assert.deepEqual(pagesOf("platform"), ["nodes", "tenants"]);
  assert.deepEqual(pagesOf("holder"), []);
  assert.deepEqual(pagesOf("owner"), PAGES.map(([page]) => page).filter((page) => !["nodes", "tenants"].includes(page)));
});
