// The bar's screen: product grid, basket, and the tap.
// Invariant: nothing is sold while nobody is logged in where the festival has a staff list; training is always marked.
import { start } from "./page.js";
import { byId, h, refill } from "./dom.js";
import { lang, reason, t } from "./texts.js";
import { money } from "./money.js";
import { newId, notice, post } from "./live.js";
import { isUnderWay, showTap, tell } from "./tap.js";
import * as basket from "./basket.js";
import * as order from "./order.js";
import { drawProducts, name } from "./products.js";
import { drawQuestions } from "./questions.js";
import { asked } from "./dialog.js";
import { askPin, showStaff } from "./staff.js";
import { correct, undo } from "./correction.js";
import { printReceipt } from "./receipt.js";
import { reasonButtons } from "./reasons.js";

const NOT_A_BAR = { phase: "refused", result: { code: "till.not_a_bar", args: {} } };
const FREE_REASONS = ["artist", "complaint", "spilled", "other"];
/** A voucher that was read so long before the page opened is nobody's here. */
const OLD_MS = 10_000;
let state = null;
let sending = false;
let scannedAt = 0;
let openedAt = null;

start(
  (now, previous) => {
    state = now;
    const till = now.till;
    if (!till) return showTap(NOT_A_BAR, NOT_A_BAR, frame(null));
    showStaff(now);
    settle(order.outcome(till));
    byId("sales").textContent = till.sales;
    byId("sold").textContent = money(till.sold_cents, lang);
    byId("revision").textContent = t("till-revision", { number: till.revision });
    draw();
    drawShop(now.shop);
    drawQuestions(now);
    takeScanned(now.shop?.scanned);
    showTap(till, previous?.till, frame(till.basket?.total_cents ?? null));
  },
  () => {
    const on = (id, act) => byId(id).addEventListener("click", act);
    on("pay", pay);
    on("clear", () => changed(startAnew));
    on("cup-back", () => changed(() => basket.change((now) => (now.cupsBack += 1))));
    on("undo", () => undo(state.shop?.undo_entry));
    on("correct", () => correct(state.shop?.reasons ?? [], false));
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

/** What became of the order that was sent: what was paid, or is left in doubt, is nothing to be paid any more. */
function settle(outcome) {
  if (outcome === null) return;
  const sale = order.open();
  order.over();
  if (sale !== null && outcome !== "not_paid") basket.takeOut(sale);
}

/** The next guest's order. */
function startAnew() {
  basket.clear();
  order.over();
}

/** An order is on its way to the box, or waits for its band. */
const isBusy = () => sending || isUnderWay(state.till.phase);

function changed(edit) {
  edit();
  // whoever takes everything out of the basket serves somebody else
  if (basket.isEmpty()) order.over();
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
  byId("pay").disabled = basket.isEmpty() || isBusy() || Boolean(state.shop?.closed);
  byId("clear").disabled = basket.isEmpty();
  // what was sent and has no outcome yet must not come back later as another order
  byId("park").disabled = basket.now().quantities.size === 0 || order.open() !== null;
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
  const isAgain = order.open() !== null;
  sending = true;
  drawBasket();
  const sale = order.posted(() => basket.posted(state.till));
  const answer = await post("/api/till/sale", { ...sale, supervisor }, reason);
  sending = false;
  const outcome = order.answered(answer, state.in_doubt.length > 0);
  settle(outcome);
  if (answer.code === "till.price_changed") basket.change((now) => (now.revision = null));
  if (answer.ok && outcome !== null) showAnswer(sale, answer.body);
  else if (answer.ok && isAgain) notice(t("till-order-again", { amount: sale.total_cents }));
  draw();
  if (answer.code === "till.correction_quota" && !supervisor) await supervised();
}

/** The outcome came with the answer: it was known before, or vouchers paid for everything. */
function showAnswer(sale, { phase, result }) {
  if (sale.vouchers.length > 0 && sale.lines.length === 0 && result.ok) return notice(t("till-vouchers-taken"));
  tell({ phase, result });
  showTap(state.till, state.till, frame(null));
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
  openedAt ??= state.now_unix_ms;
  // the order that waits for its band is complete: this voucher is for the next one
  if (!scanned || scanned.at_unix_ms === scannedAt || isBusy()) return;
  const isOld = scannedAt === 0 && openedAt - scanned.at_unix_ms > OLD_MS;
  scannedAt = scanned.at_unix_ms;
  if (isOld) return;
  if (scanned.code) notice(reason(scanned.code, scanned.args));
  else takeVoucher(scanned.text);
}

async function park() {
  const { lines, cups_back, price_revision } = basket.posted(state.till);
  const { ok } = await post("/api/till/park", { label: "", lines, cups_back, price_revision }, reason);
  if (ok) changed(startAnew);
}

async function resume(number) {
  const { ok, body } = await post("/api/till/resume", { number }, reason);
  if (!ok) return;
  changed(() => {
    startAnew();
    basket.change((now) => {
      for (const one of body.lines) now.quantities.set(one.product, one.quantity);
      now.cupsBack = body.cups_back;
      now.revision = body.price_revision;
    });
  });
}
