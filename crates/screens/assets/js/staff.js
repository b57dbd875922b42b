// Who works here: the login pad, and a PIN asked for an exception.
// Invariant: a PIN is sent once and kept nowhere.
import { asked, keypad } from "./dialog.js";
import { byId, h, refill } from "./dom.js";
import { post } from "./live.js";
import { reason, t } from "./texts.js";

const MOST_DIGITS = 12;

/** Two fields and a keypad; `done({number, pin})` once both are there. */
function pad(label, done) {
  const typed = { number: "", pin: "" };
  let field = "number";
  const shown = { number: h("output", {}, " "), pin: h("output", {}, " ") };
  const enter = h("button", { type: "button", class: "big", disabled: true, onclick: () => done({ number: Number(typed.number), pin: typed.pin }) }, label);
  const choose = (name) => {
    field = name;
    for (const other of ["number", "pin"]) fields[other].setAttribute("aria-pressed", String(other === name));
  };
  const fieldFor = (name, text) => h("button", { type: "button", class: "field plain", onclick: () => choose(name) }, h("span", {}, text), shown[name]);
  const fields = { number: fieldFor("number", t("staff-number")), pin: fieldFor("pin", t("staff-pin")) };
  const press = (digit) => {
    typed[field] = digit === null ? typed[field].slice(0, -1) : (typed[field] + digit).slice(0, MOST_DIGITS);
    shown.number.textContent = typed.number || " ";
    shown.pin.textContent = "•".repeat(typed.pin.length) || " ";
    enter.disabled = typed.number === "" || typed.pin === "";
  };
  choose("number");
  const node = h("div", { class: "pad", tabindex: "-1" }, h("div", { class: "fields" }, fields.number, fields.pin), keypad(press), enter);
  node.addEventListener("keydown", (event) => {
    if (/^\d$/.test(event.key)) press(event.key);
    else if (event.key === "Backspace") press(null);
    else if (event.key === "Tab" && field === "number") choose("pin");
    else if (event.key === "Enter" && !enter.disabled) enter.click();
    else return;
    event.preventDefault();
  });
  return node;
}

/** Asks for number and PIN: `{number, pin}`, or null. */
export function askPin(headline = t("staff-supervisor-word")) {
  const answer = asked(headline, (answer) => pad(t("till-ok"), answer));
  // so that whoever has a keyboard types at once
  byId("dialog").querySelector(".pad").focus();
  return answer;
}

let padFor = null;

/** Shows who is logged in, and the login pad while nobody is. Gives whether somebody may work. */
export function showStaff(state) {
  const section = byId("login");
  const line = byId("operator");
  const { staff } = state;
  const operator = staff?.operator ?? null;
  line.hidden = !staff;
  if (staff) {
    const leave = h("button", { type: "button", "data-focus": "log-out", onclick: () => post("/api/staff/log-out", {}, reason) }, t("staff-log-out"));
    refill(line, operator ? h("b", {}, `${operator.number} ${operator.name}`) : t("staff-nobody"), operator ? leave : null);
  }
  const isMissing = staff !== null && staff !== undefined && operator === null;
  if (isMissing && padFor === null) {
    padFor = pad(t("staff-log-in"), async (pin) => {
      const { ok } = await post("/api/staff/log-in", pin, reason);
      if (!ok) padFor = null;
      if (!ok) showStaff(state);
    });
    section.replaceChildren(h("h1", {}, t("staff-log-in")), padFor);
    padFor.focus();
  }
  if (!isMissing) padFor = null;
  section.hidden = !isMissing;
  return !isMissing;
}
