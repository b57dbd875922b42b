// The hub's console: boxes, books, conflicts, and the few things an organiser does by hand.
import { start } from "./page.js";
import { byId, h, refill } from "./dom.js";
import { reason, t, tOf } from "./texts.js";
import { freshness } from "./clock.js";
import { notice, post } from "./live.js";
import { ageText } from "./status_bar.js";
import { books, conflictCount, conflicts } from "./books.js";
import { overrides, zones } from "./zones.js";
import { ticketKeys, twice } from "./ticket_keys.js";
import { riskNow } from "./risk_view.js";

const COLUMNS = ["number", "place", "roles", "last-seen", "entries", "unsent", "epoch", "gaps", "branches", "device", "state"];
const CONFIRM_MS = 5000;

start(
  (hub) => {
    byId("festival").textContent = hub.festival;
    byId("term").textContent = t("console-term", { number: hub.term });
    byId("trouble").hidden = !hub.trouble;
    byId("trouble").textContent = hub.trouble ? reason(hub.trouble) : "";
    notices(hub.notices);
    refill(byId("books"), ...books(hub.totals));
    refill(byId("conflicts"), ...conflicts(hub.conflicts));
    refill(byId("risk"), ...riskNow(hub.risk));
    refill(byId("boxes"), ...boxes(hub.boxes));
    refill(byId("zones"), ...zones(hub.zones));
    refill(byId("overrides"), ...overrides(hub.overrides));
    refill(byId("delivered"), ...delivered(hub.bands));
    refill(byId("category"), ...hub.categories.map(([id, name]) => h("option", { value: id }, name)));
    byId("conflict-count").textContent = conflictCount(hub.conflicts, hub.conflicts_total);
  },
  () => {
    ticketKeys();
    byId("make-ticket").addEventListener("submit", makeTicket);
    confirmed("revoke-ticket", "/api/tickets/revoke", (value) => ({ id: value }));
    confirmed("block-band", "/api/bands/block", (value) => ({ wallet: value.toLowerCase() }));
    confirmed("revoke-box", "/api/boxes/revoke", (value) => ({ number: Number(value) }));
  },
);

let told = "";

/** What stays until somebody has done it. Drawn anew only where it changed: a button may be armed. */
function notices(list) {
  const now = JSON.stringify(list);
  if (now === told) return;
  told = now;
  const done = (term) => async () => {
    if ((await post("/api/restored/confirm", { term }, reason)).ok) notice(t("console-done"));
  };
  const shown = ({ code, args, confirm }) =>
    h("p", { class: "degraded" }, reason(code, args), " ", confirm === null ? null : twice(t("console-restored-done"), "", done(confirm)));
  refill(byId("notices"), ...list.map(shown));
}

function boxes(list) {
  if (list.length === 0) return [h("p", {}, t("console-no-boxes"))];
  const labels = {
    number: t("console-number"), place: t("console-place"), roles: t("console-roles"), "last-seen": t("console-last-seen"),
    entries: t("console-entries"), unsent: t("console-unsent"), epoch: t("console-epoch"), gaps: t("console-gaps"),
    branches: t("console-branches"), device: t("console-device"), state: t("console-state"),
  };
  const head = h("thead", {}, h("tr", {}, COLUMNS.map((column) => h("th", { scope: "col" }, labels[column]))));
  const rows = list.map((box) => {
    const [shape, words] = stateOf(box);
    const cells = {
      number: box.number, place: h("b", {}, box.place), roles: box.roles.map((role) => tOf("role", role)).join(", "),
      "last-seen": box.age_s === null ? t("console-never") : ageText(box.age_s), entries: box.entries, unsent: box.unsent_hint ?? "–",
      epoch: box.epoch, gaps: box.gaps, branches: box.branches, device: h("code", {}, box.device),
      state: h("span", { class: "state" }, h("verdict-shape", { kind: shape }), words),
    };
    return h("tr", { "data-shape": shape }, COLUMNS.map((column) => h("td", { "data-label": labels[column] }, cells[column])));
  });
  return [h("table", { class: "boxes" }, head, h("tbody", {}, rows))];
}

/** Chips on the lists of bands; nothing where there is no list. */
function delivered({ issued, spare, bad }) {
  if (issued + spare + bad === 0) return [t("console-delivered-none")];
  return [t("console-delivered", { issued, spare, bad })];
}

function stateOf(box) {
  if (box.revoked) return ["no", t("console-revoked")];
  if (box.gaps > 0 || box.branches > 1) return ["care", t("console-look")];
  return { fresh: ["ok", t("console-ok")], ageing: ["care", t("console-away")], old: ["unknown", t("console-away")] }[freshness(box.age_s)];
}

async function makeTicket(event) {
  event.preventDefault();
  const button = event.target.querySelector("button");
  button.disabled = true;
  const { ok, body } = await post("/api/tickets", { category: Number(byId("category").value), holder: byId("holder").value.trim() }, reason);
  button.disabled = false;
  if (!ok || !body?.id) return;
  byId("holder").value = "";
  refill(
    byId("ticket"),
    h("img", { src: `/api/tickets/${encodeURIComponent(body.id)}/qr.svg`, alt: t("console-ticket-qr"), width: 280, height: 280 }),
    h("p", {}, h("b", {}, t("console-ticket-id")), " ", h("code", {}, body.id)),
    h("p", {}, h("code", {}, body.text)),
  );
}

/** A form with one field whose button must be pressed twice. */
function confirmed(id, address, body) {
  const form = byId(id);
  const [field, button] = [form.querySelector("input"), form.querySelector("button")];
  const label = button.textContent;
  let armed = null;
  const disarm = () => {
    clearTimeout(armed);
    armed = null;
    button.textContent = label;
    button.classList.remove("armed");
  };
  field.addEventListener("input", disarm);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (armed === null) {
      button.textContent = t("console-really");
      button.classList.add("armed");
      armed = setTimeout(disarm, CONFIRM_MS);
      return;
    }
    disarm();
    const { ok } = await post(address, body(field.value.trim()), reason);
    if (!ok) return;
    field.value = "";
    notice(t("console-done"));
  });
}
