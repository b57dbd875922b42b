// The hub's books and conflicts, drawn the same on the console and in the demo.
// Invariant: the two sides are added up here again, so that a wrong "balanced" would show.
import { h } from "./dom.js";
import { lang, reason, t, tOf } from "./texts.js";
import { money } from "./money.js";
import { clock } from "./clock.js";

const IN = [
  ["console-top-up", "top_up_cents"],
  ["console-gifts", "gifts_cents"],
  ["console-corrections", "corrections_cents"],
  ["console-pending-issued", "pending_issued_cents"],
  ["console-unreported", "unreported_cents"],
  ["console-overspend", "overspend_cents"],
];
const WHERE = [
  ["console-balance", "balance_cents"],
  ["console-pending-credit", "pending_credit_cents"],
  ["console-spent", "spent_cents"],
  ["console-deposits", "deposits_cents"],
  ["console-refunded", "refunded_cents"],
  ["console-fees", "fees_cents"],
  ["console-expired", "expired_cents"],
  ["console-in-doubt", "in_doubt_cents"],
  ["console-disputed", "disputed_cents"],
  ["console-unexplained", "unexplained_cents"],
];

/** Both sides of the books: what came in, and where it is. */
export function sums(totals) {
  const sum = (side) => side.reduce((total, [, field]) => total + BigInt(totals[field]), 0n);
  return { came: sum(IN), is: sum(WHERE) };
}

/** The balance line and the accounts. */
export function books(totals) {
  const { came, is } = sums(totals);
  const side = (title, accounts, total) =>
    h(
      "table",
      {},
      h("caption", {}, t(title)),
      h("tbody", {}, accounts.map(([key, field]) => row(t(key), money(totals[field], lang), totals[field] === 0 ? "nothing" : ""))),
      h("tfoot", {}, row(t("till-total"), money(total, lang), "")),
    );
  return [
    verdictLine(totals, came - is),
    h("div", { class: "sides" }, side("console-in", IN, came), side("console-where", WHERE, is)),
    h(
      "p",
      { class: "counts" },
      [["console-guests-in", totals.guests_in], ["console-admissions", totals.admissions], ["console-frozen", totals.frozen]].map(([key, count]) =>
        h("span", {}, `${t(key)} `, h("b", {}, String(count))),
      ),
    ),
  ];
}

function verdictLine(totals, difference) {
  const agrees = difference === 0n;
  if (totals.balanced && agrees) return line("ok", t("console-balanced"));
  if (agrees && totals.frozen > 0) return line("care", t("console-not-final", { count: totals.frozen }));
  return line("no", t("console-not-balanced", { amount: difference }));
}

function line(shape, words) {
  return h("p", { class: "balance-line", "data-shape": shape, role: "status" }, h("verdict-shape", { kind: shape }), h("b", {}, words));
}

function row(label, amount, kind) {
  return h("tr", { class: kind }, h("th", { scope: "row" }, label), h("td", {}, amount));
}

/** How many conflicts there are, and how many of them are shown where that is fewer; empty where there is none. */
export function conflictCount(list, total) {
  if (list.length === 0) return "";
  return total > list.length ? t("console-conflicts-of", { count: list.length, number: total }) : String(list.length);
}

/** The money that a conflict is about, with a word where it is not money that is missing. */
export function about({ kind, amount_cents: amount }) {
  if (amount === null) return null;
  if (kind === "chip_fork") return h("b", {}, t("matters-goods", { amount }));
  if (kind === "over_quota") return h("b", {}, t("matters-put-on", { amount }));
  const isOfEntries = kind === "revoked_entries" || kind === "forbidden_entry";
  return h("b", {}, isOfEntries ? t("matters-in-entries", { amount }) : money(amount, lang));
}

/** One card for each conflict, or the sentence that there is none. */
export function conflicts(list) {
  if (list.length === 0) return [h("p", { class: "none" }, h("verdict-shape", { kind: "ok" }), t("console-no-conflicts"))];
  return list.map((conflict) => {
    const args = conflict.amount_cents === null ? conflict.args : { amount: conflict.amount_cents, ...conflict.args };
    return h(
      "article",
      { class: "conflict" },
      h("h3", {}, h("verdict-shape", { kind: "care" }), tOf("conflict", conflict.kind), about(conflict)),
      h("p", {}, reason(conflict.what_code, args)),
      h("ul", {}, conflict.places.map(side), conflict.more_places > 0 ? h("li", { class: "more" }, t("matters-and-more", { count: conflict.more_places })) : null),
      h("p", { class: "todo" }, h("b", {}, t("console-todo")), " ", reason(conflict.todo_code, args)),
    );
  });
}

function side({ place, box_number, at_unix_ms, entry }) {
  return h("li", {}, h("b", {}, place), ` ${t("status-box", { number: box_number })}, ${clock(at_unix_ms, lang)}`, entry ? h("code", {}, entry) : null);
}
