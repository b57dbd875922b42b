// Shifts and the drawer's cash: opened and closed with what was counted, and the closures.
// Invariant: what should be in the drawer comes from the box, never from this page.
import { start } from "./page.js";
import { byId, h, refill } from "./dom.js";
import { asked } from "./dialog.js";
import { askAmount, postConfirmed, postKeyed } from "./correction.js";
import { money } from "./money.js";
import { notice, post } from "./live.js";
import { reasonButtons } from "./reasons.js";
import { showStaff } from "./staff.js";
import { lang, reason, t } from "./texts.js";

const CASH_REASONS = ["change", "to_office", "from_office", "other"];
let shop = null;
let shown = "";

start(
  (state) => {
    shop = state.shop ?? null;
    showStaff(state);
    const shift = shop?.shift ?? null;
    byId("standing").textContent = shift ? t("shift-since", { time: shift.since_unix_ms }) : t("shift-none");
    byId("marked").hidden = !shop?.closed && !shop?.training;
    byId("marked").textContent = t(shop?.training ? "till-training-on" : "till-closed");
    byId("open").disabled = !shop || shift !== null;
    for (const id of ["close", "cash-in", "cash-out"]) byId(id).disabled = shift === null;
    for (const id of ["closure", "final"]) byId(id).disabled = !shop || shop.closed;
    if (!shift && shown === "drawer") refill(byId("drawer"));
    if (shift) look();
  },
  () => {
    const on = (id, act) => byId(id).addEventListener("click", act);
    on("open", open);
    on("close", close);
    on("cash-in", () => cash(true));
    on("cash-out", () => cash(false));
    on("closure", () => closure(false));
    on("final", () => closure(true));
  },
);

function draw(drawer, which) {
  shown = which;
  const row = (key, cents) => (cents === undefined || cents === null ? null : h("div", {}, h("dt", {}, t(key)), h("dd", {}, money(cents, lang))));
  refill(
    byId("drawer"),
    row("shift-float", drawer.float_cents),
    row("shift-expected", drawer.expected_cents),
    drawer.in_doubt_cents > 0 ? row("shift-in-doubt", drawer.in_doubt_cents) : null,
    row("shift-counted", drawer.counted_cents),
    row("shift-difference", drawer.difference_cents),
  );
}

async function look() {
  const answer = await fetch("/api/shift").catch(() => null);
  if (answer?.ok) draw(await answer.json(), "drawer");
}

async function open() {
  const float_cents = await askAmount(t("shift-float"));
  if (float_cents === null) return;
  const { ok } = await postConfirmed("/api/shift/open", { float_cents });
  if (ok) notice(t("shift-done"));
}

async function close() {
  const counted_cents = await askAmount(t("shift-counted"));
  if (counted_cents === null) return;
  const { ok, body } = await post("/api/shift/close", { counted_cents }, reason);
  if (ok) draw(body, "closed");
}

async function cash(into_drawer) {
  const amount_cents = await askAmount(t(into_drawer ? "shift-cash-in" : "shift-cash-out"));
  if (!amount_cents) return;
  const why = await asked(t("till-why"), (choose) => reasonButtons([], CASH_REASONS, choose));
  if (!why) return;
  const { ok } = await postKeyed("/api/shift/cash", { into_drawer, amount_cents, reason: why });
  if (ok) notice(t("shift-done"));
}

async function closure(is_final) {
  const isSure = await asked(t(is_final ? "shift-final" : "shift-closure"), (answer) => h("button", { type: "button", class: is_final ? "big danger" : "big", onclick: () => answer(true) }, t("shift-really")));
  if (!isSure) return;
  const { ok, body } = await postConfirmed("/api/shift/closure", { is_final });
  if (ok) notice(t("shift-closure-done", { number: body.number, amount: body.perpetual.sold_cents }));
}
