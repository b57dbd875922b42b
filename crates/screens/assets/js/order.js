// The sale or top-up that was sent and has no outcome yet.
// Invariant: it goes again under the same id until the box itself says what became of it: silence, a restart of the box
// and a screen that shows nothing to pay say nothing.
import { newId } from "./live.js";

let sent = null;
let isRepeat = false;

/** What was sent and has no outcome yet, or null. */
export const open = () => sent;

/** What is to be posted: what has no outcome yet, else `make()` under a new id. */
export function posted(make) {
  isRepeat = sent !== null;
  sent ??= { id: newId(), ...make() };
  return sent;
}

/** Its outcome is known, or another order takes its place. */
export function over() {
  sent = null;
}

/** What the box says became of it: `paid`, `not_paid`, `left` in doubt, or null while it says nothing. */
export function outcome({ phase, result }) {
  if (sent === null || result?.id !== sent.id) return null;
  if (result.ok) return "paid";
  if (result.code === "till.given_up") return "left";
  if (phase === "refused") return "not_paid";
  if (phase !== "idle") return null;
  return result.code === "till.in_doubt" ? "left" : "not_paid";
}

/** The same from the answer to its post; `isInDoubt`: whether the box has any tap in doubt. */
export function answered({ ok, known, code, body }, isInDoubt) {
  if (ok) return body?.result ? outcome(body) : null;
  if (!known) return null;
  if (code === "till.given_up") return "left";
  // A repeat that is refused may have been begun before, and who may not ask was told nothing.
  const isOpen = isRepeat && (isInDoubt || /^(staff|box)\./.test(code));
  return isOpen ? null : "not_paid";
}
