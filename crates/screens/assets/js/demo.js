// The demo's overview: what each box knows, beside what the hub knows.
// Invariant: a box is shown by what it says itself, never by what the hub says about it.
import { start } from "./page.js";
import { byId, h, refill } from "./dom.js";
import { lang, reason, t, tOf } from "./texts.js";
import { money } from "./money.js";
import { clock, freshness } from "./clock.js";
import { ageText, chip } from "./status_bar.js";
import { shapeOf } from "./verdicts.js";
import { books, conflicts } from "./books.js";
import { notice, post } from "./live.js";

const WORSE = ["fresh", "ageing", "old"];
const PAGES = { gate: "gate.html", bar: "till.html", "top-up": "top_up.html" };

start(show, () => byId("edit-prices").addEventListener("submit", editPrices));

function show(demo) {
  refill(byId("boxes"), ...demo.boxes.map(card));
  byId("festival").textContent = demo.hub?.festival ?? demo.boxes[0]?.view.festival ?? "";
  refill(byId("books"), ...(demo.hub ? books(demo.hub.totals) : [h("p", { class: "none" }, h("verdict-shape", { kind: "no" }), t("demo-hub-away"))]));
  refill(byId("conflicts"), ...(demo.hub ? conflicts(demo.hub.conflicts) : []));
  refill(byId("hub-link"), demo.hub_url ? h("a", { href: withLang(demo.hub_url, "") }, t("demo-console")) : "");
  refill(byId("prices"), ...demo.prices.map(priceCard));
  refill(byId("story"), ...demo.story.toReversed().map((step) => h("li", {}, h("time", {}, clock(step.at_unix_ms, lang)), ` ${t(step.key, step.args)}`)));
}

function priceCard({ place, name_fr, name_en, cents, other_cents }) {
  return h(
    "article",
    { class: `box ${other_cents.length > 0 ? "ageing" : "fresh"}` },
    h("h3", {}, h("verdict-shape", { kind: other_cents.length > 0 ? "care" : "ok" }), place || t("demo-price-at-hub")),
    h("p", {}, lang === "fr" ? name_fr : name_en, " ", h("b", {}, money(cents, lang))),
    ...other_cents.map((other) => h("p", { class: "todo" }, t("demo-price-other", { amount: other }))),
  );
}

async function editPrices(event) {
  event.preventDefault();
  const form = event.currentTarget;
  const data = new FormData(form);
  const [hub_cents, bar_cents] = ["hub", "bar"].map((name) => Math.round(Number(data.get(name).trim().replace(",", ".")) * 100));
  if (!(hub_cents >= 0 && bar_cents >= 0)) return notice(reason("edit.bad_value"));
  const button = form.querySelector("button");
  button.disabled = true;
  await post("/prices", { hub_cents, bar_cents }, reason);
  button.disabled = false;
}

function withLang(address, page) {
  return `${address.replace(/\/$/, "")}/${page}?lang=${lang}`;
}

function card({ url, running, view }) {
  const state = running ? worst(view) : "old";
  return h(
    "article",
    { class: `box ${state}` },
    h("h3", {}, h("verdict-shape", { kind: { fresh: "ok", ageing: "care", old: "no" }[state] }), view.place, h("small", {}, t("status-box", { number: view.box_number }))),
    running ? null : h("p", { class: "stopped" }, t("demo-stopped")),
    h(
      "p",
      { class: "chips" },
      view.hub.connected ? chip(t("status-hub-connected"), "", "fresh") : chip(t("status-hub-away"), "", "old"),
      chip(t("status-unsent"), String(view.unsent), view.unsent === 0 ? "fresh" : "ageing"),
      chip(t("status-at-risk"), money(view.at_risk_cents, lang), view.at_risk_cents > 0 ? "ageing" : "fresh"),
      view.in_doubt.length > 0 ? chip(t("till-in-doubt-title"), String(view.in_doubt.length), "ageing") : null,
      view.copies >= 2 ? chip(t("status-two-copies"), "", "fresh") : chip(t("status-one-copy"), "", "ageing"),
    ),
    h("ul", { class: "ages" }, view.knowledge.map(({ section, age_s }) => h("li", { class: freshness(age_s) }, tOf("age", section), h("b", {}, ageText(age_s))))),
    h("dl", { class: "sums" }, counts(view).map(([key, value]) => h("div", {}, h("dt", {}, t(key)), h("dd", {}, value)))),
    lastOf(view),
    view.degraded ? h("p", { class: "degraded" }, reason(view.degraded)) : null,
    h("p", { class: "links" }, view.roles.map((role) => h("a", { href: withLang(url, PAGES[role]) }, t("demo-open", { place: tOf("role", role) })))),
  );
}

function worst(view) {
  const states = view.knowledge.map(({ age_s }) => freshness(age_s));
  if (view.degraded || !view.hub.connected) states.push("old");
  if (view.unsent > 0 || view.in_doubt.length > 0) states.push("ageing");
  return WORSE[Math.max(0, ...states.map((state) => WORSE.indexOf(state)))];
}

function counts(view) {
  return [
    ...(view.gate ? [["gate-admitted", String(view.gate.admitted)], ["gate-refused", String(view.gate.refused)]] : []),
    ...(view.till ? [["till-sales", String(view.till.sales)], ["till-sold", money(view.till.sold_cents, lang)]] : []),
    ...(view.top_up ? [["top_up-today", money(view.top_up.today_cents, lang)]] : []),
  ];
}

function lastOf(view) {
  const scan = view.gate?.last;
  if (scan) return last(scan.admitted, scan.code, scan.args, tOf("headline", scan.admitted ? "ok" : shapeOf(scan.code)));
  const tap = view.till?.result ?? view.top_up?.result;
  if (!tap) return null;
  return last(tap.ok, tap.code, tap.args, tOf("phase", tap.ok ? "paid" : "refused"));
}

function last(ok, code, args, headline) {
  const shape = ok ? "ok" : shapeOf(code);
  return h("p", { class: "last", "data-shape": shape }, h("verdict-shape", { kind: shape }), h("span", {}, h("b", {}, headline), code ? ` ${reason(code, args)}` : ""));
}
