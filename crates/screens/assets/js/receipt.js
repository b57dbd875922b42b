// Has the receipt of a sale printed. What becomes of it is told by the status bar.
import { asked } from "./dialog.js";
import { h } from "./dom.js";
import { clock } from "./clock.js";
import { money } from "./money.js";
import { notice, post } from "./live.js";
import { lang, reason, t } from "./texts.js";

/** Asks which sale, the one of the last tap first. */
export async function printReceipt(last) {
  const answer = await fetch("/api/till/recent").catch(() => null);
  if (!answer?.ok) return notice(t("notice-failed"));
  const recent = await answer.json();
  const row = (choose, entry, label, more) =>
    h("button", { type: "button", class: "plain row", onclick: () => choose(entry) }, h("span", {}, label), more);
  const entry = await asked(t("till-receipt-which"), (choose) => [
    last?.ok && last.entry ? row(choose, last.entry, t("till-receipt-last"), null) : null,
    ...recent.map((one) => {
      const kind = t(one.is_top_up ? "till-correct-top-up" : "till-correct-sale");
      return row(choose, one.entry, `${clock(one.at_unix_ms, lang)} ${kind}`, h("b", {}, money(one.amount_cents, lang)));
    }),
  ]);
  if (!entry) return;
  const { ok } = await post("/api/till/receipt", { entry }, reason);
  if (ok) notice(t("till-receipt-asked"));
}
