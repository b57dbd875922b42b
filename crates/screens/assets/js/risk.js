// Amount at risk: what boxes that are not heard could have taken, and the bound for a planned set-up.
import { start } from "./page.js";
import { byId, h, refill } from "./dom.js";
import { lang, reason, t, tOf } from "./texts.js";
import { centsOf, money } from "./money.js";
import { notice } from "./live.js";
import { riskNow } from "./risk_view.js";

const PROFILES = ["uid", "ntag21x", "pointer", "ultralight_aes"];

async function read(address) {
  const answer = await fetch(address).catch(() => null);
  const body = await answer?.json().catch(() => null);
  if (answer?.ok) return body;
  notice(body?.code ? reason(body.code, body.args ?? {}) : t("notice-failed"));
  return null;
}

async function now() {
  const risk = await read("/api/risk");
  if (risk) refill(byId("now"), ...riskNow(risk));
}

async function plan(event) {
  event.preventDefault();
  const asked = new URLSearchParams({
    islands: byId("islands").value, bands: byId("bands").value, mean_cents: centsOf(byId("mean").value), limit_cents: centsOf(byId("limit").value),
    escrow: String(byId("escrow").checked), profile: byId("profile").value,
  });
  const bound = await read(`/api/risk/plan?${asked}`);
  if (!bound) return;
  refill(byId("bound"), h("p", { class: "balance-line" }, h("b", {}, t("risk-all", { amount: bound.all_cents }))), h("p", {}, t("risk-one", { amount: bound.one_cents })), h("p", {}, tOf("formula", bound.formula)));
}

start(() => now(), () => {
  refill(byId("profile"), ...PROFILES.map((profile) => h("option", { value: profile }, tOf("risk-profile", profile))));
  byId("plan").addEventListener("submit", plan);
});
