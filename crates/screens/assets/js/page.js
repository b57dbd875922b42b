// What every page does first: texts, language switch, sound, wake lock, then the live state.
import { lang, loadTexts } from "./texts.js";
import { listen } from "./live.js";
import { readySounds } from "./sounds.js";
import { setCurrency } from "./money.js";
import "./status_bar.js";
import "./verdicts.js";

/** Starts a page: `ready()` once the texts are there, then `show(state, previous)` for each state. */
export async function start(show, ready = () => {}) {
  await loadTexts();
  for (const link of document.querySelectorAll("a[data-switch]")) {
    const other = lang === "fr" ? "en" : "fr";
    link.href = `?lang=${other}`;
    link.lang = other;
    link.hreflang = other;
  }
  readySounds();
  keepAwake();
  ready();
  listen((state, previous) => {
    setCurrency(state.currency ?? state.hub?.currency);
    const bar = document.querySelector("status-bar");
    if (bar) bar.view = state;
    show(state, previous);
  });
}

function keepAwake() {
  const ask = () => {
    if (document.visibilityState === "visible") navigator.wakeLock?.request("screen").catch(() => {});
  };
  document.addEventListener("visibilitychange", ask);
  ask();
}
