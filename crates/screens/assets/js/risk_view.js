// What is at risk now, drawn the same on its own page and on the console.
import { h } from "./dom.js";
import { lang, t, tOf } from "./texts.js";
import { money } from "./money.js";
import { ageText } from "./status_bar.js";

/** The sum, the boxes that are apart, and how it is reckoned. */
export function riskNow(risk) {
  const row = (box) => h("tr", {},
    h("td", {}, h("b", {}, box.place), ` ${t("status-box", { number: box.number })}`, box.revoked ? ` (${t("console-revoked")})` : ""),
    h("td", {}, ageText(box.age_s)),
    h("td", {}, money(box.at_risk_cents, lang)));
  const head = h("tr", {}, ["console-place", "console-last-seen", "status-at-risk"].map((key) => h("th", { scope: "col" }, t(key))));
  const [shape, words] = risk.at_risk_cents > 0 ? ["care", t("risk-sum", { amount: risk.at_risk_cents })] : ["ok", t("risk-none")];
  return [
    h("p", { class: "balance-line", "data-shape": shape }, h("verdict-shape", { kind: shape }), h("b", {}, words)),
    risk.boxes.length > 0 ? h("table", { class: "at-risk" }, h("thead", {}, head), h("tbody", {}, risk.boxes.map(row))) : null,
    risk.emptied_cents > 0 ? h("p", {}, t("risk-emptied", { amount: risk.emptied_cents })) : null,
    h("p", {}, t("risk-how", { count: risk.bands, limit: risk.limit_cents })),
    ...accounts(risk.escrow),
  ];
}

/** By which rule boxes take money from accounts, and what they hold. */
function accounts(escrow) {
  if (!escrow.escrow) return [h("p", {}, t("risk-accounts-limit"))];
  return [
    h("p", {}, t("risk-accounts-escrow")),
    escrow.waits.length > 0 ? h("p", { class: "todo" }, t("risk-waits", { place: escrow.waits.join(", ") })) : null,
    h("h3", {}, t("risk-held")),
    escrow.boxes.length > 0 ? h("ul", {}, escrow.boxes.map(heldBy)) : h("p", {}, t("risk-nothing-held")),
  ];
}

function heldBy(box) {
  const booked = box.booked_cents > 0 ? `, ${t("risk-booked", { amount: box.booked_cents })}` : "";
  const held = t("risk-held-line", { amount: box.held_cents, count: box.accounts });
  return h("li", { class: box.state === "here" ? "" : "stopped" }, h("b", {}, box.place), ` ${t("status-box", { number: box.number })}: ${held}, ${heldState(box)}${booked}`);
}

/** Whether the box that holds a share can give it back. */
export function heldState(box) {
  const age = box.state === "away" && box.heard_age_s !== null ? ` (${ageText(box.heard_age_s)})` : "";
  return `${tOf("held", box.state)}${age}`;
}
