// Ticket keys on the console: which one issues, which come next, which are retired.
import { byId, h, refill } from "./dom.js";
import { lang, reason, t, tOf } from "./texts.js";
import { notice, post } from "./live.js";

const COLUMNS = ["id", "state", "from", "until", "tickets"];
const CONFIRM_MS = 5000;

/** Shows the table and lets its buttons act. */
export function ticketKeys() {
  byId("adopt-keys").addEventListener("click", adopt);
  show();
}

async function show() {
  const answer = await fetch("/api/ticket-keys").catch(() => null);
  if (!answer?.ok) return notice(t("notice-failed"));
  refill(byId("keys"), table(await answer.json()));
}

async function adopt() {
  const { ok, body } = await post("/api/ticket-keys/adopt", {}, reason);
  if (!ok) return;
  await show();
  const passedOver = body.passed_over.length > 0 ? ` ${t("console-keys-passed_over", { count: body.passed_over.length })} (${body.passed_over.join(", ")})` : "";
  notice([`${t("console-keys-adopted", { count: body.adopted.length })}.${passedOver}`, ...(await groups())].join(" "));
}

/** Takes up the groups of boxes that lie beside the keys; answers what was not taken, and why. */
async function groups() {
  const { ok, body } = await post("/api/lan/adopt", {}, reason);
  if (!ok) return [];
  const refused = body.groups.filter((group) => group.refused);
  const told = refused.map((group) => reason(group.refused, { number: group.number, detail: group.version }));
  const { passed_over: files } = body;
  return files.length > 0 ? [...told, `${t("console-lan-passed_over", { count: files.length })} (${files.join(", ")}).`] : told;
}

function table(keys) {
  const labels = {
    id: t("console-key-id"), state: t("console-key-state"), from: t("console-key-from"), until: t("console-key-until"),
    tickets: t("console-key-tickets"),
  };
  const head = h("tr", {}, COLUMNS.map((column) => h("th", { scope: "col" }, labels[column])), h("td"));
  const rows = keys.map((key) => {
    const cells = { id: h("code", {}, key.id), state: tOf("key-state", key.state), from: day(key.valid_from), until: day(key.valid_until), tickets: key.tickets };
    const isSettled = key.state === "retired" || key.state === "issues";
    const buttons = isSettled ? [] : [
      twice(t("console-key-activate"), "", () => act("activate", key.id)),
      twice(t("console-key-retire"), "danger", () => act("retire", key.id)),
    ];
    return h("tr", {}, COLUMNS.map((column) => h("td", { "data-label": labels[column] }, cells[column])), h("td", {}, buttons));
  });
  return h("table", { class: "boxes" }, h("thead", {}, head), h("tbody", {}, rows));
}

function day(seconds) {
  return seconds === null ? "–" : new Date(seconds * 1000).toLocaleString(lang);
}

async function act(what, id) {
  const { ok } = await post(`/api/ticket-keys/${what}`, { id }, reason);
  if (!ok) return;
  await show();
  notice(t("console-done"));
}

/** A button that must be pressed twice. */
export function twice(label, kind, done) {
  let armed = null;
  const disarm = () => {
    clearTimeout(armed);
    armed = null;
    button.textContent = label;
    button.classList.remove("armed");
  };
  const button = h("button", { type: "button", class: kind, onclick: () => {
    if (armed !== null) {
      disarm();
      return done();
    }
    button.textContent = t("console-really");
    button.classList.add("armed");
    armed = setTimeout(disarm, CONFIRM_MS);
  } }, label);
  return button;
}
