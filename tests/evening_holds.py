"""Checks the demo's JSON from outside: an independent program that adds the columns up again."""
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    evening = json.load(file)

left = sum(evening[k] for k in ("top_up_cents", "gifts_cents", "pending_issued_cents", "overspend_cents"))
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
if evening["seconds"] >= 60:
    problems.append(f"{evening['seconds']} seconds")
print("\n".join(problems) or f"the evening balances: {left} cents in, {right} accounted for")
print(f"{0 if problems else 1} passed, {len(problems)} failed")
sys.exit(bool(problems))
