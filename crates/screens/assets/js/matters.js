// Conflicts and doubts: what happened, the evidence, and what people decide about it.
import { start } from "./page.js";
import { byId, h, refill } from "./dom.js";
import { lang, reason, t, tOf } from "./texts.js";
import { centsOf, money } from "./money.js";
import { clock } from "./clock.js";
import { notice, post } from "./live.js";

const KINDS = ["double_admission", "overspend", "late_spend", "loss", "in_doubt", "pending", "fork", "chip_fork", "revoked_entries", "gap", "forbidden_entry", "frozen_subject"];
const STATES = ["open", "decided", "all"];
const WITH_AMOUNT = new Set(["charge_back", "forgive"]);
let page = 0;

async function load() {
  const asked = new URLSearchParams({ state: byId("state").value, kind: byId("kind").value, place: byId("place").value.trim(), page: String(page) });
  const answer = await fetch(`/api/matters?${asked}`).catch(() => null);
  if (!answer?.ok) return notice(t("notice-failed"));
  const list = await answer.json();
  page = list.page;
  byId("total").textContent = t("matters-total", { count: list.open, number: list.total });
  byId("more").hidden = !list.more;
  refill(byId("list"), ...(list.matters.length > 0 ? list.matters.map(card) : [h("p", { class: "none" }, h("verdict-shape", { kind: "ok" }), t("matters-none"))]));
  const pages = Array.from({ length: list.pages }, (_, number) => h("button", { type: "button", "aria-pressed": String(number === page), onclick: () => turn(number) }, String(number + 1)));
  refill(byId("pages"), ...(list.pages > 1 ? pages : []));
}

function turn(number) {
  page = number;
  load();
}

function card(matter) {
  const evidence = h("div", {});
  const args = { amount: matter.amount_cents ?? 0, place: matter.places[0]?.place ?? "" };
  return h("article", { class: "conflict", "data-matter": matter.id, "data-open": String(matter.open) },
    h("h3", {}, h("verdict-shape", { kind: matter.open ? "care" : "ok" }), tOf("conflict", matter.kind), matter.amount_cents === null ? null : h("b", {}, money(matter.amount_cents, lang))),
    h("p", {}, reason(matter.what_code, args)),
    h("p", {}, h("code", {}, matter.subject)),
    h("ul", {}, matter.places.map((at) => h("li", {}, h("b", {}, at.place), ` ${t("status-box", { number: at.box_number })}, ${clock(at.at_unix_ms, lang)} `, h("code", {}, at.entry)))),
    matter.waits === null ? null : h("p", {}, tOf("waits", matter.waits)),
    h("ul", { class: "rulings" }, matter.rulings.map(ruling)),
    matter.open ? h("p", { class: "todo" }, h("b", {}, t("console-todo")), " ", reason(matter.todo_code, args)) : null,
    h("button", { type: "button", class: "plain", onclick: () => prove(matter, evidence) }, t("matters-evidence")),
    matter.kind === "fork" ? h("a", { href: `/api/matters/${encodeURIComponent(matter.id)}/proof`, download: "" }, t("matters-proof")) : null,
    evidence,
    deciding(matter));
}

function ruling(one) {
  return h("li", { "data-standing": one.standing },
    h("b", {}, tOf("ruling", one.action)), one.amount_cents > 0 ? ` ${money(one.amount_cents, lang)}` : "", ` ${t("matters-ruled", { code: one.by, time: one.at_unix_ms })} « ${one.reason} » `, h("small", {}, tOf("ruled", one.standing)));
}

async function prove(matter, into) {
  const answer = await fetch(`/api/matters/${encodeURIComponent(matter.id)}`).catch(() => null);
  if (!answer?.ok) return notice(t("notice-failed"));
  const { evidence } = await answer.json();
  const entry = (one) => h("li", {}, `${clock(one.unix_ms, lang)} `, h("code", {}, one.entry), ` ${t("matters-entry", { number: one.kind, amount: one.amount_cents })} `, tOf("standing", one.standing), one.chip ? ` ${t("matters-chip", { number: one.tap_counter, code: one.chip.own ?? one.chip.base, detail: one.chip.base, balance: one.chip.credits_cents - one.chip.spent_cents })}` : "");
  refill(into,
    h("ul", {}, evidence.entries.map(entry)),
    ...evidence.branches.map((branch) => h("section", {}, h("h4", {}, t("matters-branch", { number: branch.last, code: branch.head.slice(0, 16) })), h("ul", {}, branch.entries.map(entry)), branch.standing === "disputed" ? decide(matter, "confirm_branch", branch.head) : null)));
}

function deciding(matter) {
  const possible = matter.actions.filter((action) => action !== "confirm_branch");
  if (!matter.open && matter.rulings.length > 0) return h("details", {}, h("summary", {}, t("matters-again")), possible.map((action) => decide(matter, action, "")));
  return h("details", {}, h("summary", {}, t("matters-decide")), possible.map((action) => decide(matter, action, "")));
}

function decide(matter, action, head) {
  const why = h("input", { required: true, maxlength: 180, autocomplete: "off" });
  const amount = WITH_AMOUNT.has(action) ? h("input", { inputmode: "decimal", pattern: "[0-9]{1,6}([.,][0-9]{2})?", placeholder: "" }) : null;
  const risk = action === "pay_out" ? h("input", { type: "checkbox" }) : null;
  const form = h("form", { class: "count", "data-action": action },
    h("label", {}, h("span", {}, t("matters-reason")), why),
    amount === null ? null : h("label", {}, h("span", {}, t("matters-amount")), amount),
    risk === null ? null : h("label", {}, h("span", {}, t("matters-risk")), risk),
    h("button", { class: action === "accept" ? "plain" : "danger" }, tOf("ruling", action)));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const by = byId("by").value.trim();
    if (by === "") {
      byId("by").focus();
      return notice(reason("hub.ruling_by"));
    }
    const body = { action, by, reason: why.value.trim() };
    if (head !== "") body.head = head;
    if (amount !== null && amount.value.trim() !== "") body.amount_cents = centsOf(amount.value.trim());
    if (risk?.checked) body.accept_risk = true;
    const button = form.querySelector("button");
    button.disabled = true;
    const { ok } = await post(`/api/matters/${encodeURIComponent(matter.id)}/resolve`, body, reason);
    button.disabled = false;
    if (!ok) return;
    notice(t("console-done"));
    await load();
  });
  return form;
}

start(() => {}, () => {
  refill(byId("state"), ...STATES.map((state) => h("option", { value: state }, tOf("listed", state))));
  refill(byId("kind"), h("option", { value: "" }, t("matters-every-kind")), ...KINDS.map((kind) => h("option", { value: kind }, tOf("conflict", kind))));
  byId("filter").addEventListener("submit", (event) => {
    event.preventDefault();
    page = 0;
    load();
  });
  load();
});
