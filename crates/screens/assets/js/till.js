// The bar's screen: product grid, basket, and the tap.
// Invariant: nothing is sold while nobody is logged in where the festival has a staff list; training is always marked.
import { start } from "./page.js";
import { byId, h, refill } from "./dom.js";
import { lang, reason, t } from "./texts.js";
import { money } from "./money.js";
import { clock } from "./clock.js";
import { newId, notice, post } from "./live.js";
import { outcomeFor, showTap } from "./tap.js";
import * as basket from "./basket.js";
import { drawProducts, name } from "./products.js";
import { asked } from "./dialog.js";
import { askPin, showStaff } from "./staff.js";
import { correct, undo } from "./correction.js";
import { printReceipt } from "./receipt.js";
import { reasonButtons } from "./reasons.js";

const NOT_A_BAR = { phase: "refused", result: { code: "till.not_a_bar", args: {} } };
const FREE_REASONS = ["artist", "complaint", "spilled", "other"];
let state = null;
let sending = false;
let scannedAt = 0;

start(
  (now, previous) => {
    state = now;
    const till = now.till;
    if (!till) return showTap(NOT_A_BAR, NOT_A_BAR, frame(null));
    showStaff(now);
    const outcome = outcomeFor(basket.sale(), till, previous?.till);
    if (outcome === "paid") basket.clear();
    else if (outcome === "not_paid") basket.failed();
    byId("sales").textContent = till.sales;
    byId("sold").textContent = money(till.sold_cents, lang);
    byId("revision").textContent = t("till-revision", { number: till.revision });
    draw();
    drawShop(now.shop);
    drawQuestions();
    takeScanned(now.shop?.scanned);
    showTap(till, previous?.till, frame(till.basket?.total_cents ?? null));
  },
  () => {
    const on = (id, act) => byId(id).addEventListener("click", act);
    on("pay", pay);
    on("clear", () => changed(basket.clear));
    on("cup-back", () => changed(() => basket.change((now) => (now.cupsBack += 1))));
    on("undo", () => undo(state.shop?.undo_entry));
    on("correct", () => correct(state.shop?.reasons ?? []));
    on("receipt", () => printReceipt(state.till?.result));
    on("look", () => post("/api/band/look", { id: newId() }, reason));
    on("voucher", typeVoucher);
    on("park", park);
    on("train", () => post("/api/till/training", { on: !state.shop?.training }, reason));
  },
);

function frame(amountCents) {
  const words = { headline: () => null, moved: (cents) => t(cents < 0 ? "till-credited" : "till-charged") };
  return { amountCents, words, onCancel: () => post("/api/till/cancel", {}, reason), onSupervisor: supervised };
}

function changed(edit) {
  edit();
  draw();
}

function draw() {
  if (!state?.till) return;
  const add = (product) => changed(() => {
    basket.change((now) => (now.revision ??= state.till.revision));
    basket.add(product, 1);
  });
  drawProducts(state.till, basket.now().quantities, add);
  drawBasket();
}

