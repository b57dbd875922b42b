// The living demo: one page on which a visitor holds things to readers, cuts wires and power, and watches the books.
// Invariant: every control asks the demo's server, which does it to the real processes; what is drawn is what they said.
import { start } from "./page.js";
import { byId, h, refill } from "./dom.js";
import { lang, reason, t } from "./texts.js";
import { clock } from "./clock.js";
import { post } from "./live.js";
import { conflictCount, conflicts } from "./books.js";
import { drawBoxes } from "./demo_boxes.js";
import { drawPrices, readyPrices } from "./demo_prices.js";
import { drawHub, drawIslands } from "./demo_hub.js";
import { drawShelf, readyShelf } from "./demo_shelf.js";

start(
  (demo) => {
    drawHub(demo, act);
    drawIslands(demo);
    drawBoxes(demo, act);
    drawShelf(demo, act);
    drawTour(demo.tour);
    drawPrices(demo.prices);
    const found = demo.hub.view?.conflicts ?? [];
    byId("conflict-count").textContent = conflictCount(found, demo.hub.view?.conflicts_total ?? 0);
    refill(byId("conflicts"), ...(demo.hub.view ? conflicts(found) : [h("p", {}, t("demo-hub_away"))]));
    refill(byId("story"), ...demo.story.toReversed().map((step) => h("li", {}, h("time", {}, clock(step.at_unix_ms, lang)), ` ${t(step.key, step.args)}`)));
  },
  () => {
    readyShelf();
    readyPrices(act);
  },
);

/** Asks the demo's server to do something; what came of it comes with the next state. */
function act(path, body = {}) {
  return post(`/api/${path}`, body, reason);
}

function drawTour(steps) {
  const next = steps.find((step) => !step.done)?.number;
  const lines = steps.map(({ number, done }) => {
    const state = done ? "done" : number === next ? "next" : "later";
    const sign = h("verdict-shape", { kind: done ? "ok" : "wait" });
    const how = number === next ? h("p", {}, t(`demo-tour_${number}_how`)) : null;
    return h("li", { "data-state": state, "data-step": number }, h("b", {}, sign, ` ${number}. ${t(`demo-tour_${number}`)}`), how);
  });
  if (next === undefined && steps.length > 0) lines.push(h("li", { "data-state": "over" }, t("demo-tour_over")));
  refill(byId("tour"), ...lines);
}
