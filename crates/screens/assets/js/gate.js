// The gate's screen: one verdict in full size, for eight seconds; then the one whose band is awaited, or the next ticket.
import { start } from "./page.js";
import { byId, h, refill } from "./dom.js";
import { lang, reason, t, tOf } from "./texts.js";
import { clock } from "./clock.js";
import { newId, post } from "./live.js";
import { readyReplace, showReplace } from "./replace.js";
import { readySearch } from "./search.js";
import { play } from "./sounds.js";
import { shapeOf } from "./verdicts.js";

const SHOWN_MS = 8000;
/** Refusals after which the supervisor's form is about whoever is shown by then. */
const IS_OVER = ["gate.another_shown", "gate.nothing_refused", "gate.other_request"];
let timer;
let requestId = newId();
let hasStaff = false;
/** The last verdict; the one that the supervisor's form is about; and whether somebody fills that form in. */
let shown = null;
let about = null;
let isFilledIn = false;

start(
  (state, previous) => {
    const gate = state.gate;
    hasStaff = Boolean(state.staff);
    if (!gate) return draw({ shape: "care", headline: t("headline-care"), lines: [reason("gate.not_a_gate")] });
    byId("admitted").textContent = gate.admitted;
    byId("refused").textContent = gate.refused;
    byId("last-hour").textContent = gate.last_hour;
    byId("exits").textContent = gate.exits;
    byId("overrides").textContent = gate.overrides;
    door(gate);
    const last = gate.last;
    // whoever is shown now is not the one whom an earlier request was for
    if (last?.at_unix_ms !== shown?.at_unix_ms) requestId = newId();
    shown = last;
    if (!isFilledIn) about = last;
    exceptions(gate);
    showReplace(last);
    const awaited = gate.awaits_band;
    byId("without-band").hidden = !awaited;
    if (!last) return ready();
    const before = previous?.gate?.last;
    const isNew = previous !== null && before?.at_unix_ms !== last.at_unix_ms;
    const left = SHOWN_MS - (state.now_unix_ms - last.at_unix_ms);
    if (isNew) play(last.admitted ? "ok" : shapeOf(last.code));
    else if (last.pairing === "paired" && before?.pairing === "waiting") play("paid");
    clearTimeout(timer);
    if (last.pairing === "waiting") return draw(verdict(last));
    const after = () => (awaited ? draw(verdict(awaited)) : ready(last));
    if (left <= 0) return after();
    draw(verdict(last));
    timer = setTimeout(after, left);
  },
  () => {
    byId("manual").addEventListener("submit", async (event) => {
      event.preventDefault();
      const field = byId("ticket-text");
      // Not trimmed: a space is a digit of base45.
      if (field.value === "") return;
      const { ok } = await post("/api/gate/scan", { text: field.value }, reason);
      if (ok) field.value = "";
      field.focus();
    });
    for (const button of document.querySelectorAll("[data-ways]")) {
      button.addEventListener("click", () => post("/api/gate/ways", { ways: button.dataset.ways }, reason));
    }
    byId("without-band").addEventListener("click", () => post("/api/gate/without-band", {}, reason));
    byId("override").addEventListener("input", () => (isFilledIn = true));
    byId("override-box").addEventListener("toggle", begunAnew);
    byId("override").addEventListener("submit", async (event) => {
      event.preventDefault();
      const form = event.target;
      const { ok, code } = await post("/api/gate/override", {
        id: requestId,
        who: form.who.value,
        at_unix_ms: about?.at_unix_ms ?? 0,
        operator: Number(form.operator.value),
        pin: form.pin.value,
        reason: form.reason.value,
      }, reason);
      form.pin.value = "";
      if (ok) byId("override-box").open = false;
      if (ok || IS_OVER.includes(code)) begunAnew();
    });
    readyReplace(() => hasStaff);
    readySearch(() => hasStaff);
    draw({ shape: "wait", headline: t("status-connecting"), lines: [] });
  },
);

/** Zone, places and which way the gate is open. */
function door({ zone, ways }) {
  const name = lang === "fr" ? zone.name_fr : zone.name_en;
  byId("zone-name").textContent = name || t("gate-zone", { number: zone.number });
  const bound = zone.capacity === null ? "" : ` / ${zone.capacity}`;
  byId("zone-places").textContent = `${t("gate-inside")} ${zone.inside}${bound}`;
  byId("zone-share").textContent = zone.share_left === null ? "" : `${t("gate-share-left")} ${Math.max(0, zone.share_left)}`;
  for (const button of document.querySelectorAll("[data-ways]")) {
    button.setAttribute("aria-pressed", String(button.dataset.ways === ways));
  }
}

/** The supervisor's form is for a request of its own, about the verdict on the screen. */
function begunAnew() {
  requestId = newId();
  isFilledIn = false;
  about = shown;
}

/** Counts by hour, and the supervisor's form: its reasons, and whom it is about. */
function exceptions({ hours, reasons }) {
  refill(byId("hours"), hours.map((hour) =>
    h("li", {}, t("gate-hour", { time: hour.from_unix_ms, count: hour.ins, number: hour.outs }))));
  const list = byId("override-reason");
  if (list.options.length !== reasons.length) {
    refill(list, reasons.map((one) => h("option", { value: one.code }, lang === "fr" ? one.fr : one.en)));
  }
  const refused = byId("override-who").options[0];
  const which = about?.ticket_id_tail ? ` (${t("gate-ticket", { code: about.ticket_id_tail })})` : "";
  const words = t("gate-override-who-last") + (about?.can_override ? which : "");
  refused.disabled = !about?.can_override;
  if (refused.textContent !== words) refused.textContent = words;
}

function verdict(last) {
  const shape = last.admitted ? "ok" : shapeOf(last.code);
  const first = { place: last.first_place ?? last.args.place ?? "?", time: last.first_unix_ms ?? last.args.time ?? "?" };
  const lines = [];
  if (last.code) lines.push(reason(last.code, { ...last.args, ...first }));
  else if (last.first_place) lines.push(t("gate-first-use", first));
  for (const mark of last.marks) lines.push(reason(mark));
  const headline = last.out ? t("gate-out") : tOf("headline", shape);
  return { shape, headline, lines, facts: facts(last), pairing: last.pairing };
}

function facts(last) {
  return [
    last.product_name,
    last.scheme ? tOf("scheme", last.scheme) : "",
    last.ticket_id_tail ? t("gate-ticket", { code: last.ticket_id_tail }) : "",
    clock(last.at_unix_ms, lang),
  ].filter((fact) => fact !== "");
}

function ready(last) {
  const before = last ? [t("gate-last", { code: tOf("headline", last.admitted ? "ok" : shapeOf(last.code)) }), ...facts(last)] : [];
  draw({ shape: "wait", headline: t("gate-ready"), lines: [t("gate-ready-hint")], facts: before });
}

function draw({ shape, headline, lines, facts = [], pairing = "none" }) {
  const node = byId("verdict");
  node.dataset.shape = shape;
  refill(
    node,
    h("verdict-shape", { kind: shape }),
    h("h1", {}, headline),
    pairing === "none" ? null : h("p", { class: `pairing ${pairing}` }, tOf("pairing", pairing)),
    lines.map((line) => h("p", { class: "reason" }, line)),
    h("p", { class: "facts" }, facts.map((fact) => h("span", {}, fact))),
  );
}
