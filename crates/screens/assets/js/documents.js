// Shared documents: shows their things as forms, sends what was changed, and lets people settle conflicts.
// Invariant: a form sends the fields that somebody changed in it, compared with what it showed them: what others have changed
// since stays. A form that somebody has touched and not sent is never drawn over.
// Used by the hub's `documents.html` and a box's `manager.html`; the page's body says which (`data-at`).
import { byId, h, refill } from "./dom.js";
import { reason, t, tOf, tOr, lang } from "./texts.js";
import { centsOf, money } from "./money.js";
import { clock } from "./clock.js";
import { notice, post } from "./live.js";
import { counting, fetchStock } from "./stock.js";

const PRODUCT = { listed: "flag", name_fr: "text", name_en: "text", group: "text", price: "money", sold_out: "flag", counted: "number", low: "number", in_cup: "flag", min_age: "number" };
const HAPPY_HOUR = { listed: "flag", name_fr: "text", name_en: "text", from: "time", until: "time", percent_off: "number", product: "numbers" };
const ZONE = { listed: "flag", name_fr: "text", name_en: "text", capacity: "number", mode: "mode", window: "lines" };
const MEMBER = { active: "flag", name: "text", roles: "number", zones: "number", badge: "text" };
const REASON = { listed: "flag", fr: "text", en: "text" };
const THINGS = {
  catalogue: { product: PRODUCT, happy_hour: HAPPY_HOUR },
  zones: { zone: ZONE },
  staff: { member: MEMBER },
  reasons: { reason: REASON },
};
const AT_A_BOX = { catalogue: { product: { price: "money", sold_out: "flag", low: "number" } } };
const MODES = ["once", "re-entry", "free"];

/** Who edits; at a box the token of the manager's session, at the hub nothing. */
export const editor = { session: "", onRefused: () => {} };
const things = document.body.dataset.at === "box" ? AT_A_BOX : THINGS;
let shown = null;
let stock = new Map();
/** Forms that were sent and not touched since: they are drawn anew. */
const sent = new WeakSet();

/** Forgets what somebody has typed and not sent. */
export function forget() {
  refill(byId("document-things"));
}

/** Loads a document and shows it; `anew` where somebody has changed something here. */
export async function show(name, anew = false) {
  const answer = await fetch(`/api/documents/${name}`).catch(() => null);
  if (!answer?.ok) return notice(t("notice-failed"));
  shown = await answer.json();
  stock = name === "catalogue" ? await fetchStock() : new Map();
  byId("revision").textContent = shown.revision ? t("documents-revision", { number: shown.revision }) : "";
  refill(byId("document-conflicts"), ...shown.conflicts.map(conflict));
  refill(byId("document-problems"), ...shown.problems.map((problem) => h("p", { class: "todo" }, h("code", {}, problem.thing), " ", reason(problem.code))));
  refill(byId("document-waiting"), ...shown.waiting.map(waiting));
  refill(byId("document-refused"), ...shown.refused.slice(0, 10).map(refused));
  // A form that somebody is filling in is left alone.
  if (anew || !byId("document-things").contains(document.activeElement)) draw();
}

/** Whether somebody has changed something in a form since it was drawn or sent, or has just added it. */
function isBegun(form) {
  const fields = [...form.elements].filter((node) => node.matches("input, select, textarea"));
  return !sent.has(form) && (form.dataset.fresh === "true" || fields.some((node) => !isUntouched(node)));
}

/** What a form is about. */
function nameOf(form) {
  return form.dataset.thing ?? form.dataset.adds ?? form.dataset.counts;
}

function forms() {
  return [...byId("document-things").querySelectorAll("form")];
}

function draw() {
  const begun = forms().filter(isBegun);
  const focused = document.activeElement;
  const cards = Object.entries(things[shown.document] ?? {}).flatMap(([family, fields]) => {
    const names = new Set();
    for (const path of Object.keys(shown.fields)) {
      const [first, name] = path.split("/");
      if (first === family) names.add(name);
    }
    const sorted = [...names].sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
    const add = document.body.dataset.at === "box" ? [] : [adding(family, fields)];
    return [...sorted.map((name) => card(family, name, fields)), ...add];
  });
  refill(byId("document-things"), ...cards);
  begun.forEach(putBack);
  if (focused !== document.activeElement && byId("document-things").contains(focused)) focused.focus({ preventScroll: true });
}

