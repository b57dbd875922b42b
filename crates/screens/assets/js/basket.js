// The basket: what is in it, what it costs as the screen shows it, and the sale that is posted.
// Invariant: while it is not known whether a sale arrived, the same basket is sent again under the same id; what the
// screen showed goes along, so that nobody is charged another price unasked.
import { newId } from "./live.js";

const empty = () => ({ quantities: new Map(), cupsBack: 0, vouchers: [], isFree: new Set(), freeReason: null, ageChecked: false, revision: null });
let basket = empty();
let saleId = null;

/** The basket as it is. */
export const now = () => basket;

/** The id of the sale that this basket may have become, or null. */
export const sale = () => saleId;

/** The basket is another one from here on: a later attempt is a new sale. */
export function change(edit) {
  edit(basket);
  saleId = null;
}

/** The last attempt is known to have failed. */
export function failed() {
  saleId = null;
}

/** Starts anew. */
export function clear() {
  basket = empty();
  saleId = null;
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

/** The body of the sale, under the same id until the basket changes. */
export function posted(till, supervisor) {
  saleId ??= newId();
  const lines = [...basket.quantities].map(([product, quantity]) => ({ product, quantity, free: basket.isFree.has(product) }));
  const { total } = shown(till);
  return {
    id: saleId,
    lines,
    cups_back: basket.cupsBack,
    vouchers: basket.vouchers.map((voucher) => voucher.text),
    age_checked: basket.ageChecked,
    free_reason: basket.freeReason,
    price_revision: basket.revision ?? till.revision,
    total_cents: Number(total),
    supervisor: supervisor ?? null,
  };
}
