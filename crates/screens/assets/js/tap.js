// The full-screen panel of a tap, the same at a till and at a top-up desk.
// Invariant: green only for the phase `paid`; a dismissed outcome stays away until the next tap.
import { byId, h, refill } from "./dom.js";
import { lang, reason, t, tOf } from "./texts.js";
import { clock } from "./clock.js";
import { money } from "./money.js";
import { play } from "./sounds.js";
import { shapeOf } from "./verdicts.js";

const PAID_SHOWN_MS = 5000;
let dismissed = "";
let current = "";
let timer;
let told = null;

/** Whether something waits for its band, or is written to it. */
export const isUnderWay = (phase) => ["waiting_for_band", "writing", "tap_again", "supervisor"].includes(phase);

/** An outcome that the answer to a post has told: it is shown where the box's own screen has nothing to show. */
export function tell({ phase, result }) {
  told = { phase, result };
}

/**
 * Shows where a tap stands. `state` has `phase` and `result`; `amountCents` is what is being paid; `words` names the
 * headline and labels that differ between till and desk; `onCancel` is called by the cancel button.
 */
export function showTap(state, before, { amountCents, words, onCancel, onSupervisor }) {
  if (state.phase !== "idle") told = null;
  const view = told ?? state;
  const panel = byId("tap");
  const moment = JSON.stringify([view.phase, view.result]);
  const isFirst = told === null && (before === null || before === undefined);
  const isNew = !isFirst && moment !== current;
  const isOver = view.phase === "paid" || view.phase === "refused";
  current = moment;
  if (!isOver) dismissed = "";
  if (isOver && isFirst) dismissed = moment;
  if (isNew) sound(view);
  if (isNew) clearTimeout(timer);
  if (view.phase === "idle" || dismissed === moment) return hide(panel);

  const close = () => {
    dismissed = current;
    told = null;
    hide(panel);
  };
  const isStuck = view.phase === "tap_again" || view.phase === "supervisor";
  const shape = shapeOfPhase(view);
  panel.dataset.shape = shape;
  refill(
    panel,
    h("verdict-shape", { kind: shape }),
    h("h1", {}, headline(view, words)),
    amountCents !== null && !isOver ? h("p", { class: "amount" }, money(amountCents, lang)) : null,
    sentences(view).map((sentence) => h("p", { class: "reason" }, sentence)),
    view.result?.arrived_cents > 0 ? h("p", { class: "arrived" }, t("till-arrived", { amount: view.result.arrived_cents })) : null,
    view.phase === "paid" ? sums(view.result, words) : null,
    view.phase === "waiting_for_band" ? h("button", { class: "big plain", "data-focus": "cancel", onclick: onCancel }, t("cancel")) : null,
    isStuck ? h("button", { class: "big plain", "data-focus": "leave", onclick: onCancel }, t("till-leave")) : null,
    onSupervisor && view.phase === "refused" && view.result?.code === "till.supervisor"
      ? h("button", { class: "big", "data-focus": "supervisor", onclick: onSupervisor }, t("staff-supervisor-word"))
      : null,
    isOver ? h("button", { class: "big plain", "data-focus": "close", onclick: close }, view.phase === "paid" ? t("till-next") : t("till-ok")) : null,
  );
  if (panel.hidden) {
    panel.hidden = false;
    document.body.classList.add("has-tap");
    panel.focus();
  }
  if (isNew && view.phase === "paid") timer = setTimeout(close, PAID_SHOWN_MS);
}

/** Of a tap that nobody will know of here, neither "charged" nor "not charged" is true. */
function headline({ phase, result }, words) {
  if (result?.code === "till.given_up") return t("till-not-known");
  return words.headline(phase) ?? tOf("phase", phase);
}

function hide(panel) {
  panel.hidden = true;
  document.body.classList.remove("has-tap");
}

function shapeOfPhase({ phase, result }) {
  if (phase === "paid") return "ok";
  if (phase === "refused") return result?.code ? shapeOf(result.code) : "no";
  return phase === "tap_again" || phase === "supervisor" ? "care" : "wait";
}

function sentences({ phase, result }) {
  if (phase === "waiting_for_band") {
    const why = result?.code ? [reason(result.code, result.args)] : [];
    return [...why, t("phase-hint-waiting")];
  }
  if (phase === "writing") return [t("phase-hint-writing")];
  if (result?.code) return [reason(result.code, result.args)];
  if (phase === "tap_again") return [t("phase-hint-tap-again")];
  return phase === "supervisor" ? [reason("till.supervisor")] : [];
}

function sums(result, words) {
  if (!result) return null;
  const after = result.balance_after_cents;
  const row = (label, cents) => h("div", {}, h("dt", {}, label), h("dd", {}, money(cents, lang)));
  const isLook = result.entry === "" && result.charged_cents === 0;
  const list = h(
    "dl",
    { class: "sums" },
    isLook ? null : row(words.moved(result.charged_cents), Math.abs(result.charged_cents)),
    after === null || after === undefined ? null : row(t("till-balance-after"), after),
    result.pending_cents > 0 ? row(t("till-pending"), result.pending_cents) : null,
  );
  return result.movements.length > 0 ? [list, movements(result.movements)] : list;
}

function movements(all) {
  const row = (one) => h("li", {}, h("span", {}, clock(one.at_unix_ms, lang)), h("span", {}, tOf("movement", one.kind)), h("b", {}, money(one.cents, lang)));
  return h("section", { class: "movements" }, h("h2", {}, t("till-movements")), h("ul", {}, all.map(row)));
}

function sound(view) {
  if (view.phase === "paid") play("paid");
  else if (view.phase === "refused" || view.phase === "tap_again" || view.phase === "supervisor") play(shapeOfPhase(view));
}