function drawBasket() {
  const { till } = state;
  const { lines, deposit, total } = basket.shown(till);
  const { cupsBack, vouchers } = basket.now();
  const rows = lines.map(({ product, quantity, sum, isFree }) =>
    line(name(product), quantity, sum, `line-${product.id}`, (by) => basket.add(product.id, by), h("button", { type: "button", class: "free plain", "aria-pressed": String(isFree), "data-focus": `free-${product.id}`, onclick: () => give(product.id) }, t(isFree ? "till-is-free" : "till-free"))),
  );
  const cup = BigInt(till.cup_deposit_cents);
  if (cupsBack > 0) rows.push(line(t("till-cups-back"), cupsBack, -BigInt(cupsBack) * cup, "cups", (by) => basket.change((now) => (now.cupsBack += by)), null));
  for (const voucher of vouchers) {
    const product = till.products.find((one) => one.id === voucher.product);
    const drop = () => changed(() => basket.change((now) => (now.vouchers = now.vouchers.filter((one) => one.text !== voucher.text))));
    rows.push(
      h("li", {}, h("span", { class: "label" }, t("till-voucher-line", { code: product ? name(product) : String(voucher.product) })), h("span", { class: "steps" }, h("button", { type: "button", class: "step", "aria-label": t("till-clear"), "data-focus": `drop-${voucher.text.slice(-8)}`, onclick: drop }, "−"), h("b", {}, String(voucher.quantity))), h("span", { class: "sum" }, money(0, lang))),
    );
  }
  refill(byId("lines"), ...(rows.length > 0 ? rows : [h("li", { class: "empty" }, t("till-basket-empty"))]));
  byId("deposit").textContent = money(deposit, lang);
  byId("total").textContent = money(total, lang);
  byId("pay-amount").textContent = money(total, lang);
  const isBusy = till.phase === "writing" || till.phase === "waiting_for_band";
  byId("pay").disabled = sending || basket.isEmpty() || isBusy || Boolean(state.shop?.closed);
  byId("clear").disabled = basket.isEmpty();
  byId("park").disabled = basket.now().quantities.size === 0;
  byId("cup-back").hidden = cup === 0n;
}

function line(label, quantity, cents, focus, by, more) {
  const button = (sign, text, step) =>
    h("button", { type: "button", class: "step", "aria-label": text, "data-focus": `${focus}${sign}`, onclick: () => changed(() => by(step)) }, sign);
  return h(
    "li",
    {},
    h("span", { class: "label" }, label, more),
    h("span", { class: "steps" }, button("−", t("till-less", { code: label }), -1), h("b", {}, String(quantity)), button("+", t("till-more", { code: label }), 1)),
    h("span", { class: "sum" }, money(cents, lang)),
  );
}

function drawShop(shop) {
  if (!shop) return;
  document.body.classList.toggle("is-training", shop.training);
  byId("marked").hidden = !shop.training && !shop.closed;
  byId("marked").textContent = t(shop.training ? "till-training-on" : "till-closed");
  byId("train").textContent = t(shop.training ? "till-training-end" : "till-train");
  byId("receipt").hidden = !shop.printer;
  byId("undo").hidden = shop.undo_cents === null;
  if (shop.undo_cents !== null) byId("undo").textContent = t("till-undo", { amount: shop.undo_cents });
  byId("quota").textContent = money(shop.quota_left_cents, lang);
  refill(
    byId("parked"),
    ...shop.parked.map((one) => h("button", { type: "button", class: "plain", "data-focus": `parked-${one.number}`, onclick: () => resume(one.number) }, one.label || t("till-parked", { count: one.count, time: one.since_unix_ms }))),
  );
}

/** Gives a line for nothing, or charges it again. */
async function give(product) {
  const { isFree, freeReason } = basket.now();
  if (isFree.has(product)) return changed(() => basket.change((now) => now.isFree.delete(product)));
  const why = freeReason ?? (await asked(t("till-why"), (choose) => reasonButtons(state.shop?.reasons ?? [], FREE_REASONS, choose)));
  if (!why) return;
  changed(() => basket.change((now) => {
    now.freeReason = why;
    now.isFree.add(product);
  }));
}

async function pay() {
  const age = basket.age(state.till);
  if (age > 0 && !basket.now().ageChecked) {
    const isOld = await asked(t("till-age-ask", { age }), (answer) =>
      h("div", { class: "choices" }, h("button", { type: "button", onclick: () => answer(true) }, t("till-age-yes")), h("button", { type: "button", class: "plain", onclick: () => answer(false) }, t("till-age-no"))),
    );
    if (!isOld) return;
    basket.change((now) => (now.ageChecked = true));
  }
  await send(null);
}

