// The box's first page: its roles, each a link to its screen.
import { start } from "./page.js";
import { byId, h, refill } from "./dom.js";
import { lang, t, tOf } from "./texts.js";

const PAGES = { gate: "/gate.html", bar: "/till.html", "top-up": "/top_up.html" };

start((state) => {
  byId("festival").textContent = state.festival;
  const links = state.roles.map((role) => h("a", { href: `${PAGES[role]}?lang=${lang}`, class: "role" }, tOf("role", role)));
  refill(byId("roles"), ...(links.length > 0 ? links : [h("p", {}, t("index-none"))]));
});
