// What staff must still say about taps: whether something was handed over, and which band must come again. The same at a till
// and at a desk.
// Invariant: a question names what it is about and how much; "no" is offered only where something is given back then.
import { clock } from "./clock.js";
import { byId, h, refill } from "./dom.js";
import { post } from "./live.js";
import { money } from "./money.js";
import { askPin } from "./staff.js";
import { lang, reason, t, tOf } from "./texts.js";

let hasStaff = false;

/** Draws them all. */
export function drawQuestions(state) {
  hasStaff = Boolean(state.staff);
  refill(byId("questions"), ...state.unconfirmed_paid.map(paid), ...state.in_doubt.map(inDoubt));
}

function paid(one) {
  const isOver = one.about === "top_up";
  return question(one, "unknown", [h("b", {}, tOf("question", one.about)), ` ${what(one)}`], [
    answer(one, true, isOver ? t("till-ok") : t("till-hand-over-yes"), () => handOver(one.entry, true)),
    isOver ? null : answer(one, false, t("till-hand-over-no"), () => handOver(one.entry, false)),
  ]);
}

function inDoubt(one) {
  const words = [h("b", {}, `${t("till-in-doubt-title")}: ${tOf("about", one.about)}`), ` ${what(one)}. ${t("till-in-doubt-hint")}`];
  // money is not handed out before it is known; goods may be, on somebody's word
  return question(one, "care", words, one.about === "sale" ? answer(one, true, t("till-hand-over-yes"), () => served(one.entry)) : null);
}

function question({ about }, kind, words, answers) {
  return h("div", { class: kind === "care" ? "question doubt" : "question", role: "group", "data-about": about }, h("verdict-shape", { kind }), h("p", {}, words), answers);
}

function answer({ entry }, isYes, words, onclick) {
  return h("button", { type: "button", "data-focus": `${isYes ? "yes" : "no"}-${entry}`, onclick }, words);
}

const what = (one) => `${money(one.price_cents, lang)}, ${clock(one.since_unix_ms, lang)}`;

async function served(entry) {
  const pin = hasStaff ? await askPin(t("staff-own-word")) : null;
  if (!hasStaff || pin) await handOver(entry, true, pin);
}

const handOver = (entry, handed_over, pin = null) => post("/api/till/handed-over", { entry, handed_over, pin }, reason);
