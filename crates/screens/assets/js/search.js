// Guests found by name at a gate, and the admission of one of them.
// Invariant: names stay on the screen for a minute at most, and nowhere else.
import { asked } from "./dialog.js";
import { byId, h } from "./dom.js";
import { newId, notice, post } from "./live.js";
import { askPin } from "./staff.js";
import { reason, t, tOf } from "./texts.js";

const SHOWN_MS = 60_000;
let timer;

/** Readies the form. `hasStaff()`: whether a supervisor's PIN is asked for. */
export function readySearch(hasStaff) {
  byId("search").addEventListener("submit", async (event) => {
    event.preventDefault();
    await search(byId("search-name").value, hasStaff);
  });
}

async function search(name, hasStaff) {
  const address = `/api/gate/search?q=${encodeURIComponent(name)}`;
  const answer = await fetch(address, { signal: AbortSignal.timeout(10_000) }).catch(() => null);
  const body = await answer?.json().catch(() => null);
  forget();
  if (!answer?.ok || !body) return notice(body?.code ? reason(body.code, body.args ?? {}) : t("notice-failed"));
  notice("");
  const rows = body.guests.map((guest) => h("li", {}, row(guest, hasStaff)));
  if (body.more) rows.push(h("li", {}, t("gate-search-more")));
  byId("found").replaceChildren(...(rows.length > 0 ? rows : [h("li", {}, t("gate-search-none"))]));
  timer = setTimeout(forget, SHOWN_MS);
}

function forget() {
  clearTimeout(timer);
  byId("found").replaceChildren();
}

function row(guest, hasStaff) {
  return h(
    "button",
    { type: "button", class: `guest ${guest.state}`, onclick: () => admit(guest, hasStaff) },
    h("b", {}, guest.name),
    h("span", {}, guest.category),
    h("span", {}, t("gate-ticket", { code: guest.ticket_id_tail })),
    h("span", {}, tOf("found", guest.state)),
  );
}

async function admit(guest, hasStaff) {
  // one id for all tries of this admission: a second press is the same passage
  const id = newId();
  const supervisor = hasStaff() ? await askPin(guest.name) : null;
  if (hasStaff() ? !supervisor : !(await asked(guest.name, confirmation))) return;
  const { ok } = await post("/api/gate/admit-found", { id, ticket: guest.ticket, supervisor }, reason);
  if (!ok) return;
  forget();
  byId("search").reset();
  byId("search-box").open = false;
}

function confirmation(answer) {
  const admitNow = h("button", { type: "button", class: "big", onclick: () => answer(true) }, t("gate-search-admit"));
  return h("div", {}, h("p", {}, t("gate-search-check")), admitNow);
}
