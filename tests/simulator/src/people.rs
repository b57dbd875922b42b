//! What guests and staff do: top up, drink, pass gates, walk away, come back, claim that nothing came.
//! Invariant: goods and cash change hands only when a screen says so; what a screen said is noted for the reference.
//! Not here: cheating (`frauds`), rules (`domain`).
use domain::{
    id::EntryRef,
    journal::{Correction, Detail, Effect, Entry, Flags, IntentPurpose, Kind, Means, Sale, SaleLine},
    ledger::WalletFlags,
    money::Cents,
    till::Account,
    time::{Hlc, TimeSource, TrustedTime},
    wristband::tap::{
        OfflineLimit, SettledAs, TapOutcome, TapRequest, UidAccount, uid_refund_entry, uid_sale_entry, uid_top_up_entry,
    },
};

use crate::{
    festival::{Keeping, ONCE_ZONE, RE_ENTRY_ZONE, Role},
    keeper::Started,
    reference::{Passed, Spent},
    service::Must,
    tally::Control,
    tap::{self, End, Fault, Given},
    world::{Order, World},
};

fn cents(amount: u32) -> Cents {
    Cents::new(amount).unwrap_or(Cents::MAX)
}

fn one_sale(amount: u32) -> Sale {
    Sale { lines: vec![SaleLine { product: 3, quantity: 1, unit_price: cents(amount) }], ..Sale::default() }
}

