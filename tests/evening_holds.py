"""Checks the demo's JSON from outside: an independent program that adds the columns up again."""
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    evening = json.load(file)

left = sum(
    evening[k]
    for k in (
        "top_up_cents", "gifts_cents", "corrections_cents", "pending_issued_cents", "unreported_cents",
        "overspend_cents",
    )
)
right = sum(
    evening[k]
    for k in (
        "balance_cents", "pending_credit_cents", "spent_cents", "deposits_cents", "refunded_cents", "fees_cents",
        "expired_cents", "in_doubt_cents", "disputed_cents", "unexplained_cents",
    )
)
problems = []
if left != right:
    problems.append(f"{left} cents came in, {right} are accounted for")
if evening["unexplained_cents"] != 0:
    problems.append(f"{evening['unexplained_cents']} cents are unexplained")
if evening["hub_converged"] is not True:
    problems.append("boxes and hub do not agree")
if evening["guests"] < 300 or evening["admitted"] + evening["refused"] < evening["guests"]:
    problems.append(f"{evening['guests']} guests, {evening['admitted']} admitted, {evening['refused']} refused")
kinds = {conflict["kind"] for conflict in evening["conflicts"]}
for fraud in ("double_admission", "overspend"):
    if fraud not in kinds:
        problems.append(f"no conflict of kind {fraud}")
passages = evening["passages"]
if passages["ins"] != evening["admitted"] or passages["outs"] < 1:
    problems.append(f"{evening['admitted']} admitted, passages {passages}")
for code in ("ticket.already_inside", "ticket.key_revoked", "till.sold_out", "band.blocked", "till.not_enough"):
    if evening["refusals"].get(code, 0) < 1:
        problems.append(f"nobody was refused with {code}")
if sum(evening["refusals"].values()) != evening["refused"]:
    problems.append(f"{evening['refused']} refusals, by code {evening['refusals']}")
if sorted(evening["admitted_by_key"].values())[:1] != [2] or len(evening["admitted_by_key"]) != 2:
    problems.append(f"two keys admit, the new one two guests: {evening['admitted_by_key']}")
price = evening["price"]
written = sorted([price["in_force_cents"], *price["other_cents"]])
sold = sorted(int(cents) for cents, count in price["sold_at"].items() if count > 0)
if len(written) != 2 or sold != sorted([price["before_cents"], *written]):
    problems.append(f"prices {written} were written, sold at {sold}")
if set(price["shown_by"]) != {"hub", "Gate A", "Gate B", "Bar 1", "Desk"}:
    problems.append(f"the price in force is shown by {price['shown_by']} only")
if evening["paid_online_cents"] <= evening["pending_credit_cents"]:
    problems.append(f"{evening['paid_online_cents']} cents paid online, {evening['pending_credit_cents']} still owed")
if evening["moved_off_lost_bands_cents"] <= 0:
    problems.append("nothing was moved off lost bands")
if evening["seconds"] >= 60:
    problems.append(f"{evening['seconds']} seconds")
print("\n".join(problems) or f"the evening balances: {left} cents in, {right} accounted for")
print(f"{0 if problems else 1} passed, {len(problems)} failed")
sys.exit(bool(problems))
