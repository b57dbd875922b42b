// The demo's boxes: each with its wire, its power, its own real screen, its reader and scanner, and what it knows.
// Invariant: the screen in a box's frame is the box's own page; nothing of it is drawn here.
import { byId, h, refill } from "./dom.js";
import { lang, reason, t, tOf } from "./texts.js";
import { money } from "./money.js";
import { freshness } from "./clock.js";
import { ageText } from "./status_bar.js";
import { hand, letGo, onHand, pullNow } from "./demo_shelf.js";

/** A box with several roles shows the first of these. */
const ROLES = ["gate", "top-up", "bar"];
const PAGES = { gate: "gate.html", bar: "till.html", "top-up": "top_up.html" };
const SIGNS = { ok: "ok", warn: "care", refuse: "no", tap_again: "care", dark: "wait" };
const LIGHT_SHOWN_MS = 12_000;
/** How wide a screen believes to be: a phone's width, or a tablet's when it is drawn large. */
const WIDTHS = { small: 360, large: 820 };
const cards = [];
let latest = null;
let ask = null;

/** Draws every box; the frames stay as they are. */
export function drawBoxes(demo, act) {
  latest = demo;
  ask = act;
  for (const [number, box] of demo.boxes.entries()) {
    cards[number] ??= card(number, box);
    drawCard(cards[number], number, box, demo);
  }
}

onHand(() => latest && drawBoxes(latest, ask));

function card(number, box) {
  const parts = { wire: h("div", { class: "wire" }), head: h("header"), tabs: h("nav", { class: "tabs" }), counter: h("div", { class: "counter" }), facts: h("div", { class: "facts" }) };
  const frame = h("iframe", { title: t("demo-screen_of", { place: box.view.place }) });
  const screen = h("div", { class: "screen" }, frame);
  const article = h("article", { class: "post", "aria-label": box.view.place, "data-place": box.view.place }, parts.wire, parts.head, parts.tabs, screen, parts.counter, parts.facts);
  const scale = () => {
    const width = article.classList.contains("large") ? WIDTHS.large : WIDTHS.small;
    frame.style.setProperty("--width", `${width}px`);
    frame.style.setProperty("--scale", String(screen.clientWidth / width));
  };
  new ResizeObserver(scale).observe(screen);
  article.addEventListener("dragover", (event) => event.preventDefault());
  article.addEventListener("drop", (event) => {
    event.preventDefault();
    useHand(number);
  });
  byId("boxes").append(article);
  const made = { ...parts, article, frame, page: null };
  return made;
}

function rolesOf({ view }) {
  return ROLES.filter((role) => view.roles.includes(role));
}

function open(made, box, role) {
  made.page = role;
  made.frame.src = `${box.url}/${PAGES[role]}?lang=${lang}`;
}

function drawCard(made, number, box, { hub, now_unix_ms }) {
  const { view, running, wired } = box;
  made.article.dataset.state = running ? "on" : "off";
  const roles = rolesOf(box);
  if (roles.length > 0 && !roles.includes(made.page)) open(made, box, roles[0]);
  const wireState = !wired ? "cut" : !running ? "off" : hub.running && view.hub.connected ? "linked" : "waiting";
  made.wire.dataset.state = wireState;
  const large = made.article.classList.contains("large");
  refill(
    made.wire,
    h("span", { class: "wire-state" }, tOf("wire", wireState)),
    h("button", { type: "button", class: "cut", "data-focus": "wire", onclick: () => ask(`boxes/${number}/wire`, { on: !wired }) }, t(wired ? "demo-cut" : "demo-mend")),
  );
  refill(
    made.head,
    h("h2", {}, h("verdict-shape", { kind: running ? "ok" : "no" }), view.place),
    h("button", { type: "button", class: "enlarge", "data-focus": "enlarge", "aria-pressed": large, onclick: () => enlarge(made) }, t(large ? "demo-smaller" : "demo-larger")),
    h("button", { type: "button", class: "power", "data-focus": "power", onclick: () => ask(`boxes/${number}/power`, { on: !running }) }, t(running ? "demo-kill" : "demo-restart")),
  );
  const show = (role) => () => {
    open(made, box, role);
    drawBoxes(latest, ask);
  };
  made.tabs.hidden = roles.length < 2;
  refill(made.tabs, ...roles.map((role) => h("button", { type: "button", "data-focus": role, "aria-pressed": made.page === role, onclick: show(role) }, tOf("role", role))));
  drawCounter(made.counter, number, box, now_unix_ms);
  drawFacts(made.facts, box);
}

function enlarge(made) {
  for (const other of cards) other.article.classList.toggle("large", other === made && !made.article.classList.contains("large"));
  drawBoxes(latest, ask);
}

function drawCounter(node, number, box, now) {
  const { held, light, running } = box;
  const isGate = box.view.roles.includes("gate");
  const taken = hand();
  const offer = (kind, key) =>
    h("button", { type: "button", class: "use", "data-use": kind, "data-focus": kind, disabled: !running || taken?.kind !== kind, onclick: () => useHand(number) }, taken?.kind === kind ? t(`${key}_this`, { number: taken.number }) : t(key));
  const shines = light && now - light.at_unix_ms < LIGHT_SHOWN_MS;
  refill(
    node,
    h("div", { class: "uses" }, isGate ? offer("ticket", "demo-show") : null, offer("band", "demo-hold")),
    held
      ? h("p", { class: "held" }, t("demo-held", { number: held.band }), h("button", { type: "button", "data-focus": "away", onclick: () => ask(`boxes/${number}/take-away`) }, t("demo-take_away")))
      : shines
        ? h("p", { class: "light", "data-light": light.signal }, h("verdict-shape", { kind: SIGNS[light.signal] }), t("demo-band", { number: light.band }), ": ", h("b", {}, tOf("light", light.signal)))
        : h("p", { class: "light" }, t("demo-nothing_held")),
  );
}

/** What is in the visitor's hand goes to this box. */
function useHand(number) {
  const taken = hand();
  if (!taken) return;
  if (taken.kind === "ticket") ask(`boxes/${number}/show`, { ticket: taken.number });
  else ask(`boxes/${number}/hold`, { band: taken.number, pull: pullNow() });
  letGo();
}

function drawFacts(node, { view }) {
  const doubt = view.in_doubt.reduce((sum, one) => sum + BigInt(one.price_cents), 0n);
  const facts = [
    ...(view.gate ? [["gate-admitted", String(view.gate.admitted), "fresh"], ["gate-refused", String(view.gate.refused), "fresh"]] : []),
    ...(view.till ? [["till-sold", money(view.till.sold_cents, lang), "fresh"]] : []),
    ...(view.top_up ? [["demo-topped_up", money(view.top_up.today_cents, lang), "fresh"]] : []),
    ["status-unsent", String(view.unsent), view.unsent === 0 ? "fresh" : "ageing"],
    ["till-in-doubt-title", money(doubt, lang), view.in_doubt.length === 0 ? "fresh" : "ageing"],
    ["status-at-risk", money(view.at_risk_cents, lang), view.at_risk_cents > 0 ? "ageing" : "fresh"],
  ];
  const ages = view.knowledge.map(({ section, age_s }) => h("span", { class: freshness(age_s) }, `${tOf("age", section)} `, h("b", {}, ageText(age_s))));
  refill(
    node,
    h("dl", {}, facts.map(([key, value, state]) => h("div", { "data-fact": key }, h("dt", {}, t(key)), h("dd", { class: state }, value)))),
    h("p", { class: "ages" }, ages),
    view.degraded ? h("p", { class: "degraded" }, reason(view.degraded)) : null,
  );
}
