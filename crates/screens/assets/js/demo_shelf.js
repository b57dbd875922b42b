// The demo's shelf: tickets and wristbands that a visitor takes into the hand, by click, key or dragging.
// Invariant: one thing is in the hand at a time; a band's balance is what its chip holds.
import { byId, h, refill } from "./dom.js";
import { lang, reason, t, tOf } from "./texts.js";
import { money } from "./money.js";
import { shapeOf } from "./verdicts.js";

/** Ways to hold a band, in the server's words; `after_pages` carries a number. */
const PULLS = ["never", "before_password", { after_pages: 1 }, { after_pages: 3 }, "last_page", "after_last_page"];
let taken = null;
let redraw = () => {};
let latest = null;
let ask = null;

/** What is in the hand: `{kind: "ticket" | "band", number}` or null. */
export const hand = () => taken;

/** Calls `changed` whenever something is taken or put back. */
export function onHand(changed) {
  redraw = changed;
}

/** The hand is empty again, and holds the next band as one should. */
export function letGo() {
  take(null);
  byId("pull").value = "0";
}

/** How the band is held this time. */
export const pullNow = () => PULLS[Number(byId("pull").value)];

/** Fills what never changes. */
export function readyShelf() {
  const words = (pull) => (typeof pull === "string" ? tOf("pull", pull) : t("demo-pull_after_pages", { count: pull.after_pages }));
  byId("pull").replaceChildren(...PULLS.map((pull, index) => h("option", { value: index }, words(pull))));
  document.addEventListener("dragend", () => document.body.classList.remove("dragging"));
  document.addEventListener("keydown", (event) => event.key === "Escape" && take(null));
}

function take(thing) {
  taken = thing;
  if (latest) drawShelf(latest, ask);
  redraw();
}

/** Draws tickets and bands. */
export function drawShelf(demo, act) {
  latest = demo;
  ask = act;
  refill(byId("tickets"), ...demo.tickets.map(ticket));
  refill(byId("bands"), ...demo.bands.map(band));
  refill(byId("more-tickets"), more("ticket", t("demo-more_ticket"), () => ask("tickets", { kind: "valid" })));
  refill(byId("more-bands"), moreBands(), copyButton());
}

function thing(kind, number, words, { label, title, state }) {
  const inHand = taken?.kind === kind && taken.number === number;
  return h(
    "button",
    {
      type: "button", class: `thing ${kind}`, draggable: "true", "aria-pressed": inHand, "aria-label": title, "data-number": number, "data-kind": label, "data-state": state, "data-focus": `${kind}-${number}`,
      onclick: () => take(inHand ? null : { kind, number }),
      ondragstart: (event) => {
        event.dataTransfer.setData("text/plain", `${kind} ${number}`);
        event.dataTransfer.effectAllowed = "copy";
        document.body.classList.add("dragging");
        // Drawing anew in the middle of `dragstart` would end the dragging.
        setTimeout(() => take({ kind, number }));
      },
    },
    words,
  );
}

function ticket({ number, kind, shown }) {
  const last = shown.at(-1);
  const said = last ? h("small", { class: "said" }, h("verdict-shape", { kind: last.admitted ? "ok" : shapeOf(last.code) }), last.place) : h("small", { class: "said" }, t("demo-not_shown"));
  const name = t("demo-ticket", { number });
  const words = [h("b", {}, name), h("span", {}, tOf("ticket_kind", kind)), said];
  const why = last && !last.admitted ? ` ${reason(last.code)}` : "";
  return thing("ticket", number, words, { label: kind, title: `${name}, ${tOf("ticket_kind", kind)}${last ? `, ${last.place}` : ""}${why}`, state: last ? (last.admitted ? "admitted" : "refused") : "new" });
}

function band({ number, kind, purse, copy_of, chip_cents, hub_cents, at }) {
  const name = t("demo-band", { number });
  const sort = copy_of !== null ? t("demo-copy_of", { number: copy_of }) : tOf("band_kind", kind);
  const holds = purse ? (chip_cents === null ? t("demo-unreadable") : money(chip_cents, lang)) : hub_cents === null ? t("demo-unknown_balance") : money(hub_cents, lang);
  const where = at ?? t(purse ? "demo-on_chip" : "demo-at_hub");
  return thing("band", number, [h("b", {}, name), h("span", {}, sort), h("small", { class: "said" }, h("b", { class: "balance" }, holds), ` ${where}`)], { label: copy_of !== null ? "copy" : kind, title: `${name}, ${sort}, ${holds} ${where}`, state: at ? "held" : "free" });
}

function more(focus, words, onclick) {
  return h("button", { type: "button", class: "more", "data-focus": `more-${focus}`, onclick }, words);
}

/** A new band, of the kind that is chosen. */
function moreBands() {
  const kinds = ["purse", "aes_purse", "pointer", "uid_only"];
  const options = kinds.map((kind) => h("option", { value: kind }, tOf("band_kind", kind)));
  const first = h("option", { value: "", selected: true }, t("demo-more_purse"));
  const chosen = ({ target }) => {
    const kind = target.value;
    target.value = "";
    if (kind) ask("bands", { kind });
  };
  return h("select", { class: "more", "data-focus": "more-bands", "aria-label": t("demo-more_purse"), onchange: chosen }, first, options);
}

/** A copy of the band in the hand. */
function copyButton() {
  const isBand = taken?.kind === "band";
  return h("button", { type: "button", class: "more", "data-focus": "copy", disabled: !isBand, onclick: () => ask("bands", { copy_of: taken.number }) }, t("demo-copy"));
}
