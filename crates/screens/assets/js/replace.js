// Another band for the ticket that was shown last: a lost or broken one.
// Invariant: a supervisor says so wherever there is a staff list; without one somebody confirms.
import { asked } from "./dialog.js";
import { byId, h } from "./dom.js";
import { post } from "./live.js";
import { askPin } from "./staff.js";
import { reason, t } from "./texts.js";

let shown = null;

/** Readies the button. `hasStaff()`: whether a supervisor's PIN is asked for. */
export function readyReplace(hasStaff) {
  byId("replace").addEventListener("click", async () => {
    // others may be shown while somebody is asked
    const at_unix_ms = shown?.at_unix_ms ?? 0;
    const supervisor = hasStaff() ? await askPin() : null;
    if (hasStaff() ? !supervisor : !(await asked(t("gate-replace-title"), confirmation))) return;
    const { ok } = await post("/api/gate/replace-band", { at_unix_ms, supervisor }, reason);
    if (ok) byId("replace-box").open = false;
  });
}

/** Says for which ticket it would be. */
export function showReplace(last) {
  shown = last;
  const can = Boolean(last?.can_replace);
  byId("replace").disabled = !can;
  const of = last?.ticket_id_tail ? t("gate-ticket", { code: last.ticket_id_tail }) : t("gate-replace-of-band");
  byId("replace-which").textContent = can ? of : reason("gate.no_ticket_shown");
}

function confirmation(answer) {
  const now = h("button", { type: "button", class: "big", onclick: () => answer(true) }, t("gate-replace-send"));
  return h("div", {}, h("p", {}, t("gate-replace-what")), now);
}
