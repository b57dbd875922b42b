// The top-up desk's screen: an amount, the money and the change, then the tap; and what is paid back.
// Invariant: the amount is text of digits until it is posted as integer minor units.
import { start } from "./page.js";
import { byId, h } from "./dom.js";
import { lang, reason, t } from "./texts.js";
import { money } from "./money.js";
import { newId, post } from "./live.js";
import { isUnderWay, showTap, tell } from "./tap.js";
import * as order from "./order.js";
import { askAmount, correct } from "./correction.js";
import { drawQuestions } from "./questions.js";
import { showStaff } from "./staff.js";

const NOT_A_DESK = { phase: "refused", result: { code: "till.not_a_desk", args: {} } };
const NOTHING = { about: "top_up", amount_cents: 0 };
const HEADLINES = {
  top_up: { paid: () => t("top_up-paid"), refused: () => t("top_up-not-credited") },
  refund: { paid: () => t("top_up-refunded"), refused: () => t("top_up-not-refunded") },
  other: { paid: () => t("top_up-looked") },
};
const MOST_DIGITS = 6;
const QUICK_CENTS = [500, 1000, 2000, 5000];
let digits = "";
let given = 0;
let sending = false;
let phase = "idle";
let shop = null;
let now = null;

start(
  (state, previous) => {
    const desk = state.top_up;
    if (!desk) return showTap(NOT_A_DESK, NOT_A_DESK, frame(NOTHING));
    now = state;
    shop = state.shop ?? null;
    showStaff(state);
    drawQuestions(state);
    phase = desk.phase;
    settle(order.outcome(desk));
    byId("today").textContent = money(desk.today_cents, lang);
    byId("quota-line").hidden = desk.quota_left_cents === null;
    if (desk.quota_left_cents !== null) byId("quota").textContent = money(desk.quota_left_cents, lang);
    byId("marked").hidden = !shop?.training && !shop?.closed;
    byId("marked").textContent = t(shop?.training ? "till-training-on" : "till-closed");
    document.body.classList.toggle("is-training", Boolean(shop?.training));
    draw();
    showTap(desk, previous?.top_up, frame(desk));
  },
  () => {
    for (const cents of QUICK_CENTS) {
      byId("quick").append(h("button", { type: "button", onclick: () => press(String(Number(digits || "0") + cents)) }, `+ ${money(cents, lang)}`));
    }
    const key = (label, text, onclick) => byId("keys").append(h("button", { type: "button", "aria-label": text, onclick }, label));
    for (const digit of ["1", "2", "3", "4", "5", "6", "7", "8", "9"]) key(digit, t("top_up-digit", { number: digit }), () => press(digits + digit));
    key("00", t("top_up-double-zero"), () => press(`${digits}00`));
    key("0", t("top_up-digit", { number: "0" }), () => press(`${digits}0`));
    key("←", t("top_up-back"), () => press(digits.slice(0, -1)));
    const on = (id, act) => byId(id).addEventListener("click", act);
    on("clear", () => press(""));
    on("pay", () => credit("cash"));
    on("pay-card", () => credit("card"));
    on("given", count);
    on("look", () => post("/api/band/look", { id: newId(), at_desk: true }, reason));
    on("pay-out", () => post("/api/band/pay-out", { id: newId() }, reason));
    on("refund", () => post("/api/band/refund", { id: newId() }, reason));
    on("correct", () => correct(shop?.reasons ?? [], true));
    addEventListener("keydown", typed);
    draw();
  },
);

function frame({ about, amount_cents }) {
  const credited = { headline: (phase) => HEADLINES[about]?.[phase]?.() ?? null, moved: (cents) => t(cents > 0 ? "top_up-paid-back" : "top_up-credited") };
  // what a correction takes off a band is no cash for the guest
  const charged = { headline: () => null, moved: () => t("till-charged") };
  return { amountCents: amount_cents > 0 ? amount_cents : null, words: about === "sale" ? charged : credited, onCancel: () => post("/api/top-up/cancel", {}, reason) };
}

/** What became of the top-up that was sent: what is credited, or is left in doubt, is nothing to be paid any more. */
function settle(outcome) {
  if (outcome === null) return;
  order.over();
  if (outcome !== "not_paid") set("");
}

/** What was sent stays as it is until it is known what became of it. */
function press(text) {
  if (!isBusy()) set(text);
}

function set(text) {
  const next = text.replace(/^0+/, "");
  if (next.length > MOST_DIGITS) return;
  digits = next;
  if (digits === "") given = 0;
  order.over();
  draw();
}

const isBusy = () => sending || isUnderWay(phase);
const toPay = () => (digits === "" ? 0 : Number(digits) + (shop?.fee_cents ?? 0));

function draw() {
  byId("amount").textContent = money(digits || "0", lang);
  byId("fee-line").hidden = !shop?.fee_cents;
  byId("fee").textContent = money(shop?.fee_cents ?? 0, lang);
  byId("to-pay").textContent = money(toPay(), lang);
  byId("given").textContent = money(given, lang);
  const rest = given - toPay();
  byId("change").textContent = given === 0 ? "–" : rest >= 0 ? money(rest, lang) : t("top_up-short", { amount: -rest });
  const isOff = isBusy() || digits === "" || Boolean(shop?.closed);
  byId("pay").disabled = isOff;
  byId("pay-card").disabled = isOff;
}

async function count() {
  given = (await askAmount(t("top_up-given"), 0)) ?? given;
  draw();
}

function typed(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || document.body.classList.contains("has-tap")) return;
  if (byId("dialog").open || !byId("login").hidden) return;
  if (/^\d$/.test(event.key)) press(digits + event.key);
  else if (event.key === "Backspace") press(digits.slice(0, -1));
}

async function credit(paid_with) {
  sending = true;
  draw();
  const answer = await post("/api/top-up", order.posted(() => ({ amount_cents: Number(digits), paid_with })), reason);
  sending = false;
  const outcome = order.answered(answer, now.in_doubt.length > 0);
  settle(outcome);
  if (answer.ok && outcome !== null) {
    tell(answer.body);
    showTap(now.top_up, now.top_up, frame(NOTHING));
  }
  draw();
}
