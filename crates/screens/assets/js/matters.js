// Conflicts and doubts: what happened, the evidence, and what people decide about it (`deciding.js`).
// Invariant: a card on which somebody works is not drawn over, and what was typed stays; the hub is asked one question at a
// time.
import { start } from "./page.js";
import { byId, h, refill } from "./dom.js";
import { lang, reason, t, tOf } from "./texts.js";
import { money } from "./money.js";
import { moment } from "./clock.js";
import { notice } from "./live.js";
import { about } from "./books.js";
import { branch, deciding, keep } from "./deciding.js";

const KINDS = ["double_admission", "overspend", "late_spend", "loss", "in_doubt", "pending", "fork", "chip_fork", "revoked_entries", "over_quota", "gap", "forbidden_entry", "frozen_subject"];
const STATES = ["open", "decided", "all"];
/** Between two loads that nobody asked for. */
const QUIET_MS = 10_000;
/** Behind an answer that does not come the next question is asked all the same. */
const PATIENCE_MS = 30_000;
let page = 0;
let seen = null;
// loads follow one another; of those that wait only the newest is asked
let newest = 0;
let waiting = 0;
let turns = Promise.resolve();
let loadedAt = 0;
let isStale = false;
let later;

/** Loads the list as it is asked for now. */
function load(quietly = false) {
  const mine = ++newest;
  waiting += 1;
  isStale = false;
  turns = turns.then(() => (mine === newest ? ask(mine, quietly) : null)).finally(() => {
    waiting -= 1;
    loadedAt = performance.now();
    refresh();
  });
  return turns;
}

/** Loads what is not fresh any more, where nobody waits for an answer or works on the list, and not all the time. */
function refresh() {
  clearTimeout(later);
  if (!isStale) return;
  const wait = loadedAt + QUIET_MS - performance.now();
  if (wait > 0 || waiting > 0 || isInUse()) later = setTimeout(refresh, Math.max(wait, 1000));
  else load(true);
}

async function ask(mine, quietly) {
  const asked = new URLSearchParams({ state: byId("state").value, kind: byId("kind").value, place: byId("place").value.trim(), page: String(page) });
  const answer = await fetch(`/api/matters?${asked}`, { signal: AbortSignal.timeout(PATIENCE_MS) }).catch(() => null);
  const list = answer?.ok ? await answer.json().catch(() => null) : null;
  // something else was asked meanwhile
  if (mine !== newest) return;
  if (list === null) return notice(t("notice-failed"));
  if (quietly && isInUse()) {
    isStale = true;
    return;
  }
  // nobody turned the page: where it is gone, what is shown stays until somebody asks
  if (quietly && list.page !== page) return;
  page = list.page;
  keep(byId("list"));
  byId("total").textContent = t("matters-total", { count: list.open, number: list.total, amount: list.open_cents });
  byId("more").hidden = !list.more;
  byId("signs").hidden = !list.signs;
  byId("typed").hidden = list.signs;
  const done = { signs: list.signs, by: () => byId("by"), load: () => load() };
  const none = h("p", { class: "none" }, h("verdict-shape", { kind: "ok" }), t("matters-none"));
  refill(byId("list"), ...(list.matters.length > 0 ? list.matters.map((matter) => card(matter, done)) : [none]));
  const pages = Array.from({ length: list.pages }, (_, number) => h("button", { type: "button", "aria-pressed": String(number === page), onclick: () => turn(number) }, String(number + 1)));
  refill(byId("pages"), ...(list.pages > 1 ? pages : []));
}

function turn(number) {
  page = number;
  load();
}

/** Whether somebody reads evidence or decides just now. */
function isInUse() {
  return byId("list").contains(document.activeElement) || byId("list").querySelector("details[open], .proof > *") !== null;
}

