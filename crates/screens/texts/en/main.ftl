# Texts of all screens. One message per line; `{ $name }` is the only thing allowed in braces.
# A reason code has the id with `-` in place of `.`, and says: what happened, what it means, what to do.
# To add a reason: here, in ../fr/main.ftl and in src/reason.rs.

## Tickets
ticket-unreadable = The code could not be read. Nobody was admitted: wipe the screen or smooth the paper and scan again.
ticket-too_long = This code is too long for a ticket. Nobody was admitted: ask the guest for the festival ticket.
ticket-unknown_scheme = This is not a ticket format that this festival uses. Nobody was admitted: ask for the festival ticket, or send the guest to the info point.
ticket-not_canonical = The code was altered or badly copied. Nobody was admitted: ask for the original ticket.
ticket-bad_signature = The signature is wrong: forged or damaged. Nobody was admitted: ask for the original ticket, or call a supervisor.
ticket-unknown_key = Signed with a key that this box does not know. Nobody was admitted: try again once the box has the newest knowledge, or call a supervisor.
ticket-key_revoked = The key that signed this ticket was withdrawn. Nobody was admitted: send the guest to the info point for a new ticket.
ticket-wrong_festival = A ticket of another festival. Nobody was admitted: ask for the ticket of this one.
ticket-revoked = This ticket was cancelled or replaced. Nobody was admitted: ask for the newer ticket, or send the guest to the info point.
ticket-blocked = This ticket is blocked. Nobody was admitted: call a supervisor.
ticket-not_yet_valid = This ticket is not valid yet. Nobody was admitted: tell the guest when it starts.
ticket-expired = This ticket is no longer valid. Nobody was admitted: send the guest to the info point.
ticket-zone_not_allowed = A good ticket, but not for this entrance. Nobody was admitted: show the guest the way to the right gate.
ticket-product_not_allowed = A good ticket, but this kind is not taken here. Nobody was admitted: show the guest the right desk.
ticket-already_used = Already used: { $place }, { $time }. Nobody was admitted: call a supervisor if the guest disagrees.
ticket-newer_software = This ticket needs newer software than this box has. Nobody was admitted: use another gate or call a supervisor.
ticket-disputed = Two records about this ticket contradict each other. Nobody was admitted: a supervisor decides.

## Gate
gate-time_uncertain = The box is not sure of the time, so the ticket's dates were not fully checked. Look at the dates yourself.
gate-not_a_gate = This box is not a gate. Nobody was admitted: use a gate's screen.
gate-island = This gate decided alone, without its neighbours. The ticket stays valid; a double entry would show later.
gate-one_copy = Admitted, with one copy on this box only. Go on working and keep the box safe.

## Wristbands
band-random_uid = This is a phone or a bank card, not a wristband. Nothing was charged: ask for the wristband.
band-unsupported = This kind of chip is not used here. Nothing was charged: send the guest to the info point.
band-not_ours = This wristband has no data of this festival. Nothing was charged: have it paired at a gate or a top-up desk.
band-tampered = The data on this wristband was altered. Nothing was charged: keep the guest here and call a supervisor.
band-unusable = The data on this wristband cannot be read. Nothing was charged and the money is safe in the books: send the guest to a top-up desk.
band-blocked = This wristband is blocked. Nothing was charged: send the guest to the info point.
band-already_paired = This wristband already belongs to a ticket. Nothing was changed: take another wristband.
band-wrong_band = This is another wristband. Nothing was charged to it: tap the first wristband again.
band-frozen = This wristband needs newer software than this box has. Nothing was charged: send the guest to another till.
band-pulled_away = The wristband left too soon. Nothing was charged: hold it to the reader again until the sound.

## Till and top-up desk
till-not_enough = Not enough on the wristband: { $balance }, and it costs { $price }. Nothing was charged: take something out or top up.
till-offline_limit = Without the hub this wristband may spend only { $limit } here. Nothing was charged: try again later or take something out.
till-over_maximum = A wristband may hold at most { $maximum }. Nothing was credited: choose a smaller amount.
till-empty_basket = There is nothing in the basket. Nothing was charged: tap a product first.
till-negative_total = More deposit comes back than is spent. Nothing was charged: add a product or take cups out.
till-too_many_lines = There are too many products in one basket. Nothing was charged: split it into two sales.
till-unknown_product = A product is no longer on the price list. Nothing was charged: make the basket again.
till-busy = Another sale is open on this box. Nothing was charged: finish or cancel that one first.
till-not_a_bar = This box may not sell. Nothing was charged: use a bar's screen.
till-not_a_desk = This box may not top up. Nothing was credited: send the guest to a top-up desk.
till-amount = This amount is not possible. Nothing was credited: enter another amount.
till-quota = This desk may credit only { $quota } more. Nothing was credited: call a supervisor.
till-not_this_band = This sale belongs to another wristband. Nothing was charged: tap the wristband that was used first.
till-supervisor = Two taps of this wristband were not finished. Nothing more is charged: call a supervisor.
till-in_doubt = The tap was cut off and it is not known whether it was paid. Do not hand over yet: tap the same wristband again.
till-given_up = It cannot be told whether this tap was paid. The books settle it later: do not charge it again, and call a supervisor.
till-timeout = Nobody tapped. Nothing was charged: press Pay again.
till-cancelled = The sale was cancelled. Nothing was charged: the basket is still there.