/** What somebody has begun stands where it stood, instead of what was drawn there. */
function putBack(form) {
  if (byId("document-things").contains(form)) return;
  const name = nameOf(form);
  const drawn = forms().find((other) => nameOf(other) === name);
  if (drawn && form.dataset.counts) drawn.closest("section").replaceWith(form.closest("section"));
  else if (drawn) drawn.replaceWith(form);
  // of a thing that the document does not have: added here, or taken out of it elsewhere
  else forms().find((other) => other.dataset.adds === `add ${name.split("/")[0]}`)?.before(form);
}

function conflict(found) {
  const choice = (statement, holds) =>
    h("li", {},
      h("b", {}, display(found.path, statement.value)), " ",
      who(statement), " ",
      holds ? h("span", { class: "chip" }, t("documents-in-force")) : null, " ",
      h("button", { type: "button", onclick: () => settle(found.path, statement.change) }, t("documents-settle")));
  return h("div", { class: "conflict" },
    h("h3", {}, title(found.path)),
    h("p", {}, t("documents-conflict")),
    h("ul", {}, choice(found.in_force, true), found.others.map((other) => choice(other, false))));
}

function who(statement) {
  const name = statement.operator === 0 ? t("documents-hub") : t("documents-by", { number: statement.operator });
  return `${name}, ${clock(statement.at_ms, lang)}`;
}

function waiting(edit) {
  return h("p", { class: "todo" }, h("b", {}, t("documents-waiting")), " ", summary(edit));
}

function refused(edit) {
  return h("p", { class: "todo" }, h("b", {}, t("documents-refused")), " ", summary(edit), " ", reason(edit.code));
}

function summary(edit) {
  return Object.entries(edit.set).map(([path, value]) => `${title(path)}: ${value === null ? "–" : display(path, value)}`).join(" · ");
}

function title(path) {
  const [family, name, field] = path.split("/");
  const fields = shown?.fields ?? {};
  const words = fields[`${family}/${name}/name_${lang}`] ?? fields[`${family}/${name}/${lang}`] ?? fields[`${family}/${name}/name`];
  return `${tOr(`thing-${family}`, family)} ${name}${words ? ` (${words})` : ""} · ${tOr(`field-${field}`, field)}`;
}

function display(path, value) {
  return path.endsWith("/price") ? money(value, lang) : value;
}

function card(family, name, fields) {
  const form = thing(family, name, fields);
  const held = family === "product" ? stock.get(Number(name)) : undefined;
  return held ? h("div", { class: "with-stock" }, form, counting(held, countStock)) : form;
}

function thing(family, name, fields) {
  const at = (field) => `${family}/${name}/${field}`;
  const drawn = shown.fields;
  const words = drawn[at(`name_${lang}`)] ?? drawn[at(lang)] ?? drawn[at("name")] ?? "";
  const inputs = Object.entries(fields).map(([field, kind]) => [field, kind, input(at(field), kind)]);
  const labels = inputs.map(([field, , node]) => {
    const isWaiting = shown.waiting.some((edit) => Object.keys(edit.set).some((path) => path === at(field) || path.startsWith(`${at(field)}/`)));
    return h("label", { class: isWaiting ? "waiting" : null }, h("span", {}, tOr(`field-${field}`, field), isWaiting ? h("small", {}, ` ${t("documents-not-confirmed")}`) : null), node);
  });
  const fresh = isFresh(at("listed"), drawn) ? "true" : null;
  const form = h("form", { "data-thing": `${family}/${name}`, "data-fresh": fresh }, h("h3", {}, `${name} ${words}`), labels, h("button", {}, t("documents-save")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const set = {};
    for (const [field, kind, node] of inputs) Object.assign(set, changed(at(field), kind, node, drawn));
    send(set, form);
  });
  return untilTouched(form);
}

/** What was sent is sent until somebody touches it again. */
function untilTouched(form) {
  form.addEventListener("input", () => sent.delete(form));
  return form;
}

/** Somebody counted: at a box here, at the hub at the box of that number. */
async function countStock(product, pieces, box, form) {
  const where = document.body.dataset.at === "box" ? { session: editor.session } : { box };
  sent.add(untilTouched(form));
  const { ok } = await post("/api/stock/count", { product, pieces, ...where }, explained);
  if (ok) await saved(form);
  else sent.delete(form);
}

function adding(family, fields) {
  const number = h("input", { required: true, maxlength: 32, autocomplete: "off" });
  const form = h("form", { class: "adding", "data-adds": `add ${family}` }, h("h3", {}, t("documents-add"), " ", tOr(`thing-${family}`, family)), h("label", {}, h("span", {}, t("documents-number")), number), h("button", {}, t("documents-add")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const name = number.value.trim();
    if (name === "") return;
    const held = byId("document-things").querySelector(`[data-thing="${CSS.escape(`${family}/${name}`)}"]`);
    if (held) held.querySelector("input")?.focus();
    else form.replaceWith(thing(family, name, fields));
  });
  return form;
}

