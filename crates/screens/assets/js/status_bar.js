// `<status-bar>`: where this is, how old its knowledge is, and what is at stake. The same on every page of a box.
import { h, refill } from "./dom.js";
import { lang, reason, t, tOf } from "./texts.js";
import { money } from "./money.js";
import { age, freshness } from "./clock.js";
import { secondsSinceState } from "./live.js";

class StatusBar extends HTMLElement {
  #view = null;

  connectedCallback() {
    this.timer = setInterval(() => this.#draw(), 1000);
  }

  disconnectedCallback() {
    clearInterval(this.timer);
  }

  set view(view) {
    this.#view = view;
    this.#draw();
  }

  #draw() {
    if (this.#view === null) return;
    const view = this.#view;
    this.setAttribute("role", "region");
    this.setAttribute("aria-label", t("status-title"));
    refill(
      this,
      h("strong", { class: "place" }, view.place, h("small", {}, t("status-box", { number: view.box_number }))),
      knowledge(view, secondsSinceState()),
      chip(t("status-unsent"), String(view.unsent), view.unsent === 0 ? "fresh" : "ageing"),
      chip(t("status-at-risk"), money(view.at_risk_cents, lang), view.at_risk_cents > 0 ? "ageing" : "fresh"),
      view.hub.connected ? chip(t("status-hub-connected"), "", "fresh") : chip(t("status-hub-away"), "", "old"),
      view.copies >= 2 ? chip(t("status-two-copies"), "", "fresh") : chip(t("status-one-copy"), "", "ageing"),
      lanChip(view.lan),
      view.reader === "ready" ? null : chip(t("status-reader-lost"), "", "old"),
      view.trusted_time.uncertainty_s <= 60 ? null : timeChip(view),
      (view.alerts ?? []).map((alert) => h("p", { class: "degraded", role: "alert" }, reason(alert.code, alert.args))),
      view.degraded ? h("p", { class: "degraded", role: "alert" }, reason(view.degraded)) : null,
    );
  }
}

/** Whether the box decides with its group on the venue's LAN. */
function lanChip(lan) {
  if (!lan) return null;
  if (!lan.is_group) return chip(t("status-lan-alone"), "", "old");
  return chip(t("status-lan-group", { count: lan.heard, number: lan.voters }), "", "fresh");
}

function timeChip(view) {
  return chip(t("status-time-uncertain"), tOf("time-source", view.trusted_time.source), "ageing");
}

/** The oldest kind of knowledge in large, each kind in small beside it. */
function knowledge(view, sinceS) {
  const grown = view.knowledge.map(({ section, age_s }) => ({ section, s: age_s === null ? null : age_s + sinceS }));
  const worst = grown.reduce((oldest, one) => (oldest === null || one.s === null || (oldest.s !== null && one.s > oldest.s) ? one : oldest), null);
  const s = worst ? worst.s : null;
  const details = grown.map((one) => h("small", { class: freshness(one.s) }, `${tOf("age", one.section)} ${ageText(one.s)}`));
  return chip(t("status-knowledge"), ageText(s), freshness(s), h("span", { class: "details" }, details));
}

/** An age in words. */
export function ageText(seconds) {
  if (seconds === null || seconds === undefined) return t("status-knowledge-never");
  const { key, count } = age(seconds);
  return t(key, { count });
}

/** A labelled value with a sign that says the same as its colour. */
export function chip(label, value, state, ...more) {
  const sign = { fresh: "ok", ageing: "care", old: "no" }[state];
  const words = value === "" ? [h("b", {}, label)] : [h("span", {}, label), h("b", {}, value)];
  return h("span", { class: `chip ${state}` }, h("verdict-shape", { kind: sign }), h("span", { class: "words" }, words), more);
}

customElements.define("status-bar", StatusBar);