## Box
box-disk_full = The disk of this box is full. It sells and admits nothing more: use another box and call the technician.
box-degraded = This box found damage in its records and keeps them as evidence. It books nothing more: use another box and call the technician.
box-revoked = This box was revoked. What it does no longer counts: stop using it and call the technician.
reader-unplugged = The wristband reader does not answer. Nothing was charged: check its cable, the box tries again by itself.
pairing-ticket_missing = No ticket waits for this wristband. Nothing was changed: scan the ticket first.
reason-unknown = This screen has no text for the reason { $code }. Take it as a no, and call a supervisor.

## Hub: conflicts, what happened and what to do
hub-double_admission = One ticket was admitted twice.
hub-double_admission_todo = Ask both gates who came in. The ticket stays used; block it if it was copied.
hub-overspend = A wristband spent more than was on it: { $amount } too much.
hub-overspend_todo = The amount is booked as overspending. Block the wristband and ask the guest when it is seen again.
hub-fork = The journal of a box has two different continuations.
hub-fork_todo = The box was copied or restored. Fetch it, look at both branches, and decide which entries count.
hub-chip_fork = A wristband has two different successors of one record.
hub-chip_fork_todo = The chip was copied or restored. Block the wristband and ask the guest for it.
hub-revoked_entries = A revoked box wrote more entries after its revocation.
hub-revoked_entries_todo = They count nothing. Look at them and decide whether a manager accepts them.
hub-gap = Entries of a box are missing.
hub-gap_todo = Bring the box to the network or read it by USB stick. Do not close the books before.
hub-forbidden_entry = A box wrote entries that its certificate does not allow.
hub-forbidden_entry_todo = They count nothing. Check the box and its role; revoke it if it was taken.
hub-not_found = The hub does not know this number or id. Nothing was changed: check what you typed.
hub-bad_request = The hub could not understand this. Nothing was changed: check what you typed.

## Headlines of a verdict
headline-ok = WELCOME
headline-repeat = ALREADY USED
headline-no = STOP
headline-care = NOT VALID HERE
headline-unknown = NOT READ

## Status bar
status-title = State of this box
status-box = Box { $number }
status-knowledge = Knowledge
status-knowledge-never = none yet
status-unsent = Not sent
status-at-risk = At risk
status-hub-connected = Hub connected
status-hub-away = No hub
status-one-copy = One copy
status-two-copies = Two copies
status-reader-lost = No reader
status-time-uncertain = Time uncertain
status-screen-lost = This screen has lost the box. What you see is old: do not admit or sell. It tries again by itself.
status-connecting = Connecting to the box
age-tickets = Tickets
age-wallets = Wallets
age-revocations = Revocations
age-bundle = Bundle
age-seconds = { $count } s
age-minutes = { $count } min
age-hours = { $count } h
age-days = { $count } d
time-source-build = from the software's build
time-source-own_entry = from this box's last entry
time-source-hub = from the hub

## Common words
other-language = Français
sound-on = Switch sound on
sound-is-on = Sound on
cancel = Cancel
home = All screens
notice-failed = This did not reach the box. Nothing is known about it: look at the screen and press again.
role-gate = Gate
role-bar = Bar
role-top-up = Top-up desk
index-title = Screens of this box
index-none = This box has no role yet. Enrol it first.

## Gate page
gate-title = Gate
gate-ready = READY
gate-ready-hint = Scan the ticket
gate-admitted = Admitted
gate-refused = Refused
gate-last-hour = Last hour
gate-last = Last scan: { $code }
gate-manual = Enter a ticket by hand
gate-manual-label = Text of the ticket
gate-manual-send = Check
gate-first-use = First use: { $place }, { $time }
gate-ticket = Ticket …{ $code }
pairing-waiting = Now hold the wristband to the reader
pairing-paired = Wristband paired
scheme-own = Festival ticket
scheme-pretix_sig1 = pretix ticket

