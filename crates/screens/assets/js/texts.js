// The page's texts: loads them once, fills them into the page, and formats their arguments.
// Invariant: a text only ever becomes the text of a node, never markup.
import { money } from "./money.js";
import { clock } from "./clock.js";

const MONEY = new Set(["balance", "price", "limit", "maximum", "amount", "quota"]);
let texts = {};

/** The page's language: the address first, then the browser, then English. */
export const lang = chosen();

function chosen() {
  const asked = [new URLSearchParams(location.search).get("lang"), ...navigator.languages];
  const ours = asked.map((tag) => (tag ?? "").slice(0, 2).toLowerCase()).find((tag) => tag === "fr" || tag === "en");
  return ours ?? "en";
}

/** Loads the texts and fills every element that names one. Tries until the box answers. */
export async function loadTexts() {
  document.documentElement.lang = lang;
  for (;;) {
    try {
      const answer = await fetch(`/texts/${lang}.json`);
      if (answer.ok) {
        texts = await answer.json();
        break;
      }
    } catch {
      // The box is starting: try again.
    }
    await new Promise((again) => setTimeout(again, 1000));
  }
  fill(document);
}

function fill(root) {
  for (const node of root.querySelectorAll("[data-text]")) node.textContent = t(node.dataset.text);
  for (const node of root.querySelectorAll("[data-text-label]")) node.setAttribute("aria-label", t(node.dataset.textLabel));
  for (const node of root.querySelectorAll("[data-text-placeholder]")) node.placeholder = t(node.dataset.textPlaceholder);
  for (const link of root.querySelectorAll("a[data-page]")) link.href = `${link.dataset.page}?lang=${lang}`;
}

/** The text of a key with its arguments filled in; an unknown key shows as itself. */
export function t(key, args = {}) {
  return (texts[key] ?? key).replace(/\{([a-z_]+)\}/g, (_, name) => (name in args ? shown(name, String(args[name])) : "?"));
}

/** The text of one value out of a closed list of the view, such as a phase. */
export function tOf(family, value) {
  return t(`${family}-${value}`);
}

/** The text of a key that may be missing, else the words themselves. */
export function tOr(key, words) {
  return key in texts ? t(key) : words;
}

/** Whether there is a text for a reason code. */
export const isKnown = (code) => code.replaceAll(".", "-") in texts;

/** The text of a reason code. */
export function reason(code, args = {}) {
  const key = code.replaceAll(".", "-");
  return isKnown(code) ? t(key, args) : t("reason-unknown", { code });
}

function shown(name, value) {
  if (MONEY.has(name) && /^-?\d+$/.test(value)) return money(value, lang);
  if (name === "time" && /^\d{12,}$/.test(value)) return clock(Number(value), lang);
  return value;
}
