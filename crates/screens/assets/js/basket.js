// The basket: what is in it, what it costs as the screen shows it, and the sale that is posted.
// Invariant: what the screen showed goes along, so that nobody is charged another price unasked; what was sent goes out of
// the basket once it is paid, and only that: what was put in meanwhile is still to be paid.
// Not here: what becomes of a sale that was sent (`order.js`).
const empty = () => ({ quantities: new Map(), cupsBack: 0, vouchers: [], isFree: new Set(), freeReason: null, ageChecked: false, revision: null });
let basket = empty();

/** The basket as it is. */
export const now = () => basket;

/** Edits it. */
export function change(edit) {
  edit(basket);
}

/** Starts anew. */
export function clear() {
  basket = empty();
}

/** A sale that was posted goes out of it. */
export function takeOut({ lines, cups_back, vouchers }) {
  for (const { product, quantity } of lines) add(product, -quantity);
  basket.cupsBack = Math.max(0, basket.cupsBack - cups_back);
  basket.vouchers = basket.vouchers.filter((voucher) => !vouchers.includes(voucher.text));
  basket.ageChecked = false;
  if (isEmpty()) clear();
}

/** One more or less of a product. */
export function add(product, by) {
  change((basket) => {
    const quantity = (basket.quantities.get(product) ?? 0) + by;
    if (quantity > 0) basket.quantities.set(product, quantity);
    else {
      basket.quantities.delete(product);
      basket.isFree.delete(product);
    }
  });
}

/** Whether nothing is in it. */
export function isEmpty() {
  return basket.quantities.size === 0 && basket.cupsBack === 0 && basket.vouchers.length === 0;
}

/** Lines as the screen shows them, and their sums, in minor units. */
export function shown(till) {
  const lines = [];
  let goods = 0n;
  let deposit = -BigInt(basket.cupsBack) * BigInt(till.cup_deposit_cents);
  const byId = new Map(till.products.map((product) => [product.id, product]));
  for (const [id, quantity] of basket.quantities) {
    const product = byId.get(id);
    if (!product) continue;
    const isFree = basket.isFree.has(id);
    const sum = isFree ? 0n : BigInt(product.price_cents) * BigInt(quantity);
    goods += sum;
    deposit += BigInt(product.deposit_cents) * BigInt(quantity);
    lines.push({ product, quantity, sum, isFree });
  }
  for (const voucher of basket.vouchers) {
    const product = byId.get(voucher.product);
    deposit += BigInt(product?.deposit_cents ?? 0) * BigInt(voucher.quantity);
  }
  return { lines, deposit, total: goods + deposit };
}

/** The youngest age that anything in it asks for; 0 if nobody needs to be looked at. */
export function age(till) {
  const ages = till.products.filter((product) => basket.quantities.has(product.id) || basket.vouchers.some((one) => one.product === product.id)).map((product) => product.min_age);
  return Math.max(0, ...ages);
}

/** The body of a sale of it. */
export function posted(till) {
  const lines = [...basket.quantities].map(([product, quantity]) => ({ product, quantity, free: basket.isFree.has(product) }));
  const { total } = shown(till);
  return {
    lines,
    cups_back: basket.cupsBack,
    vouchers: basket.vouchers.map((voucher) => voucher.text),
    age_checked: basket.ageChecked,
    free_reason: basket.freeReason,
    price_revision: basket.revision ?? till.revision,
    total_cents: Number(total),
  };
}
