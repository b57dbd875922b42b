// Counted stock of one product: what is left at each box, and the form for who counted.
import { h } from "./dom.js";
import { t } from "./texts.js";

/** By product number; empty where nothing can be told. */
export async function fetchStock() {
  const answer = await fetch("/api/stock").catch(() => null);
  if (!answer?.ok) return new Map();
  return new Map((await answer.json()).map((one) => [one.product, one]));
}

const detail = (counted, sold) => `${t("stock-counted", { count: counted })}. ${t("stock-sold", { count: sold })}.`;

/** The stock of a product; `onCounted(product, pieces, box, form)` when somebody says what was counted. */
export function counting(stock, onCounted) {
  const atABox = document.body.dataset.at === "box";
  const rows = stock.boxes.map((one) =>
    h("li", { class: one.low ? "low" : null }, h("b", {}, one.place || one.device.slice(0, 8)), " ", t("stock-left", { count: one.left, detail: detail(one.counted, one.sold_since) }), one.low ? h("strong", {}, ` ${t("stock-low")}`) : null),
  );
  const all = stock.left === null ? null : h("p", {}, t("stock-all", { count: stock.left, detail: detail(stock.began_with, stock.sold) }));
  const box = atABox ? null : h("input", { required: true, inputmode: "numeric", pattern: "[0-9]{1,5}", maxlength: 5, autocomplete: "off" });
  const pieces = h("input", { required: true, inputmode: "numeric", pattern: "[0-9]{1,9}", maxlength: 9, autocomplete: "off" });
  const form = h("form", { class: "count", "data-counts": `count ${stock.product}` },
    box === null ? null : h("label", {}, h("span", {}, t("console-box-number")), box),
    h("label", {}, h("span", {}, t("stock-pieces")), pieces),
    h("button", {}, t("stock-count")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    onCounted(stock.product, Number(pieces.value), Number(box?.value ?? 0), form);
  });
  return h("section", { class: "stock" }, h("h4", {}, t("stock-title")), all, h("ul", {}, rows), form);
}
