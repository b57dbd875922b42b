// What is at risk now, drawn the same on its own page and on the console.
import { h } from "./dom.js";
import { lang, t } from "./texts.js";
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
    h("p", {}, t("risk-how", { count: risk.bands, limit: risk.limit_cents })),
  ];
}
