// The bar's screen: product grid, basket, and the tap.
// Invariant: while it is not known whether a sale arrived, the same basket is sent again under the same id.
import { start } from "./page.js";
import { byId, h, refill } from "./dom.js";
import { lang, reason, t, tOr } from "./texts.js";
import { money } from "./money.js";
import { clock } from "./clock.js";
import { newId, post } from "./live.js";
import { outcomeFor, showTap } from "./tap.js";

const NOT_A_BAR = { phase: "refused", result: { code: "till.not_a_bar", args: {} } };
let state = null;
let quantities = new Map();
let cupsBack = 0;
let saleId = null;
let sending = false;

start(
  (now, previous) => {
    state = now;
    const till = now.till;
    if (!till) return showTap(NOT_A_BAR, NOT_A_BAR, frame(null));
    const outcome = outcomeFor(saleId, till, previous?.till);
    if (outcome === "paid") empty();
    else if (outcome === "not_paid") saleId = null;
    byId("sales").textContent = till.sales;
    byId("sold").textContent = money(till.sold_cents, lang);
    byId("revision").textContent = t("till-revision", { number: till.revision });
    drawProducts();
    drawBasket();
    drawQuestions();
    showTap(till, previous?.till, frame(till.basket?.total_cents ?? null));
  },
  () => {
    byId("pay").addEventListener("click", pay);
    byId("clear").addEventListener("click", () => change(empty));
    byId("cup-back").addEventListener("click", () => change(() => (cupsBack += 1)));
  },
);

function frame(amountCents) {
  const words = { headline: () => null, moved: () => t("till-charged") };
  return { amountCents, words, onCancel: () => post("/api/till/cancel", {}, reason) };
}

function change(edit) {
  edit();
  saleId = null;
  drawProducts();
  drawBasket();
}

function empty() {
  quantities = new Map();
  cupsBack = 0;
  saleId = null;
}

function add(product, by) {
  const quantity = (quantities.get(product) ?? 0) + by;
  if (quantity > 0) quantities.set(product, quantity);
  else quantities.delete(product);
}

const name = (product) => (lang === "fr" ? product.name_fr : product.name_en) || product.name_fr || product.name_en;

function drawProducts() {
  if (!state?.till) return;
  const groups = new Map();
  for (const product of state.till.products) groups.set(product.category, [...(groups.get(product.category) ?? []), product]);
  const sections = [...groups].map(([category, products]) =>
    h("section", { "data-category": category }, h("h2", {}, tOr(`category-${category}`, category)), h("div", { class: "grid" }, products.map(tile))),
  );
  refill(byId("products"), ...sections);
}

function tile(product) {
  const quantity = quantities.get(product.id) ?? 0;
  return h(
    "button",
    {
      class: "product",
      type: "button",
      disabled: product.sold_out,
      "data-focus": `product-${product.id}`,
      "data-quantity": quantity > 0 ? quantity : null,
      onclick: () => change(() => add(product.id, 1)),
    },
    h("span", { class: "name" }, name(product)),
    product.deposit_cents > 0 ? h("small", {}, t("till-with-deposit", { amount: product.deposit_cents })) : null,
    product.sold_out ? h("span", { class: "sold-out" }, t("till-sold-out")) : null,
    h("span", { class: "price" }, money(product.price_cents, lang), quantity > 0 ? h("span", { class: "count" }, `× ${quantity}`) : null),
  );
}

function drawBasket() {
  if (!state?.till) return;
  const chosen = state.till.products.filter((product) => quantities.has(product.id));
  const cup = state.till.cup_deposit_cents;
  let total = 0n;
  let deposit = -BigInt(cupsBack) * BigInt(cup);
  const lines = chosen.map((product) => {
    const quantity = BigInt(quantities.get(product.id));
    const price = BigInt(product.price_cents) * quantity;
    total += price;
    deposit += BigInt(product.deposit_cents) * quantity;
    return line(name(product), quantity, price, `line-${product.id}`, (by) => add(product.id, by));
  });
  if (cupsBack > 0) lines.push(line(t("till-cups-back"), cupsBack, -BigInt(cupsBack) * BigInt(cup), "cups", (by) => (cupsBack += by)));
  refill(byId("lines"), ...(lines.length > 0 ? lines : [h("li", { class: "empty" }, t("till-basket-empty"))]));
  byId("deposit").textContent = money(deposit, lang);
  byId("total").textContent = money(total + deposit, lang);
  byId("pay-amount").textContent = money(total + deposit, lang);
  byId("pay").disabled = sending || lines.length === 0 || state.till.phase === "writing" || state.till.phase === "waiting_for_band";
  byId("clear").disabled = lines.length === 0;
  byId("cup-back").hidden = cup === 0;
}

function line(label, quantity, cents, focus, by) {
  const button = (sign, text, step) =>
    h("button", { type: "button", class: "step", "aria-label": text, "data-focus": `${focus}${sign}`, onclick: () => change(() => by(step)) }, sign);
  return h(
    "li",
    {},
    h("span", { class: "label" }, label),
    h("span", { class: "steps" }, button("−", t("till-less", { code: label }), -1), h("b", {}, String(quantity)), button("+", t("till-more", { code: label }), 1)),
    h("span", { class: "sum" }, money(cents, lang)),
  );
}

async function pay() {
  saleId ??= newId();
  sending = true;
  drawBasket();
  const lines = [...quantities].map(([product, quantity]) => ({ product, quantity }));
  const { ok, known } = await post("/api/till/sale", { id: saleId, lines, cups_back: cupsBack }, reason);
  // A refusal is known: the next attempt is a new sale. Silence is not: the same id goes again.
  if (!ok && known) saleId = null;
  sending = false;
  drawBasket();
}

function drawQuestions() {
  const answer = (entry, handedOver) => () => post("/api/till/handed-over", { entry, handed_over: handedOver }, reason);
  const paid = state.unconfirmed_paid.map((one) =>
    h(
      "div",
      { class: "question", role: "group" },
      h("verdict-shape", { kind: "unknown" }),
      h("p", {}, h("b", {}, t("till-hand-over")), ` ${money(one.price_cents, lang)}, ${clock(one.since_unix_ms, lang)}`),
      h("button", { type: "button", "data-focus": `yes-${one.entry}`, onclick: answer(one.entry, true) }, t("till-hand-over-yes")),
      h("button", { type: "button", "data-focus": `no-${one.entry}`, onclick: answer(one.entry, false) }, t("till-hand-over-no")),
    ),
  );
  const doubts = state.in_doubt.map((one) =>
    h(
      "div",
      { class: "question doubt" },
      h("verdict-shape", { kind: "care" }),
      h("p", {}, h("b", {}, t("till-in-doubt-title")), ` ${money(one.price_cents, lang)}, ${clock(one.since_unix_ms, lang)}. ${t("till-in-doubt-hint")}`),
    ),
  );
  refill(byId("questions"), ...paid, ...doubts);
}
