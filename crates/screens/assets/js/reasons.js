// Reasons to choose from: the festival's list, or the page's own where it has none.
import { lang, tOr } from "./texts.js";
import { h } from "./dom.js";

/** Buttons, one a reason; each calls `choose(code)`. */
export function reasonButtons(reasons, own, choose) {
  const listed = reasons.length > 0 ? reasons.map((one) => [one.code, (lang === "fr" ? one.fr : one.en) || one.code]) : own.map((code) => [code, tOr(`reason-${code}`, code)]);
  return h("div", { class: "choices" }, listed.map(([code, words]) => h("button", { type: "button", class: "plain", onclick: () => choose(code) }, words)));
}
