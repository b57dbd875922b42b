// Zones on the console: how full each is, what each of its gates counted and holds, and what supervisors decided.
import { h } from "./dom.js";
import { lang, t } from "./texts.js";
import { clock } from "./clock.js";
import { ageText } from "./status_bar.js";

const COLUMNS = ["place", "in", "out", "by-supervisor", "held", "free", "last"];

/** A card for each zone. */
export function zones(list) {
  if (list.length === 0) return [h("p", {}, t("hub-zone-none"))];
  return list.map((zone) => {
    const name = (lang === "fr" ? zone.name_fr : zone.name_en) || t("gate-zone", { number: zone.number });
    const bound = zone.capacity === null ? "" : ` / ${zone.capacity}`;
    const label = (column) => (column === "place" ? t("console-place") : t(`hub-zone-${column}`));
    const head = h("thead", {}, h("tr", {}, COLUMNS.map((column) => h("th", { scope: "col" }, label(column)))));
    const rows = zone.gates.map((gate) => {
      const cells = {
        place: h("b", {}, gate.place), in: gate.ins, out: gate.outs, "by-supervisor": gate.overrides,
        held: zone.capacity === null ? "–" : gate.held, free: zone.capacity === null ? "–" : gate.free,
        last: [gate.last_unix_ms === null ? "–" : clock(gate.last_unix_ms, lang), gate.heard_age_s === null ? "" : ` (${ageText(gate.heard_age_s)})`],
      };
      return h("tr", {}, COLUMNS.map((column) => h("td", { "data-label": label(column) }, cells[column])));
    });
    return h("article", { class: "card zone" },
      h("h3", {}, `${name}: ${t("hub-zone-inside")} ${zone.inside}${bound}`),
      zone.late ? h("p", { class: "late" }, t("hub-zone-late")) : null,
      h("table", { class: "boxes" }, head, h("tbody", {}, rows)));
  });
}

/** What supervisors decided, newest first. */
export function overrides(list) {
  if (list.length === 0) return [h("p", {}, t("hub-overrides-none"))];
  const line = (one) => `${clock(one.at_unix_ms, lang)} · ${one.place} · ${t("gate-zone", { number: one.zone })} · ${one.reason} · #${one.operator}`;
  return [h("ul", {}, list.map((one) => h("li", {}, line(one))))];
}