function card(matter, done) {
  const evidence = h("div", { class: "proof" });
  const args = { amount: matter.amount_cents ?? 0, place: matter.places[0]?.place ?? "" };
  return h("article", { class: "conflict", "data-matter": matter.id, "data-kind": matter.kind, "data-open": String(matter.open) },
    h("h3", {}, h("verdict-shape", { kind: matter.open ? "care" : "ok" }), tOf("conflict", matter.kind), about(matter)),
    h("p", {}, reason(matter.what_code, args)),
    h("ul", { class: "where" }, matter.places.map(where), more(matter.more_places)),
    h("p", { class: "whom" }, whom(matter)),
    matter.waits === null ? null : h("p", { class: "waits" }, tOf("waits", matter.waits)),
    h("ul", { class: "rulings" }, matter.rulings.map(ruling)),
    matter.open ? h("p", { class: "todo" }, h("b", {}, t("console-todo")), " ", isOfItsBox(matter) ? t("matters-at-the-box") : reason(matter.todo_code, args)) : null,
    h("div", { class: "proving" },
      h("button", { type: "button", class: "evidence", onclick: () => prove(matter, evidence, done) }, t("matters-evidence")),
      matter.kind === "fork" ? h("a", { href: `/api/matters/${encodeURIComponent(matter.id)}/proof`, download: "" }, t("matters-proof")) : null),
    evidence,
    deciding(matter, done));
}

/** What a revoked box sold to this band: it counts with all that the box delivered, or not at all. */
function isOfItsBox(matter) {
  return matter.kind === "revoked_entries" && !matter.id.includes("~device~");
}

function where(at) {
  return h("li", {}, h("b", {}, at.place), ` ${t("status-box", { number: at.box_number })}, `, h("time", {}, moment(at.at_unix_ms, lang)));
}

/** What is left out of a list. */
function more(count) {
  return count > 0 ? h("li", { class: "more" }, t("matters-and-more", { count })) : null;
}

/** The wristband with its page, or the ticket; a box is named by its place already. */
function whom(matter) {
  const id = h("code", {}, matter.subject);
  if (matter.id.includes("~wallet~")) return [h("a", { href: `/wallet?lang=${lang}&band=${matter.subject}` }, t("matters-band")), id];
  return matter.id.includes("~ticket~") ? [t("matters-ticket"), id] : [t("matters-device"), id];
}

function ruling(one) {
  const who = one.operator > 0 ? t("matters-by-pin", { code: one.by, number: one.operator }) : t("matters-by-typed", { code: one.by });
  return h("li", { "data-standing": one.standing, "data-operator": one.operator },
    h("b", {}, tOf("ruling", one.action)), one.amount_cents > 0 ? ` ${money(one.amount_cents, lang)}` : "", ` · ${who} · ${moment(one.at_unix_ms, lang)} · « ${one.reason} »`,
    h("small", {}, tOf("ruled", one.standing)));
}

/** Shows what it is believed by; once more hides it. */
async function prove(matter, into, done) {
  if (into.firstChild) return into.replaceChildren();
  const answer = await fetch(`/api/matters/${encodeURIComponent(matter.id)}`).catch(() => null);
  if (!answer?.ok) return notice(t("notice-failed"));
  const { evidence } = await answer.json();
  const histories = evidence.branches.map((one, at) => h("section", {},
    h("h4", {}, t("matters-branch", { count: at + 1, number: one.last, code: one.head.slice(0, 8) })),
    h("ul", {}, one.entries.map(entry)),
    one.standing === "disputed" && one.may_hold ? branch(matter, one.head, done) : null));
  into.replaceChildren(...(histories.length > 0 ? histories : [h("ul", {}, evidence.entries.map(entry), more(evidence.more))]));
}

function entry(one) {
  const amount = one.amount_cents > 0 ? ` ${money(one.amount_cents, lang)}` : "";
  const chip = one.chip ? h("small", {}, t("matters-chip", { number: one.tap_counter, balance: one.chip.credits_cents - one.chip.spent_cents, code: one.chip.base.slice(0, 8) })) : null;
  return h("li", {}, h("b", {}, tOf("entry", one.what), amount), ` ${one.place}, ${moment(one.unix_ms, lang)} · ${tOf("standing", one.standing)}`, h("code", {}, one.entry), chip);
}

start(
  (hub) => {
    // what boxes bring changes the list; nobody should have to ask for it
    const now = JSON.stringify([hub.totals, hub.conflicts]);
    if (now === seen) return;
    seen = now;
    isStale = true;
    refresh();
  },
  () => {
    refill(byId("state"), ...STATES.map((state) => h("option", { value: state }, tOf("listed", state))));
    refill(byId("kind"), h("option", { value: "" }, t("matters-every-kind")), ...KINDS.map((kind) => h("option", { value: kind }, tOf("conflict", kind))));
    byId("filter").addEventListener("submit", (event) => {
      event.preventDefault();
      page = 0;
      load();
    });
    for (const id of ["state", "kind"]) byId(id).addEventListener("change", () => turn(0));
    load();
  },
);