impl World<'_> {
    /// Somebody comes to a box.
    pub(crate) fn somebody_comes(&mut self) {
        let at = self.dice.below(self.places.len());
        if self.places[at].lost {
            return;
        }
        match self.places[at].role {
            Role::Gate => self.passes(at),
            Role::Bar | Role::Desk if self.dice.one_in(25) => self.takes_back(at),
            Role::Bar | Role::Desk => {
                let band = self.dice.below(self.bands.len());
                if self.bands[band].has_purse() {
                    self.lays_on(at, band);
                } else {
                    self.pays_from_account(at, band);
                }
            }
        }
        if self.dice.one_in(60) {
            self.pays_online();
        }
        if self.weather.foul && self.dice.one_in(50) {
            let image = self.places[at].keeper.image();
            self.places[at].old = image;
        }
    }

    fn pays_online(&mut self) {
        let band = self.dice.below(self.bands.len());
        let amount = self.dice.amount(500, 3_000);
        let key = self.dice.bytes();
        self.hub.online_top_up(self.bands[band].wallet(), cents(amount), key);
        self.reference.bands[band].paid_elsewhere += i64::from(amount);
        if !self.bands[band].has_purse() {
            self.moved_by_hub(band, amount.into(), None);
        }
        self.note(|| format!("guest {band} pays {amount} on the web"));
    }

    /// A guest holds a band with a purse to the reader.
    fn lays_on(&mut self, at: usize, band: usize) {
        let order = self.places[at].orders.get(&band).copied();
        if let Some(order) = order {
            match self.dice.below(20) {
                0 | 1 => return self.serves_in_doubt(at, band, order),
                2 => return self.gives_up(at, band, order),
                3..=6 => {} // something else is asked for
                _ => return self.taps(at, band, Some(order), None),
            }
        }
        self.taps(at, band, None, None);
    }

    /// One tap of a purse: what for is thrown, unless it is an order again or `fixed`.
    pub(crate) fn taps(&mut self, at: usize, band: usize, again: Option<Order>, fixed: Option<TapRequest>) {
        let desk = self.places[at].desk_key.clone();
        let intent = again.and_then(|order| order.intent);
        let closes = matches!(fixed, Some(TapRequest::ClosingRead));
        let means = Means::Cash;
        let (request, amount, top_up) = match (fixed, again, desk) {
            (Some(request), ..) => (request, 0, false),
            (None, Some(order), Some(key)) if order.top_up => {
                let (amount, fee) = (cents(order.amount), Cents::ZERO);
                (TapRequest::TopUp { amount, key, fee, means, retry_of: intent }, order.amount, true)
            }
            (None, Some(order), _) => {
                let (sale, amount) = (one_sale(order.amount), cents(order.amount));
                (TapRequest::Sale { sale, amount, price_revision: 4, retry_of: intent }, order.amount, false)
            }
            (None, None, Some(key)) if self.dice.percent(85) => {
                if self.dice.one_in(12) {
                    (TapRequest::Refund, 0, false)
                } else {
                    let amount = self.dice.amount(500, 4_000);
                    let (fee, retry_of) = (Cents::ZERO, None);
                    (TapRequest::TopUp { amount: cents(amount), key, fee, means, retry_of }, amount, true)
                }
            }
            (None, None, _) => {
                let amount = if self.dice.one_in(30) { 0 } else { self.dice.amount(50, 900) };
                let (sale, revision) = (one_sale(amount), 4);
                (
                    TapRequest::Sale { sale, amount: cents(amount), price_revision: revision, retry_of: None },
                    amount,
                    false,
                )
            }
        };
        let fault = if !closes && self.dice.one_in(self.weather.fault_one_in) {
            Fault::any(&mut self.dice)
        } else {
            Fault::None
        };
        let mut struck = false;
        if self.places[at].twin.is_some() || self.places[at].revoked {
            self.reference.bands[band].is_disturbed = true;
        }
        let twin_writes = self.places[at].twin.is_some() && self.dice.one_in(2);
        let lies = (self.places[at].lying && !closes && self.dice.one_in(6)).then_some(3);
        let random = self.dice.bytes();
        let (wallet, context) = (self.bands[band].wallet(), self.places[at].context.clone());
        let limit = self.offline_limit(at, matches!(request, TapRequest::Refund));
        let place = &mut self.places[at];
        let keeper = match &mut place.twin {
            Some(twin) if twin_writes => twin,
            _ => &mut place.keeper,
        };
        let mut known = keeper.known(wallet, closes);
        let taken = Cents::try_from(keeper.uncovered(wallet).max(0)).unwrap_or(Cents::MAX);
        known.offline = limit.map(|limit| OfflineLimit { limit, taken });
        if self.control == Control::ConfirmedOnly {
            known.open.clear();
        }
        if closes || self.dice.one_in(4) {
            known.unfinished_in_a_row = 0; // a supervisor said so
        }
        let must = match lies {
            None => self.must_end(at, band, &request, &known, fault),
            Some(_) => Must::Whatever,
        };
        let place = &mut self.places[at];
        let asked = place.asked.entry(band).or_default();
        *asked = if matches!(request, TapRequest::Refund) { i64::MAX } else { asked.saturating_add(amount.into()) };
        let keeper = match &mut place.twin {
            Some(twin) if twin_writes => twin,
            _ => &mut place.keeper,
        };
        let given = Given { context, request, known, fault, random, lies, struck: &mut struck };
        let (epoch, entries) = (keeper.epoch().0, keeper.length());
        let end = tap::run(given, &mut self.bands[band], &mut self.reference.bands[band], keeper.as_mut());
        let lied = lies.map(|_| keeper.sent_from(epoch, entries));
        self.tally.taps += 1;
        self.tally.purse_taps += 1;
        self.tally.tears += u64::from(struck && matches!(fault, Fault::Leaves(..) | Fault::Refuses(_)));
        if let Some(written) = lied {
            self.lied(band, &written);
        }
        let name = self.name(at);
        match end {
            End::PowerCut => {
                self.tally.power_cuts += 1;
                self.note(|| format!("{name}: power cut while band {band} is tapped ({fault:?})"));
                self.trace(&[1, at as u64, band as u64]);
                self.comes_back(at, twin_writes);
                if lies.is_some() {
                    // a lie that was being written may be on disk or not
                    self.reference.bands[band].is_disturbed = true;
                    let written = self.keeper(at, twin_writes).sent_from(epoch, entries);
                    written.iter().for_each(|sent| self.disturb(&sent.entry));
                }
            }
            End::Outcome(outcome, settled) => {
                self.note(|| format!("{name}: band {band}: {outcome:?} (fault {fault:?})"));
                self.trace(&[2, at as u64, band as u64, code(&outcome), amount.into()]);
                self.check_end(at, band, must, &outcome);
                let asked = again.and_then(|order| order.intent);
                let limited = limit.is_some() && !self.places[at].lying;
                let began = Began { epoch, entries, asked, limited };
                let done_order = self.ends(at, band, &outcome, (amount, top_up), twin_writes, began);
                for settled in settled {
                    let was_asked = again.and_then(|order| order.intent) == Some(settled.open.entry);
                    if settled.how == SettledAs::Committed && was_asked && done_order {
                        self.confirm(at, twin_writes, settled.entry);
                    }
                    self.places[at].orders.retain(|_, order| order.intent != Some(settled.open.entry));
                }
                self.answers_prompts(at, twin_writes);
            }
        }
    }

    /// What the screen says, and what changes hands. Gives whether what was asked for is done.
    fn ends(
        &mut self,
        at: usize,
        band: usize,
        outcome: &TapOutcome,
        (amount, top_up): (u32, bool),
        twin: bool,
        began: Began,
    ) -> bool {
        match outcome {
            TapOutcome::Done { entry, charged, paid_back, .. } => {
                let facts = &mut self.reference.bands[band];
                facts.cash_out += paid_back.as_i64();
                if !top_up && *charged > Cents::ZERO {
                    facts.goods += i64::from(amount);
                }
                self.places[at].orders.remove(&band);
                if let Some(entry) = entry {
                    if !twin && self.bands[band].stocked.keeping == Keeping::Ntag {
                        self.took_from_chip(at, band, charged.as_i64() + paid_back.as_i64(), *entry, &began);
                    }
                    self.acknowledged(at, twin, *entry);
                    self.confirm(at, twin, *entry);
                }
                true
            }
            TapOutcome::TapAgain { intent } => {
                let order = self.keeper(at, twin).entry(*intent).map(|entry| Detail::of(&entry));
                if let Some(Ok(Detail::Intent(intended))) = order {
                    let top_up = match intended.purpose {
                        IntentPurpose::Sale => Some(false),
                        IntentPurpose::TopUp => Some(true),
                        IntentPurpose::Carry | IntentPurpose::Refund | IntentPurpose::ClosingRead => None,
                    };
                    // what is in doubt from another order answers nothing
                    let is_own =
                        began.asked == Some(*intent) || (intent.epoch, intent.seq) >= (began.epoch, began.entries);
                    if let Some(top_up) = top_up.filter(|_| is_own) {
                        let order = Order { intent: Some(*intent), amount, top_up };
                        self.places[at].orders.insert(band, order);
                    }
                }
                false
            }
            TapOutcome::Refused(_) | TapOutcome::NothingHappened { .. } => {
                self.tally.refused += 1;
                false
            }
        }
    }

    /// The box has power again: it asks about what nobody saw go green.
    pub(crate) fn comes_back(&mut self, at: usize, twin: bool) {
        let Started { power_cuts, damage } = self.keeper(at, twin).restart();
        self.tally.power_cuts += power_cuts;
        if !damage.is_empty() {
            self.tally.damaged += 1;
            (self.places[at].lost, self.places[at].damaged) = (true, true);
            let name = self.name(at);
            self.tally.broken.extend(damage.into_iter().map(|found| format!("{name}: {found}")));
            return;
        }
        self.was_told(at);
        self.enrols(at);
        let open = self.keeper(at, twin).open_intents();
        for (intent, wallet, handed_over) in open {
            let Some(band) = self.bands.iter().position(|band| band.wallet() == wallet) else { continue };
            if handed_over {
                continue; // whose order is over
            }
            let Some(entry) = self.keeper(at, twin).entry(intent) else { continue };
            if let Ok(Detail::Intent(intended)) = Detail::of(&entry)
                && matches!(intended.purpose, IntentPurpose::Sale | IntentPurpose::TopUp)
            {
                let top_up = intended.purpose == IntentPurpose::TopUp;
                let order = Order { intent: Some(intent), amount: entry.amount.get(), top_up };
                self.places[at].orders.entry(band).or_insert(order);
            }
        }
        self.answers_prompts(at, twin);
    }

    /// "Paid, hand over?"
    pub(crate) fn answers_prompts(&mut self, at: usize, twin: bool) {
        for prompt in self.keeper(at, twin).unconfirmed() {
            let Some(entry) = self.keeper(at, twin).entry(prompt) else { continue };
            let Some(band) = self.bands.iter().position(|band| entry.subject == band.wallet().into()) else { continue };
            let hash = self.keeper(at, twin).hash(prompt).unwrap_or_default();
            let remembered = self.places[at].remembered.contains(&(prompt, hash));
            let yes = remembered || entry.kind == Kind::TOP_UP || self.dice.percent(70);
            let amount = entry.amount.as_i64();
            if remembered {
                self.acknowledged(at, twin, prompt); // the light was green, only the box does not know
            } else if yes {
                let facts = &mut self.reference.bands[band];
                match entry.kind {
                    Kind::SALE => facts.goods += amount,
                    Kind::REFUND => facts.cash_out += amount,
                    Kind::TOP_UP if entry.refers_to.is_none() => facts.paid_elsewhere += amount,
                    _ => {}
                }
                self.acknowledged(at, twin, prompt);
            } else {
                let mut owed = Entry::new(Kind::PENDING_CREDIT, Effect::Owe, self.festival.currency, Hlc::default());
                (owed.subject, owed.amount, owed.refers_to) = (entry.subject, entry.amount, Some(prompt));
                let place = self.next_place(at, twin);
                let stored = self.write(at, twin, vec![owed], &[prompt]);
                self.reference.bands[band].is_vague |= !stored;
                if stored && !self.bands[band].has_purse() {
                    self.moved_by_hub(band, amount, Some(place));
                }
            }
            self.places[at].orders.retain(|_, order| order.intent.is_none() || order.intent != entry.refers_to);
            let name = self.name(at);
            self.note(|| {
                format!("{name}: paid {amount} by band {band}, hand over? {}", if yes { "yes" } else { "no" })
            });
            if yes {
                self.confirm(at, twin, prompt);
            }
        }
    }

    fn was_handed_over(&mut self, at: usize, twin: bool, intent: EntryRef) -> bool {
        let keeper = self.keeper(at, twin);
        let entries = keeper.sent_from(intent.epoch, intent.seq);
        entries.iter().any(|sent| sent.entry.kind == Kind::HANDED_OVER && sent.entry.refers_to == Some(intent))
    }

    /// Staff serve on "tap again".
    fn serves_in_doubt(&mut self, at: usize, band: usize, order: Order) {
        let Some(intent) = order.intent.filter(|_| !order.top_up) else { return };
        if !self.is_open(at, intent) {
            return;
        }
        let mut entry = Entry::new(Kind::HANDED_OVER, Effect::None, self.festival.currency, Hlc::default());
        (entry.subject, entry.refers_to) = (self.bands[band].wallet().into(), Some(intent));
        entry.amount = cents(order.amount);
        entry.part = Detail::Correction(Correction { supervisor: 9, reason: "served".into() }).to_bytes();
        let mut stored = self.write(at, false, vec![entry], &[]);
        if !stored {
            // the goods are out: what counts is whether the box remembers that it was told so
            self.power_failed(at);
            stored = self.was_handed_over(at, false, intent);
        }
        if stored {
            let intended = self.places[at].keeper.entry(intent).and_then(|entry| Detail::of(&entry).ok());
            let facts = &mut self.reference.bands[band];
            facts.goods += i64::from(order.amount);
            if let Some(Detail::Intent(intended)) = intended {
                facts.served.push((intent, intended.own, i64::from(order.amount)));
            }
            self.places[at].orders.remove(&band);
            self.tally.handed_over += 1;
            let name = self.name(at);
            self.note(|| format!("{name}: guest {band} is served {} on \"tap again\"", order.amount));
        }
    }

    /// The guest is gone without the goods.
    pub(crate) fn gives_up(&mut self, at: usize, band: usize, order: Order) {
        let Some(intent) = order.intent else { return };
        self.places[at].orders.remove(&band);
        self.give_up(at, intent, band);
    }

    /// The box will never write or serve this intent again.
    pub(crate) fn give_up(&mut self, at: usize, intent: EntryRef, band: usize) {
        if !self.is_open(at, intent) {
            return;
        }
        let mut entry = Entry::new(Kind::GAVE_UP, Effect::None, self.festival.currency, Hlc::default());
        (entry.subject, entry.refers_to) = (self.bands[band].wallet().into(), Some(intent));
        self.write(at, false, vec![entry], &[]);
        let name = self.name(at);
        self.note(|| format!("{name}: gives up the doubt on band {band}"));
    }

    fn is_open(&self, at: usize, intent: EntryRef) -> bool {
        self.places[at].keeper.open_intents().iter().any(|(open, ..)| *open == intent)
    }

    /// A band without a purse.
    fn pays_from_account(&mut self, at: usize, band: usize) {
        self.tally.taps += 1;
        let wallet = self.bands[band].wallet();
        if self.places[at].twin.is_some() || self.places[at].revoked {
            self.reference.bands[band].is_disturbed = true;
        }
        let state = self.places[at].keeper.wallet(wallet);
        let account = Account {
            balance: state.balance,
            uncovered: self.places[at].keeper.uncovered(wallet),
            blocked: state.flags.has(WalletFlags::BLOCKED),
            frozen: state.flags.has(WalletFlags::FROZEN),
        };
        let of = UidAccount { wallet, currency: self.festival.currency, operator: 7 };
        let policy = &self.festival.bundle.body.policy;
        let is_desk = self.places[at].role == Role::Desk;
        let (mut entry, moved, may) = if is_desk && self.dice.percent(70) {
            let amount = cents(self.dice.amount(500, 4_000));
            let may = account.may_top_up(amount, policy.maximum_balance).is_ok();
            (uid_top_up_entry(&of, amount, Cents::ZERO, Means::Cash), amount.as_i64(), may)
        } else if is_desk && self.dice.one_in(4) {
            let left = Cents::try_from(account.balance.max(0)).unwrap_or(Cents::MAX);
            if left == Cents::ZERO {
                return;
            }
            let limit = self.offline_limit(at, true).unwrap_or(Cents::MAX);
            (uid_refund_entry(&of, left), -left.as_i64(), account.may_spend(left, limit).is_ok())
        } else {
            let amount = self.dice.amount(50, 900);
            let may = account.may_spend(cents(amount), policy.offline_limit).is_ok();
            (uid_sale_entry(&of, one_sale(amount), cents(amount), 4), -i64::from(amount), may)
        };
        let refund = entry.kind == Kind::REFUND;
        let known = self.reference.knows(band, at);
        self.check_service(at, band, moved, known, may);
        if !may {
            self.tally.refused += u64::from(moved < 0);
            return;
        }
        if !self.is_online(at) {
            entry.flags = entry.flags.with(Flags::ALONE);
        }
        let dark = self.dice.one_in(self.weather.fault_one_in * 8);
        if dark && self.dice.one_in(2) {
            self.tally.power_cuts += 1; // before it was on disk: nothing happened
            return;
        }
        let (kind, place) = (entry.kind, self.next_place(at, false));
        let Ok(refs) = self.places[at].keeper.append(vec![entry], &[]) else {
            self.power_failed(at);
            // nobody saw green; it may be on disk all the same, and then the box has asked
            let there = self.places[at].keeper.entry(place);
            if there.is_some_and(|there| there.kind == kind && there.subject == wallet.into()) {
                self.moved(at, band, moved, place, known);
            }
            return;
        };
        let Some(stored) = refs.first().copied() else { return };
        self.moved(at, band, moved, stored, known);
        if refund && self.is_online(at) {
            self.has_spent(at, band, -moved, stored);
        } else {
            self.took(at, band, -moved, stored);
        }
        self.trace(&[3, at as u64, band as u64, moved.unsigned_abs()]);
        let name = self.name(at);
        self.note(|| format!("{name}: account {band} moves by {moved}, was believed {}", account.balance));
        if self.control == Control::LastWriter {
            let after = self.places[at].keeper.wallet(wallet).balance;
            let stamp = self.places[at].keeper.entry(stored).map_or(Hlc::default(), |entry| entry.hlc);
            let last = self.hub.last_writer.entry(wallet).or_insert((stamp, after));
            if last.0 <= stamp {
                *last = (stamp, after);
            }
        }
        if dark {
            self.tally.power_cuts += 1;
            return self.comes_back(at, false);
        }
        if moved > 0 {
            self.reference.bands[band].paid_elsewhere += moved;
        } else if refund {
            self.reference.bands[band].cash_out -= moved;
        } else {
            self.reference.bands[band].goods -= moved;
        }
        self.acknowledged(at, false, stored);
        self.confirm(at, false, stored);
    }

    /// What this box may take from a band that can be copied, as long as the hub has not heard of it. A refund pays out all
    /// that is left: while the hub is heard it hears of that at once.
    fn offline_limit(&self, at: usize, refund: bool) -> Option<Cents> {
        let heard_at_once = refund && self.is_online(at);
        (!heard_at_once).then_some(self.festival.bundle.body.policy.offline_limit)
    }

    /// What a box took from a purse that can be copied; an order that an earlier tap began was within the limit then.
    fn took_from_chip(&mut self, at: usize, band: usize, cents: i64, stored: EntryRef, began: &Began) {
        let intent = self.places[at].keeper.entry(stored).and_then(|entry| entry.refers_to);
        let is_new = intent.is_some_and(|intent| (intent.epoch, intent.seq) >= (began.epoch, began.entries));
        if began.limited && is_new {
            self.took(at, band, cents, stored);
        } else {
            self.has_spent(at, band, cents, stored);
        }
    }

    /// What a box took from a band that can be copied: no more than the limit, until it hears that the hub knows.
    fn took(&mut self, at: usize, band: usize, cents: i64, stored: EntryRef) {
        let limit = self.festival.bundle.body.policy.offline_limit.as_i64();
        // the hub's word on one history of a box is no word on the other
        let is_bound = self.places[at].twin.is_none();
        if cents > 0 && is_bound && !self.reference.may_take(band, at, cents, limit) {
            let name = self.name(at);
            self.tally.broken.push(format!("{name} took more than its limit from band {band}"));
        }
        self.has_spent(at, band, cents, stored);
    }

    fn has_spent(&mut self, at: usize, band: usize, cents: i64, stored: EntryRef) {
        if cents > 0 {
            let hash = self.places[at].keeper.hash(stored).unwrap_or_default();
            self.reference.spent.push(Spent { band, bar: at, cents, at: stored, hash, published: None });
        }
    }

    /// Somebody passes a gate, with a ticket that perhaps others hold, too.
    fn passes(&mut self, at: usize) {
        self.tally.taps += 1;
        self.tally.scans += 1;
        let sold = self.tickets[self.dice.below(self.tickets.len())];
        let mut text = self.festival.tickets[sold].text.clone();
        if self.dice.one_in(40) {
            // a forged one: some character changed
            let place = self.dice.below(text.len());
            let other = if text.as_bytes().get(place) == Some(&b'A') { "B" } else { "A" };
            text.replace_range(place..=place, other);
            if let Ok(ticket) = self.festival.verifier.read(&text) {
                self.tally.broken.push(format!("a forged ticket was believed: {ticket:?}"));
            }
            return;
        }
        // a signature that held once in this world holds again: one scan in four is read anew
        let seen = self.genuine.get(&sold).filter(|_| !self.dice.one_in(4)).cloned();
        let Some(ticket) = seen.or_else(|| self.festival.verifier.read(&text).ok()) else {
            self.tally.broken.push("a genuine ticket was refused".into());
            return;
        };
        self.genuine.insert(sold, ticket.clone());
        let zone = if at.is_multiple_of(2) { ONCE_ZONE } else { RE_ENTRY_ZONE };
        let inwards = zone == ONCE_ZONE || self.dice.percent(60);
        let state = self.places[at].keeper.ticket(ticket.uid);
        let known = domain::access::KnownTicket::of(&state, zone);
        let gate = domain::access::Gate {
            bundle: &self.festival.bundle,
            zones: &self.festival.zones,
            zone,
            now: TrustedTime { unix_s: 1_800_000_000, uncertainty_s: 0, source: TimeSource::Hub },
            age_s: 0,
            places: None,
        };
        use domain::access::{Direction, Person};
        let direction = if inwards { Direction::In } else { Direction::Out };
        let verdict = gate.judge(Person::Ticket(&ticket), &known, direction);
        // presence goes by counting (decision 0012): only where one enters once is there a verdict for certain
        let may = zone != ONCE_ZONE || self.reference.may_enter(ticket.uid, zone, at);
        let Ok(passage) = verdict else {
            self.tally.refused += 1;
            if inwards {
                self.check_refusal(at, ticket.uid, zone);
            } else {
                self.tally.broken.push("an exit was refused".into());
            }
            return;
        };
        if inwards && !may {
            let name = self.name(at);
            self.tally.broken.push(format!("{name} admitted a ticket that it knew to be used"));
        }
        let mut entry = Entry::new(
            if inwards { Kind::ADMISSION } else { Kind::EXIT },
            direction.effect(),
            self.festival.currency,
            Hlc::default(),
        );
        (entry.subject, entry.zone) = (ticket.uid.into(), zone);
        let admission = domain::journal::Admission {
            scheme: 1,
            marks: passage.marks,
            product: [1, 0, 0, 0],
            reason: String::new(),
        };
        entry.part = Detail::Admission(admission).to_bytes();
        let place = self.next_place(at, false);
        let stored = match self.places[at].keeper.append(vec![entry], &[]) {
            Ok(refs) => refs.first().copied(),
            Err(_) => {
                self.power_failed(at);
                // nobody saw green; if it is on disk all the same, the guest is let in when the gate says so
                Some(place).filter(|place| self.places[at].keeper.length() > place.seq)
            }
        };
        let Some(stored) = stored else { return };
        self.trace(&[4, at as u64, sold as u64, u64::from(inwards)]);
        let hash = self.places[at].keeper.hash(stored).unwrap_or_default();
        let is_lost = |before: &Passed| before.gate == usize::MAX && (before.at, before.hash) == (stored, hash);
        self.reference.wrote_the_same |= self.reference.passed.iter().any(is_lost);
        let passed = Passed { ticket: ticket.uid, zone, inwards, gate: at, at: stored, hash, published: None };
        self.reference.passed.push(passed);
        self.acknowledged(at, false, stored);
        let name = self.name(at);
        self.note(|| format!("{name}: ticket {sold} {}", if inwards { "in" } else { "out" }));
    }

    /// A box whose power failed on its own comes back.
    pub(crate) fn power_failed(&mut self, at: usize) {
        self.tally.power_cuts += 1;
        let name = self.name(at);
        self.note(|| format!("{name}: power cut"));
        self.comes_back(at, false);
    }

    /// The disk that writes: the box's, or its lying twin's.
    pub(crate) fn keeper(&mut self, at: usize, twin: bool) -> &mut dyn crate::keeper::Keeper {
        let place = &mut self.places[at];
        match &mut place.twin {
            Some(other) if twin => other.as_mut(),
            _ => place.keeper.as_mut(),
        }
    }

    /// Where its next entry will stand.
    pub(crate) fn next_place(&mut self, at: usize, twin: bool) -> EntryRef {
        let device = self.places[at].device;
        let keeper = self.keeper(at, twin);
        EntryRef { device, epoch: keeper.epoch().0, seq: keeper.length() }
    }

    fn write(&mut self, at: usize, twin: bool, entries: Vec<Entry>, seen: &[EntryRef]) -> bool {
        self.keeper(at, twin).append(entries, seen).is_ok()
    }

    fn confirm(&mut self, at: usize, twin: bool, seen: EntryRef) {
        self.keeper(at, twin).confirm(&[seen]);
    }

    /// Somebody saw green: it must be at the hub in the end, from a box that is neither lost nor lies.
    pub(crate) fn acknowledged(&mut self, at: usize, twin: bool, entry: EntryRef) {
        let hash = self.keeper(at, twin).hash(entry).unwrap_or_default();
        self.places[at].remembered.insert((entry, hash));
        if self.places[at].twin.is_some() || self.places[at].revoked {
            return;
        }
        self.reference.acknowledged.push((entry, hash));
    }
}

/// How a tap began: how long the journal was, which intent it was a second try of, and whether the offline limit bound it.
#[derive(Clone, Copy)]
struct Began {
    epoch: u32,
    entries: u32,
    asked: Option<EntryRef>,
    limited: bool,
}

fn code(outcome: &TapOutcome) -> u64 {
    match outcome {
        TapOutcome::Done { charged, credited, paid_back, .. } => {
            1 + u64::from(charged.get()) * 3 + u64::from(credited.get()) * 5 + u64::from(paid_back.get()) * 7
        }
        TapOutcome::Refused(_) => 2,
        TapOutcome::TapAgain { .. } => 3,
        TapOutcome::NothingHappened { .. } => 4,
    }
}