## Till page
till-title = Bar
till-basket = Basket
till-basket-empty = Tap products
till-total = Total
till-deposit = Deposit
till-with-deposit = + { $amount } deposit
till-cup-back = Cup back
till-cups-back = Cups back
till-more = One more: { $code }
till-less = One less: { $code }
till-clear = Empty the basket
till-pay = Pay
till-sold-out = Sold out
till-sales = Sales
till-sold = Sold
till-revision = Price list { $number }
till-hand-over = Paid. Was it handed over?
till-hand-over-yes = Yes, handed over
till-hand-over-no = No, book it back
till-in-doubt-title = In doubt
till-in-doubt-hint = Same wristband again
till-charged = Charged
till-balance-after = Left on the wristband
till-next = Next guest
till-leave = Leave it in doubt, next guest
till-ok = OK
category-beer = Beer
category-drink = Drinks
category-soft = Soft drinks
category-wine = Wine
category-hot = Hot drinks
category-food = Food
category-other = Other
phase-idle = READY
phase-waiting_for_band = HOLD THE WRISTBAND
phase-writing = KEEP STILL
phase-tap_again = TAP AGAIN
phase-paid = PAID
phase-refused = NOT CHARGED
phase-supervisor = SUPERVISOR
phase-hint-waiting = Hold the wristband flat on the reader until the sound.
phase-hint-writing = The wristband must not leave the reader now.
phase-hint-tap-again = Do not hand over yet. The same wristband must be held to the reader again.

## Top-up page
top_up-title = Top-up desk
top_up-amount = Amount
top_up-paid = CREDITED
top_up-not-credited = NOT CREDITED
top_up-pay-cash = Cash received: credit it
top_up-digit = Digit { $number }
top_up-double-zero = Two zeros
top_up-back = Delete the last digit
top_up-clear = Clear the amount
top_up-today = Credited today
top_up-quota-left = Still allowed
top_up-credited = Credited

## Hub console
console-title = Hub
console-boxes = Boxes
console-no-boxes = No box is enrolled yet.
console-number = No.
console-place = Place
console-roles = Role
console-device = Device
console-last-seen = Last seen
console-entries = Entries
console-epoch = Epoch
console-gaps = Gaps
console-branches = Branches
console-unsent = Not sent
console-state = State
console-never = never
console-revoked = Revoked
console-ok = In order
console-look = Look at it
console-away = Not heard
console-term = Term { $number }
console-books = Books
console-balanced = The books balance
console-not-balanced = The books do not balance: { $amount }
console-not-final = The sums agree, but { $count } wallets or tickets wait for newer software
console-in = Came in
console-where = Where it is
console-aside = Accounts of their own
console-guests-in = Guests inside
console-admissions = Admissions
console-top-up = Topped up
console-spent = Spent
console-deposits = Deposits out
console-balance = On wristbands
console-refunded = Refunded
console-fees = Fees
console-pending-credit = Pending credits
console-overspend = Overspent
console-expired = Expired
console-in-doubt = In doubt
console-disputed = Disputed
console-gifts = Gifts
console-unexplained = Unexplained
console-frozen = Frozen
console-conflicts = Conflicts
console-no-conflicts = Nothing contradicts itself.
console-todo = What to do.
console-actions = Actions
console-ticket-new = Make a ticket
console-ticket-category = Category
console-ticket-holder = Name of the holder
console-ticket-make = Make the ticket
console-ticket-qr = QR code of the ticket
console-ticket-revoke = Revoke a ticket
console-ticket-id = Ticket id
console-band-block = Block a wristband
console-band-wallet = Wallet id, 32 digits or letters a to f
console-box-revoke = Revoke a box
console-box-number = Number of the box
console-do-revoke = Revoke
console-do-block = Block
console-really = Press again to confirm
console-done = Done. All boxes learn of it when they next hear the hub.
conflict-double_admission = Double entry
conflict-overspend = Overspent
conflict-fork = Forked journal
conflict-chip_fork = Copied wristband
conflict-revoked_entries = Entries of a revoked box
conflict-gap = Missing entries
conflict-forbidden_entry = Forbidden entry

## Demo overview
demo-title = One evening, side by side
demo-boxes = What each box knows
demo-hub = What the hub knows
demo-hub-away = The hub does not answer.
demo-story = What has happened
demo-open = Open its screen: { $place }
demo-console = Open the console
demo-stopped = Power is off
demo-start = The evening starts: boxes and hub are connected.
demo-link_cut = The uplink of { $place } is cut.
demo-link_back = The uplink of { $place } is back.
demo-power_cut = The power of { $place } fails in the middle of a tap.
demo-power_back = { $place } has started again.
demo-box_revoked = { $place } was stolen and is revoked.
demo-double_scan = One ticket is shown at two gates that are apart.
demo-agreed = All boxes and the hub agree again.