async function send(supervisor) {
  sending = true;
  drawBasket();
  const answer = await post("/api/till/sale", basket.posted(state.till, supervisor), reason);
  // A refusal is known: the next attempt is a new sale. Silence is not: the same id goes again.
  if (!answer.ok && answer.known) basket.failed();
  sending = false;
  if (answer.code === "till.price_changed") basket.change((now) => (now.revision = null));
  if (answer.ok && answer.body?.phase === "paid" && basket.now().vouchers.length > 0) {
    basket.clear();
    notice(t("till-vouchers-taken"));
  }
  draw();
  if (answer.code === "till.correction_quota" && !supervisor) await supervised();
}

/** A supervisor stands by: the same basket once more. */
async function supervised() {
  const supervisor = await askPin();
  if (supervisor) await send(supervisor);
}

async function takeVoucher(text) {
  const { ok, body } = await post("/api/till/voucher", { text }, reason);
  if (!ok || basket.now().vouchers.some((one) => one.text === text)) return;
  changed(() => basket.change((now) => now.vouchers.push(body)));
}

async function typeVoucher() {
  const text = await asked(t("till-voucher"), (answer) => {
    const field = h("input", { type: "text", autocomplete: "off", "aria-label": t("till-voucher-type") });
    return h("form", { onsubmit: (event) => { event.preventDefault(); answer(field.value); } }, field, h("button", { class: "big" }, t("till-voucher-take")));
  });
  if (text) await takeVoucher(text);
}

function takeScanned(scanned) {
  if (!scanned || scanned.at_unix_ms === scannedAt) return;
  const isFirst = scannedAt === 0 && Math.abs(state.now_unix_ms - scanned.at_unix_ms) > 10_000;
  scannedAt = scanned.at_unix_ms;
  if (isFirst) return;
  if (scanned.code) notice(reason(scanned.code, scanned.args));
  else takeVoucher(scanned.text);
}

async function park() {
  const { lines, cups_back, price_revision } = basket.posted(state.till, null);
  const { ok } = await post("/api/till/park", { label: "", lines, cups_back, price_revision }, reason);
  if (ok) changed(basket.clear);
}

async function resume(number) {
  const { ok, body } = await post("/api/till/resume", { number }, reason);
  if (!ok) return;
  changed(() => {
    basket.clear();
    basket.change((now) => {
      for (const one of body.lines) now.quantities.set(one.product, one.quantity);
      now.cupsBack = body.cups_back;
      now.revision = body.price_revision;
    });
  });
}

async function handOver(entry, handedOver, isDoubt) {
  const pin = isDoubt && handedOver && state.staff ? await askPin(t("staff-own-word")) : null;
  if (isDoubt && handedOver && state.staff && !pin) return;
  await post("/api/till/handed-over", { entry, handed_over: handedOver, pin }, reason);
}

function drawQuestions() {
  const buttons = (one, isDoubt) => [
    h("button", { type: "button", "data-focus": `yes-${one.entry}`, onclick: () => handOver(one.entry, true, isDoubt) }, t("till-hand-over-yes")),
    isDoubt ? null : h("button", { type: "button", "data-focus": `no-${one.entry}`, onclick: () => handOver(one.entry, false, false) }, t("till-hand-over-no")),
  ];
  const paid = state.unconfirmed_paid.map((one) =>
    h("div", { class: "question", role: "group" }, h("verdict-shape", { kind: "unknown" }), h("p", {}, h("b", {}, t("till-hand-over")), ` ${money(one.price_cents, lang)}, ${clock(one.since_unix_ms, lang)}`), buttons(one, false)),
  );
  const doubts = state.in_doubt.map((one) =>
    h("div", { class: "question doubt", role: "group" }, h("verdict-shape", { kind: "care" }), h("p", {}, h("b", {}, t("till-in-doubt-title")), ` ${money(one.price_cents, lang)}, ${clock(one.since_unix_ms, lang)}. ${t("till-in-doubt-hint")}`), buttons(one, true)),
  );
  refill(byId("questions"), ...paid, ...doubts);
}
