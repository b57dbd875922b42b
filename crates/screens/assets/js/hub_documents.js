// The hub's documents: prices, happy hours, zones, staff, reasons.
import { start } from "./page.js";
import { byId, h, refill } from "./dom.js";
import { t } from "./texts.js";
import { show } from "./documents.js";
import { managers } from "./managers.js";

const DOCUMENTS = { catalogue: "documents-catalogue", zones: "documents-zones", staff: "documents-staff", reasons: "documents-reasons" };
let current = location.hash.slice(1) in DOCUMENTS ? location.hash.slice(1) : "catalogue";

function choose(name) {
  current = name;
  location.hash = name;
  tabs();
  show(name);
  managers(name === "staff");
}

function tabs() {
  const tab = ([name, key]) => h("button", { type: "button", "aria-pressed": String(name === current), onclick: () => choose(name) }, t(key));
  refill(byId("tabs"), ...Object.entries(DOCUMENTS).map(tab));
}

start(
  (hub) => {
    byId("festival").textContent = hub.festival;
    show(current);
    managers(current === "staff");
  },
  tabs,
);
