// One question at a time, in a dialog over the page.
// Invariant: a question that is closed answers null, and nothing was done.
import { byId, h, refill } from "./dom.js";
import { t } from "./texts.js";

let answerNow = null;

/** Shows `children(answer)` under a headline and gives what `answer(value)` was called with; null if it was closed. */
export function asked(headline, children) {
  answerNow?.(null);
  const dialog = byId("dialog");
  return new Promise((resolve) => {
    const answer = (value) => {
      if (answerNow !== answer) return;
      answerNow = null;
      dialog.close();
      resolve(value);
    };
    answerNow = answer;
    dialog.oncancel = () => answer(null);
    dialog.dataset.filled = "";
    refill(
      dialog,
      h("header", {}, h("h2", {}, headline), h("button", { type: "button", class: "plain", onclick: () => answer(null) }, t("till-close-dialog"))),
      h("div", { class: "body" }, children(answer)),
    );
    if (!dialog.open) dialog.showModal();
  });
}

/** Keys 0 to 9, 00 and back, that call `press` with what to append, or with null to delete the last one. */
export function keypad(press) {
  const key = (label, value, text) => h("button", { type: "button", "aria-label": text, onclick: () => press(value) }, label);
  const digits = ["1", "2", "3", "4", "5", "6", "7", "8", "9"].map((digit) => key(digit, digit, t("top_up-digit", { number: digit })));
  const rest = [key("00", "00", t("top_up-double-zero")), key("0", "0", t("top_up-digit", { number: "0" })), key("←", null, t("top_up-back"))];
  return h("div", { class: "keys" }, digits, rest);
}