function value(path, fields = shown.fields) {
  return fields[path] ?? null;
}

/** Whether nothing is known yet of the thing that a field belongs to. */
function isFresh(path, fields) {
  const thing = path.slice(0, path.lastIndexOf("/") + 1);
  return !Object.keys(fields).some((other) => other.startsWith(thing));
}

/** Whether a field shows what it was drawn with. */
function isUntouched(node) {
  if (node.type === "checkbox") return node.checked === node.defaultChecked;
  if (node.options) return [...node.options].every((option) => option.selected === option.defaultSelected);
  return node.value === node.defaultValue;
}

function input(path, kind) {
  const now = value(path);
  switch (kind) {
    case "flag": {
      const on = now === "true" || (isFresh(path, shown.fields) && /\/(listed|active)$/.test(path));
      return h("input", { type: "checkbox", checked: on });
    }
    case "money":
      return h("input", { inputmode: "decimal", pattern: "[0-9]{1,6}([.,][0-9]{2})?", value: now === null ? "" : cents(now) });
    case "number":
      return h("input", { inputmode: "numeric", pattern: "[0-9]*", value: now ?? "" });
    case "time":
      return h("input", { type: "datetime-local", value: now === null ? "" : local(Number(now)) });
    case "mode":
      return h("select", {}, MODES.map((mode) => h("option", { value: mode, selected: mode === (now ?? "once") }, tOf("mode", mode))));
    case "numbers":
      return h("input", { inputmode: "numeric", value: members(path).join(", ") });
    case "lines":
      return h("textarea", { rows: 2 }, members(path).map((key) => value(`${path}/${key}`)).join("\n"));
    default:
      return h("input", { maxlength: 64, value: now ?? "" });
  }
}

/** What stands below a path: products of a happy hour, windows of a zone. */
function members(path, fields = shown.fields) {
  const below = Object.keys(fields).filter((key) => key.startsWith(`${path}/`) && value(key, fields) !== "false");
  return below.map((key) => key.slice(path.length + 1)).sort((a, b) => Number(a) - Number(b));
}

/** What somebody changed in a field since it was drawn with these fields. */
function changed(path, kind, node, drawn) {
  const set = {};
  if (isUntouched(node) && !isFresh(path, drawn)) return set;
  const put = (key, wanted) => {
    if (wanted !== value(key, drawn)) set[key] = wanted;
  };
  const words = (node.value ?? "").trim();
  switch (kind) {
    case "flag":
      if (node.checked || value(path, drawn) !== null) put(path, String(node.checked));
      break;
    case "money":
      put(path, words === "" ? null : String(centsOf(words)));
      break;
    case "time":
      put(path, words === "" ? null : String(Math.floor(new Date(words).getTime() / 1000)));
      break;
    case "numbers": {
      const wanted = words.split(/[^0-9]+/).filter((part) => part !== "");
      for (const key of wanted) put(`${path}/${Number(key)}`, "true");
      for (const key of members(path, drawn)) if (!wanted.includes(key)) put(`${path}/${key}`, null);
      break;
    }
    case "lines": {
      const wanted = words.split("\n").map((line) => line.trim()).filter((line) => line !== "");
      wanted.forEach((line, index) => put(`${path}/${index}`, line));
      for (const key of members(path, drawn)) if (Number(key) >= wanted.length) put(`${path}/${key}`, null);
      break;
    }
    default:
      put(path, words === "" ? null : words);
  }
  return set;
}

/** `4.50` for 450; money stays an integer. */
function cents(text) {
  const padded = text.padStart(3, "0");
  return `${padded.slice(0, -2)}.${padded.slice(-2)}`;
}

function local(seconds) {
  const at = new Date(seconds * 1000);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

async function send(set, form) {
  if (Object.keys(set).length === 0) return notice(reason("edit.nothing"));
  const button = form.querySelector("button");
  button.disabled = true;
  sent.add(form);
  const { ok } = await post("/api/documents/edit", { session: editor.session, document: shown.document, set }, explained);
  button.disabled = false;
  if (ok) await saved(form);
  else sent.delete(form);
}

async function settle(path, change) {
  const { ok } = await post("/api/documents/settle", { session: editor.session, document: shown.document, path, change }, explained);
  if (ok) await saved();
}

/** Shows what there is now; whoever has gone on to another form goes on there. */
async function saved(form = null) {
  if (form === null || form.contains(document.activeElement)) document.activeElement?.blur();
  await show(shown.document, true);
  notice(t("documents-saved"));
}

function explained(code, args) {
  editor.onRefused(code);
  return reason(code, args);
}
