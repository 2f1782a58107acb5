// Words: both languages say everything, and no visible word stands anywhere else.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import en from "../../src/office/web/shared/strings.en.js";
import zh from "../../src/office/web/shared/strings.zh.js";
import { pickLocale } from "../../src/office/web/shared/i18n.js";
import { files, literals } from "./sources.mjs";

const scripts = files(".js").filter((file) => !/strings\.\w+\.js$/.test(file.name));
const placeholders = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

test("both languages have the same keys, and the same blanks to fill", () => {
  assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
  for (const key of Object.keys(en)) {
    assert.deepEqual(placeholders(zh[key]), placeholders(en[key]), key);
    assert.ok(en[key].trim() && zh[key].trim(), key);
  }
});

test("the English file has no Chinese in it, and the Chinese one is Chinese", () => {
  for (const [key, text] of Object.entries(en)) assert.ok(!/\p{Script=Han}/u.test(text), key);
  const same = Object.keys(en).filter((key) => en[key] === zh[key]);
  assert.deepEqual(same, ["csv", "tif.gtc", "tif.ioc", "tif.fok"]);
});

test("every key that the pages name is there", () => {
  for (const { name, text } of scripts) {
    for (const [, key] of text.matchAll(/\bt\(\s*"([^"]+)"/g)) assert.ok(key in en, `${name}: ${key}`);
    for (const [, first, second] of text.matchAll(/\bt\([^"`;]*\? "([a-z_.]+)" : "([a-z_.]+)"/g)) {
      assert.ok(first in en, `${name}: ${first}`);
      assert.ok(second in en, `${name}: ${second}`);
    }
    for (const [, prefix] of text.matchAll(/\bt\(`([a-z_]+[._])\$\{/g)) assert.ok(Object.keys(en).some((key) => key.startsWith(prefix)), `${name}: ${prefix}`);
    for (const [, group] of text.matchAll(/\btx\("([a-z_]+)"/g)) {
      const known = Object.keys(en).some((key) => key.startsWith(`${group}.`));
      assert.ok(known || ["action", "stage"].includes(group), `${name}: ${group}`);
    }
  }
});

test("every key is used", () => {
  const all = scripts.map((file) => file.text).join("\n");
  const groups = [...all.matchAll(/\btx\("([a-z_]+)"|chip\("([a-z_]+)"|\bt\(`([a-z_]+)[._]/g)].map((found) => found[1] ?? found[2] ?? found[3]);
  const unused = Object.keys(en).filter((key) => !all.includes(`"${key}"`) && !groups.some((group) => key.startsWith(`${group}.`)));
  assert.deepEqual(unused, []);
});

/** Texts that no person reads: a name of an example, a way to write, what a program is told. */
const NOT_WORDS = new Set(["BTC-USDT", "USDT", "1, 2", "Souk", "Content-Type", "Escape", "Tab", "ArrowRight", "ArrowLeft", "BUTTON", "Ed25519", "English", "PageError", "NotFound", "Unreachable", "TokenExpired", "GET", "POST", "PUT", "DELETE"]);
const CODE = [/^\.{0,2}\//, /^#/, /^[a-z0-9_.:\/#-]*$/, /^[a-z0-9 _.-]*\$\{\}[a-z0-9 _.$\{\}-]*$/, /^Bearer /, /^Http\$/, /\[[a-z-]+|:not\(/, /^\.[a-z-]+ /, /^ *(wide|small|primary|danger)/, /^M\d/, /^[a-z-]+(, [a-z-]+)*$/];

test("no visible word stands outside the two files", () => {
  const strange = [];
  for (const { name, text } of scripts) {
    for (const literal of literals(text)) {
      if (!/\p{L}{2,}/u.test(literal.replace(/\\u[0-9a-f]{4}/g, "")) || NOT_WORDS.has(literal) || literal in en) continue;
      const wordy = /\p{Script=Han}/u.test(literal) || /^[A-Z][a-z]+/.test(literal) || /[a-z]{2,} [a-z]{2,}/i.test(literal);
      if (!wordy || CODE.some((shape) => shape.test(literal))) continue;
      // A list of classes is written beside `class:`, a list of fonts or media types beside what takes it.
      const before = text.slice(Math.max(0, text.indexOf(literal) - 24), text.indexOf(literal));
      if (/class: ?["`]$|className = .*["`]$|kind: ["`]$|throw new RangeError\(["`]$/.test(before)) continue;
      strange.push(`${name}: ${literal}`);
    }
  }
  assert.deepEqual(strange, []);
});

test("pages have no words in their markup", () => {
  for (const { name, text } of files(".html")) {
    const body = text.replace(/<title>Souk<\/title>/, "").replace(/<!doctype html>/, "");
    assert.equal(body.replace(/<[^>]*>/g, "").trim(), "", name);
  }
});

test("the language is the one chosen, else the brand's, else the browser's", () => {
  assert.equal(pickLocale("zh", "en", ["en-US"]), "zh");
  assert.equal(pickLocale(null, "zh", ["en-US"]), "zh");
  assert.equal(pickLocale(null, null, ["fr", "zh-CN", "en"]), "zh");
  assert.equal(pickLocale(null, null, ["fr"]), "en");
  assert.equal(pickLocale("xx", null, undefined), "en");
});

test("words that states and roles are called by stand in both files, for what docs/office.md names", () => {
  const office = readFileSync(new URL("../../docs/office.md", import.meta.url), "utf8");
  for (const state of ["continuous", "halted", "cancel-only", "active", "frozen", "listed", "hidden", "delisting", "open", "filled", "canceled", "rejected", "revoked"]) {
    assert.ok(office.includes(`\`${state}\``), state);
    assert.ok(`state.${state}` in en, state);
  }
  for (const role of ["owner", "operator", "support", "auditor", "platform", "holder"]) assert.ok(office.includes(role) && `role.${role}` in en, role);
});
