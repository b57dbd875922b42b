// The top-up desk's screen: an amount, the money, then the tap.
// Invariant: the amount is text of digits until it is posted as integer minor units.
import { start } from "./page.js";
import { byId, h } from "./dom.js";
import { lang, reason, t } from "./texts.js";
import { money } from "./money.js";
import { newId, post } from "./live.js";
import { outcomeFor, showTap } from "./tap.js";

const NOT_A_DESK = { phase: "refused", result: { code: "till.not_a_desk", args: {} } };
const MOST_DIGITS = 6;
const QUICK_CENTS = [500, 1000, 2000, 5000];
let digits = "";
let topUpId = null;
let sending = false;
let phase = "idle";

start(
  (state, previous) => {
    const desk = state.top_up;
    if (!desk) return showTap(NOT_A_DESK, NOT_A_DESK, frame(null));
    phase = desk.phase;
    const outcome = outcomeFor(topUpId, desk, previous?.top_up);
    if (outcome === "paid") set("");
    else if (outcome === "not_paid") topUpId = null;
    byId("today").textContent = money(desk.today_cents, lang);
    byId("quota-line").hidden = desk.quota_left_cents === null;
    if (desk.quota_left_cents !== null) byId("quota").textContent = money(desk.quota_left_cents, lang);
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
    byId("clear").addEventListener("click", () => set(""));
    byId("pay").addEventListener("click", credit);
    addEventListener("keydown", typed);
    draw();
  },
);

function frame(amountCents) {
  const headlines = { paid: () => t("top_up-paid"), refused: () => t("top_up-not-credited") };
  const words = { headline: (now) => headlines[now]?.() ?? null, moved: (cents) => t(cents > 0 ? "top_up-paid-back" : "top_up-credited") };
  return { amountCents, words, onCancel: () => post("/api/top-up/cancel", {}, reason) };
}

function set(text) {
  const next = text.replace(/^0+/, "");
  if (next.length > MOST_DIGITS) return;
  digits = next;
  topUpId = null;
  draw();
}

function draw() {
  byId("amount").textContent = money(digits || "0", lang);
  byId("pay").disabled = sending || digits === "" || phase === "writing" || phase === "waiting_for_band";
}

function typed(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || document.body.classList.contains("has-tap")) return;
  if (/^\d$/.test(event.key)) set(digits + event.key);
  else if (event.key === "Backspace") set(digits.slice(0, -1));
}

async function credit() {
  topUpId ??= newId();
  sending = true;
  draw();
  const { ok, known } = await post("/api/top-up", { id: topUpId, amount_cents: Number(digits), paid_with: "cash" }, reason);
  if (!ok && known) topUpId = null;
  sending = false;
  draw();
}
