// The demo's head: the hub, its power, the identity of the books in large, and who can speak to whom.
// Invariant: the two sides of the books are added up here, from the hub's accounts.
import { byId, h, refill } from "./dom.js";
import { lang, t } from "./texts.js";
import { money } from "./money.js";
import { books, sums } from "./books.js";

/** The head of the page, and the accounts behind it. */
export function drawHub({ hub, guests }, act) {
  const view = hub.view;
  refill(
    byId("hub"),
    h(
      "div",
      { class: "hub-name" },
      h("h1", {}, h("verdict-shape", { kind: hub.running ? "ok" : "no" }), t("demo-hub_name")),
      h("button", { type: "button", id: "hub-power", "data-focus": "hub-power", onclick: () => act("hub/power", { on: !hub.running }) }, t(hub.running ? "demo-kill" : "demo-restart")),
      h("button", { type: "button", id: "hub-console", "data-focus": "hub-console", disabled: !hub.running, onclick: () => openConsole(hub.url) }, t("demo-console")),
    ),
    view ? identity(view.totals) : h("p", { class: "identity", "data-shape": "no" }, t(hub.running ? "demo-hub_starting" : "demo-hub_away")),
    h(
      "nav",
      { class: "tools" },
      h("button", { type: "button", id: "guests", "aria-pressed": guests, "data-focus": "guests", onclick: () => act("guests", { on: !guests }) }, t(guests ? "demo-guests_stop" : "demo-guests_come")),
      h("a", { href: `?lang=${lang === "fr" ? "en" : "fr"}`, lang: lang === "fr" ? "en" : "fr" }, t("other-language")),
    ),
  );
  refill(byId("books"), ...(view ? books(view.totals) : []));
}

/** `came in = where it is`, and what nobody can explain. */
function identity(totals) {
  const { came, is } = sums(totals);
  const unexplained = BigInt(totals.unexplained_cents) + (came - is);
  const part = (key, cents, name) => h("span", { class: "part", "data-part": name }, h("small", {}, t(key)), h("b", {}, money(cents, lang)));
  return h(
    "p",
    { class: "identity", id: "identity", "data-shape": unexplained === 0n ? "ok" : "no", role: "status" },
    part("demo-came_in", came, "in"),
    h("span", { class: "equals" }, unexplained === 0n ? "=" : "≠"),
    part("demo-on_bands", totals.balance_cents, "balance"),
    h("span", { class: "equals" }, "+"),
    part("demo-spent_and_rest", is - BigInt(totals.balance_cents) - BigInt(totals.in_doubt_cents) - BigInt(totals.unexplained_cents), "rest"),
    h("span", { class: "equals" }, "+"),
    part("console-in-doubt", totals.in_doubt_cents, "doubt"),
    h("span", { class: "part unexplained", "data-part": "unexplained" }, h("small", {}, t("console-unexplained")), h("b", {}, money(unexplained, lang))),
  );
}

function openConsole(url) {
  const [dialog, frame] = [byId("hub-screen"), byId("hub-frame")];
  const address = `${url}/?lang=${lang}`;
  if (frame.src !== address) frame.src = address;
  frame.title = t("console-title");
  byId("hub-close").onclick = () => dialog.close();
  dialog.showModal();
}

/** Islands in words. */
export function drawIslands({ islands, boxes }) {
  const name = (place) => (place === "" ? t("demo-hub_name") : place);
  const off = boxes.filter((box) => !box.running).map((box) => box.view.place);
  const chip = (state, key, places) => h("span", { class: `island ${state}` }, h("verdict-shape", { kind: { together: "ok", alone: "care", off: "no" }[state] }), h("small", {}, t(key)), ` ${places.map(name).join(" · ")}`);
  refill(
    byId("islands"),
    ...islands.map((places) => (places.length > 1 ? chip("together", "demo-together", places) : chip("alone", "demo-alone", places))),
    ...off.map((place) => chip("off", "demo-off", [place])),
  );
}
