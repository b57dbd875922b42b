// Taking back the last sale, and correcting an earlier one.
// Invariant: what was booked is told as the box says it; a supervisor's PIN is asked only when the box asks for it.
import { asked, keypad } from "./dialog.js";
import { h } from "./dom.js";
import { clock } from "./clock.js";
import { money } from "./money.js";
import { newId, notice, post } from "./live.js";
import { reasonButtons } from "./reasons.js";
import { askPin } from "./staff.js";
import { lang, reason, t } from "./texts.js";

const OWN_REASONS = ["wrong_price", "wrong_product", "spilled", "complaint", "other"];

/** Posts, and once more with a supervisor's PIN if the box wants one. */
export async function postConfirmed(address, body) {
  const first = await post(address, body, reason);
  const wantsWord = first.code === "till.correction_quota" || first.code === "staff.not_supervisor";
  if (!wantsWord) return first;
  const supervisor = await askPin();
  return supervisor ? post(address, { ...body, supervisor }, reason) : first;
}

/** The same under a key: where nobody knows whether it arrived, it is posted once more, and is the same request. */
export async function postKeyed(address, body) {
  const keyed = { id: newId(), ...body };
  const first = await postConfirmed(address, keyed);
  return first.known ? first : postConfirmed(address, keyed);
}

function tell({ ok, body }) {
  if (!ok) return;
  if (body?.result?.ok) return notice(t("till-corrected-charged", { amount: body.result.charged_cents }));
  if (!body?.entry) return notice(t("till-correct-hold"));
  notice(t(body.owed ? "till-corrected-owed" : "till-corrected", { amount: body.amount_cents }));
}

/** Takes the last sale back: the one that the screen offers. */
export async function undo(entry) {
  if (entry) tell(await postKeyed("/api/till/undo", { entry }));
}

/** The dialog: which entry, in whose favour, how much, why; what a band is charged waits on this page's screen. */
export async function correct(reasons, at_desk) {
  const answer = await fetch("/api/till/recent").catch(() => null);
  if (!answer?.ok) return notice(t("notice-failed"));
  const recent = await answer.json();
  const entry = await asked(t("till-correct-which"), (choose) =>
    recent.map((one) =>
      h(
        "button",
        { type: "button", class: "plain row", disabled: one.left_cents === 0, onclick: () => choose(one) },
        h("span", {}, `${clock(one.at_unix_ms, lang)} ${t(one.is_top_up ? "till-correct-top-up" : "till-correct-sale")}`),
        h("b", {}, money(one.amount_cents, lang)),
        h("small", {}, t("till-correct-left", { amount: one.left_cents })),
      ),
    ),
  );
  if (!entry) return;
  const favour = await asked(t("till-correct"), (choose) =>
    h(
      "div",
      { class: "choices" },
      h("button", { type: "button", onclick: () => choose("guest") }, t("till-correct-guest")),
      h("button", { type: "button", class: "plain", onclick: () => choose("festival") }, t("till-correct-festival")),
    ),
  );
  if (!favour) return;
  const amount_cents = await askAmount(t("till-correct-amount"), entry.left_cents);
  if (!amount_cents) return;
  const why = await asked(t("till-why"), (choose) => reasonButtons(reasons, OWN_REASONS, choose));
  if (!why) return;
  tell(await postKeyed("/api/till/correct", { entry: entry.entry, amount_cents, favour, reason: why, at_desk }));
}

/** Asks for an amount in minor units; `first` is offered. Null if it was closed. */
export function askAmount(headline, first = 0) {
  let digits = String(first);
  let isUntouched = true;
  return asked(headline, (answer) => {
    const shown = h("output", { class: "amount" }, money(digits || "0", lang));
    const press = (digit) => {
      if (isUntouched && digit !== null) digits = "";
      isUntouched = false;
      digits = (digit === null ? digits.slice(0, -1) : digits + digit).replace(/^0+/, "").slice(0, 7);
      shown.textContent = money(digits || "0", lang);
    };
    return [shown, keypad(press), h("button", { type: "button", class: "big", onclick: () => answer(Number(digits || "0")) }, t("till-ok"))];
  });
}
