// The grid of products: the price in force, sold out greyed, how many are in the basket.
import { byId, h, refill } from "./dom.js";
import { money } from "./money.js";
import { lang, t, tOr } from "./texts.js";

/** A product's or other thing's name in the page's language. */
export const name = (product) => (lang === "fr" ? product.name_fr : product.name_en) || product.name_fr || product.name_en;

/** Draws the grid; `onAdd(product)` for each touch. */
export function drawProducts(till, quantities, onAdd) {
  const groups = new Map();
  for (const product of till.products) groups.set(product.category, [...(groups.get(product.category) ?? []), product]);
  const sections = [...groups].map(([category, products]) =>
    h("section", { "data-category": category }, h("h2", {}, tOr(`category-${category}`, category)), h("div", { class: "grid" }, products.map((product) => tile(product, quantities.get(product.id) ?? 0, onAdd)))),
  );
  refill(byId("products"), ...sections);
}

function tile(product, quantity, onAdd) {
  const isLower = product.full_price_cents > product.price_cents;
  const notes = [
    product.deposit_cents > 0 ? h("small", {}, t("till-with-deposit", { amount: product.deposit_cents })) : null,
    product.left !== null && product.left !== undefined ? h("small", { class: product.low ? "stock low" : "stock" }, t(product.low ? "till-low-stock" : "till-left", { count: Math.max(0, product.left) })) : null,
    product.sold_out ? h("span", { class: "sold-out" }, t("till-sold-out")) : null,
    isLower ? h("span", { class: "happy" }, t("till-happy-hour"), h("s", {}, money(product.full_price_cents, lang))) : null,
    product.price_uncertain ? h("small", { class: "uncertain" }, t("till-price-uncertain")) : null,
  ];
  return h(
    "button",
    {
      class: "product",
      type: "button",
      disabled: product.sold_out,
      "data-focus": `product-${product.id}`,
      "data-quantity": quantity > 0 ? quantity : null,
      onclick: () => onAdd(product.id),
    },
    h("span", { class: "name" }, name(product)),
    notes,
    h("span", { class: "price" }, money(product.price_cents, lang), product.min_age > 0 ? h("span", { class: "age" }, `${product.min_age}+`) : null, quantity > 0 ? h("span", { class: "count" }, `× ${quantity}`) : null),
  );
}
