// One price on the demo's page: as hub and tills have it, and edited at both ends of a cut.
// Invariant: amounts are whole minor units from here on; what is drawn is what hub and tills said.
import { byId, h, refill } from "./dom.js";
import { lang, reason, t } from "./texts.js";
import { centsOf, money } from "./money.js";
import { notice } from "./live.js";

/** Draws the price as everybody has it. */
export function drawPrices(prices) {
  refill(byId("prices"), ...prices.map(card));
}

/** Lets the visitor edit it: `act` asks the demo's server. */
export function readyPrices(act) {
  const form = byId("edit-prices");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const data = new FormData(form);
    const [hub_cents, bar_cents] = ["hub", "bar"].map((name) => centsOf(data.get(name)));
    if (hub_cents === null || bar_cents === null) return notice(reason("edit.bad_value"));
    const button = form.querySelector("button");
    button.disabled = true;
    await act("prices", { hub_cents, bar_cents });
    button.disabled = false;
  });
}

function card({ place, name_fr, name_en, cents: price, other_cents }) {
  return h(
    "article",
    { class: `box ${other_cents.length > 0 ? "ageing" : "fresh"}` },
    h("h3", {}, h("verdict-shape", { kind: other_cents.length > 0 ? "care" : "ok" }), place || t("demo-price-at-hub")),
    h("p", {}, lang === "fr" ? name_fr : name_en, " ", h("b", {}, money(price, lang))),
    ...other_cents.map((other) => h("p", { class: "todo" }, t("demo-price-other", { amount: other }))),
  );
}
