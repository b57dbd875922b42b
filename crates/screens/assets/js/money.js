// Money as people write it. Invariant: integer minor units and text, no floating point in between.
const SYMBOLS = { EUR: "€", GBP: "£" };
let symbol = "€";

/** Sets the festival's currency by its ISO 4217 code. */
export function setCurrency(code) {
  if (code) symbol = SYMBOLS[code] ?? code;
}

/** `12,05 €` in French, `€12.05` in English. */
export function money(cents, lang) {
  const amount = BigInt(cents);
  const size = amount < 0n ? -amount : amount;
  const minus = amount < 0n ? "−" : "";
  const rest = (size % 100n).toString().padStart(2, "0");
  const units = (size / 100n).toString().replace(/\B(?=(\d{3})+$)/g, lang === "fr" ? "\u202f" : ",");
  return lang === "fr" ? `${minus}${units},${rest}\u00a0${symbol}` : `${minus}${symbol}${units}.${rest}`;
}

/** Whole cents of "4", "3.8" or "3,80"; null for anything else. */
export function centsOf(text) {
  const found = /^\s*(\d{1,6})(?:[.,](\d{1,2}))?\s*$/.exec(text);
  return found ? Number(found[1]) * 100 + Number((found[2] ?? "").padEnd(2, "0")) : null;
}
