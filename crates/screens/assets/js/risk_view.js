// What is at risk now, drawn the same on its own page and on the console.
import { h } from "./dom.js";
import { lang, t } from "./texts.js";
import { money } from "./money.js";
import { ageText } from "./status_bar.js";

/** The sum, the boxes that are apart, and how it is reckoned. */
export function riskNow(risk) {
  const boxes = risk.boxes.map((box) => h("li", {}, h("b", {}, box.place), ` ${t("status-box", { number: box.number })}, ${ageText(box.age_s)}: `, h("b", {}, money(box.at_risk_cents, lang)), box.revoked ? ` (${t("console-revoked")})` : ""));
  return [
    h("p", { class: "balance-line", "data-shape": risk.at_risk_cents > 0 ? "care" : "ok" }, h("verdict-shape", { kind: risk.at_risk_cents > 0 ? "care" : "ok" }), h("b", {}, t("risk-sum", { amount: risk.at_risk_cents }))),
    h("ul", {}, boxes),
    h("p", {}, t("risk-how", { count: risk.bands, limit: risk.limit_cents })),
  ];
}
