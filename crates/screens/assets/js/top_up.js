// The top-up desk's screen: an amount, the money and the change, then the tap; and what is paid back.
// Invariant: the amount is text of digits until it is posted as integer minor units.
import { start } from "./page.js";
import { byId, h } from "./dom.js";
import { lang, reason, t } from "./texts.js";
import { money } from "./money.js";
import { newId, post } from "./live.js";
import { outcomeFor, showTap } from "./tap.js";
import { askAmount, correct } from "./correction.js";
import { showStaff } from "./staff.js";

const NOT_A_DESK = { phase: "refused", result: { code: "till.not_a_desk", args: {} } };
const MOST_DIGITS = 6;
const QUICK_CENTS = [500, 1000, 2000, 5000];
let digits = "";
let given = 0;
let topUpId = null;
let sending = false;
let phase = "idle";
let shop = null;

start(
  (state, previous) => {
    const desk = state.top_up;
    if (!desk) return showTap(NOT_A_DESK, NOT_A_DESK, frame(null));
    shop = state.shop ?? null;
    showStaff(state);
    phase = desk.phase;
    const outcome = outcomeFor(topUpId, desk, previous?.top_up);
    if (outcome === "paid") set("");
    else if (outcome === "not_paid") topUpId = null;
    byId("today").textContent = money(desk.today_cents, lang);
    byId("quota-line").hidden = desk.quota_left_cents === null;
    if (desk.quota_left_cents !== null) byId("quota").textContent = money(desk.quota_left_cents, lang);
    byId("marked").hidden = !shop?.training && !shop?.closed;
    byId("marked").textContent = t(shop?.training ? "till-training-on" : "till-closed");
    document.body.classList.toggle("is-training", Boolean(shop?.training));
    draw();
    showTap(desk, previous?.top_up, frame(desk.amount_cents));
  },
  () => {
    for (const cents of QUICK_CENTS) {
      byId("quick").append(h("button", { type: "button", onclick: () => set(String(Number(digits || "0") + cents)) }, `+ ${money(cents, lang)}`));
    }
    const key = (label, text, press) => byId("keys").append(h("button", { type: "button", "aria-label": text, onclick: press }, label));
    for (const digit of ["1", "2", "3", "4", "5", "6", "7", "8", "9"]) key(digit, t("top_up-digit", { number: digit }), () => set(digits + digit));
    key("00", t("top_up-double-zero"), () => set(`${digits}00`));
    key("0", t("top_up-digit", { number: "0" }), () => set(`${digits}0`));
    key("←", t("top_up-back"), () => set(digits.slice(0, -1)));
    const on = (id, act) => byId(id).addEventListener("click", act);
    on("clear", () => set(""));
    on("pay", () => credit("cash"));
    on("pay-card", () => credit("card"));
    on("given", count);
    on("look", () => post("/api/band/look", { id: newId(), at_desk: true }, reason));
    on("pay-out", () => post("/api/band/pay-out", { id: newId() }, reason));
    on("refund", () => post("/api/band/refund", { id: newId() }, reason));
    on("correct", () => correct(shop?.reasons ?? []));
    addEventListener("keydown", typed);
    draw();
  },
);

function frame(amountCents) {
  const headlines = { paid: () => t("top_up-paid"), refused: () => t("top_up-not-credited") };
  const words = { headline: (now) => headlines[now]?.() ?? null, moved: (cents) => t(cents > 0 ? "top_up-paid-back" : "top_up-credited") };
  return { amountCents: amountCents > 0 ? amountCents : null, words, onCancel: () => post("/api/top-up/cancel", {}, reason) };
}

function set(text) {
  const next = text.replace(/^0+/, "");
  if (next.length > MOST_DIGITS) return;
  digits = next;
  if (digits === "") given = 0;
  topUpId = null;
  draw();
}

const toPay = () => (digits === "" ? 0 : Number(digits) + (shop?.fee_cents ?? 0));

function draw() {
  byId("amount").textContent = money(digits || "0", lang);
  byId("fee-line").hidden = !shop?.fee_cents;
  byId("fee").textContent = money(shop?.fee_cents ?? 0, lang);
  byId("to-pay").textContent = money(toPay(), lang);
  byId("given").textContent = money(given, lang);
  const rest = given - toPay();
  byId("change").textContent = given === 0 ? "–" : rest >= 0 ? money(rest, lang) : t("top_up-short", { amount: -rest });
  const isBusy = sending || digits === "" || phase === "writing" || phase === "waiting_for_band" || Boolean(shop?.closed);
  byId("pay").disabled = isBusy;
  byId("pay-card").disabled = isBusy;
}

async function count() {
  given = (await askAmount(t("top_up-given"), 0)) ?? given;
  draw();
}

function typed(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || document.body.classList.contains("has-tap")) return;
  if (byId("dialog").open || !byId("login").hidden) return;
  if (/^\d$/.test(event.key)) set(digits + event.key);
  else if (event.key === "Backspace") set(digits.slice(0, -1));
}

async function credit(paid_with) {
  topUpId ??= newId();
  sending = true;
  draw();
  const { ok, known } = await post("/api/top-up", { id: topUpId, amount_cents: Number(digits), paid_with }, reason);
  if (!ok && known) topUpId = null;
  sending = false;
  draw();
}
