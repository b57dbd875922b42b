// Deciding about a conflict or doubt: what, how much, why, and by whom.
// Invariant: nothing is decided without a reason and a name; where the staff list has people who may decide, the name comes
// from number and PIN.
import { h } from "./dom.js";
import { reason, t, tOf } from "./texts.js";
import { centsOf } from "./money.js";
import { notice, post } from "./live.js";
import { askPin } from "./staff.js";

const WITH_AMOUNT = new Set(["charge_back", "forgive"]);
/** What somebody has begun to decide, by matter and history, while the list is drawn anew. */
let begun = new Map();

const nameOf = (matter, head) => `${matter.id} ${head}`;

/** Keeps what is typed in these forms for those that are drawn instead of them. */
export function keep(list) {
  const forms = [...list.querySelectorAll("form.deciding")].map((form) => [form.dataset.decides, typed(form)]);
  begun = new Map(forms.filter(([, words]) => words !== null));
}

/** What stands in a form; null where nobody has touched it. */
function typed(form) {
  const { why, amount, risk, action } = form.elements;
  const words = { why: why.value, amount: amount.value, risk: risk.checked, action: action?.value ?? "" };
  return words.why === "" && words.amount === "" && words.action === "" ? null : words;
}

/** What may be decided here, folded away. A history is chosen beside its entries. */
export function deciding(matter, done) {
  // a block that was put elsewhere is lifted there
  const isBlocked = matter.rulings.some((one) => one.action === "block");
  const possible = matter.actions.filter((action) => action !== "confirm_branch" && (action !== "lift" || isBlocked));
  const hint = matter.actions.includes("confirm_branch") && matter.open ? h("p", {}, t("matters-choose-history")) : null;
  const label = matter.rulings.length > 0 ? t("matters-again") : t("matters-decide");
  return h("details", { open: begun.has(nameOf(matter, "")) }, h("summary", {}, label), hint, form(matter, possible, "", done));
}

/** Lets one history of a fork count. */
export function branch(matter, head, done) {
  return form(matter, ["confirm_branch"], head, done);
}

function form(matter, actions, head, done) {
  const why = h("input", { name: "why", required: true, maxlength: 180, autocomplete: "off" });
  const amount = h("label", { hidden: true }, h("span", {}, t("matters-amount")), h("input", { name: "amount", inputmode: "decimal", pattern: "[0-9]{1,6}([.,][0-9]{2})?" }));
  const risk = h("label", { class: "row", hidden: true }, h("input", { name: "risk", type: "checkbox" }), h("span", {}, t("matters-risk")));
  const button = h("button", {}, t("matters-decide"));
  const choose = (action) => {
    amount.hidden = !WITH_AMOUNT.has(action);
    risk.hidden = action !== "pay_out";
    button.textContent = tOf("ruling", action);
    button.classList.toggle("danger", action === "block" || action === "revoke");
  };
  const choice = (action) => h("label", {},
    h("input", { type: "radio", name: "action", value: action, required: true, onchange: () => choose(action) }),
    h("span", {}, h("b", {}, tOf("ruling", action)), h("small", {}, tOf("ruling-does", action))));
  const choices = actions.length > 1 ? h("fieldset", {}, actions.map(choice)) : null;
  const name = nameOf(matter, head);
  const node = h("form", { class: "deciding", "data-decides": name }, choices, h("label", {}, h("span", {}, t("matters-reason")), why), amount, risk, button);
  if (actions.length === 1) choose(actions[0]);
  const words = begun.get(name);
  if (words !== undefined) {
    why.value = words.why;
    node.elements.amount.value = words.amount;
    node.elements.risk.checked = words.risk;
    const chosen = node.querySelector(`input[name="action"][value="${CSS.escape(words.action)}"]`);
    if (chosen) {
      chosen.checked = true;
      choose(words.action);
    }
  }
  node.addEventListener("submit", async (event) => {
    event.preventDefault();
    const action = actions.length > 1 ? node.elements.action.value : actions[0];
    const body = { action, reason: why.value.trim(), seen: matter.seen };
    if (head !== "") body.head = head;
    if (!amount.hidden && node.elements.amount.value.trim() !== "") body.amount_cents = centsOf(node.elements.amount.value);
    if (!risk.hidden && node.elements.risk.checked) body.accept_risk = true;
    const by = await signed(done);
    if (by === null) return;
    button.disabled = true;
    const { ok, code } = await post(`/api/matters/${encodeURIComponent(matter.id)}/resolve`, { ...body, ...by }, reason);
    button.disabled = false;
    // decided elsewhere, or here with the answer lost: shown as it is now, and decided anew with what was typed
    if (code === "hub.ruling_changed") return done.load();
    if (!ok) return;
    node.reset();
    await done.load();
    notice(t("matters-done"));
  });
  return node;
}

/** Number and PIN, or the typed name; null where nobody says who. */
async function signed(done) {
  if (done.signs) {
    const pin = await askPin(t("matters-sign"));
    return pin === null ? null : { pin };
  }
  const field = done.by();
  if (field.value.trim() !== "") return { by: field.value.trim() };
  field.focus();
  notice(reason("hub.ruling_by"));
  return null;
}
